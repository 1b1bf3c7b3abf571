// Package middleware is the door browsers and programs come through: it gives every request an id and a log line, has
// the gate decide, and answers what does not pass. It also holds the pages people meet (sign in, signed out, errors),
// the login and logout endpoints, and adapters for net/http and echo, so that a Go server can mount the same engine
// that the gateway runs.
//
// It owns HTTP: cookies, redirects, status codes and the one mapping from a decision to a reply. It does not decide
// who may pass (gate), keep sessions (session) or forward requests (proxy). Echo is known here and in package server
// only; everything but echo.go works with net/http alone.
//
// One rule holds: a reply of ours never carries a secret, is never cached, and never sends a browser anywhere but to
// this site, a listed origin or the login of a configured source.
package middleware
