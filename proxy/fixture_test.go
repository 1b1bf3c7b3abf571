package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/session"
)

// patience is how long a test waits for something that happens at once when the code is right.
const patience = 10 * time.Second

const ownCookie = "__Host-session"

func alice() *session.Session {
	return &session.Session{
		Handle: "h1", Source: "corp", Active: true,
		Identity: session.Identity{Subject: "alice", Username: "alice", Email: "alice@corp.example"},
	}
}

// gateway is a Proxy behind a real server, with a gate that lets everything pass.
type gateway struct {
	*Proxy
	t      testing.TB
	server *httptest.Server
	addr   string

	mu         sync.Mutex
	errs       []error
	log        bytes.Buffer // the proxy's log
	serverErrs bytes.Buffer
}

// setup is what a test may change before the gateway starts.
type setup struct {
	Options
	identity identity.Options
	cookies  []string
	passage  func(*http.Request, *Passage) // after the default has been filled in
	admitted func(*http.Request) bool      // nil: all
	around   func(http.Handler) http.Handler
}

type passageKey struct{}

func newGateway(t testing.TB, upstream string, edit func(*setup)) *gateway {
	t.Helper()
	s := setup{Options: Options{URL: upstream}, cookies: []string{ownCookie, "__Host-login-*"}}
	if edit != nil {
		edit(&s)
	}
	g := &gateway{t: t}
	headers, err := identity.New(s.identity, nil)
	require.NoError(t, err)
	g.Proxy, err = New(s.Options, Deps{
		Headers: headers,
		Strip:   identity.NewStripper(append(headers.Names(), identity.ForwardingNames()...)...),
		Cookies: s.cookies,
		OnError: g.onError,
		Log:     slog.New(slog.NewTextHandler(lockedWriter{&g.mu, &g.log}, nil)),
		Passage: func(ctx context.Context) (Passage, bool) {
			p, ok := ctx.Value(passageKey{}).(Passage)
			return p, ok
		},
	})
	require.NoError(t, err)
	t.Cleanup(g.Close)
	g.serve(s)
	return g
}

func (g *gateway) serve(s setup) {
	var h http.Handler = g.Proxy
	if s.around != nil {
		h = s.around(h)
	}
	g.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.admitted != nil && !s.admitted(r) {
			h.ServeHTTP(w, r)
			return
		}
		p := defaultPassage(r)
		if s.passage != nil {
			s.passage(r, &p)
		}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passageKey{}, p)))
	}))
	g.server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(lockedWriter{&g.mu, &g.serverErrs}, nil), slog.LevelError)
	g.server.Start()
	g.t.Cleanup(g.server.Close)
	g.addr = g.server.Listener.Addr().String()
}

func defaultPassage(r *http.Request) Passage {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	return Passage{
		Session: alice(), Status: identity.StatusValid, Route: "app",
		RawPath: path, RawQuery: query, Scheme: "http", Host: r.Host,
		ClientIP: netip.MustParseAddr("203.0.113.7"),
	}
}

// onError answers as the middleware does: by an interface, without knowing this package.
func (g *gateway) onError(w http.ResponseWriter, _ *http.Request, err error) {
	g.mu.Lock()
	g.errs = append(g.errs, err)
	g.mu.Unlock()
	var e interface {
		HTTPStatus() int
		Code() string
	}
	if !errors.As(err, &e) {
		g.t.Errorf("not an Error: %v", err)
		return
	}
	http.Error(w, e.Code(), e.HTTPStatus())
}

func (g *gateway) errors() []error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]error(nil), g.errs...)
}

func (g *gateway) serverLog() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.serverErrs.String()
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// received is what an upstream saw of a request.
type received struct {
	Method  string
	Target  string
	Host    string
	Header  http.Header
	Trailer http.Header
	Body    string
}

// echo answers with what it received.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_ = json.NewEncoder(w).Encode(received{
		Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header, Trailer: r.Trailer, Body: string(body),
	})
}

func newUpstream(t testing.TB, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// conn is a client that says exactly what the test says.
type conn struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return &conn{t: t, Conn: c, r: bufio.NewReader(c)}
}

// send writes text with its line ends made CRLF.
func (c *conn) send(text string) {
	c.t.Helper()
	_, err := io.WriteString(c, strings.ReplaceAll(text, "\n", "\r\n"))
	require.NoError(c.t, err)
}

// response reads the header of a reply.
func (c *conn) response() *http.Response {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	require.NoError(c.t, err)
	return res
}

// reply reads a reply with its body.
func (c *conn) reply() (*http.Response, string) {
	c.t.Helper()
	res := c.response()
	body, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return res, string(body)
}

// ask sends one raw request to a fresh connection and returns what the echo upstream received.
func (g *gateway) ask(text string) received {
	g.t.Helper()
	c := dial(g.t, g.addr)
	c.send(text)
	res, body := c.reply()
	require.Equal(g.t, http.StatusOK, res.StatusCode, body)
	var got received
	require.NoError(g.t, json.Unmarshal([]byte(body), &got), body)
	return got
}

// refused sends one raw request and requires the reply to be an error of that reason.
func (g *gateway) refused(text string, reason Reason) *http.Response {
	g.t.Helper()
	c := dial(g.t, g.addr)
	c.send(text)
	res, body := c.reply()
	require.Equal(g.t, string(reason), strings.TrimSpace(body))
	require.Equal(g.t, (&Error{Reason: reason}).HTTPStatus(), res.StatusCode)
	return res
}

// wait fails the test when what it waits for does not come.
func wait[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(t, "waited in vain", what)
		panic("unreachable")
	}
}
