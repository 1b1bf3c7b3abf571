package kratos

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/kratos"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// shared is the Kratos of all tests that want no settings of their own.
var shared struct {
	sync.Mutex
	*peer.Peer
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.Peer != nil {
		shared.Stop()
	}
	os.Exit(code)
}

func sharedPeer(t *testing.T) *peer.Peer {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.Peer == nil {
		p, err := peer.Start(context.Background(), peer.Options{
			Lifespan: time.Hour, Users: []peer.User{peer.Alice(), {Username: "bob", Password: "the builder"}},
		})
		skipWithout(t, err)
		shared.Peer = p
	}
	return shared.Peer
}

func startPeer(t *testing.T, o peer.Options) *peer.Peer {
	t.Helper()
	p, err := peer.Start(t.Context(), o)
	skipWithout(t, err)
	t.Cleanup(p.Stop)
	return p
}

func skipWithout(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, peer.ErrNotBuilt) {
		t.Skip("SKIPPED: " + err.Error())
	}
	require.NoError(t, err)
}

// sourceOf is a source that asks p. change may be nil.
func sourceOf(t *testing.T, p *peer.Peer, change func(*Options)) *Source {
	t.Helper()
	o := Options{URL: p.URL(), AdminURL: p.AdminURL()}
	if change != nil {
		change(&o)
	}
	return open(t, o)
}

func open(t *testing.T, o Options) *Source {
	t.Helper()
	problems := authority.NewProblems("source")
	o.Check(problems)
	require.NoError(t, problems.Err())
	s, err := Open("ory", o, authority.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return s
}

// brokenOff is the status of an answer that never comes.
const brokenOff = -1

// reply is one canned answer.
type reply struct {
	status int
	body   string
	header http.Header
}

// canned is a source whose Kratos answers by "METHOD path", and what it was asked.
func canned(t *testing.T, replies map[string]reply, change func(*Options)) (*Source, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		mu.Lock()
		asked = append(asked, r.Method+" "+r.URL.RequestURI()+" "+body.String())
		mu.Unlock()
		a, ok := replies[r.Method+" "+r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if a.status == brokenOff {
			panic(http.ErrAbortHandler)
		}
		for name, values := range a.header {
			w.Header()[name] = values
		}
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.body))
	}))
	t.Cleanup(srv.Close)
	o := Options{URL: srv.URL + "/", AdminURL: srv.URL}
	if change != nil {
		change(&o)
	}
	return open(t, o), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(asked)
	}
}

// whoamiIs is a source whose whoami answers a.
func whoamiIs(t *testing.T, a reply) *Source {
	t.Helper()
	s, _ := canned(t, map[string]reply{"GET /sessions/whoami": a}, nil)
	return s
}

func fixture(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(data)
}

func cookie(value string) session.Credential {
	return session.Credential{Place: session.Place{Kind: session.KindCookie, Name: defaultCookie}, Value: session.NewSecret(value)}
}

func tokenIn(kind session.Kind, value string) session.Credential {
	c := session.Credential{Place: session.Place{Kind: kind}, Value: session.NewSecret(value)}
	if kind == session.KindHeader {
		c.Name = tokenHeader
	}
	return c
}

// login returns a session token of the user's.
func login(t *testing.T, p *peer.Peer, username, password string) session.Credential {
	t.Helper()
	token, err := p.Login(t.Context(), username, password)
	require.NoError(t, err)
	return tokenIn(session.KindHeader, token)
}

// loginAlice returns alice's cookie, as a browser has it.
func loginAlice(t *testing.T, p *peer.Peer) session.Credential {
	t.Helper()
	browser, err := p.LoginWithBrowser(t.Context(), "alice", "wonderland")
	require.NoError(t, err)
	return cookie(p.Cookie(browser))
}

func resolve(t *testing.T, s *Source, c session.Credential) *session.Session {
	t.Helper()
	got, err := s.Resolve(t.Context(), c)
	require.NoError(t, err)
	return got
}

// ask asks Kratos itself, as a client that goes past the gateway would.
func ask(t *testing.T, method, rawURL string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, rawURL, nil)
	require.NoError(t, err)
	if header != nil {
		req.Header = header
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	var body bytes.Buffer
	_, err = body.ReadFrom(res.Body)
	require.NoError(t, err)
	return res, body.String()
}
