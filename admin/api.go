package admin

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
)

// Options are the parts of an API. Operations, Health and Keys are required.
type Options struct {
	Operations *session.Operations
	Health     *Health
	// Keys seal logins under way.
	Keys *session.KeyRing
	// Sources are listed with what each can do.
	Sources []session.Source
	// LocalTokens open everything: they are derived from the key ring, so that whoever can read that has them.
	LocalTokens []session.Secret
	Tokens      []Token
	// Clients maps the common names of client certificates, which the listener verifies, to what they may do.
	Clients map[string]Scope
	// Hosts are names the listener is reached by, besides addresses and localhost.
	Hosts []string
	// Tokenize makes a signed JWT of a session that holds, where its authority has no such power; nil: none is made.
	Tokenize func(s *session.Session, template string) (session.Secret, time.Time, error)
	// Tally is what /stats tells of the last hour; nil: nothing.
	Tally *session.Tally
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged
}

// API answers operators. It is safe for concurrent use.
type API struct {
	o        Options
	live     liveCount
	waiting  chan struct{}   // one for each login that waits for another device
	attempts *session.Sealer // of logins in a browser
	spent    session.Spent
}

// New checks o and returns the API.
func New(o Options) (*API, error) {
	if o.Operations == nil || o.Health == nil || o.Keys == nil {
		return nil, fmt.Errorf("admin: operations, health and keys are required: %w", session.ErrMalformed)
	}
	if err := ValidateTokens(o.Tokens); err != nil {
		return nil, fmt.Errorf("admin.%w", err)
	}
	hosts := make([]string, len(o.Hosts))
	for i, host := range o.Hosts {
		hosts[i] = strings.ToLower(host)
	}
	o.Hosts = hosts
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &API{
		o: o, waiting: make(chan struct{}, maxWaiting), attempts: o.Keys.Sealer("admin-loopback"),
		spent: session.Spent{Lifetime: loopbackLifetime + time.Minute},
	}, nil
}

// route is one operation of the API: what openapi.json describes.
type route struct {
	method, path string
	scope        Scope
	body         string   // media type of the body it takes; "": it takes none
	query        []string // parameters it knows
	handle       http.HandlerFunc
}

// Media types of bodies.
const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

// routes is the table: an operation is added here and in openapi.json.
func (a *API) routes() []route {
	do := a.o.Operations
	return []route{
		{"GET", "/api/v1/sessions", Read, "", []string{"filter", "cursor", "limit"}, a.list},
		{"POST", "/api/v1/sessions", Write, typeJSON, nil, a.create},
		{"POST", "/api/v1/sessions/device", Write, typeJSON, nil, a.loginOnDevice},
		{"POST", "/api/v1/sessions/loopback", Write, typeJSON, nil, a.beginLoopback},
		{"POST", "/api/v1/sessions/loopback/finish", Write, typeJSON, nil, a.finishLoopback},
		{"POST", "/api/v1/sessions/revoke", Write, typeJSON, nil, a.revokeMany},
		{"GET", "/api/v1/sessions/{handle}", Read, "", nil, a.one(do.Get)},
		{"DELETE", "/api/v1/sessions/{handle}", Write, "", nil, a.remove},
		{"POST", "/api/v1/sessions/{handle}/logout", Write, "", nil, a.logout},
		{"POST", "/api/v1/sessions/{handle}/validate", Read, "", nil, a.one(do.Validate)},
		{"POST", "/api/v1/sessions/{handle}/touch", Write, "", nil, a.one(do.Touch)},
		{"GET", "/api/v1/sessions/{handle}/ttl", Read, "", []string{"within"}, a.ttl},
		{"POST", "/api/v1/sessions/{handle}/refresh", Write, "", nil, a.one(do.Refresh)},
		{"POST", "/api/v1/sessions/{handle}/extend", Write, "", nil, a.one(do.Extend)},
		{"GET", "/api/v1/sessions/{handle}/devices", Read, "", nil, a.devices},
		{"GET", "/api/v1/sessions/{handle}/properties", Read, "", nil, a.properties},
		{"PATCH", "/api/v1/sessions/{handle}/properties", Write, typeJSON, nil, a.updateProperties},
		{"POST", "/api/v1/sessions/{handle}/tokenize", Write, typeJSON, nil, a.tokenize},
		{"POST", "/api/v1/introspect", Read, typeForm, nil, a.introspect},
		{"GET", "/api/v1/sources", Read, "", nil, a.sources},
		{"POST", "/api/v1/sources/{source}/revoke-user", Write, typeJSON, nil, a.revokeUser},
		{"GET", "/api/v1/stats", Read, "", nil, a.stats},
		{"GET", "/api/v1/whoami", Read, "", nil, a.whoami},
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
	mux.HandleFunc("/", noRoute(mux))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seal(w.Header())
		if !a.knownHost(r) {
			writeProblem(w, Problem{Status: http.StatusMisdirectedRequest, Code: "unknown_host", Detail: "This listener is not reached by that name; add it to admin.hosts if it should be."})
			return
		}
		if asked, clean := r.URL.EscapedPath(), path.Clean(r.URL.EscapedPath()); asked != clean && asked != clean+"/" {
			writeProblem(w, nowhere()) // the mux would send whoever asks on to another operation, body and all
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mux.ServeHTTP(w, r)
	})
}

// seal keeps browsers from storing, framing, sniffing and running what is answered.
func seal(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

func nowhere() Problem {
	return Problem{Status: http.StatusNotFound, Code: "no_route", Detail: "There is nothing at this address."}
}

// noRoute answers what no pattern of mux takes: 405 where another method would do, 404 elsewhere.
func noRoute(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
			probe := r.Clone(r.Context())
			probe.Method = method
			if _, pattern := mux.Handler(probe); pattern != "/" && pattern != "" {
				allowed = append(allowed, method)
			}
		}
		if allowed == nil {
			writeProblem(w, nowhere())
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeProblem(w, Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "This address takes " + strings.Join(allowed, ", ") + "."})
	}
}
