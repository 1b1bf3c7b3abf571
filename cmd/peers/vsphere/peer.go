package vsphere

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sessionward/sessionward/cmd/peers/panel"
)

// Peer is a vCenter. It is an http.Handler under a panel and safe for concurrent use.
type Peer struct {
	opts    Options // with defaults filled in
	panel   *panel.Panel
	handler http.Handler // under the panel
	vcenter *vcenter
	issuer  *issuer

	mu          sync.Mutex
	sessions    map[string]*held
	nonces      map[string]bool // of signed requests, each good once
	logins      int
	unavailable bool
	tokens      Service
	api         Service
}

// held is what the front knows of a session of the simulator.
type held struct {
	user     string
	created  time.Time
	accessed time.Time
}

// Service is where the lookup service says that another service is.
type Service struct {
	URL string
	// Certificates are those the service shows, base64 of DER; the lookup service names them beside the URL.
	Certificates []string
}

// New starts the simulators.
func New(o Options) (*Peer, error) {
	o = o.withDefaults()
	vc, err := newVCenter(o)
	if err != nil {
		return nil, err
	}
	p := &Peer{opts: o, panel: panel.New(), vcenter: vc, sessions: map[string]*held{}, nonces: map[string]bool{}}
	if p.issuer, err = newIssuer(p.panel.Now); err != nil {
		return nil, err
	}
	p.handler = p.panel.Wrap(http.HandlerFunc(p.route))
	return p, nil
}

// ServeHTTP implements http.Handler.
func (p *Peer) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Panel is what tests turn.
func (p *Peer) Panel() *panel.Panel { return p.panel }

func (p *Peer) route(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/api/session" && !p.opts.Old:
		p.session(w, r, true)
	case path == "/rest/com/vmware/cis/session":
		p.session(w, r, false)
	case path == "/lookupservice/sdk" && !p.opts.NoLookup:
		p.lookup(w, r)
	case strings.HasPrefix(path, "/sts/") && p.opts.Simulated:
		p.vcenter.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/sts/"):
		p.sts(w, r)
	default:
		http.NotFound(w, r)
	}
}

// Login makes a session for user and returns its id.
func (p *Peer) Login(user string) string {
	id := p.vcenter.create(user)
	p.hold(id, user)
	return id
}

// Assertion returns a bearer token for user as the token service would issue it.
func (p *Peer) Assertion(user string) string {
	return p.issuer.issue(claim{subject: user, ttl: p.opts.BearerTTL, delegable: true})
}

// End ends the session with that id.
func (p *Peer) End(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, id)
	p.vcenter.remove(id)
}

// Sessions lists the ids of the sessions there are.
func (p *Peer) Sessions() []string {
	now := p.panel.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for id, h := range p.sessions {
		if !p.over(h, now) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Accessed returns when the session was used last, the zero time when there is none.
func (p *Peer) Accessed(id string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h, ok := p.sessions[id]; ok {
		return h.accessed
	}
	return time.Time{}
}

// Logins counts the sessions that were made over the API.
func (p *Peer) Logins() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logins
}

// Unavailable lets the session API answer 503 with the envelope of its generation, or ends that.
func (p *Peer) Unavailable(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unavailable = yes
}

// Register tells the lookup service where the token service and the session API are. A Service without URL is where this
// peer is for tokens, and in no register for api, as in the simulator.
func (p *Peer) Register(tokens, api Service) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens, p.api = tokens, api
}

func (p *Peer) hold(id, user string) {
	now := p.panel.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions[id] = &held{user: user, created: now, accessed: now}
}

// touch uses the session with that id and returns what is known of it, false when there is none or it has ended.
func (p *Peer) touch(id string) (held, bool) {
	now := p.panel.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.sessions[id]
	if !ok {
		return held{}, false
	}
	if p.over(h, now) {
		delete(p.sessions, id)
		p.vcenter.remove(id)
		return held{}, false
	}
	if now.Sub(h.accessed) >= p.opts.TouchEvery {
		h.accessed = now
	}
	return *h, true
}

// over reports whether a session has ended by one of its clocks.
func (p *Peer) over(h *held, now time.Time) bool {
	idle := now.Sub(h.accessed) >= p.opts.IdleTimeout
	old := p.opts.MaxLifetime > 0 && now.Sub(h.created) >= p.opts.MaxLifetime
	return idle || old
}
