package middleware

import (
	"net/http"
	"net/url"

	"github.com/sessionward/sessionward/gate"
)

// errorPage is the data of error.html.
type errorPage struct {
	Problem
	Retry     string // where to try again; "" when that makes no sense
	SignInURL string
	AgainURL  string // to prove more than the session does
	OtherURL  string // to sign in as somebody else
}

var headings = map[int]string{
	http.StatusBadRequest: "That did not work", http.StatusUnauthorized: "Please sign in", http.StatusForbidden: "No access",
	http.StatusNotFound: "Nothing here", http.StatusTooManyRequests: "Too many attempts", http.StatusServiceUnavailable: "Just a moment",
	http.StatusBadGateway: "The application does not answer", http.StatusGatewayTimeout: "The application does not answer",
}

// problem is the page for people.
func (p *pages) problem(w http.ResponseWriter, s *Site, r *http.Request, pr Problem) {
	heading := headings[pr.Status]
	if heading == "" {
		heading = "Something went wrong"
	}
	data := errorPage{Problem: pr}
	target := "/"
	if q, ok := CanonicalRequest(r.Context()); ok && gate.Navigation(q) && !s.own(q.Path) {
		target = s.returnTo(q)
	}
	if pr.RetryAfter > 0 {
		data.Retry = retryLink(r, pr)
	}
	if s.logins.any() {
		data.offerLogins(s, target)
	}
	p.write(w, s, r, pr.Status, "error", heading, data)
}

// retryLink is where a person tries again: a GET can simply be repeated.
func retryLink(r *http.Request, p Problem) string {
	q, ok := CanonicalRequest(r.Context())
	switch {
	case p.retry != "":
		return p.retry
	case !ok || q.RawPath == "" || q.Method != http.MethodGet && q.Method != http.MethodHead:
		return ""
	case q.RawQuery != "":
		return q.RawPath + "?" + q.RawQuery
	default:
		return q.RawPath
	}
}

// offerLogins fills in the logins the problem asks for, which come back to target.
func (e *errorPage) offerLogins(s *Site, target string) {
	anew := s.loginURL(url.Values{"prompt": {"login"}}, target)
	if e.SignIn {
		e.SignInURL = s.loginURL(url.Values{}, target)
	}
	if e.SignInAgain {
		e.AgainURL = anew
	}
	if e.SignInAs {
		e.OtherURL = anew
	}
}
