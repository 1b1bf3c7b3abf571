// Package whoami is a session endpoint as applications have them that are older than any standard: GET /api/me says in
// JSON whose session a cookie, a header or a bearer token is.
//
// It owns its users and sessions, all in memory. It imitates no product: it stands for the many that grew like this,
// with what such endpoints do to those who ask: 401 or a 200 that says no, 403 for reasons of its own, numbers for ids,
// times in two forms, an idle clock that every question moves, a second cookie without which nothing is found.
//
// One rule: of the credentials a request carries, one is looked at.
package whoami
