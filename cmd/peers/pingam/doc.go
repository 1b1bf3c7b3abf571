// Package pingam is a stand-in for PingAM and for its open ancestor OpenAM: the sessions resource over REST with its ten
// actions and its query, authenticate, and a login page.
//
// It owns the wire of that system as its product documentation tells it: statuses, bodies, two clocks, what a caller may
// do to a subject. It has no directory, no trees and no policies; everything is held in memory.
//
// One rule holds: it is as awkward as the real one. A look with validate prolongs a session, a logout of a dead session
// succeeds, minutes and seconds stand side by side.
package pingam
