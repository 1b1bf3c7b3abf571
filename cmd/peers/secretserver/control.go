package secretserver

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Login begins a session of a user as a client elsewhere does, and returns its tokens. It panics for a user who is not
// in the options.
func (p *Peer) Login(username string) Pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.issue(p.begin(p.user(username), "Test", "192.0.2.1:1"))
}

// SDKToken returns a token as a registered SDK client holds it: it works like any other and cannot be refreshed.
func (p *Peer) SDKToken(username string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	pair := p.issue(p.begin(p.user(username), "SDK", "192.0.2.2:1"))
	delete(p.refresh, pair.Refresh)
	return pair.Access
}

// user finds a user. The caller holds p.mu.
func (p *Peer) user(username string) User {
	for _, u := range p.o.Users {
		if u.Username == username {
			return u
		}
	}
	panic(fmt.Sprintf("secretserver: there is no user %q", username))
}

// End ends the session an access token belongs to, as an administrator does. An unknown token changes nothing.
func (p *Peer) End(access string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.access[access]; t != nil {
		t.session.ended = true
	}
}

// EndAll ends all sessions of a user, as an administrator does.
func (p *Peer) EndAll(username string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions {
		s.ended = s.ended || s.user.Username == username
	}
}

// Alive reports whether an access token works now.
func (p *Peer) Alive(access string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.access[access]
	return t != nil && p.alive(t)
}

// Sessions counts the sessions of a user that have a token that works.
func (p *Peer) Sessions(username string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, s := range p.sessions {
		if s.user.Username == username && p.listed(s) {
			n++
		}
	}
	return n
}

// Forbid takes from a user the right to read who they are, or gives it back. Their tokens stay good: the server
// answers 403 with another sentence than for a token that has expired.
func (p *Peer) Forbid(username string, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forbidden[username] = on
}

// Fault lets the application break inside: 500 with a stack trace.
func (p *Peer) Fault(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faulty = on
}

// Throttle lets the server answer 429 and ask for the given pause, in whole seconds; 0 ends that. For 503 see the
// panel's mode Failing.
func (p *Peer) Throttle(pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.throttle = pause
}

// LoseAnswer lets the next answer with tokens get lost on its way: what it was given for is spent.
func (p *Peer) LoseAnswer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.losing = true
}

// disturbed answers in the server's place while Fault or Throttle is on.
func (p *Peer) disturbed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		faulty, pause := p.faulty, p.throttle
		p.mu.Unlock()
		switch {
		case faulty:
			fault(w)
		case pause > 0:
			w.Header().Set("Retry-After", strconv.Itoa(int(pause/time.Second)))
			reply(w, http.StatusTooManyRequests, map[string]string{"message": "Too many requests."})
		default:
			next.ServeHTTP(w, r)
		}
	})
}
