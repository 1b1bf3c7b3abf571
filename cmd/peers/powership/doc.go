// Package powership is an application that keeps the sessions of Powership accounts and lets a gateway ask for them: a
// stand-in, faithful to what goes over the wire.
//
// It owns its accounts, session documents and signing secret, all in memory, the algorithm by which that library
// exchanges tokens, and the routes of the bridge, one for each method of the library. It shares no code with the gateway:
// the two check each other.
//
// One rule: it does what the library does, also where that surprises. A token that was exchanged stays good until its own
// end, the address of the client is never compared, and an account that is deactivated still gets in.
package powership
