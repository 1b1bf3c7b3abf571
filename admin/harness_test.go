package admin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/store"
)

// What must never be in an answer that did not ask for it, nor in any line of the log.
const (
	plantedAccess   = "planted-access-4711"
	plantedRefresh  = "planted-refresh-4711"
	plantedID       = "planted-id-token-4711"
	plantedPassword = "planted-password-4711"
)

const cookieName = "__Host-sessionward"

var (
	writeToken = "swa_write-0123456789abcdef0123456789abcdef"
	readToken  = "swa_read-0123456789abcdef0123456789abcdef"
)

// corp is an authority people log in at with a password; it renews and revokes, and its sessions are ours.
type corp struct {
	mu      sync.Mutex
	fail    error
	revoked int
}

func (c *corp) Name() string { return "corp" }
func (c *corp) Kind() string { return "scripted" }

func (c *corp) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fail
}

func (c *corp) set(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

func (c *corp) VerifyPassword(_ context.Context, username string, password session.Secret, _ string) (*session.Session, error) {
	if err := c.err(); err != nil {
		return nil, err
	}
	if password.Reveal() != plantedPassword {
		return nil, fmt.Errorf("source corp: wrong username or password: %w", session.ErrRejected)
	}
	return corpSession(username), nil
}

func corpSession(user string) *session.Session {
	return &session.Session{
		Source: "corp", Active: true, AAL: "aal1",
		Identity:              session.Identity{Subject: user + "-sub", Username: user, Email: user + "@corp.example", EmailVerified: true, Groups: []string{"staff"}},
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "pwd"}},
		Tokens: session.Tokens{
			Type: "Bearer", Access: session.NewSecret(plantedAccess), Refresh: session.NewSecret(plantedRefresh), ID: session.NewSecret(plantedID),
		},
	}
}

func (c *corp) Refresh(_ context.Context, s *session.Session) (*session.Session, error) {
	if err := c.err(); err != nil {
		return nil, err
	}
	n := s.Clone()
	n.Tokens.Access = session.NewSecret(s.Tokens.Access.Reveal() + "+")
	return n, nil
}

func (c *corp) Revoke(context.Context, *session.Session) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revoked++
	return nil
}

// people is an authority with sessions of its own and every power over them. A bearer token is plantedAccess, a dot and the name
// of its user.
type people struct {
	corp
	now    func() time.Time
	ended  map[string]bool
	props  map[string]string
	ending func(user string) // when a session is being ended
}

func newPeople(now func() time.Time) *people {
	return &people{now: now, ended: map[string]bool{}, props: map[string]string{"locale": "de"}}
}

func (p *people) Name() string            { return "people" }
func (p *people) Places() []session.Place { return []session.Place{{Kind: session.KindBearer}} }

func (p *people) Resolve(_ context.Context, c session.Credential) (*session.Session, error) {
	user, ok := strings.CutPrefix(c.Value.Reveal(), plantedAccess+".")
	if !ok {
		return nil, session.ErrNotMine
	}
	return p.of(user)
}

func (p *people) of(user string) (*session.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return nil, p.fail
	}
	if p.ended[user] {
		return nil, fmt.Errorf("source people: the session has ended: %w", session.ErrRejected)
	}
	return &session.Session{
		ID: "id-" + user, Handle: "people-" + user, Source: "people", SourceSessionID: "sid-" + user, Realm: "/alpha", Active: true,
		Identity:  session.Identity{Subject: user + "-sub", Username: user},
		ExpiresAt: p.now().Add(12 * time.Hour), Tokens: session.Tokens{Access: session.NewSecret(plantedAccess + "." + user)},
	}, nil
}

func (p *people) Current(_ context.Context, s *session.Session) (*session.Session, error) {
	return p.of(s.Identity.Username)
}

func (p *people) TouchAt(*session.Session) time.Time { return time.Time{} }
func (p *people) RenewAt(*session.Session) time.Time { return time.Time{} }

func (p *people) Touch(_ context.Context, s *session.Session, _ session.Credential) (*session.Session, error) {
	return p.of(s.Identity.Username)
}

func (p *people) Refresh(_ context.Context, s *session.Session) (*session.Session, error) {
	n, err := p.of(s.Identity.Username)
	if err == nil {
		n.ExpiresAt = n.ExpiresAt.Add(12 * time.Hour)
	}
	return n, err
}

func (p *people) end(user string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	p.ended[user] = true
	return nil
}

func (p *people) Revoke(ctx context.Context, s *session.Session) error {
	if p.ending != nil {
		p.ending(s.Identity.Username)
	}
	if ctx.Err() != nil { // as a call to a real authority would
		return fmt.Errorf("source people: %w: %w", session.ErrUnavailable, ctx.Err())
	}
	return p.end(s.Identity.Username)
}

func (p *people) hasEnded(user string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended[user]
}

func (p *people) RevokeUser(_ context.Context, user session.Query) (int, error) {
	name := user.Username
	if name == "" {
		name = strings.TrimSuffix(user.Subject, "-sub")
	}
	return 2, p.end(name)
}

func (p *people) ReadProperties(context.Context, *session.Session) (map[string]string, error) {
	return p.props, p.err()
}

func (p *people) UpdateProperties(_ context.Context, _ *session.Session, changes map[string]string) (map[string]string, error) {
	if _, ok := changes["owner"]; ok {
		return nil, fmt.Errorf("source people: property owner may not be changed: %w", session.ErrInsufficient)
	}
	if p.props != nil { // otherwise it keeps none
		maps.Copy(p.props, changes)
	}
	return p.props, p.err()
}

func (p *people) Tokenize(_ context.Context, s *session.Session, template string) (session.Secret, time.Time, error) {
	if template != "gateway" {
		return session.Secret{}, time.Time{}, fmt.Errorf("source people: template %q: %w", template, session.ErrNotFound)
	}
	return session.NewSecret("jwt-of-" + s.Identity.Username), p.now().Add(time.Minute), nil
}

func (p *people) VerifyAssertion(_ context.Context, assertion session.Secret) (*session.Session, error) {
	if assertion.Reveal() != "<Assertion/>" {
		return nil, fmt.Errorf("source people: assertion is not accepted: %w", session.ErrRejected)
	}
	return p.of("sam")
}

func (p *people) Health() error { return p.err() }

// plain knows who shows X-Plain and can do nothing else.
type plain struct{}

func (plain) Name() string { return "plain" }
func (plain) Kind() string { return "scripted" }

func (plain) Places() []session.Place {
	return []session.Place{{Kind: session.KindHeader, Name: "X-Plain"}}
}

func (plain) Resolve(_ context.Context, c session.Credential) (*session.Session, error) {
	user := strings.TrimPrefix(c.Value.Reveal(), plantedAccess+".")
	return &session.Session{
		ID: "plain-id-" + user, Handle: "plain-" + user, Source: "plain", Active: true,
		Identity: session.Identity{Subject: user + "-sub", Username: user}, Tokens: session.Tokens{Access: c.Value},
	}, nil
}

var (
	_ session.Renewer         = (*people)(nil)
	_ session.Keeper          = (*people)(nil)
	_ session.Toucher         = (*people)(nil)
	_ session.UserRevoker     = (*people)(nil)
	_ session.PropertyUpdater = (*people)(nil)
	_ session.Tokenizer       = (*people)(nil)
	_ session.AssertionLogin  = (*people)(nil)
	_ session.PasswordLogin   = (*corp)(nil)
)

// brokenStore is a memory store that may fail.
type brokenStore struct {
	session.Store
	mu   sync.Mutex
	fail error
}

func (b *brokenStore) set(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

func (b *brokenStore) Get(ctx context.Context, key string) (session.Record, error) {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail != nil {
		return session.Record{}, fail
	}
	return b.Store.Get(ctx, key)
}

func (b *brokenStore) Find(ctx context.Context, term, after string) iter.Seq2[string, error] {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail != nil {
		return func(yield func(string, error) bool) { yield("", fail) }
	}
	return b.Store.Find(ctx, term, after)
}

// house is a whole gateway behind the API, on one clock.
type house struct {
	t         testing.TB
	mu        sync.Mutex
	at        time.Time
	store     *brokenStore
	corp      *corp
	people    *people
	portal    *portal
	manager   *session.Manager
	validator *session.Validator
	ops       *session.Operations
	tally     *session.Tally
	api       *API
	handler   http.Handler
	log       *safeBuffer
	handles   map[string]string // own handle → what it is called in golden files
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *house) turn(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

func newHouse(t testing.TB, change ...func(*Options)) *house {
	t.Helper()
	h := &house{t: t, at: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC), corp: &corp{}, portal: newPortal(), log: &safeBuffer{}, handles: map[string]string{}}
	h.people = newPeople(h.now)
	memory, err := store.OpenMemory(store.MemoryOptions{}, store.Deps{Now: h.now})
	require.NoError(t, err)
	h.store = &brokenStore{Store: memory}
	keys, err := session.NewKeyRing(session.Key{ID: "k1", Secret: session.NewSecret(strings.Repeat("k", 40))})
	require.NoError(t, err)
	log := slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.portal.now = h.now
	sources := []session.Source{h.corp, h.people, plain{}, h.portal}
	h.tally = session.NewTally(h.now)
	h.manager, err = session.NewManager(session.ManagerOptions{Store: h.store, Keys: keys, CookieName: cookieName, Sources: sources, Tally: h.tally, Now: h.now, Log: log})
	require.NoError(t, err)
	h.validator, err = session.NewValidator(session.ValidatorOptions{Resolvers: []session.Resolver{h.manager, h.people, plain{}}, Ledger: h.manager, Tally: h.tally, Now: h.now, Log: log})
	require.NoError(t, err)
	t.Cleanup(func() { h.validator.Close(); h.manager.Close() })
	h.ops, err = session.NewOperations(session.OperationsOptions{Manager: h.manager, Validator: h.validator, Sources: sources, Properties: []string{"theme"}})
	require.NoError(t, err)
	o := Options{
		Operations: h.ops, Health: NewHealth(Part{Name: "store", Vital: true, Health: func() error { return nil }}), Keys: keys, Sources: sources,
		LocalTokens: LocalTokens(keys), Hosts: []string{"Admin.Example.com"}, Tally: h.tally, Now: h.now, Log: log,
		Tokens:  []Token{{Name: "dashboard", Hash: HashToken(readToken)}, {Name: "robot", Hash: HashToken(writeToken), Scope: Write}},
		Clients: map[string]Scope{"ops": Write, "viewer": ""},
		Tokenize: func(s *session.Session, template string) (session.Secret, time.Time, error) {
			if template != "app" {
				return session.Secret{}, time.Time{}, fmt.Errorf("%q is not among admin.token_audiences: %w", template, session.ErrUnsupported)
			}
			return session.NewSecret("signed-for-" + s.Identity.Username), h.now().Add(time.Minute), nil
		},
	}
	for _, f := range change {
		f(&o)
	}
	h.api, err = New(o)
	require.NoError(t, err)
	h.handler = h.api.Handler()
	return h
}

// login makes a session of ours and returns its handle and cookie.
func (h *house) login(user string) (string, session.Secret) {
	h.t.Helper()
	s, cookie, err := h.ops.Create(h.t.Context(), "corp", session.Proof{Username: user, Password: session.NewSecret(plantedPassword)}, session.Device{IP: "192.0.2.7", UserAgent: "Mozilla/5.0"})
	require.NoError(h.t, err)
	h.handles[s.Handle] = "HANDLE-" + user
	return s.Handle, cookie
}

// shown asks the validator whether a cookie of ours still opens its session.
func (h *house) shown(cookie session.Secret) error {
	_, err := h.validator.Validate(h.t.Context(), session.Credential{Place: session.Place{Kind: session.KindCookie, Name: cookieName}, Value: cookie})
	return err
}

// visit shows the credential of a foreign user and waits until that is noted.
func (h *house) visit(place session.Place, user string) error {
	h.t.Helper()
	_, err := h.validator.Validate(h.t.Context(), session.Credential{Place: place, Value: session.NewSecret(plantedAccess + "." + user), RemoteIP: "192.0.2.9", UserAgent: "curl/8"})
	if err == nil {
		handle := map[session.Kind]string{session.KindBearer: "people-", session.KindHeader: "plain-"}[place.Kind] + user
		require.Eventually(h.t, func() bool {
			_, err := h.ops.Get(h.t.Context(), handle)
			return err == nil
		}, 5*time.Second, time.Millisecond)
	}
	return err
}

func (h *house) visitPeople(user string) {
	require.NoError(h.t, h.visit(session.Place{Kind: session.KindBearer}, user))
}

func (h *house) visitPlain(user string) {
	require.NoError(h.t, h.visit(session.Place{Kind: session.KindHeader, Name: "X-Plain"}, user))
}

// ask sends one request with the write token unless headers say otherwise; a header of "" is left out.
func (h *house) ask(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	var payload io.Reader
	if body != "" {
		payload = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://127.0.0.1:4181"+target, payload)
	r.Header.Set("Authorization", "Bearer "+writeToken)
	if body != "" {
		r.Header.Set("Content-Type", typeJSON)
	}
	for i := 0; i < len(headers); i += 2 {
		switch name, value := headers[i], headers[i+1]; {
		case name == "Host":
			r.Host = value
		case value == "":
			r.Header.Del(name)
		default:
			r.Header.Set(name, value)
		}
	}
	rec := httptest.NewRecorder()
	h.handler.ServeHTTP(rec, r)
	return rec
}

// safeBuffer is a log that can be read while it is written.
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
