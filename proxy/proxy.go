package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"

	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/session"
)

// Passage is what the gate decided about a request: that it may pass, as whom, and what it was judged by. Only what
// stands here is told to the upstream.
type Passage struct {
	Session *session.Session // nil when the route asks for none and there is none
	Status  identity.Status
	Route   string

	// RawPath and RawQuery are the judged bytes of the target, without '?'; they are sent as they are.
	RawPath  string
	RawQuery string
	// Scheme ("http" or "https") and Host are what the client asked for.
	Scheme string
	Host   string
	// ClientIP is the address of the client as far as it can be believed; the zero Addr when it is not known.
	ClientIP netip.Addr

	// Place is where the credential was found; its Kind is "" when there was none.
	Place session.Place
	// Watch returns a channel that is closed when the session ends, which breaks its streams off, and what to call when
	// the stream is over. It is called for streams alone. nil: the session never ends.
	Watch func() (ended <-chan struct{}, release func())
}

// Deps are what a Proxy works with. All but Cookies, Credentials and Log are required. They are shared, not owned.
type Deps struct {
	// Headers writes the identity headers.
	Headers *identity.Headers
	// Strip removes them from what the client sent. It must know Headers.Names and identity.ForwardingNames.
	Strip *identity.Stripper
	// Passage finds the gate's decision in a request's context.
	Passage func(context.Context) (Passage, bool)
	// Cookies are the gateway's own cookie names, which no upstream sees or sets. A name that ends in '*' stands for
	// all names that begin with what precedes it.
	Cookies []string
	// Credentials are the headers that carry credentials of the gateway's sources, besides Authorization. No upstream
	// sees them, whatever the credential of a request was, unless it keeps Authorization.
	Credentials []string
	// OnError answers a request that the upstream did not. err is an *Error. Nothing has been written before.
	OnError func(w http.ResponseWriter, r *http.Request, err error)
	// Log receives what goes wrong once a reply has begun; nowhere when nil.
	Log *slog.Logger
}

// Proxy is the way to one upstream. It is safe for concurrent use. Close it when it is no longer used.
type Proxy struct {
	options   Options
	deps      Deps
	upstream  *url.URL
	own       ownCookies
	transport *http.Transport
	reverse   *httputil.ReverseProxy
}

// New checks o and d and returns the way to the upstream they describe. It does not connect. Errors name the option
// and what to write instead.
func New(o Options, d Deps) (*Proxy, error) {
	u, err := parseURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	if err := errors.Join(o.check(u), d.check()); err != nil {
		return nil, fmt.Errorf("upstream %s: %w", u.Host, err)
	}
	own, err := newOwnCookies(d.Cookies)
	if err != nil {
		return nil, fmt.Errorf("upstream %s: %w", u.Host, err)
	}
	o = o.withDefaults()
	t, err := newTransport(o, u.Scheme == "https")
	if err != nil {
		return nil, fmt.Errorf("upstream %s: %w", u.Host, err)
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	p := &Proxy{options: o, deps: d, upstream: u, own: own, transport: t}
	p.reverse = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      t,
		ModifyResponse: p.modifyResponse,
		ErrorHandler:   p.handleError,
		BufferPool:     newBuffers(),
		ErrorLog:       slog.NewLogLogger(d.Log.With("upstream", u.Host).Handler(), slog.LevelWarn),
	}
	return p, nil
}

// check reports what is missing. A Stripper that lets a name of ours pass would let clients write their own identity.
func (d Deps) check() error {
	if d.Headers == nil || d.Strip == nil || d.Passage == nil || d.OnError == nil {
		return errors.New("deps: Headers, Strip, Passage and OnError are required")
	}
	for _, name := range append(d.Headers.Names(), identity.ForwardingNames()...) {
		if !d.Strip.Matches(name) {
			return fmt.Errorf("deps: Strip lets %s of a client pass; make it of Headers.Names and identity.ForwardingNames", name)
		}
	}
	return nil
}

// Close closes the connections nobody uses. Exchanges under way end as they would have.
func (p *Proxy) Close() { p.transport.CloseIdleConnections() }

// ServeHTTP forwards a request that has a Passage, and no other.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	passage, ok := p.deps.Passage(r.Context())
	if !ok {
		p.refuse(w, r, p.fail(NoPassage, errNoPassage))
		return
	}
	x := newExchange(w, r, passage)
	if err := p.prepare(x); err != nil {
		p.refuse(w, r, err)
		return
	}
	out := x.begin(p.options.Timeout)
	defer x.end()
	p.reverse.ServeHTTP(&x.reply, out)
	x.leave()
}

// prepare judges and makes everything that can fail before the first byte is sent.
func (p *Proxy) prepare(x *exchange) error {
	if m := x.in.Method; m == http.MethodConnect || m == http.MethodTrace {
		return p.fail(MethodRefused, errMethod) // TRACE would show the identity headers to the client
	}
	if err := checkUpgrade(x.in); err != nil {
		return p.fail(UpgradeRefused, err)
	}
	if wantsUpgrade(x.in) {
		if err := checkOrigin(x.in, &x.passage); err != nil {
			return p.fail(OriginRefused, err)
		}
	}
	if err := p.prepareTarget(x); err != nil {
		return p.fail(BadTarget, err)
	}
	if err := p.deps.Headers.Write(x.identity, x.passage.Session, x.passage.Status, x.passage.Route); err != nil {
		if errors.Is(err, session.ErrRejected) {
			return p.fail(SessionEnded, err)
		}
		return p.fail(IdentityFailed, err)
	}
	return nil
}

func (p *Proxy) prepareTarget(x *exchange) error {
	if !validHost(x.passage.Host) {
		return errHost
	}
	if x.passage.Scheme != "http" && x.passage.Scheme != "https" {
		return errScheme
	}
	u, err := target(p.upstream, x.passage.RawPath, x.passage.RawQuery, x.in.URL.ForceQuery)
	x.target = u
	return err
}

func (p *Proxy) fail(reason Reason, err error) *Error {
	return &Error{Reason: reason, Upstream: p.upstream.Host, Err: err}
}

// refuse answers with an error. What follows a refused upgrade on the connection is nobody's request, so the
// connection ends with the answer.
func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if wantsUpgrade(r) {
		w.Header().Set("Connection", "close")
	}
	p.deps.OnError(w, r, err)
}
