// Package panel is what tests turn at a stand-in for a session system: its clock, how it answers, and the record of what
// it was shown.
//
// It owns no protocol: it goes around the handler of any authority, a fake or a real one behind a reverse proxy.
package panel
