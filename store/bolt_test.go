package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
)

func TestBolt(t *testing.T) {
	t.Parallel()
	sessiontest.TestStore(t, func(t *testing.T, now func() time.Time) session.Store {
		return newBolt(t, now)
	})
}

func newBolt(t testing.TB, now func() time.Time) *Bolt {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "s.db"), now)
}

func openAt(t testing.TB, path string, now func() time.Time) *Bolt {
	t.Helper()
	b, err := OpenBolt(BoltOptions{Path: path}, Deps{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// change writes to the file behind the store's back, and checks bbolt's own invariants when it is done.
func (b *Bolt) change(t testing.TB, f func(tables) error) {
	t.Helper()
	require.NoError(t, b.db.Update(func(tx *bolt.Tx) error { return f(tablesOf(tx)) }))
}

func TestBoltKeepsRecordsOverReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	b := openAt(t, path, nil)
	r := session.Record{Data: []byte("data"), Terms: []string{"user:a"}, ExpiresAt: time.Now().Add(time.Hour).UTC().Round(0)}
	_, err := b.Swap(t.Context(), "k", r)
	require.NoError(t, err)
	require.NoError(t, b.Close())

	b = openAt(t, path, nil)
	got, err := b.Get(t.Context(), "k")
	require.NoError(t, err)
	r.Version = 1
	require.Equal(t, r, got)
	r.Version = 7
	_, err = b.Swap(t.Context(), "k", r)
	require.ErrorIs(t, err, session.ErrConflict)
	for key, err := range b.Find(t.Context(), "user:a", "") {
		require.NoError(t, err)
		require.Equal(t, "k", key)
	}
}

func TestBoltMakesTheFilePrivate(t *testing.T) {
	b := newBolt(t, nil)
	info, err := os.Stat(b.path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestBoltIndexesHoldNothingOfWhatIsGone(t *testing.T) {
	clock := sessiontest.NewClock(time.Unix(1e9, 0))
	b, ctx := newBolt(t, clock.Now), t.Context()
	for _, key := range []string{"a", "b", "c"} {
		r := session.Record{Terms: []string{"x", "x", "y"}, ExpiresAt: clock.Now().Add(time.Minute)}
		_, err := b.Swap(ctx, key, r)
		require.NoError(t, err)
		r.Version, r.Terms, r.ExpiresAt = 1, []string{"y", "z"}, r.ExpiresAt.Add(1)
		_, err = b.Swap(ctx, key, r)
		require.NoError(t, err)
	}
	require.NoError(t, b.Delete(ctx, "a"))
	clock.Advance(time.Hour)
	n, err := b.Sweep(ctx, 100)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.NoError(t, b.read(ctx, "test", func(tb tables) error {
		for _, bucket := range []*bolt.Bucket{tb.records, tb.terms, tb.expiry} {
			k, _ := bucket.Cursor().First()
			require.Nil(t, k)
		}
		return nil
	}))
}

func TestBoltDamagedRecord(t *testing.T) {
	clock := sessiontest.NewClock(time.Unix(1e9, 0))
	b, ctx := newBolt(t, clock.Now), t.Context()
	damage := func(t *testing.T) {
		_, err := b.Swap(ctx, "k", session.Record{Terms: []string{"user:a"}, ExpiresAt: clock.Now().Add(time.Minute)})
		require.NoError(t, err)
		b.change(t, func(tb tables) error { return tb.records.Put([]byte("k"), []byte("no record")) })
	}

	damage(t)
	_, err := b.Get(ctx, "k")
	require.ErrorIs(t, err, session.ErrUnavailable, "damage is no proof that a session ended")
	_, err = b.Swap(ctx, "k", session.Record{})
	require.ErrorIs(t, err, session.ErrUnavailable)
	var found []string
	for key, err := range b.Find(ctx, "user:a", "") {
		require.NoError(t, err)
		found = append(found, key)
	}
	require.Equal(t, []string{"k"}, found, "whoever ends all sessions of a user must meet it")

	require.NoError(t, b.Delete(ctx, "k"))
	_, err = b.Get(ctx, "k")
	require.ErrorIs(t, err, session.ErrNotFound)
	_, err = b.Swap(ctx, "k", session.Record{Terms: []string{"user:b"}})
	require.NoError(t, err)
	for key := range b.Find(ctx, "user:a", "") {
		t.Errorf("an index entry of the damaged record found %s", key)
	}

	require.NoError(t, b.Delete(ctx, "k"))
	damage(t)
	clock.Advance(time.Hour)
	n, err := b.Sweep(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = b.Get(ctx, "k")
	require.ErrorIs(t, err, session.ErrNotFound)
}

func TestBoltSweepBelievesTheRecordNotTheIndex(t *testing.T) {
	clock := sessiontest.NewClock(time.Unix(1e9, 0))
	b, ctx := newBolt(t, clock.Now), t.Context()
	_, err := b.Swap(ctx, "k", session.Record{ExpiresAt: clock.Now().Add(time.Hour)})
	require.NoError(t, err)
	b.change(t, func(tb tables) error { return tb.expiry.Put(expiryKey(clock.Now(), "k"), nil) })
	_, err = b.Sweep(ctx, 10)
	require.NoError(t, err)
	_, err = b.Get(ctx, "k")
	require.NoError(t, err)
}
