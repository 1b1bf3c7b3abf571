package secretserver

import (
	"crypto/rand"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	firstUserID    = 12
	firstSessionID = 91
)

// apiSession is what a login begins: one row of the user's list of sessions.
type apiSession struct {
	id        int
	user      User
	browser   string
	ip        string
	loginAt   time.Time
	refreshed int // times so far
	ended     bool
}

// accessToken is remembered after its end too, for it is answered otherwise than one that never was.
type accessToken struct {
	session   *apiSession
	expiresAt time.Time
	ended     bool
}

type refreshToken struct {
	session   *apiSession
	expiresAt time.Time
	used      bool
}

// Pair is what a login gives. Refresh is "" where the server issues none.
type Pair struct{ Access, Refresh string }

// begin starts a session of u. The caller holds p.mu.
func (p *Peer) begin(u User, browser, remoteAddr string) *apiSession {
	p.lastID++
	ip, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		ip = remoteAddr
	}
	s := &apiSession{id: p.lastID, user: u, browser: browser, ip: ip, loginAt: p.panel.Now()}
	p.sessions[s.id] = s
	return s
}

// issue makes the next tokens of s. Those it had before stay good until their own end: nothing published says
// otherwise. The caller holds p.mu.
func (p *Peer) issue(s *apiSession) Pair {
	now := p.panel.Now()
	pair := Pair{Access: "AgL" + rand.Text() + rand.Text()}
	p.access[pair.Access] = &accessToken{session: s, expiresAt: now.Add(p.o.Timeout)}
	if !p.o.RefreshTokensOff && !p.o.Unlimited {
		pair.Refresh = "W4m" + rand.Text() + rand.Text()
		p.refresh[pair.Refresh] = &refreshToken{session: s, expiresAt: now.Add(p.o.Timeout + refreshGrace)}
	}
	return pair
}

// bearer finds the token r shows. Nil with known: it was good once. The caller holds p.mu.
func (p *Peer) bearer(r *http.Request) (t *accessToken, known bool) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	t, known = p.access[text]
	if !known || !strings.EqualFold(scheme, "Bearer") {
		return nil, false
	}
	if !p.alive(t) {
		return nil, true
	}
	return t, true
}

// alive reports whether t works now. The caller holds p.mu.
func (p *Peer) alive(t *accessToken) bool {
	return !t.ended && !t.session.ended && p.panel.Now().Before(t.expiresAt)
}

// listed reports whether s has a token that works: what has none is in no list. The caller holds p.mu.
func (p *Peer) listed(s *apiSession) bool {
	for _, t := range p.access {
		if t.session == s && p.alive(t) {
			return true
		}
	}
	return false
}

// authenticated lets through who shows a token that works, and tells the others apart as the real server does.
func (p *Peer) authenticated(next func(http.ResponseWriter, *http.Request, *accessToken)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		t, known := p.bearer(r)
		p.mu.Unlock()
		switch {
		case !known:
			unknownToken(w)
		case t == nil:
			expired(w)
		default:
			next(w, r, t)
		}
	}
}
