package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type (
	contextT    = context.Context
	hookSession = func(context.Context, *Session) (*Session, error)
)

// rounds is n where there is time for it.
func rounds(n int) int {
	if testing.Short() || raceEnabled {
		return n / 20
	}
	return n
}

var testStart = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// testClock stands still until it is turned.
type testClock struct{ at atomic.Int64 }

func newTestClock() *testClock {
	c := &testClock{}
	c.at.Store(testStart.UnixNano())
	return c
}

func (c *testClock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *testClock) turn(d time.Duration)    { c.at.Add(int64(d)) }
func cookieOf(name, value string) Credential { return credentialOf(KindCookie, name, value) }

func credentialOf(kind Kind, name, value string) Credential {
	return Credential{Place: Place{Kind: kind, Name: name}, Value: NewSecret(value)}
}

func bearer(token string) Credential { return credentialOf(KindBearer, "", token) }

// scripted is an authority that answers as the test says and counts what it is asked.
type scripted struct {
	name      string
	resolve   func(ctx context.Context, c Credential) (*Session, error)
	refresh   func(ctx context.Context, s *Session) (*Session, error)
	revoke    func(ctx context.Context, s *Session) error
	renewAt   func(s *Session) time.Time
	touch     func(ctx context.Context, s *Session) (*Session, error)
	questions atomic.Int64
	renewals  atomic.Int64
	revoked   atomic.Int64
	touches   atomic.Int64
}

func (f *scripted) Name() string    { return f.name }
func (f *scripted) Kind() string    { return "scripted" }
func (f *scripted) Places() []Place { return []Place{{Kind: KindBearer}} }

func (f *scripted) Resolve(ctx context.Context, c Credential) (*Session, error) {
	f.questions.Add(1)
	return f.resolve(ctx, c)
}

// scriptedRenewer is an authority that renews, touches and revokes as well.
type scriptedRenewer struct{ scripted }

func (f *scriptedRenewer) RenewAt(s *Session) time.Time {
	if f.renewAt == nil {
		return time.Time{}
	}
	return f.renewAt(s)
}

func (f *scriptedRenewer) Refresh(ctx context.Context, s *Session) (*Session, error) {
	f.renewals.Add(1)
	return f.refresh(ctx, s)
}

func (f *scriptedRenewer) Revoke(ctx context.Context, s *Session) error {
	f.revoked.Add(1)
	if f.revoke == nil {
		return nil
	}
	return f.revoke(ctx, s)
}

// scriptedToucher is an authority whose sessions have an idle clock.
type scriptedToucher struct{ scripted }

func (f *scriptedToucher) TouchAt(s *Session) time.Time { return s.LastAccessAt.Add(time.Minute) }

func (f *scriptedToucher) Touch(ctx context.Context, s *Session, _ Credential) (*Session, error) {
	f.touches.Add(1)
	return f.touch(ctx, s)
}

var (
	_ Renewer = (*scriptedRenewer)(nil)
	_ Revoker = (*scriptedRenewer)(nil)
	_ Toucher = (*scriptedToucher)(nil)
)

// answer is a session an authority would give for a token.
func answer(id string) *Session {
	return &Session{ID: id, Handle: "handle-" + id, Source: "corp", Active: true, Identity: Identity{Subject: "user-" + id}}
}

func alwaysAnswer(_ context.Context, c Credential) (*Session, error) {
	return answer(c.Value.Reveal()), nil
}

func newTestValidator(t testing.TB, o ValidatorOptions) *Validator {
	t.Helper()
	v, err := NewValidator(o)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

// mapStore is a store whose outages the test decides.
type mapStore struct {
	mu         sync.Mutex
	records    map[string]Record
	readsFail  error
	writesFail error
	deleteFail error
	conflicts  int // so many swaps to come are told of a conflict
	reads      int
	writes     int
	beforeSwap func(key string) // runs without the lock
}

func newMapStore() *mapStore { return &mapStore{records: map[string]Record{}} }

func (m *mapStore) set(f func(m *mapStore)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

func (m *mapStore) Get(_ context.Context, key string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	r, ok := m.records[key]
	if m.readsFail != nil {
		return Record{}, m.readsFail
	}
	if !ok {
		return Record{}, ErrNotFound
	}
	r.Data = bytes.Clone(r.Data)
	return r, nil
}

func (m *mapStore) Swap(_ context.Context, key string, r Record) (uint64, error) {
	m.mu.Lock()
	hook := m.beforeSwap
	m.mu.Unlock()
	if hook != nil {
		hook(key)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.writesFail != nil {
		return 0, m.writesFail
	}
	if m.conflicts > 0 {
		m.conflicts--
		return 0, ErrConflict
	}
	if m.records[key].Version != r.Version {
		return 0, ErrConflict
	}
	r.Version++
	r.Data = bytes.Clone(r.Data)
	m.records[key] = r
	return r.Version, nil
}

func (m *mapStore) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deleteFail != nil {
		return m.deleteFail
	}
	delete(m.records, key)
	return nil
}

func (m *mapStore) Find(_ context.Context, term, after string) iter.Seq2[string, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(m.records)) {
		if key > after && (term == "" || slices.Contains(m.records[key].Terms, term)) {
			keys = append(keys, key)
		}
	}
	return func(yield func(string, error) bool) {
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
	}
}

func (m *mapStore) Close() error { return nil }

func (m *mapStore) swaps() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

func (m *mapStore) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.records)
}

var _ Store = (*mapStore)(nil)

var errDown = fmt.Errorf("store down: %w", ErrUnavailable)

func testKey(id string) Key { return Key{ID: id, Secret: NewSecret(strings.Repeat(id+"/", 40)[:40])} }

func testRing(t testing.TB, ids ...string) *KeyRing {
	t.Helper()
	keys := make([]Key, len(ids))
	for i, id := range ids {
		keys[i] = testKey(id)
	}
	ring, err := NewKeyRing(keys...)
	require.NoError(t, err)
	return ring
}

const testCookie = "__Host-sessionward"

// world is a manager with its store, its authority and a validator in front, on one clock.
type world struct {
	store     *mapStore
	authority *scriptedRenewer
	manager   *Manager
	validator *Validator
}

type worldOptions struct {
	now      func() time.Time
	lifetime Lifetime
	hooks    Hooks
	log      *slog.Logger
	cache    CacheOptions
	store    *mapStore
}

func newWorld(t testing.TB, o worldOptions) *world {
	t.Helper()
	w := &world{store: o.store, authority: &scriptedRenewer{scripted{name: "corp"}}}
	if w.store == nil {
		w.store = newMapStore()
	}
	w.authority.refresh = func(_ context.Context, s *Session) (*Session, error) { return renewedBy(s, o.now), nil }
	var err error
	w.manager, err = NewManager(ManagerOptions{
		Store: w.store, Keys: testRing(t, "k1"), CookieName: testCookie, Sources: []Source{w.authority},
		Lifetime: o.lifetime, Hooks: o.hooks, Now: o.now, Log: o.log,
	})
	require.NoError(t, err)
	w.validator, err = NewValidator(ValidatorOptions{
		Resolvers: []Resolver{w.manager}, Cache: o.cache, Hooks: o.hooks, Now: o.now, Log: o.log,
	})
	require.NoError(t, err)
	w.manager.OnEnd(func(s *Session, _ EndReason) { w.validator.End(s) })
	t.Cleanup(func() { w.validator.Close(); w.manager.Close() })
	return w
}

// renewedBy is what an authority with rotating tokens of an hour makes of s.
func renewedBy(s *Session, now func() time.Time) *Session {
	if now == nil {
		now = time.Now
	}
	c := s.Clone()
	c.Tokens.Access = NewSecret(s.Tokens.Access.Reveal() + "+")
	c.Tokens.Refresh = NewSecret(s.Tokens.Refresh.Reveal() + "+")
	c.Tokens.ExpiresAt = now().Add(time.Hour)
	return c
}

// login creates a session with tokens of the given life, and its cookie.
func (w *world) login(t testing.TB, user string, tokenLife time.Duration) (*Session, Credential) {
	t.Helper()
	s, value, err := w.manager.Create(t.Context(), &Session{
		Source: "corp", Active: true, Identity: Identity{Subject: user},
		Tokens: Tokens{
			Type: "Bearer", Access: NewSecret("access-" + user), Refresh: NewSecret("refresh-" + user),
			ExpiresAt: w.manager.now().Add(tokenLife),
		},
	}, Device{IP: "192.0.2.1", UserAgent: "browser"})
	require.NoError(t, err)
	return s, cookieOf(testCookie, value.Reveal())
}

// stored is what the store has of s now, nil when it has ended.
func (w *world) stored(t testing.TB, s *Session) *Session {
	t.Helper()
	got, err := w.manager.read(t.Context(), s.ID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	require.NoError(t, err)
	return got
}

// logLines is a log that can be read while it is written.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logLines) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
