package admin_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/store"
)

const (
	writeToken = "swa_page_write"
	readToken  = "swa_page_read"
	pageCookie = "__Host-sessionward"
)

// registry is an authority whose sessions are ours: it renews them, ends them, and ends all of a user.
type registry struct {
	name         string
	usersRevoked atomic.Int64
	renewed      atomic.Int64
}

func (r *registry) Name() string { return r.name }
func (r *registry) Kind() string { return "oidc" }

func (r *registry) Refresh(_ context.Context, s *session.Session) (*session.Session, error) {
	r.renewed.Add(1)
	c := s.Clone()
	c.Tokens.Access, c.Tokens.ExpiresAt = session.NewSecret("newer"), time.Now().Add(time.Hour)
	return c, nil
}

func (r *registry) Revoke(context.Context, *session.Session) error { return nil }

func (r *registry) RevokeUser(context.Context, session.Query) (int, error) {
	r.usersRevoked.Add(1)
	return 2, nil
}

// visitors is an authority with sessions of its own: a bearer token is the name of its user.
type visitors struct {
	properties map[string]string
	ill        error
}

func (v *visitors) Name() string                               { return "lobby" }
func (v *visitors) Kind() string                               { return "kratos" }
func (v *visitors) Places() []session.Place                    { return []session.Place{{Kind: session.KindBearer}} }
func (v *visitors) Health() error                              { return v.ill }
func (v *visitors) RenewAt(*session.Session) (never time.Time) { return never }

func (v *visitors) Refresh(context.Context, *session.Session) (*session.Session, error) {
	return nil, fmt.Errorf("kratos lobby: prolonging needs admin_url: %w", session.ErrUnsupported)
}

func (v *visitors) Resolve(_ context.Context, c session.Credential) (*session.Session, error) {
	user := c.Value.Reveal()
	return &session.Session{
		ID: "id-" + user, Handle: "lobby-" + user, Source: "lobby", SourceSessionID: "sid-" + user, Realm: "/alpha", Active: true, AAL: "aal2",
		Identity:        session.Identity{Subject: "s-" + user, Username: user, Email: user + "@lobby.example"},
		Tokens:          session.Tokens{Access: session.NewSecret("secret-" + user)},
		AuthenticatedAt: time.Now().Add(-42 * time.Minute), ExpiresAt: time.Now().Add(7 * time.Hour),
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "password", AAL: "aal1"}, {Method: "totp", AAL: "aal2"}},
	}, nil
}

func (v *visitors) ReadProperties(context.Context, *session.Session) (map[string]string, error) {
	return v.properties, nil
}

// floor is an admin listener over a real store, manager and validator, for the page.
type floor struct {
	t         *testing.T
	url       string
	corp      *registry
	lobby     *visitors
	manager   *session.Manager
	validator *session.Validator
	stats     atomic.Pointer[string] // what /stats answers; nil: 404
	away      atomic.Bool            // the gateway does not answer
	slow      atomic.Bool            // the third line of an answer does not come
	badge     atomic.Bool            // the browser shows a client certificate that the listener has verified
}

func newFloor(t *testing.T) *floor {
	t.Helper()
	f := &floor{t: t, corp: &registry{name: "corp"}, lobby: &visitors{properties: map[string]string{"desk": "7"}}}
	records, err := store.OpenMemory(store.MemoryOptions{}, store.Deps{})
	require.NoError(t, err)
	keys, err := session.NewKeyRing(session.Key{ID: "k", Secret: session.NewSecret(strings.Repeat("k", session.KeySize))})
	require.NoError(t, err)
	sources := []session.Source{f.corp, f.lobby}
	f.manager, err = session.NewManager(session.ManagerOptions{Store: records, Keys: keys, CookieName: pageCookie, Sources: sources})
	require.NoError(t, err)
	f.validator, err = session.NewValidator(session.ValidatorOptions{Resolvers: []session.Resolver{f.manager, f.lobby}, Ledger: f.manager})
	require.NoError(t, err)
	ops, err := session.NewOperations(session.OperationsOptions{Manager: f.manager, Validator: f.validator, Sources: sources, Properties: []string{"theme"}})
	require.NoError(t, err)
	api, err := admin.New(admin.Options{
		Operations: ops, Health: admin.NewHealth(admin.Part{Name: "store", Health: func() error { return nil }, Vital: true}), Keys: keys, Sources: sources,
		Tokens: []admin.Token{
			{Name: "writer", Hash: admin.HashToken(writeToken), Scope: admin.Write}, {Name: "reader", Hash: admin.HashToken(readToken), Scope: admin.Read},
		},
		Clients: map[string]admin.Scope{"operator": admin.Write},
	})
	require.NoError(t, err)
	srv := httptest.NewServer(f.before(api.Handler()))
	f.url = srv.URL
	t.Cleanup(func() { srv.Close(); f.validator.Close(); f.manager.Close() })
	return f
}

// before answers for what no page can arrange: an outage, a certificate, an hour of traffic.
func (f *floor) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.away.Load() {
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path == "/api/v1/stats" {
			if stats := f.stats.Load(); stats != nil {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(*stats))
				return
			}
			http.NotFound(w, r)
			return
		}
		if f.badge.Load() {
			cert := &x509.Certificate{Subject: pkix.Name{CommonName: "operator"}}
			r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{cert}}}
		}
		if f.slow.Load() {
			w = &slowly{ResponseWriter: w, gone: r.Context().Done()}
		}
		next.ServeHTTP(w, r)
	})
}

// slowly writes two lines of many, and the third when nobody waits for it any more.
type slowly struct {
	http.ResponseWriter
	gone  <-chan struct{}
	lines int
}

func (s *slowly) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *slowly) Write(line []byte) (int, error) {
	if s.Header().Get("Content-Type") == "application/x-ndjson" {
		if s.lines++; s.lines > 2 {
			<-s.gone
		}
	}
	return s.ResponseWriter.Write(line)
}

// hour lets /stats tell of an hour that looks like one.
func (f *floor) hour(own, foreign int) {
	type minute struct {
		At        time.Time `json:"at"`
		Logins    int       `json:"logins"`
		Refreshes int       `json:"refreshes"`
		Denials   int       `json:"denials"`
		Hits      int       `json:"hits"`
		Misses    int       `json:"misses"`
	}
	var minutes []minute
	for i := range 60 {
		m := minute{At: time.Now().Add(time.Duration(i-59) * time.Minute).Truncate(time.Minute), Logins: i * 7 % 5, Refreshes: i * i % 9, Hits: 300 + i*37%190, Misses: 5 + i%4}
		if i%13 == 0 {
			m.Denials = 1 + i/20
		}
		minutes = append(minutes, m)
	}
	text, err := json.Marshal(map[string]any{
		"sessions": map[string]any{"own": own, "foreign": foreign, "sources": map[string]int{"corp": own, "lobby": foreign}, "complete": true}, "minutes": minutes,
	})
	require.NoError(f.t, err)
	stats := string(text)
	f.stats.Store(&stats)
}

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// login makes a session of ours and returns its handle and what opens it.
func (f *floor) login(who session.Identity, ip, agent string) (handle string, cookie session.Credential) {
	f.t.Helper()
	s, value, err := f.manager.Create(f.t.Context(), &session.Session{
		Source: "corp", Active: true, Identity: who, AuthenticatedAt: time.Now().Add(-3 * time.Minute), AAL: "aal1",
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "pwd"}},
		Tokens:                session.Tokens{Access: session.NewSecret("secret-access"), Refresh: session.NewSecret("secret-refresh"), ExpiresAt: time.Now().Add(time.Hour)},
	}, session.Device{IP: ip, UserAgent: agent})
	require.NoError(f.t, err)
	return s.Handle, session.Credential{Place: session.Place{Kind: session.KindCookie, Name: pageCookie}, Value: value}
}

// user is somebody at corp.
func user(name string) session.Identity {
	return session.Identity{
		Subject: "u-" + name, Username: name, Email: name + "@example.com", EmailVerified: true, Name: strings.ToUpper(name[:1]) + name[1:] + " Liddell", Groups: []string{"staff", "readers"},
		Claims: map[string]any{"department": "chess", "floor": 3.0},
	}
}

// visit shows the token of a visitor, and waits until it is noted.
func (f *floor) visit(name string) session.Credential {
	f.t.Helper()
	c := session.Credential{Place: session.Place{Kind: session.KindBearer}, Value: session.NewSecret(name), UserAgent: "curl/8.9.1", RemoteIP: "198.51.100.7"}
	require.NoError(f.t, f.holds(c))
	require.Eventually(f.t, func() bool {
		_, err := f.manager.Entry(f.t.Context(), "lobby-"+name)
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
	return c
}

// holds is the very next request with that credential.
func (f *floor) holds(c session.Credential) error {
	_, err := f.validator.Validate(f.t.Context(), c)
	if err != nil && !errors.Is(err, session.ErrRejected) {
		require.NoError(f.t, err)
	}
	return err
}
