package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/sessionward/sessionward/session"
)

// maxBody bounds the body of a request, in bytes. A SAML assertion is the largest there is.
const maxBody = 256 << 10

// Options are the parts of an API. Operations and Health are required.
type Options struct {
	Operations *session.Operations
	Health     *Health
	// Sources are listed with what each can do.
	Sources []session.Source
	// LocalTokens open everything: they are derived from the key ring, so that whoever can read that has them.
	LocalTokens []session.Secret
	Tokens      []Token
	// Clients maps the common names of client certificates, which the listener verifies, to what they may do.
	Clients map[string]Scope
	// Hosts are names the listener is reached by, besides addresses and localhost; lower case.
	Hosts []string
	// Tokenize makes a signed JWT of a session where its authority has no such power; nil: none is made.
	Tokenize func(s *session.Session, template string) (session.Secret, time.Time, error)
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: nothing is logged
}

// API answers operators. It is safe for concurrent use and never changes.
type API struct {
	o Options
}

// New checks o and returns the API.
func New(o Options) (*API, error) {
	if o.Operations == nil || o.Health == nil {
		return nil, fmt.Errorf("admin: operations and health are required: %w", session.ErrMalformed)
	}
	for i, t := range o.Tokens {
		if err := t.Validate(); err != nil {
			return nil, fmt.Errorf("admin.tokens[%d].%w", i, err)
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &API{o: o}, nil
}

// route is one operation of the API: what openapi.json describes.
type route struct {
	method, path string
	scope        Scope
	handle       func(w http.ResponseWriter, r *http.Request)
}

// routes is the table: an operation is added here and in openapi.json.
func (a *API) routes() []route {
	return []route{
		{"GET", "/api/v1/sessions", Read, a.list},
		{"POST", "/api/v1/sessions", Write, a.create},
		{"POST", "/api/v1/sessions/revoke", Write, a.revokeMany},
		{"GET", "/api/v1/sessions/{handle}", Read, a.get},
		{"DELETE", "/api/v1/sessions/{handle}", Write, a.remove},
		{"POST", "/api/v1/sessions/{handle}/logout", Write, a.logout},
		{"POST", "/api/v1/sessions/{handle}/validate", Read, a.validate},
		{"POST", "/api/v1/sessions/{handle}/touch", Write, a.touch},
		{"GET", "/api/v1/sessions/{handle}/ttl", Read, a.ttl},
		{"POST", "/api/v1/sessions/{handle}/refresh", Write, a.refresh},
		{"POST", "/api/v1/sessions/{handle}/extend", Write, a.extend},
		{"GET", "/api/v1/sessions/{handle}/devices", Read, a.devices},
		{"GET", "/api/v1/sessions/{handle}/properties", Read, a.properties},
		{"PATCH", "/api/v1/sessions/{handle}/properties", Write, a.updateProperties},
		{"POST", "/api/v1/sessions/{handle}/tokenize", Write, a.tokenize},
		{"POST", "/api/v1/introspect", Read, a.introspect},
		{"GET", "/api/v1/sources", Read, a.sources},
		{"POST", "/api/v1/sources/{source}/revoke-user", Write, a.revokeUser},
	}
}

// Handler serves the whole listener: health and the empty page for anybody, the API for those who may.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", a.o.Health.ready)
	mux.HandleFunc("GET /api/v1/openapi.json", serveOpenAPI)
	servePage(mux)
	for _, route := range a.routes() {
		mux.HandleFunc(route.method+" "+route.path, a.guarded(route))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		if !a.knownHost(r) {
			writeProblem(w, Problem{Status: http.StatusMisdirectedRequest, Code: "unknown_host", Detail: "This listener is not reached by that name; add it to admin.hosts if it should be."})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mux.ServeHTTP(w, r)
	})
}

// guarded lets those pass who may, from where they may.
func (a *API) guarded(route route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !sameOrigin(r) {
			writeProblem(w, Problem{Status: http.StatusForbidden, Code: "cross_site", Detail: "This can only be asked by a page of this listener, or by no page at all."})
			return
		}
		caller, known := a.caller(r)
		switch {
		case !known:
			w.Header().Set("WWW-Authenticate", `Bearer realm="sessionward admin"`)
			writeProblem(w, Problem{Status: http.StatusUnauthorized, Code: "unauthorized", Detail: "Show a token of admin.tokens, or a client certificate."})
			return
		case !caller.May(route.scope):
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="insufficient_scope", scope=%q`, route.scope))
			writeProblem(w, Problem{Status: http.StatusForbidden, Code: "insufficient_scope", Detail: "This needs the scope " + string(route.scope) + "."})
			return
		}
		if route.scope == Write {
			a.o.Log.InfoContext(r.Context(), "an operator acts", "operator", caller.Name, "method", r.Method, "path", r.URL.Path)
		}
		route.handle(w, r)
	}
}

// read decodes the JSON body of r into v. Unknown members are refused: a misspelt one would silently mean something else.
func read(r *http.Request, v any) error {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		return fmt.Errorf("the body must be application/json: %w", session.ErrMalformed)
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return fmt.Errorf("the body is larger than %d bytes: %w", maxBody, session.ErrMalformed)
		}
		return fmt.Errorf("the body cannot be read: %w: %w", err, session.ErrMalformed)
	}
	if d.More() {
		return fmt.Errorf("the body goes on after its end: %w", session.ErrMalformed)
	}
	return nil
}
