// Package gate is the one place that decides. A request comes in its canonical form and a decision goes out: which
// route it takes, whose session it carries, and whether it may pass. Every door of the house (reverse proxy,
// middleware, forward authorization) asks here, so the same request gets the same verdict at all of them.
//
// It owns the rule by which a credential is taken from a request, the choice between a redirect to the login and a
// 401, and the order of the checks. It does not parse requests (policy), remember sessions (session) or write replies
// (middleware).
//
// One rule holds: a request passes only if a route says so. Nothing matched, nothing known and nothing checked are
// all no.
package gate
