package middleware

import (
	"net/http"
	"net/url"
	"time"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// Session has the gate decide about every request and calls next for those that pass, with the decision in their
// context: SessionFrom, DecisionFrom. All others are answered here, and so is everything below our prefix: it reaches no
// application. Session goes inside Visit; where Visit is missing it adds it.
func (s *Site) Session(next http.Handler) http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitFrom(r.Context())
		if s.own(v.request.Path) {
			s.endpoints.ServeHTTP(w, r)
			return
		}
		v.decision, v.decided = s.o.Gate.Decide(r.Context(), v.request), true
		reissue(w.Header(), v.decision.Session)
		if v.decision.Verdict != gate.Pass {
			s.refuse(w, r, v)
			return
		}
		next.ServeHTTP(w, r)
	})
	return s.visited(inner)
}

// visited is next with Visit around it where that is missing.
func (s *Site) visited(next http.HandlerFunc) http.Handler {
	outer := s.Visit(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if visitFrom(r.Context()) == nil {
			outer.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Require holds requests that Session let through against one more rule: for handlers of a Go server that want more
// than their route asks. Without Session before it nothing passes, and nobody has a session on a public route. A nil
// rule asks for a session only.
func (s *Site) Require(rule *policy.Rule) func(http.Handler) http.Handler {
	if rule == nil {
		rule = &policy.Rule{}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			v := visitFrom(r.Context())
			if v == nil || !v.decided || v.decision.Verdict != gate.Pass || v.decision.Session == nil {
				s.WriteError(w, r, Problem{Status: http.StatusUnauthorized, Code: "no_session", Detail: "This needs a session.", challenge: "Bearer"})
				return
			}
			if denial := rule.Check(v.request, v.decision.Session, s.o.Now()); denial != nil {
				v.decision = v.decision.Denied(denial)
				s.refuse(w, r, v)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// refuse answers a request that may not pass: a redirect to the login where that helps, a problem otherwise.
func (s *Site) refuse(w http.ResponseWriter, r *http.Request, v *visit) {
	d := v.decision
	if d.Verdict == gate.Unauthenticated && s.logins.any() && gate.ChallengeFor(v.request, d) == gate.Redirect {
		if target := s.returnTo(v.request); s.cookieReaches(target) {
			v.code = d.Code
			s.redirect(w, r, s.loginURL(url.Values{}, target), http.StatusFound)
			return
		}
	}
	if page := s.proveMore(v); page != "" {
		v.code = d.Code
		s.redirect(w, r, page, http.StatusFound)
		return
	}
	s.WriteError(w, r, problemOf(d))
}

// reissue gives the client the new credential its authority gave it. Such a reply belongs to one client: it is in no
// shared cache (RFC 9111 §7.3), whatever the application says of it.
func reissue(h http.Header, s *session.Session) {
	if s == nil || len(s.Reissue) == 0 {
		return
	}
	h.Set("Cache-Control", "private")
	for _, header := range s.Reissue {
		h.Add(header.Name, header.Value.Reveal())
	}
}

// proveMore is the authority's page to which a browser can be sent to prove more, and come back; "" for other clients.
func (s *Site) proveMore(v *visit) string {
	if v.decision.LoginURL == "" || gate.ChallengeFor(v.request, v.decision) != gate.Redirect {
		return ""
	}
	u, err := url.Parse(v.decision.LoginURL)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	q := u.Query()
	q.Set("return_to", s.absolute(s.returnTo(v.request)))
	u.RawQuery = q.Encode()
	return u.String()
}

// redirect sends the browser to target, and lets nobody remember that it was.
func (s *Site) redirect(w http.ResponseWriter, _ *http.Request, target string, status int) {
	ownHeaders(w.Header(), "")
	w.Header().Set("Location", target)
	w.WriteHeader(status)
}

// setSession gives the browser a session cookie that lives no longer than the session.
func (s *Site) setSession(w http.ResponseWriter, value string, expires time.Time) {
	http.SetCookie(w, s.cookies.session(value, expires.Sub(s.o.Now())))
}
