package provider

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// control counts requests and disturbs them.
type control struct {
	mu       sync.Mutex
	calls    map[string]int         // by path
	grants   map[string]int         // by grant type, at the token endpoint
	troubles map[string]disturbance // by path
}

// disturbance is what is done to a request.
type disturbance struct {
	delay  time.Duration
	status int // 0: the provider answers
	body   string
}

func newControl() *control {
	return &control{calls: map[string]int{}, grants: map[string]int{}, troubles: map[string]disturbance{}}
}

// interferes counts the request, delays it, and reports whether it answered in the provider's place.
func (c *control) interferes(w http.ResponseWriter, r *http.Request) bool {
	d := c.note(r)
	if d.delay > 0 {
		t := time.NewTimer(d.delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			return true
		}
	}
	if d.status == 0 {
		return false
	}
	if strings.HasPrefix(d.body, "{") {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(d.status)
	_, _ = io.WriteString(w, d.body)
	return true
}

// note counts a request and returns what is to be done to it. A path or grant nobody knows is counted under "", so that
// the maps stay small.
func (c *control) note(r *http.Request) disturbance {
	path, grant := r.URL.Path, ""
	if path == TokenPath {
		grant = r.FormValue("grant_type")
	}
	if !slices.Contains(paths(), path) {
		path = ""
	}
	if grant != "authorization_code" && grant != "refresh_token" && grant != DeviceGrant {
		grant = ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[path]++
	if path == TokenPath {
		c.grants[grant]++
	}
	return c.troubles[path]
}

// disturb changes what is done to requests for path.
func (c *control) disturb(path string, change func(*disturbance)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.troubles[path]
	change(&d)
	c.troubles[path] = d
}

func paths() []string {
	return []string{
		DiscoveryPath, AuthorizePath, CallbackPath, LoginPath, TokenPath, UserinfoPath, IntrospectionPath, RevocationPath,
		EndSessionPath, KeysPath, DeviceAuthorizationPath, DevicePath,
	}
}

// Calls returns how many requests have come for path, which is one of the Path constants, whatever became of them.
func (p *Provider) Calls(path string) int {
	p.control.mu.Lock()
	defer p.control.mu.Unlock()
	return p.control.calls[path]
}

// TokenCalls returns how many requests have come to the token endpoint with this grant ("authorization_code",
// "refresh_token" or DeviceGrant), whatever became of them.
func (p *Provider) TokenCalls(grant string) int {
	p.control.mu.Lock()
	defer p.control.mu.Unlock()
	return p.control.grants[grant]
}

// Delay makes every request for path, which is one of the Path constants, wait for d before it is looked at; 0 ends
// that. A request whose client goes away in the meantime is dropped.
func (p *Provider) Delay(path string, d time.Duration) {
	p.control.disturb(path, func(t *disturbance) { t.delay = d })
}

// Fail makes every request for path, which is one of the Path constants, be answered with status and body until Heal. A body
// that begins with '{' is sent as JSON.
func (p *Provider) Fail(path string, status int, body string) {
	p.control.disturb(path, func(t *disturbance) { t.status, t.body = status, body })
}

// Heal ends all that Delay and Fail began. Requests that already wait go on waiting.
func (p *Provider) Heal() {
	p.control.mu.Lock()
	defer p.control.mu.Unlock()
	clear(p.control.troubles)
}

// SetUser adds u, or replaces the user with u's subject. Tokens made from now on and every later answer of userinfo and
// introspection show the change; sessions and tokens stay. An error names the field that is wrong.
func (p *Provider) SetUser(u User) error {
	if err := u.check(); err != nil {
		return fmt.Errorf("provider: set user: %w", err)
	}
	u.Groups = slices.Clone(u.Groups)
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	for subject, other := range p.store.users {
		if other.Username == u.Username && subject != u.Subject {
			return fmt.Errorf("provider: set user: username %q is taken by subject %q", u.Username, subject)
		}
	}
	p.store.users[u.Subject] = u
	return nil
}

// RevokeUser ends all browser sessions, refresh tokens and access tokens of subject. The user can sign in again.
func (p *Provider) RevokeUser(subject string) {
	p.store.endSessions(func(_, s string) bool { return s == subject })
}

// Sessions returns how many browsers subject is signed in with.
func (p *Provider) Sessions(subject string) int {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	n, now := 0, p.store.o.Now()
	for _, b := range p.store.sessions {
		if b.subject == subject && !b.ended(now) {
			n++
		}
	}
	return n
}

// ActiveRefreshTokens returns how many refresh tokens of subject would work now: at most one for each sign-in at a
// client.
func (p *Provider) ActiveRefreshTokens(subject string) int {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	n, now := 0, p.store.o.Now()
	for _, t := range p.store.refresh {
		f, ok := p.store.families[t.familyID]
		if ok && f.subject == subject && !f.revoked && !t.used && !t.ended(now) {
			n++
		}
	}
	return n
}
