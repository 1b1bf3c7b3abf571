// Package kratos makes the sessions of an Ory Kratos, or of an Ory Network project, sessions of the gateway: it asks
// whoami whose a cookie or session token is, extends sessions that are in use, and lists and ends them.
//
// It owns how Kratos is spoken to and how its answers are read. It does not own the sessions, nor the pages people log in
// at: Kratos has those.
//
// One rule: a question carries exactly one credential, and never another cookie of the browser's. Kratos takes the first
// it finds in an order of its own, so that a second one would decide whose session it is.
package kratos
