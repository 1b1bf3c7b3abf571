package pingam

import (
	"bytes"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/pingam"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const adminPassword = "administrator-4711"

// ground is a stand-in and a source that asks it, on one clock.
type ground struct {
	*Source
	t    *testing.T
	peer *peer.Peer
	log  *safeLog
}

type safeLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *safeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// open starts both. o.URL is filled in; its profile is the stand-in's.
func open(t *testing.T, p peer.Options, o Options) *ground {
	t.Helper()
	stand, err := peer.New(p)
	require.NoError(t, err)
	srv := httptest.NewServer(stand)
	t.Cleanup(func() {
		stand.Panel().Set(panel.Up)
		srv.Close()
	})
	o.URL, o.Profile = srv.URL+"/am", string(p.Profile)
	if p.Profile == peer.OpenAM {
		o.URL = srv.URL + "/openam"
	}
	problems := authority.NewProblems("source \"am\"")
	o.Check(problems)
	require.NoError(t, problems.Err())
	g := &ground{t: t, peer: stand, log: &safeLog{}}
	g.Source, err = Open("am", o, authority.Deps{Now: stand.Panel().Now, Log: slog.New(slog.NewTextHandler(g.log, nil))})
	require.NoError(t, err)
	return g
}

// administered adds the stand-in's administrator.
func administered(o Options) Options {
	o.Administrator = AdministratorOptions{Username: "amAdmin", Password: session.NewSecret(adminPassword)}
	return o
}

func (g *ground) login(user string) session.Credential {
	g.t.Helper()
	realm := ""
	if user == "bob" {
		realm = "/alpha"
	}
	token, err := g.peer.Login(user, realm)
	require.NoError(g.t, err)
	return shown(token)
}

func shown(token string) session.Credential {
	return session.Credential{Place: session.Place{Kind: session.KindCookie, Name: defaultCookie}, Value: session.NewSecret(token)}
}

func (g *ground) resolve(c session.Credential) *session.Session {
	g.t.Helper()
	s, err := g.Resolve(g.t.Context(), c)
	require.NoError(g.t, err)
	return s
}

func (g *ground) advance(d time.Duration) { g.peer.Panel().Advance(d) }

// asked lists the actions the stand-in was asked for since from.
func (g *ground) asked(from int) []string {
	var actions []string
	for _, text := range g.peer.Panel().Shown()[from:] {
		line, _, _ := strings.Cut(text, "\n")
		_, action, found := strings.Cut(line, "_action=")
		if !found {
			_, action, _ = strings.Cut(line, "/json/")
		}
		action, _, _ = strings.Cut(action, "&")
		actions = append(actions, action)
	}
	return actions
}

func (g *ground) mark() int { return g.peer.Panel().Asked() }

// exactlyOne wants an error of one class and no secret in it.
func exactlyOne(t *testing.T, err, class error, secrets ...string) {
	t.Helper()
	require.ErrorIs(t, err, class)
	for _, other := range []error{session.ErrRejected, session.ErrUnavailable, session.ErrInsufficient, session.ErrUnsupported, session.ErrMalformed} {
		require.Equal(t, errors.Is(class, other), errors.Is(err, other), "%v", err)
	}
	for _, s := range secrets {
		require.NotContains(t, err.Error(), s)
	}
}

func collect(t *testing.T, seq iter.Seq2[*session.Session, error]) []*session.Session {
	t.Helper()
	var all []*session.Session
	for s, err := range seq {
		require.NoError(t, err)
		all = append(all, s)
	}
	return all
}

// answering is a source whose authority gives every question the same answer.
func answering(t *testing.T, status int, body string) *ground {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(srv.Close)
	s, err := Open("am", Options{URL: srv.URL + "/am"}, authority.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return &ground{Source: s, t: t}
}

// held is a session as s would have resolved it.
func held(s *Source) *session.Session {
	token := session.NewSecret("AQIC5planted")
	return &session.Session{
		ID: authority.SessionID("am", token), Source: s.Name(), Active: true, Realm: "/",
		Identity: session.Identity{Subject: "id=alice", Username: "alice"}, Tokens: session.Tokens{Access: token},
	}
}
