package secretserver

import (
	"net/http"
	"sync"
	"time"

	"github.com/sessionward/sessionward/cmd/peers/panel"
)

// maxBody bounds every request body, in bytes.
const maxBody = 64 << 10

// Peer is a Secret Server as an http.Handler, under its panel. It is safe for concurrent use and starts no goroutines.
type Peer struct {
	o       Options // with defaults filled in
	panel   *panel.Panel
	handler http.Handler

	mu       sync.Mutex // over all that follows
	sessions map[int]*apiSession
	access   map[string]*accessToken
	refresh  map[string]*refreshToken
	lastID   int

	forbidden map[string]bool // user names without the right to read themselves
	faulty    bool
	throttle  time.Duration // what 429 asks for; 0: not throttled
	losing    bool          // the next answer of the token endpoint
}

// New checks o and returns a server nobody has logged in to.
func New(o Options) (*Peer, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p := &Peer{
		o: o.withDefaults(), panel: panel.New(), lastID: firstSessionID - 1,
		sessions: map[int]*apiSession{}, access: map[string]*accessToken{}, refresh: map[string]*refreshToken{},
		forbidden: map[string]bool{},
	}
	p.handler = p.panel.Wrap(p.disturbed(http.StripPrefix(p.o.Path, p.routes())))
	return p, nil
}

// Panel turns the server's clock, lets it fail, and knows what it was shown.
func (p *Peer) Panel() *panel.Panel { return p.panel }

// ServeHTTP implements http.Handler.
func (p *Peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	p.handler.ServeHTTP(w, r)
}

// routes are the paths below the application's own. What is not there answers 404, as an older server does.
func (p *Peer) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/token", p.token)
	mux.HandleFunc("GET /api/v1/version", p.version)
	mux.HandleFunc("GET /api/v1/users/current", p.authenticated(p.current))
	mux.HandleFunc("GET /api/v1/users/current-summary", p.authenticated(p.summary))
	mux.HandleFunc("POST /api/v1/oauth-expiration", p.authenticated(p.expire))
	if !p.o.NoSessionList {
		mux.HandleFunc("GET /api/v1/users/sessions", p.authenticated(p.list))
		mux.HandleFunc("POST /api/v1/users/sessions/terminate", p.authenticated(p.terminate))
	}
	mux.HandleFunc("/winauthwebservices/", negotiate)
	return mux
}

// negotiate is integrated Windows authentication as somebody without a Kerberos ticket sees it: IIS refuses before the
// application is asked (RFC 4559 §4.1), with a page and not with JSON.
func negotiate(w http.ResponseWriter, _ *http.Request) {
	w.Header().Add("WWW-Authenticate", "Negotiate")
	w.Header().Add("WWW-Authenticate", "NTLM")
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte("<!DOCTYPE html><title>401 - Unauthorized: Access is denied due to invalid credentials.</title>"))
}

var _ http.Handler = (*Peer)(nil)
