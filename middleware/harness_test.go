package middleware

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
	"github.com/sessionward/sessionward/store"
)

// authority is a provider people are sent to. Its code is the name of the user.
type authority struct {
	name, title string
	domains     []string

	mu        sync.Mutex
	begun     map[string]session.Transaction // by state
	exchanges int
	down      error // of both questions
	logoutURL string
}

func newAuthority(name, title string) *authority {
	return &authority{name: name, title: title, begun: map[string]session.Transaction{}}
}

func (a *authority) Name() string        { return a.name }
func (a *authority) Kind() string        { return "scripted" }
func (a *authority) DisplayName() string { return a.title }

func (a *authority) EmailDomains() []string { return a.domains }

func (a *authority) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = err
}

func (a *authority) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.exchanges
}

func (a *authority) AuthorizationURL(_ context.Context, t session.Transaction) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down != nil {
		return "", a.down
	}
	a.begun[t.State] = t
	sum := sha256.Sum256([]byte(t.CodeVerifier.Reveal()))
	q := url.Values{
		"state": {t.State}, "nonce": {t.Nonce}, "redirect_uri": {t.RedirectURI}, "prompt": {t.Prompt},
		"acr_values": {strings.Join(t.ACRValues, " ")}, "max_age": {t.MaxAge.String()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}
	return "https://idp.example/authorize?" + q.Encode(), nil
}

func (a *authority) Exchange(_ context.Context, t session.Transaction, cb session.Callback) (*session.Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.exchanges++
	begun := a.begun[t.State]
	switch {
	case a.down != nil:
		return nil, a.down
	case cb.Error != "":
		return nil, fmt.Errorf("authority: %s: %s: %w", cb.Error, cb.ErrorDescription, session.ErrRejected)
	case cb.Code == "", begun.Nonce != t.Nonce, !begun.CodeVerifier.Equal(t.CodeVerifier), begun.RedirectURI != t.RedirectURI, begun.MaxAge != t.MaxAge:
		return nil, fmt.Errorf("authority: the transaction is not the one that began: %w", session.ErrRejected)
	}
	return &session.Session{ID: cb.Code, Source: a.name, Active: true, AAL: "aal1", Identity: session.Identity{Subject: cb.Code, Groups: []string{"staff"}}, Tokens: session.Tokens{Access: session.NewSecret("planted-access-" + cb.Code)}}, nil
}

func (a *authority) EndSessionURL(_ context.Context, _ *session.Session, back, state string) (string, error) {
	if a.logoutURL == "" {
		return "", nil
	}
	return a.logoutURL + "?" + url.Values{"post_logout_redirect_uri": {back}, "state": {state}}.Encode(), nil
}

// doorman knows passwords: that of each user is "pw-" and the name.
type doorman struct {
	name string
	err  error
}

func (d *doorman) Name() string { return d.name }
func (d *doorman) Kind() string { return "scripted" }

func (d *doorman) VerifyPassword(_ context.Context, username string, password session.Secret, _ string) (*session.Session, error) {
	if d.err != nil {
		return nil, d.err
	}
	if !password.Equal(session.NewSecret("pw-"+username)) || strings.HasPrefix(username, "nobody") {
		return nil, fmt.Errorf("doorman: %w", session.ErrRejected)
	}
	return &session.Session{ID: username, Source: d.name, Active: true, Identity: session.Identity{Subject: username}}, nil
}

// badges takes the bearer tokens "good", "weak" and "down".
type badges struct{}

func (badges) Name() string            { return "badges" }
func (badges) Kind() string            { return "scripted" }
func (badges) Places() []session.Place { return []session.Place{{Kind: session.KindBearer}} }

func (badges) Resolve(_ context.Context, c session.Credential) (*session.Session, error) {
	switch c.Value.Reveal() {
	case "good":
		return &session.Session{ID: "svc", Handle: "hsvc", Source: "badges", Active: true, Identity: session.Identity{Subject: "svc"}}, nil
	case "down":
		return nil, session.ErrUnavailable
	}
	return nil, session.ErrRejected
}

// frailStore is a store that can be made to fail.
type frailStore struct {
	session.Store
	down atomic.Bool
}

func (f *frailStore) Get(ctx context.Context, key string) (session.Record, error) {
	if f.down.Load() {
		return session.Record{}, session.ErrUnavailable
	}
	return f.Store.Get(ctx, key)
}

func (f *frailStore) Swap(ctx context.Context, key string, r session.Record) (uint64, error) {
	if f.down.Load() {
		return 0, session.ErrUnavailable
	}
	return f.Store.Swap(ctx, key, r)
}

func (f *frailStore) Delete(ctx context.Context, key string) error {
	if f.down.Load() {
		return session.ErrUnavailable
	}
	return f.Store.Delete(ctx, key)
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// house is a site with everything below it.
type house struct {
	t       testing.TB
	site    *Site
	handler http.Handler
	corp    *authority
	store   *frailStore
	manager *session.Manager
	clock   *sessiontest.Clock
	log     *safeBuffer
	app     http.HandlerFunc
}

type houseOptions struct {
	sources   []session.Source
	routes    []policy.RouteOptions
	lifetimes map[int]session.Lifetime
	change    func(*Options)
}

func newHouse(t testing.TB, o houseOptions) *house {
	t.Helper()
	h := &house{t: t, corp: newAuthority("corp", "Corp & Sons"), log: &safeBuffer{}, clock: sessiontest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	if o.sources == nil {
		o.sources = []session.Source{h.corp}
	}
	if o.routes == nil {
		o.routes = []policy.RouteOptions{
			{Name: "public", Paths: []string{"/public"}, Access: policy.Public},
			{Name: "optional", Paths: []string{"/optional"}, Access: policy.Optional},
			{Name: "admins", Paths: []string{"/admin"}, Require: policy.RuleOptions{AnyGroup: []string{"admins"}}},
			{Name: "strong", Paths: []string{"/strong"}, Require: policy.RuleOptions{ACR: []string{"gold", "pl\"at\\inum"}, MaxAge: 5 * time.Minute}},
			{Name: "app", Paths: []string{"/"}},
		}
	}
	memory, err := store.OpenMemory(store.MemoryOptions{}, store.Deps{Now: h.clock.Now})
	require.NoError(t, err)
	h.store = &frailStore{Store: memory}
	log := slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	public := &url.URL{Scheme: "https", Host: "gw.example"}
	opts := Options{Keys: testRing(t, "k1"), Sources: o.sources, PublicURL: public, Now: h.clock.Now, Log: log, ReturnOrigins: []string{"https://spa.example"}}
	if o.change != nil {
		o.change(&opts)
	}
	cookies, err := NewCookies(opts.Cookie, opts.PublicURL)
	require.NoError(t, err)
	h.manager, err = session.NewManager(session.ManagerOptions{Store: h.store, Keys: opts.Keys, CookieName: cookies.SessionName(), Sources: o.sources, Now: h.clock.Now, Log: log})
	require.NoError(t, err)
	resolvers := []session.Resolver{h.manager, badges{}}
	for _, src := range o.sources {
		if r, ok := src.(session.Resolver); ok {
			resolvers = append(resolvers, r)
		}
	}
	validator, err := session.NewValidator(session.ValidatorOptions{Resolvers: resolvers, Now: h.clock.Now, Log: log})
	require.NoError(t, err)
	h.manager.OnEnd(func(s *session.Session, _ session.EndReason) { validator.End(s) })
	table, err := policy.NewTable(o.routes)
	require.NoError(t, err)
	opts.Gate, err = gate.New(gate.Options{Table: table, Validator: validator, Lifetimes: o.lifetimes, Now: h.clock.Now})
	require.NoError(t, err)
	opts.Manager, opts.Canonicalizer = h.manager, &policy.Canonicalizer{}
	h.site, err = New(opts)
	require.NoError(t, err)
	h.handler = h.site.Session(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.app != nil {
			h.app(w, r)
			return
		}
		who := "nobody"
		if s, ok := SessionFrom(r.Context()); ok {
			who = s.Identity.Subject
		}
		_, _ = io.WriteString(w, "application for "+who)
	}))
	t.Cleanup(func() { validator.Close(); h.manager.Close(); _ = memory.Close() })
	return h
}

// browser keeps cookies and says what browsers say.
type browser struct {
	h   *house
	jar map[string]string
}

func (h *house) browser() *browser { return &browser{h: h, jar: map[string]string{}} }

// navigation is what a browser sends along when a person opens a page.
var navigation = []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none"}

// get is a navigation; later headers take the place of earlier ones.
func (b *browser) get(target string, headers ...string) *http.Response {
	return b.do("GET", target, nil, append(append([]string{}, navigation...), headers...)...)
}

// post sends a form from a page of this site.
func (b *browser) post(target string, form url.Values, headers ...string) *http.Response {
	sent := []string{"Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin", "Origin", "https://gw.example"}
	return b.do("POST", target, strings.NewReader(form.Encode()), append(sent, headers...)...)
}

func (b *browser) do(method, target string, body io.Reader, headers ...string) *http.Response {
	target = strings.TrimPrefix(target, "https://gw.example")
	r := httptest.NewRequest(method, "/", body)
	r.RequestURI = target
	u, err := url.ParseRequestURI(target)
	require.NoError(b.h.t, err)
	r.URL, r.Host, r.TLS = u, "gw.example", &tls.ConnectionState{}
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
			r.Header.Del("Host")
		}
	}
	for name, value := range b.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.h.handler.ServeHTTP(rec, r)
	res := rec.Result()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
		} else {
			b.jar[c.Name] = c.Value
		}
	}
	return res
}

func text(res *http.Response) string {
	b, _ := io.ReadAll(res.Body)
	res.Body = io.NopCloser(bytes.NewReader(b))
	return string(b)
}

func location(t testing.TB, res *http.Response) *url.URL {
	t.Helper()
	u, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	return u
}

// begin begins a login and returns the parameters the provider is sent.
func (b *browser) begin(target string) url.Values {
	b.h.t.Helper()
	res := b.get("/_session/login?return_to=" + url.QueryEscape(target))
	require.Equal(b.h.t, http.StatusFound, res.StatusCode, text(res))
	require.Equal(b.h.t, "idp.example", location(b.h.t, res).Host)
	return location(b.h.t, res).Query()
}

func callback(state, user string) string {
	return "/_session/callback/corp?" + url.Values{"state": {state}, "code": {user}}.Encode()
}

// login logs user in and wants to land on target.
func (b *browser) login(user, target string) {
	b.h.t.Helper()
	res := b.get(callback(b.begin(target).Get("state"), user))
	require.Equal(b.h.t, http.StatusSeeOther, res.StatusCode, text(res))
	require.Equal(b.h.t, target, res.Header.Get("Location"))
}

// who is whom the application sees.
func (b *browser) who() string {
	res := b.get("/app")
	if res.StatusCode != http.StatusOK {
		return fmt.Sprint(res.StatusCode)
	}
	return strings.TrimPrefix(text(res), "application for ")
}

// lines are the lines of the log, each of which must be a JSON object.
func (h *house) lines() []map[string]any {
	h.t.Helper()
	var out []map[string]any
	for line := range strings.Lines(h.log.String()) {
		var m map[string]any
		require.NoError(h.t, json.Unmarshal([]byte(line), &m), line)
		out = append(out, m)
	}
	return out
}

// requestLine is the last line of the access log.
func (h *house) requestLine() map[string]any {
	h.t.Helper()
	var last map[string]any
	for _, m := range h.lines() {
		if m["msg"] == "request" {
			last = m
		}
	}
	require.NotNil(h.t, last)
	return last
}

const sessionCookie, loginCookie, againCookie = "__Host-sessionward", "__Host-sessionward-login", "__Host-sessionward-login-again"

var (
	_ session.RedirectLogin = (*authority)(nil)
	_ session.EndSession    = (*authority)(nil)
	_ session.PasswordLogin = (*doorman)(nil)
	_ session.Resolver      = badges{}
)
