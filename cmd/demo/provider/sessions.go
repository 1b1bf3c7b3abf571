package provider

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// The cookies of the provider. Their path keeps them away from a gateway on the same host name: browsers do not tell
// ports apart.
const (
	browserCookie = "demo_browser" // tells browsers apart, so that a sign-in ends in the one it began in
	sessionCookie = "demo_sso"     // the browser session: who signs in once need not do it again
	cookiePath    = AuthorizePath
)

// browserTTL is how long a browser session lasts.
const browserTTL = 8 * time.Hour

// browserSession is one browser signed in at the provider.
type browserSession struct {
	expiring
	sid      string // its public name, told to clients
	subject  string
	authTime time.Time
	amr      []string
}

// session returns the browser session behind a cookie value.
func (s *storage) session(cookie string) (browserSession, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.sessions[cookie]
	if !ok || b.ended(s.o.Now()) {
		return browserSession{}, false
	}
	return *b, true
}

// signedIn reports whether the browser session named sid still runs. The caller holds s.mu.
func (s *storage) signedIn(sid string) bool {
	for _, b := range s.sessions {
		if b.sid == sid {
			return !b.ended(s.o.Now())
		}
	}
	return false
}

// signIn notes that subject has just proved who they are, and returns the cookie value of the browser session: the
// running one when it is theirs, a new one otherwise.
func (s *storage) signIn(cookie, subject string) (string, browserSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	s.sweep(now)
	b, ok := s.sessions[cookie]
	if !ok || b.ended(now) || b.subject != subject {
		delete(s.sessions, cookie)
		cookie = rand.Text()
		b = &browserSession{sid: rand.Text(), subject: subject, amr: []string{"pwd"}}
		s.sessions[cookie] = b
	}
	b.authTime, b.expiresAt = now, now.Add(browserTTL)
	return cookie, *b
}

// endSessions ends the browser sessions that match, and all tokens given out in them.
func (s *storage) endSessions(match func(sid, subject string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.sessions, func(_ string, b *browserSession) bool { return match(b.sid, b.subject) })
	for _, f := range s.families {
		f.revoked = f.revoked || match(f.sid, f.subject)
	}
	maps.DeleteFunc(s.access, func(_ string, t *accessToken) bool { return match(t.sid, t.subject) })
	maps.DeleteFunc(s.requests, func(_ string, a *authRequest) bool { return a.done && match(a.sid, a.subject) })
	maps.DeleteFunc(s.codes, func(_ string, a *authRequest) bool { return match(a.sid, a.subject) })
}

// TerminateSession implements op.AuthStorage; the library prefers TerminateSessionFromRequest.
func (s *storage) TerminateSession(context.Context, string, string) error { return nil }

// TerminateSessionFromRequest implements op.CanTerminateSessionFromRequest: it ends the session the ID token hint names
// and no other session of the user.
func (s *storage) TerminateSessionFromRequest(_ context.Context, r *op.EndSessionRequest) (string, error) {
	if r.IDTokenHintClaims == nil || r.IDTokenHintClaims.SessionID == "" {
		return r.RedirectURI, nil
	}
	ended := r.IDTokenHintClaims.SessionID
	s.endSessions(func(sid, _ string) bool { return sid == ended })
	return r.RedirectURI, nil
}

// endSession is the end_session endpoint (OpenID Connect RP-Initiated Logout 1.0 §2). Without an ID token hint a link on
// any page could sign the user out, so one is demanded. The browser keeps a cookie that opens nothing any more.
func (p *Provider) endSession(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("id_token_hint") == "" {
		p.pages.problem(w, http.StatusBadRequest, "To sign out, the application must say which session it means (id_token_hint).")
		return
	}
	p.op.ServeHTTP(w, r)
	p.log.Info("sign-out asked for")
}

// browser returns the value that tells the browser behind r apart, and sets one when it has none.
func (p *Provider) browser(w http.ResponseWriter, r *http.Request) string {
	v := cookieValue(r, browserCookie)
	if v == "" {
		v = rand.Text()
		p.setCookie(w, browserCookie, v, 0)
	}
	return v
}

func (p *Provider) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: cookiePath, MaxAge: maxAge,
		HttpOnly: true, Secure: p.secure, SameSite: http.SameSiteLaxMode,
	})
}

func cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}
