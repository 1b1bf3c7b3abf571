package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sessionward/sessionward/config"
	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/middleware"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/proxy"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source"
	"github.com/sessionward/sessionward/store"
)

// house is everything that is open.
type house struct {
	cfg       *config.Config
	log       *slog.Logger
	public    *url.URL
	keys      *session.KeyRing
	store     session.Store
	sources   []session.Source
	manager   *session.Manager
	validator *session.Validator
	ops       *session.Operations
	gate      *gate.Gate
	tally     *session.Tally
	site      *middleware.Site
	upstreams []*proxy.Proxy // by route index
}

// build opens and wires, from the ground up. It returns what it has got to, also when it fails.
func build(cfg *config.Config, log *slog.Logger) (*house, error) {
	h := &house{cfg: cfg, log: log, tally: session.NewTally(nil)}
	for _, step := range []func() error{h.openKeys, h.openStore, h.openSources, h.openSessions, h.openGate, h.openSite, h.openUpstreams} {
		if err := step(); err != nil {
			return h, err
		}
	}
	return h, nil
}

func (h *house) openKeys() (err error) {
	if h.public, err = publicURL(h.cfg); err != nil {
		return err
	}
	keys, created, err := h.cfg.OpenKeys(time.Now())
	if err != nil {
		return err
	}
	if created {
		h.log.Info("made a key file; keep it: without it every session ends", "file", h.cfg.KeysFile)
	}
	h.keys = keys
	return nil
}

func (h *house) openStore() (err error) {
	h.store, err = store.Open(h.cfg.Store, store.Deps{})
	return err
}

func (h *house) openSources() error {
	for _, o := range h.cfg.Sources {
		src, err := source.Open(o.Options, source.Deps{
			Log: h.log, CallbackURL: middleware.CallbackURL(h.public, h.cfg.Prefix, o.Name),
		})
		if err != nil {
			return err
		}
		h.sources = append(h.sources, src)
	}
	return nil
}

func (h *house) cookie() middleware.CookieOptions {
	return middleware.CookieOptions(h.cfg.Cookie)
}

func (h *house) openSessions() error {
	cookies, err := middleware.NewCookies(h.cookie(), h.public)
	if err != nil {
		return err
	}
	lifetimes := map[string]session.Lifetime{}
	for _, o := range h.cfg.Sources {
		lifetimes[o.Name] = o.Session
	}
	h.manager, err = session.NewManager(session.ManagerOptions{
		Store: h.store, Keys: h.keys, CookieName: cookies.SessionName(), Sources: h.sources,
		Lifetime: h.cfg.Session, SourceLifetime: lifetimes, Tally: h.tally, Log: h.log,
	})
	if err != nil {
		return err
	}
	resolvers := []session.Resolver{h.manager}
	for _, src := range h.sources {
		if r, ok := src.(session.Resolver); ok {
			resolvers = append(resolvers, r)
		}
	}
	h.validator, err = session.NewValidator(session.ValidatorOptions{Resolvers: resolvers, Cache: h.cfg.Cache, Ledger: h.manager, Tally: h.tally, Log: h.log})
	if err != nil {
		return err
	}
	h.ops, err = session.NewOperations(session.OperationsOptions{
		Manager: h.manager, Validator: h.validator, Sources: h.sources, Properties: h.cfg.SessionProperties,
	})
	return err
}

func (h *house) openGate() error {
	routes := make([]policy.RouteOptions, len(h.cfg.Routes))
	lifetimes := map[int]session.Lifetime{}
	for i, r := range h.cfg.Routes {
		routes[i] = r.RouteOptions
		if r.Session != (config.RouteLifetime{}) {
			lifetimes[i] = session.Lifetime{IdleTimeout: r.Session.IdleTimeout, MaxLifetime: r.Session.MaxLifetime}
		}
	}
	table, err := policy.NewTable(routes)
	if err != nil {
		return err
	}
	h.gate, err = gate.New(gate.Options{Table: table, Validator: h.validator, Lifetimes: lifetimes, Tally: h.tally})
	return err
}

func (h *house) signer() (*identity.Signer, error) {
	return identity.NewSigner(h.keys, h.cfg.Signer.Issuer, nil)
}

func (h *house) openSite() error {
	canonicalizer, err := policy.NewCanonicalizer(policy.RequestOptions{TrustedProxies: h.cfg.TrustedProxies})
	if err != nil {
		return err
	}
	signer, err := h.signer()
	if err != nil {
		return err
	}
	h.site, err = middleware.New(middleware.Options{
		Gate: h.gate, Canonicalizer: canonicalizer, Manager: h.manager, Operations: h.ops, Keys: h.keys, Sources: h.sources,
		PublicURL: h.public, Prefix: h.cfg.Prefix, ReturnOrigins: h.cfg.ReturnOrigins, Cookie: h.cookie(),
		Pages: middleware.PageOptions{Dir: h.cfg.Pages.Dir, Title: h.cfg.Pages.Title}, JWKS: signer.Handler(), Log: h.log,
	})
	return err
}

// openUpstreams makes one proxy a route. All of them strip what any of them sets, so that no route is a way round
// another one's headers.
func (h *house) openUpstreams() error {
	signer, err := h.signer()
	if err != nil {
		return err
	}
	headers := make([]*identity.Headers, len(h.cfg.Routes))
	names := identity.ForwardingNames()
	for i, r := range h.cfg.Routes {
		if headers[i], err = identity.New(r.Identity, signer); err != nil {
			return fmt.Errorf("route %s: %w", r.Name, err)
		}
		names = append(names, headers[i].Names()...)
	}
	strip := identity.NewStripper(names...)
	own, credentials := h.site.CookieNames(), h.gate.CookieNames()
	for i, r := range h.cfg.Routes {
		p, err := proxy.New(r.Upstream, proxy.Deps{
			Headers: headers[i], Strip: strip, Passage: h.passage, Cookies: append(without(credentials, r.Upstream.KeepCookies), own...), Credentials: h.credentialHeaders(),
			OnError: h.site.UpstreamError, Log: h.log,
		})
		if err != nil {
			return fmt.Errorf("route %s: %w", r.Name, err)
		}
		h.upstreams = append(h.upstreams, p)
	}
	return nil
}

// without returns the names that are not among left.
func without(names, left []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(left, name) })
}

// credentialHeaders are the headers in which sources look for credentials: as with cookies, what a client shows us is
// for no application, also where another credential or none decided.
func (h *house) credentialHeaders() []string {
	var names []string
	for _, p := range h.validator.Places() {
		if p.Kind == session.KindHeader {
			names = append(names, p.Name)
		}
	}
	return names
}

// passage is what the proxy needs to know of the gate's decision.
func (h *house) passage(ctx context.Context) (proxy.Passage, bool) {
	d, ok := middleware.DecisionFrom(ctx)
	q, _ := middleware.CanonicalRequest(ctx)
	if !ok || d.Verdict != gate.Pass {
		return proxy.Passage{}, false
	}
	p := proxy.Passage{
		Session: d.Session, Status: d.Status(), Route: d.Route.Name, RawPath: q.RawPath, RawQuery: q.RawQuery,
		Scheme: q.Scheme, Host: q.Host, ClientIP: q.ClientIP, Place: d.Place,
	}
	if d.Session != nil {
		p.Watch = func() (<-chan struct{}, func()) { return h.validator.Watch(d.Session) }
	}
	return p, true
}

// handler is the way in: the site's outermost step, then echo, then the gate with our own endpoints, then the route's
// upstream. Echo routes nothing here: every method and path is the gate's to judge.
func (h *house) handler() http.Handler {
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect() // nothing a client sends says who it is; policy decides whom to believe
	all := echo.WrapHandler(h.site.Session(http.HandlerFunc(h.forward)))
	e.Any("/*", all)
	e.RouteNotFound("/*", all) // methods that echo has no word for
	return h.site.Visit(e)
}

// forward hands a request that passed to its route's upstream.
func (h *house) forward(w http.ResponseWriter, r *http.Request) {
	d, ok := middleware.DecisionFrom(r.Context())
	if !ok || d.Route == nil || d.Route.Index >= len(h.upstreams) {
		h.site.WriteError(w, r, middleware.Problem{Status: http.StatusNotFound, Code: "no_route", Detail: "No route takes this request."})
		return
	}
	h.upstreams[d.Route.Index].ServeHTTP(w, r)
}

// background lists the work that goes on beside requests.
func (h *house) background() []func(context.Context) error {
	list := []func(context.Context) error{h.validator.Run}
	for _, src := range h.sources {
		if st, ok := src.(session.Starter); ok {
			list = append(list, st.Run)
		}
	}
	if st, ok := h.store.(session.Sweeper); ok {
		list = append(list, func(ctx context.Context) error { return sweep(ctx, st, h.log) })
	}
	return list
}

// close releases what is open, from the top down.
func (h *house) close() {
	for _, p := range h.upstreams {
		p.Close()
	}
	if h.validator != nil {
		h.validator.Close()
	}
	if h.manager != nil {
		h.manager.Close()
	}
	if h.store != nil {
		if err := h.store.Close(); err != nil {
			h.log.Error("closing the store failed", "error", err)
		}
	}
}
