// Package admin is the door for operators: it has a listener of its own, which only this machine reaches unless it is
// configured otherwise.
//
// It owns what operators and the machinery around the gateway ask: whether it lives and is ready ([Health]), and over
// [API] everything that can be done with sessions, for scripts, the command line ([Client]) and a web page. It does not
// own what it reports or does: that is package session's.
//
// One rule: nothing it answers holds a secret that its caller did not ask for by name and may have.
package admin
