package secretserver

import (
	"crypto/subtle"
	"mime"
	"net/http"
	"time"
)

// tokenReply is the answer of the token endpoint.
type tokenReply struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds, one less than the setting: counted from the moment of issue
	RefreshToken string `json:"refresh_token,omitempty"`
}

// token serves POST /oauth2/token.
func (p *Peer) token(w http.ResponseWriter, r *http.Request) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
		tokenRefused(w, "invalid_request")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var s *apiSession
	switch r.PostForm.Get("grant_type") {
	case "password":
		if s = p.login(r); s == nil {
			tokenRefused(w, LoginFailed)
			return
		}
	case "refresh_token":
		var refusal string
		if s, refusal = p.renew(r.PostForm.Get("refresh_token")); s == nil {
			tokenRefused(w, refusal)
			return
		}
	default:
		tokenRefused(w, "unsupported_grant_type")
		return
	}
	p.answer(w, p.issue(s))
}

// answer sends pair, unless the answer is to be lost. The caller holds p.mu.
func (p *Peer) answer(w http.ResponseWriter, pair Pair) {
	if p.losing {
		p.losing = false
		panic(http.ErrAbortHandler)
	}
	reply(w, http.StatusOK, tokenReply{
		AccessToken: pair.Access, TokenType: "bearer", RefreshToken: pair.Refresh,
		ExpiresIn: int(p.o.Timeout/time.Second) - 1,
	})
}

// login returns a new session, nil when anything is wrong. The one-time password comes in a header. The caller holds
// p.mu.
func (p *Peer) login(r *http.Request) *apiSession {
	shown := User{Username: r.PostForm.Get("username"), Domain: r.PostForm.Get("domain")}
	for _, u := range p.o.Users {
		if u.name() == shown.name() && same(u.Password, r.PostForm.Get("password")) && same(u.OTP, r.Header.Get("OTP")) {
			return p.begin(u, r.UserAgent(), r.RemoteAddr)
		}
	}
	return nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// renew spends a refresh token. What the real server writes into its refusals is not published, beyond that the
// refresh after the last one is an invalid request. The caller holds p.mu.
func (p *Peer) renew(token string) (s *apiSession, refusal string) {
	t, known := p.refresh[token]
	if !known || t.used || t.session.ended || !p.panel.Now().Before(t.expiresAt) {
		return nil, "invalid_grant"
	}
	if t.session.refreshed >= p.o.MaxRefreshes {
		return nil, "invalid_request"
	}
	t.used = true
	t.session.refreshed++
	return t.session, ""
}
