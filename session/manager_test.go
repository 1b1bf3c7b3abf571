package session

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newTestManager(t testing.TB, o ManagerOptions) *Manager {
	t.Helper()
	m, err := NewManager(o)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

func TestManager_OptionsAreChecked(t *testing.T) {
	good := func() ManagerOptions {
		return ManagerOptions{Store: newMapStore(), Keys: testRing(t, "k1"), CookieName: testCookie}
	}
	for name, spoil := range map[string]func(o *ManagerOptions){
		"no store":          func(o *ManagerOptions) { o.Store = nil },
		"no keys":           func(o *ManagerOptions) { o.Keys = nil },
		"no cookie name":    func(o *ManagerOptions) { o.CookieName = "" },
		"long cookie name":  func(o *ManagerOptions) { o.CookieName = strings.Repeat("n", 41) },
		"odd cookie name":   func(o *ManagerOptions) { o.CookieName = "a=b" },
		"split cookie name": func(o *ManagerOptions) { o.CookieName = "a\r\nSet-Cookie: b" },
		"lifetime":          func(o *ManagerOptions) { o.Lifetime.IdleTimeout = -1 },
		"source lifetime":   func(o *ManagerOptions) { o.SourceLifetime = map[string]Lifetime{"corp": {TouchEvery: time.Hour}} },
		"two of a name":     func(o *ManagerOptions) { o.Sources = []Source{&scripted{name: "a"}, &scripted{name: "a"}} },
	} {
		o := good()
		spoil(&o)
		_, err := NewManager(o)
		require.ErrorIs(t, err, ErrMalformed, name)
	}
	_, err := NewManager(ManagerOptions{Store: newMapStore(), Keys: testRing(t, "k1"), CookieName: "c", SourceLifetime: map[string]Lifetime{"corp": {MaxLifetime: -1}}})
	require.ErrorContains(t, err, `"corp"`, "the message says where")
}

func TestCookie_IsSmallAndOpaque(t *testing.T) {
	name := strings.Repeat("n", maxCookieName)
	m := newTestManager(t, ManagerOptions{Store: newMapStore(), Keys: testRing(t, "k1"), CookieName: name})
	s, value, err := m.Create(t.Context(), answer("authority-id"), Device{})
	require.NoError(t, err)
	require.LessOrEqual(t, len(value.Reveal()), 160)
	require.LessOrEqual(t, len(name)+len(value.Reveal()), 200)
	raw, err := base64.URLEncoding.DecodeString(value.Reveal())
	require.NoError(t, err)
	require.NotContains(t, string(raw), "user-")
	got, err := m.Resolve(t.Context(), cookieOf(name, value.Reveal()))
	require.NoError(t, err)
	require.Equal(t, s.ID, got.ID)
}

func TestCookie_ForgedIsRejected(t *testing.T) { // S-080
	w := newWorld(t, worldOptions{})
	_, c := w.login(t, "ann", time.Hour)
	value := c.Value.Reveal()
	_, _ = w.login(t, "bob", time.Hour)
	other := newTestManager(t, ManagerOptions{Store: w.store, Keys: testRing(t, "other"), CookieName: testCookie})
	_, foreign, err := other.Create(t.Context(), answer("x"), Device{})
	require.NoError(t, err)
	for name, forged := range map[string]string{
		"empty":             "",
		"nothing":           "x",
		"padding":           "====",
		"long":              strings.Repeat("A", 161),
		"too long":          strings.Repeat("A", 1<<20),
		"another key":       foreign.Reveal(),
		"twice":             value + value,
		"trailing space":    value + " ",
		"leading space":     " " + value,
		"line break inside": value[:10] + "\r\n" + value[10:],
		"line break after":  value + "\n",
		"without padding":   strings.TrimRight(value, "="),
		"id alone":          base64.URLEncoding.EncodeToString(make([]byte, sessionIDBytes)),
		"unsigned":          base64.URLEncoding.EncodeToString([]byte("1|" + base64.URLEncoding.EncodeToString(make([]byte, 32)) + "|")),
		"format string":     "%s%n%x",
		"nul":               "\x00" + value,
		"first 119":         value[:len(value)-1],
	} {
		_, err := w.manager.Resolve(t.Context(), cookieOf(testCookie, forged))
		require.ErrorIs(t, err, ErrRejected, name)
		require.NotErrorIs(t, err, ErrUnavailable, name)
	}
}

func TestCookie_TruncatedIsRejectedAtEveryLength(t *testing.T) { // S-172
	w := newWorld(t, worldOptions{})
	_, c := w.login(t, "ann", time.Hour)
	value := c.Value.Reveal()
	_, err := w.validator.Validate(t.Context(), c)
	require.NoError(t, err)
	for n := range len(value) {
		_, err := w.validator.Validate(t.Context(), cookieOf(testCookie, value[:n])) // also from the cache
		require.ErrorIs(t, err, ErrRejected)
	}
}

func TestCookie_FlippedBitAtEveryPositionIsRejected(t *testing.T) {
	w := newWorld(t, worldOptions{})
	_, c := w.login(t, "ann", time.Hour)
	value := []byte(c.Value.Reveal())
	for i := range value {
		for bit := range 8 {
			flipped := append([]byte(nil), value...)
			flipped[i] ^= 1 << bit
			_, err := w.manager.Resolve(t.Context(), cookieOf(testCookie, string(flipped)))
			require.ErrorIs(t, err, ErrRejected, "byte %d bit %d", i, bit)
		}
	}
	for i := range value { // every letter of the alphabet in every place: base64 has spare bits at its end
		for _, letter := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
			if value[i] == letter {
				continue
			}
			changed := append([]byte(nil), value...)
			changed[i] = letter
			_, err := w.manager.openCookie(string(changed))
			require.ErrorIs(t, err, ErrRejected, "byte %d", i)
		}
	}
}

func TestCookie_UnderAnotherNameIsRejected(t *testing.T) { // S-180
	store, ring := newMapStore(), testRing(t, "k1")
	a := newTestManager(t, ManagerOptions{Store: store, Keys: ring, CookieName: "a"})
	b := newTestManager(t, ManagerOptions{Store: store, Keys: ring, CookieName: "b"})
	_, value, err := a.Create(t.Context(), answer("x"), Device{})
	require.NoError(t, err)
	_, err = b.Resolve(t.Context(), cookieOf("b", value.Reveal()))
	require.ErrorIs(t, err, ErrRejected)
	_, err = a.Resolve(t.Context(), cookieOf("b", value.Reveal()))
	require.ErrorIs(t, err, ErrNotMine)
	_, err = a.Resolve(t.Context(), bearer(value.Reveal()))
	require.ErrorIs(t, err, ErrNotMine)
}

func TestCookie_KeyRotation(t *testing.T) {
	store := newMapStore()
	with := func(ids ...string) *Manager {
		return newTestManager(t, ManagerOptions{Store: store, Keys: testRing(t, ids...), CookieName: testCookie})
	}
	s, value, err := with("old").Create(t.Context(), answer("x"), Device{})
	require.NoError(t, err)
	c := cookieOf(testCookie, value.Reveal())
	got, err := with("new", "old").Resolve(t.Context(), c)
	require.NoError(t, err, "the second key of the ring verifies and opens")
	require.Equal(t, s.ID, got.ID)
	_, newer, err := with("new", "old").Create(t.Context(), answer("y"), Device{})
	require.NoError(t, err)
	_, err = with("new").Resolve(t.Context(), cookieOf(testCookie, newer.Reveal()))
	require.NoError(t, err, "the first key signs and seals")
	_, err = with("new").Resolve(t.Context(), c)
	require.ErrorIs(t, err, ErrRejected, "signed by a key that was removed")
}

func TestCreate_AlwaysANewID(t *testing.T) { // S-016
	w := newWorld(t, worldOptions{})
	planted, c := w.login(t, "attacker", time.Hour)
	s, value, err := w.manager.Create(t.Context(), planted, Device{})
	require.NoError(t, err)
	require.NotEqual(t, planted.ID, s.ID)
	require.NotEqual(t, planted.Handle, s.Handle)
	require.NotEqual(t, c.Value.Reveal(), value.Reveal())
	hooked := newWorld(t, worldOptions{hooks: Hooks{OnCreate: []hookSession{func(_ contextT, s *Session) (*Session, error) {
		c := s.Clone()
		c.ID, c.Handle = planted.ID, planted.Handle
		return c, nil
	}}}})
	s, c = hooked.login(t, "victim", time.Hour)
	require.NotEqual(t, planted.ID, s.ID, "not even by a hook")
	require.NotEqual(t, planted.Handle, s.Handle)
	_, err = hooked.manager.Resolve(t.Context(), c)
	require.NoError(t, err)
}

func TestCreate_IdsAreUnique(t *testing.T) { // S-121
	w := newWorld(t, worldOptions{})
	const n = 100_000
	ids, handles := make(map[string]bool, n), make(map[string]bool, n)
	seen := answer("x")
	for range n {
		ids[string(newSessionID())] = true
	}
	for range n / 10 {
		handles[w.manager.fresh(seen, "id", Device{}).Handle] = true
	}
	require.Len(t, ids, n)
	require.Len(t, handles, n/10)
	require.Len(t, newSessionID(), sessionIDBytes, "256 bits")
}

func TestCreate_NothingIsGivenOutThatTheStoreHasNot(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.store.writesFail = errDown
	s, value, err := w.manager.Create(t.Context(), answer("x"), Device{})
	require.ErrorIs(t, err, ErrUnavailable)
	require.Nil(t, s)
	require.True(t, value.Empty())
}

func TestCreate_EndedOrOversizedAnswersAreRefused(t *testing.T) {
	clock := newTestClock()
	w := newWorld(t, worldOptions{now: clock.now})
	over := answer("x")
	over.ExpiresAt = clock.now()
	_, _, err := w.manager.Create(t.Context(), over, Device{})
	require.ErrorIs(t, err, ErrRejected)
	huge := answer("x")
	huge.Identity.Groups = []string{strings.Repeat("g", maxRecordBytes)}
	_, _, err = w.manager.Create(t.Context(), huge, Device{})
	require.ErrorIs(t, err, ErrMalformed)
	odd := answer("x")
	odd.AuthenticatedAt = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	_, _, err = w.manager.Create(t.Context(), odd, Device{})
	require.ErrorIs(t, err, ErrMalformed)
	require.Zero(t, w.store.len())
}

func TestStore_KnowsNeitherIDNorCookie(t *testing.T) { // S-214
	w := newWorld(t, worldOptions{})
	s, c := w.login(t, "ann", time.Hour)
	for key, rec := range w.store.records {
		everything := key + strings.Join(rec.Terms, " ") + string(rec.Data)
		for _, secret := range []string{s.ID, c.Value.Reveal(), "access-ann", "refresh-ann"} {
			require.NotContains(t, everything, secret)
		}
		// and what the store has cannot be used as a cookie
		for _, try := range append(rec.Terms, key, string(rec.Data)) {
			_, err := w.manager.Resolve(t.Context(), cookieOf(testCookie, try))
			require.ErrorIs(t, err, ErrRejected)
		}
	}
}

// Names of sources hold no NUL, so that whatever a subject or sid holds, the first NUL of a term ends the source.
func TestStore_TermsCannotBeConfused(t *testing.T) {
	seen := map[string]string{}
	for _, source := range []string{"a", "ab", "user"} {
		for _, value := range []string{"", "b", "\x00b", "b\x00c", ":a", "user:a\x00b"} {
			who := source + "/" + value
			for _, term := range terms(&Session{Handle: who, Source: source, Identity: Identity{Subject: value}, SourceSessionID: value}) {
				require.Empty(t, seen[term], "%q of %q", term, who)
				seen[term] = who
			}
		}
	}
	require.Len(t, terms(&Session{Source: "a"}), 2, "no sid, no term")
}

func TestManager_BadUnknownAndExpiredLookTheSame(t *testing.T) { // S-216
	clock := newTestClock()
	w := newWorld(t, worldOptions{now: clock.now})
	s, unknown := w.login(t, "ann", time.Hour)
	require.NoError(t, w.manager.End(t.Context(), s, EndLogout))
	_, expired := w.login(t, "bob", time.Hour)
	clock.turn(DefaultIdleTimeout)
	for _, c := range []Credential{unknown, expired, cookieOf(testCookie, "bad")} {
		_, err := w.validator.Validate(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected)
		for _, class := range []error{ErrUnavailable, ErrNotFound, ErrNotMine, ErrMalformed, ErrTooMany} {
			require.NotErrorIs(t, err, class)
		}
		require.Zero(t, RetryAfter(err))
	}
}

func TestManager_StoreOutageIsNoLogout(t *testing.T) { // S-104, F2
	w := newWorld(t, worldOptions{})
	s, c := w.login(t, "ann", time.Hour)
	w.store.set(func(m *mapStore) { m.readsFail, m.writesFail, m.deleteFail = errDown, errDown, errDown })
	_, err := w.manager.Resolve(t.Context(), c)
	require.ErrorIs(t, err, ErrUnavailable)
	require.NotErrorIs(t, err, ErrRejected)
	require.ErrorIs(t, w.manager.End(t.Context(), s, EndLogout), ErrUnavailable, "a logout that did not happen says so")
	require.Zero(t, w.authority.revoked.Load())
	w.store.set(func(m *mapStore) { m.readsFail, m.writesFail, m.deleteFail = nil, nil, nil })
	_, err = w.manager.Resolve(t.Context(), c)
	require.NoError(t, err)
}

func TestManager_EndTellsEverybodyOnceItIsTrue(t *testing.T) {
	var order []string
	w := newWorld(t, worldOptions{hooks: Hooks{OnEnd: []func(contextT, *Session, EndReason){
		func(_ contextT, _ *Session, why EndReason) { order = append(order, "hook "+string(why)) },
	}}})
	w.manager.OnEnd(func(*Session, EndReason) {
		order = append(order, "listener")
		require.Zero(t, w.store.len(), "the record goes first")
	})
	s, c := w.login(t, "ann", time.Hour)
	_, err := w.validator.Validate(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, w.manager.End(t.Context(), s, EndLogout))
	require.Equal(t, []string{"listener", "hook logout"}, order)
	_, err = w.validator.Validate(t.Context(), c)
	require.ErrorIs(t, err, ErrRejected)
	w.manager.Close()
	require.EqualValues(t, 1, w.authority.revoked.Load())
	require.NoError(t, w.manager.End(t.Context(), s, EndLogout), "ending what is gone is no error, not even after Close")
}

func TestManager_PanicInARevokerIsContained(t *testing.T) {
	var log logLines
	w := newWorld(t, worldOptions{log: log.logger()})
	w.authority.revoke = func(contextT, *Session) error { panic("planted") }
	s, _ := w.login(t, "ann", time.Hour)
	require.NoError(t, w.manager.End(t.Context(), s, EndLogout))
	w.manager.Close()
	require.Contains(t, log.String(), "panic while revoking tokens")
	require.NotContains(t, log.String(), "planted")
}
