package secretserver

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/secretserver"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const password = "planted-wonder%+&=land"

// world is a stand-in for Secret Server and a source that asks it, on one clock.
type world struct {
	*Source
	t    *testing.T
	peer *peer.Peer
	url  string
	logs *syncBuffer
}

func newWorld(t *testing.T, po peer.Options, change func(*Options)) *world {
	t.Helper()
	if po.Users == nil {
		po.Users = []peer.User{{Username: "alice", Password: password, DisplayName: "Alice Liddell", Email: "alice@example.com"}, {Username: "bob", Password: password}}
	}
	p, err := peer.New(po)
	require.NoError(t, err)
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Panel().Set(panel.Up)
		server.Close()
	})
	w := &world{t: t, peer: p, url: server.URL + po.Path, logs: &syncBuffer{}}
	o := Options{URL: w.url, ClientOptions: authority.ClientOptions{Timeout: 2 * time.Second}, TokenTimeout: 2 * time.Second}
	if change != nil {
		change(&o)
	}
	w.Source = open(t, o, p.Panel().Now, w.logs)
	return w
}

// open checks o and opens it as the program does.
func open(t *testing.T, o Options, now func() time.Time, logs io.Writer) *Source {
	t.Helper()
	problems := authority.NewProblems("source")
	o.Check(problems)
	require.NoError(t, problems.Err())
	log := slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := Open("vault", o, authority.Deps{Now: now, Log: log})
	require.NoError(t, err)
	return s
}

func bearer(token string) session.Credential {
	return session.Credential{Place: session.Place{Kind: session.KindBearer}, Value: session.NewSecret(token)}
}

// login logs alice in by the form.
func (w *world) login() *session.Session {
	w.t.Helper()
	s, err := w.VerifyPassword(w.t.Context(), "alice", session.NewSecret(password), "203.0.113.9")
	require.NoError(w.t, err)
	return s
}

// resolve resolves a token and wants it good.
func (w *world) resolve(token string) *session.Session {
	w.t.Helper()
	s, err := w.Resolve(w.t.Context(), bearer(token))
	require.NoError(w.t, err)
	return s
}

// spent counts the refreshes the server was asked for.
func (w *world) spent() int {
	n := 0
	for _, shown := range w.peer.Panel().Shown() {
		if strings.Contains(shown, "grant_type=refresh_token") {
			n++
		}
	}
	return n
}

// unavailable wants err to be unknown and nothing else.
func unavailable(t *testing.T, err error, about ...any) {
	t.Helper()
	require.ErrorIs(t, err, session.ErrUnavailable, about...)
	for _, other := range []error{session.ErrRejected, session.ErrInsufficient, session.ErrUnsupported, session.ErrMalformed} {
		require.NotErrorIs(t, err, other, about...)
	}
}

// scripted is a source whose server answers everything with one status, one header and one body.
func scripted(t *testing.T, status int, body string, header ...string) *Source {
	t.Helper()
	return answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			if i > 0 && header[i] == header[i-2] {
				w.Header().Add(header[i], header[i+1])
				continue
			}
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// answering is a source whose server is h.
func answering(t *testing.T, h http.HandlerFunc) *Source {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return open(t, Options{URL: server.URL, ClientOptions: authority.ClientOptions{Timeout: 2 * time.Second}}, time.Now, io.Discard)
}

// formSession is a session as a login makes it and the manager hands it in.
func formSession(access, refresh string) *session.Session {
	return &session.Session{
		ID: "id", Handle: "handle", Source: "vault", Active: true, Identity: session.Identity{Subject: "12"}, AuthenticatedAt: time.Now(),
		Tokens:     session.Tokens{Type: TypeBearer, Access: session.NewSecret(access), Refresh: session.NewSecret(refresh), ExpiresAt: time.Now().Add(time.Minute)},
		Properties: map[string]string{refreshesLeft: "3"},
	}
}

// syncBuffer is a buffer for concurrent writers.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// drain collects a list, and its error.
func drain(ctx context.Context, s *Source, of *session.Session) (list []*session.Session, err error) {
	for one, err := range s.ListOwn(ctx, of) {
		if err != nil {
			return list, err
		}
		list = append(list, one)
	}
	return list, nil
}
