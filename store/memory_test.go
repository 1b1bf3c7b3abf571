package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
)

func TestMemory(t *testing.T) {
	sessiontest.TestStore(t, func(t *testing.T, now func() time.Time) session.Store {
		return newMemory(t, MemoryOptions{}, now)
	})
}

func newMemory(t testing.TB, o MemoryOptions, now func() time.Time) *Memory {
	t.Helper()
	m, err := OpenMemory(o, Deps{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func ExampleOpenMemory() {
	s, err := OpenMemory(MemoryOptions{MaxRecords: 1000}, Deps{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx := context.Background()
	version, _ := s.Swap(ctx, "key", session.Record{Data: []byte("sealed"), Terms: []string{"user:ada"}})
	fmt.Println("version", version)
	for key := range s.Find(ctx, "user:ada", "") {
		fmt.Println("found", key)
	}
	// Output:
	// version 1
	// found key
}

func TestMemoryFullRefusesCreatingOnly(t *testing.T) {
	clock := sessiontest.NewClock(time.Unix(1e9, 0))
	m, ctx := newMemory(t, MemoryOptions{MaxRecords: 3}, clock.Now), t.Context()
	for i := range 3 {
		_, err := m.Swap(ctx, fmt.Sprint(i), session.Record{Terms: []string{"all"}, ExpiresAt: clock.Now().Add(time.Duration(i+1) * time.Minute)})
		require.NoError(t, err)
	}
	_, err := m.Swap(ctx, "more", session.Record{Terms: []string{"all"}})
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.ErrorContains(t, err, "store.memory.max_records")
	_, err = m.Get(ctx, "more")
	require.ErrorIs(t, err, session.ErrNotFound)

	_, err = m.Swap(ctx, "1", session.Record{Terms: []string{"all"}, Version: 1})
	require.NoError(t, err, "what is there can be changed")

	clock.Advance(time.Minute)
	_, err = m.Swap(ctx, "more", session.Record{})
	require.NoError(t, err, "an expired record makes room")
	require.NoError(t, m.Delete(ctx, "2"))
	_, err = m.Swap(ctx, "again", session.Record{})
	require.NoError(t, err, "a deleted record makes room")
	_, err = m.Swap(ctx, "over", session.Record{})
	require.ErrorIs(t, err, session.ErrUnavailable)
}

func TestMemoryKeepsNothingOfWhatIsGone(t *testing.T) {
	clock := sessiontest.NewClock(time.Unix(1e9, 0))
	m, ctx := newMemory(t, MemoryOptions{}, clock.Now), t.Context()
	for i := range 1000 {
		r := session.Record{Terms: []string{"all", "all", fmt.Sprint(i)}, ExpiresAt: clock.Now().Add(time.Minute)}
		_, err := m.Swap(ctx, fmt.Sprint(i), r)
		require.NoError(t, err)
		r.Version, r.ExpiresAt = 1, r.ExpiresAt.Add(time.Second)
		_, err = m.Swap(ctx, fmt.Sprint(i), r)
		require.NoError(t, err)
	}
	for i := range 500 {
		require.NoError(t, m.Delete(ctx, fmt.Sprint(i)))
	}
	clock.Advance(time.Hour)
	n, err := m.Sweep(ctx, 10_000)
	require.NoError(t, err)
	require.Equal(t, 500, n)
	require.Empty(t, m.records)
	require.Empty(t, m.terms)
	require.True(t, m.expiry.empty())
}
