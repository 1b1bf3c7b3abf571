package session

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRecord_EqualSessionsAreSealedDifferently(t *testing.T) { // S-044
	ring := testRing(t, "k1")
	sealer := ring.Sealer("session")
	blobs, nonces := map[string]bool{}, map[string]bool{}
	for range 1000 {
		sealed := sealer.Seal([]byte("equal"), []byte("aad"))
		blobs[string(sealed)] = true
		head := 2 + len("k1")
		nonces[string(sealed[head:head+24])] = true
	}
	require.Len(t, blobs, 1000)
	require.Len(t, nonces, 1000)
	w := newWorld(t, worldOptions{})
	data := map[string]bool{}
	for range 100 {
		_, _ = w.login(t, "ann", time.Hour)
	}
	for _, r := range w.store.records {
		data[string(r.Data)] = true
	}
	require.Len(t, data, 100)
}

func TestRecord_SwappedIsRefused(t *testing.T) { // S-215
	w := newWorld(t, worldOptions{})
	a, ca := w.login(t, "ann", time.Hour)
	b, cb := w.login(t, "bob", time.Hour)
	ka, kb := storeKey(a.ID), storeKey(b.ID)
	w.store.set(func(m *mapStore) { m.records[ka], m.records[kb] = m.records[kb], m.records[ka] })
	for _, c := range []Credential{ca, cb} {
		_, err := w.validator.Validate(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected)
	}
}

// Even a record that opens is held against the id that was asked for.
func TestRecord_OfAnotherSessionIsRefused(t *testing.T) {
	w := newWorld(t, worldOptions{})
	a, c := w.login(t, "ann", time.Hour)
	other := a.Clone()
	other.ID = "another"
	plain, err := encodeSession(other)
	require.NoError(t, err)
	key := storeKey(a.ID)
	w.store.set(func(m *mapStore) {
		r := m.records[key]
		r.Data = w.manager.sealer.Seal(plain, []byte(key))
		m.records[key] = r
	})
	_, err = w.manager.Resolve(t.Context(), c)
	require.ErrorIs(t, err, ErrRejected)
}

func TestRecord_AlteredByteAnywhereIsRefused(t *testing.T) { // S-215
	w := newWorld(t, worldOptions{})
	s, c := w.login(t, "ann", time.Hour)
	key := storeKey(s.ID)
	whole := w.store.records[key].Data
	put := func(data []byte) {
		w.store.set(func(m *mapStore) { r := m.records[key]; r.Data = data; m.records[key] = r })
	}
	keyName := 2 + len("k1")
	for i := range whole {
		altered := append([]byte(nil), whole...)
		altered[i] ^= 0x20
		put(altered)
		got, err := w.manager.Resolve(t.Context(), c)
		require.Error(t, err, "byte %d", i)
		require.Nil(t, got)
		if i == 0 || i >= keyName {
			require.ErrorIs(t, err, ErrRejected, "byte %d", i)
		}
	}
	for n := range len(whole) {
		put(whole[:n])
		_, err := w.manager.Resolve(t.Context(), c)
		require.Error(t, err, "cut to %d", n)
	}
	put(append(append([]byte(nil), whole...), 0))
	_, err := w.manager.Resolve(t.Context(), c)
	require.ErrorIs(t, err, ErrRejected)
	put(whole)
	_, err = w.manager.Resolve(t.Context(), c)
	require.NoError(t, err)
}

func TestRecord_SealedByAnUnknownKeyIsUnknownNotDenied(t *testing.T) {
	var log logLines
	store := newMapStore()
	with := func(ids ...string) *Manager {
		return newTestManager(t, ManagerOptions{Store: store, Keys: testRing(t, ids...), CookieName: "c", Log: log.logger()})
	}
	s, value, err := with("shared").Create(t.Context(), answer("x"), Device{})
	require.NoError(t, err)
	newer := with("newest", "shared")
	_, err = newer.save(t.Context(), s, s.version) // a replica that has the new key already
	require.NoError(t, err)
	_, err = with("shared").Resolve(t.Context(), cookieOf("c", value.Reveal()))
	require.ErrorIs(t, err, ErrUnavailable)
	require.NotErrorIs(t, err, ErrRejected)
	require.Contains(t, log.String(), `"key_id":"newest"`, "an operator can see which")
	_, err = newer.Resolve(t.Context(), cookieOf("c", value.Reveal()))
	require.NoError(t, err)
}

func TestSealer_OpensOnlyWhatItSealedForThisPurpose(t *testing.T) { // S-081
	ring := testRing(t, "k1", "k2")
	s := ring.Sealer("a")
	sealed := s.Seal([]byte("text"), []byte("aad"))
	plain, err := s.Open(sealed, []byte("aad"))
	require.NoError(t, err)
	require.Equal(t, "text", string(plain))
	for name, open := range map[string]func() ([]byte, error){
		"another purpose": func() ([]byte, error) { return ring.Sealer("b").Open(sealed, []byte("aad")) },
		"other aad":       func() ([]byte, error) { return s.Open(sealed, []byte("aa")) },
		"moved bytes":     func() ([]byte, error) { return s.Open(sealed, []byte("aadt")) },
		"another ring":    func() ([]byte, error) { return testRing(t, "k3").Sealer("a").Open(sealed, []byte("aad")) },
		"empty":           func() ([]byte, error) { return s.Open(nil, []byte("aad")) },
		"same id, another secret": func() ([]byte, error) {
			r, err := NewKeyRing(Key{ID: "k1", Secret: NewSecret(strings.Repeat("z", 40))})
			require.NoError(t, err)
			return r.Sealer("a").Open(sealed, []byte("aad"))
		},
	} {
		_, err := open()
		require.ErrorIs(t, err, ErrMalformed, name)
	}
}

func TestKeyRing_IsChecked(t *testing.T) {
	good := NewSecret(strings.Repeat("s", KeySize))
	for name, keys := range map[string][]Key{
		"none":       {},
		"no id":      {{ID: "", Secret: good}},
		"odd id":     {{ID: "a b", Secret: good}},
		"long id":    {{ID: strings.Repeat("a", 33), Secret: good}},
		"short":      {{ID: "a", Secret: NewSecret(strings.Repeat("s", KeySize-1))}},
		"empty":      {{ID: "a"}},
		"same twice": {{ID: "a", Secret: good}, {ID: "a", Secret: good}},
	} {
		_, err := NewKeyRing(keys...)
		require.ErrorIs(t, err, ErrMalformed, name)
		require.NotContains(t, err.Error(), "sss", name)
	}
	ring := testRing(t, "k1")
	require.NotEqual(t, ring.Derive("a", 32)[0].Bytes, ring.Derive("b", 32)[0].Bytes)
	require.Equal(t, ring.Derive("a", 32)[0].Bytes, testRing(t, "k1").Derive("a", 32)[0].Bytes)
}
