// Package pingam is the source of sessions that PingAM, or its open ancestor OpenAM, keeps: it looks tokens up over the
// sessions resource of the REST API, keeps sessions that are in use from idling out, and ends, lists and changes them.
//
// It owns that API and what its answers mean. It keeps no sessions and no answers; of its own it has one administrator's
// session, where one is configured.
//
// One rule holds: a 401 is about the caller. It ends a user's session only where the user's token is the caller; where an
// administrator asks, it says that the administrator is not accepted, and nobody is logged out for that.
package pingam
