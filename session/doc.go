// Package session is the ground the house stands on: what a session is, who can say whose a credential is, where
// sessions of ours are kept, how answers are remembered and how they are kept fresh. Read it first.
//
// A [Credential] is what a client shows. A [Source] can say whose it is; the answer is a [Session]. A [Store] keeps
// the sessions that are ours as opaque, sealed records. The [Manager] owns those sessions: it makes, finds, touches,
// renews and ends them. The [Validator] remembers the answers of all sources and asks each authority as seldom as
// possible.
//
// The package owns no HTTP, no configuration and no concrete authority or database; it imports nothing of this
// module.
//
// One rule holds everywhere: a [Session] that has been handed out is immutable. Whoever wants another one makes a
// [Session.Clone]. No function keeps or returns memory that its caller can change.
//
// Four outcomes are never mixed. Valid: a Session and a nil error. Denied: [ErrRejected]. Unknown but served: a
// Session whose [Answer] is stale. Unknown: [ErrUnavailable]. An outage never turns into a denial.
package session
