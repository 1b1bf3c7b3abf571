package gate

import (
	"strconv"
	"strings"

	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// Challenge is how a request without a session is answered.
type Challenge int

// The challenges.
const (
	Unauthorized Challenge = iota // 401 with a body the client can read
	Redirect                      // 302 to the login, which comes back to the same place
)

// ChallengeFor is the one place that chooses between a redirect to the login and a 401, for all doors. A redirect only
// helps a person who is looking at a page: a navigation by GET, in a browser, without a token of a program. Everything
// else would follow the redirect, get the login page with status 200 and take it for the answer.
func ChallengeFor(q policy.Request, d Decision) Challenge {
	switch d.Route.Unauthenticated {
	case policy.Redirect:
		return Redirect
	case policy.Unauthorized:
		return Unauthorized
	}
	if d.Place.Kind == session.KindBearer || d.Place.Kind == session.KindHeader || !Navigation(q) {
		return Unauthorized
	}
	return Redirect
}

// Navigation reports whether q is a person's browser asking for a page with GET or HEAD.
func Navigation(q policy.Request) bool {
	h := q.Header
	if q.Method != "GET" && q.Method != "HEAD" {
		return false
	}
	if h.Get("Upgrade") != "" || h.Get("X-Requested-With") != "" || strings.HasPrefix(h.Get("Content-Type"), "application/grpc") {
		return false
	}
	if strings.Contains(h.Get("Sec-Purpose"), "prefetch") {
		return false
	}
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate" && h.Get("Sec-Fetch-Dest") != "empty"
	}
	return prefersHTML(h.Values("Accept"))
}

// WantsHTML reports whether the answer to q should be a page rather than JSON, whatever its method.
func WantsHTML(q policy.Request) bool {
	return q.Header.Get("X-Requested-With") == "" && prefersHTML(q.Header.Values("Accept"))
}

// prefersHTML reads Accept with its weights (RFC 9110 §12.5.1). HTML must be named: "*/*" is what programs send.
func prefersHTML(accept []string) bool {
	html, json := 0.0, 0.0
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			name, q := mediaRange(item)
			switch {
			case name == "text/html" || name == "application/xhtml+xml":
				html = max(html, q)
			case name == "application/json" || strings.HasSuffix(name, "+json"):
				json = max(json, q)
			}
		}
	}
	return html > 0 && html >= json
}

func mediaRange(item string) (name string, weight float64) {
	name, params, _ := strings.Cut(item, ";")
	weight = 1
	for p := range strings.SplitSeq(params, ";") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(strings.ToLower(p)), "q="); ok {
			if weight, _ = strconv.ParseFloat(v, 64); !(weight >= 0 && weight <= 1) {
				weight = 0
			}
		}
	}
	return strings.ToLower(strings.TrimSpace(name)), weight
}
