package whoami

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sessionward/sessionward/cmd/peers/panel"
)

// ErrNoUser says that there is no user of that name.
var ErrNoUser = errors.New("whoami: no such user")

// Peer is the application with its session endpoint, under a panel. It is safe for concurrent use.
type Peer struct {
	o       Options
	panel   *panel.Panel
	handler http.Handler

	mu       sync.Mutex
	users    map[string]*User    // by username
	sessions map[string]*session // by token
}

// session is one session. Its id is its public name, the token is what opens it.
type session struct {
	id        string
	username  string
	startedAt time.Time
	idleEndAt time.Time
	endAt     time.Time
}

// New checks o and returns a peer. Errors name every field that is wrong.
func New(o Options) (*Peer, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	p := &Peer{o: o, panel: panel.New(), users: map[string]*User{}, sessions: map[string]*session{}}
	for _, u := range o.Users {
		p.users[u.Username] = &u
	}
	mux := http.NewServeMux()
	mux.HandleFunc(MePath, p.me)
	mux.HandleFunc(LogoutPath, p.logout)
	mux.HandleFunc("GET "+LoginPath, p.loginPage)
	mux.HandleFunc("POST "+LoginPath, p.login)
	p.handler = p.panel.Wrap(mux)
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *Peer) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Panel is what turns clock and behaviour.
func (p *Peer) Panel() *panel.Panel { return p.panel }

// Login begins a session and returns its token.
func (p *Peer) Login(username string) (token string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.users[username]; !ok {
		return "", fmt.Errorf("%w: %q", ErrNoUser, username)
	}
	now := p.panel.Now()
	token = "app_" + rand.Text()
	p.sessions[token] = &session{
		id: "s-" + rand.Text()[:10], username: username,
		startedAt: now, endAt: now.Add(p.o.SessionTTL), idleEndAt: now.Add(p.o.IdleTimeout),
	}
	return token, nil
}

// End ends the session of token, if there is one.
func (p *Peer) End(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, token)
}

// Change changes the user of that name.
func (p *Peer) Change(username string, change func(*User)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, ok := p.users[username]
	if !ok {
		return fmt.Errorf("%w: %q", ErrNoUser, username)
	}
	change(u)
	return nil
}

// Sessions counts the sessions that have not ended.
func (p *Peer) Sessions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, now := 0, p.panel.Now()
	for _, s := range p.sessions {
		if !s.ended(now) {
			n++
		}
	}
	return n
}

func (s *session) ended(now time.Time) bool { return !now.Before(s.endAt) || !now.Before(s.idleEndAt) }

// use finds the session r shows and moves its idle clock. The copies are the caller's.
func (p *Peer) use(r *http.Request) (session, User, bool) {
	token := p.shown(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.panel.Now()
	s, ok := p.sessions[token]
	if !ok || s.ended(now) || !p.inTenant(r, p.users[s.username].Tenant) {
		return session{}, User{}, false
	}
	s.idleEndAt = now.Add(p.o.IdleTimeout)
	return *s, *p.users[s.username], true
}
