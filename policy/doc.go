// Package policy decides which rule a request falls under and whether a session satisfies it.
//
// It owns three things. A [Canonicalizer] turns what arrived into one [Request] with exactly one meaning, or refuses
// it. A [Table] finds the [Route] of a request: first match wins, nothing matched means denied. A [Rule] holds a session
// against the conditions of its route and answers nil or a [Denial].
//
// It does not own what happens next: who is asked for a login, which status a client sees and what an upstream is
// sent is decided elsewhere. It makes no network calls, keeps no state between requests and compiles nothing while
// one is served; everything it exports is safe for concurrent use once built.
//
// The one rule: the same bytes are matched, judged, logged and forwarded. Whoever needs the path, host, scheme or
// client address of a request takes it from [Request] and never again from the http.Request it was made of.
package policy
