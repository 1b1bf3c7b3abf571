package session

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// last is the minute under way.
func (t *Tally) last() Minute {
	all := t.Minutes()
	return all[len(all)-1]
}

func TestTally_KeepsAnHour(t *testing.T) {
	clock := newTestClock()
	tally := NewTally(clock.now)
	for i := range 70 {
		for range i + 1 {
			tally.Add(Logins)
		}
		clock.turn(time.Minute)
	}
	clock.turn(-time.Minute)
	minutes := tally.Minutes()
	require.Len(t, minutes, 60)
	for i, m := range minutes {
		require.Equal(t, Minute{At: clock.now().Truncate(time.Minute).Add(time.Duration(i-59) * time.Minute), Logins: int64(i + 11)}, m)
	}
	clock.turn(64 * time.Minute) // the same counters, another hour
	for _, m := range tally.Minutes() {
		require.Zero(t, m.Logins)
	}
	tally.Add(Denials)
	require.EqualValues(t, 1, tally.last().Denials)
	require.Zero(t, tally.last().Logins)
}

func TestTally_NobodyIsLostAmongMany(t *testing.T) {
	clock := newTestClock()
	tally := NewTally(clock.now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5000 {
				tally.Add(Hits)
			}
		})
	}
	wg.Wait()
	require.Equal(t, Minute{At: clock.now(), Hits: 40_000}, tally.last())
}

func TestTally_NilCountsNothing(t *testing.T) {
	var tally *Tally
	tally.Add(Hits)
	require.Empty(t, tally.Minutes())
	NewTally(nil).Add(Counted(99))
}

// TestTally_WhatIsCounted: a hit is what is answered from memory, a miss what is asked, and only a renewal that worked is one.
func TestTally_WhatIsCounted(t *testing.T) {
	clock := newTestClock()
	w := newWorld(t, worldOptions{now: clock.now})
	tally := NewTally(clock.now)
	w.manager.o.Tally, w.validator.o.Tally = tally, tally
	s, c := w.login(t, "ann", 2*time.Hour)
	for range 3 {
		_, err := w.validator.Validate(t.Context(), c)
		require.NoError(t, err)
	}
	forged := cookieOf(testCookie, "forged")
	for range 2 {
		_, err := w.validator.Validate(t.Context(), forged)
		require.ErrorIs(t, err, ErrRejected)
	}
	require.Equal(t, Minute{At: clock.now(), Logins: 1, Hits: 3, Misses: 2}, tally.last())
	_, err := w.validator.Renew(t.Context(), w.manager, s)
	require.NoError(t, err)
	w.authority.refresh = func(context.Context, *Session) (*Session, error) { return nil, errDown }
	other, _ := w.login(t, "eve", 2*time.Hour)
	_, err = w.validator.Renew(t.Context(), w.manager, other)
	require.ErrorIs(t, err, ErrUnavailable)
	require.Equal(t, Minute{At: clock.now(), Logins: 2, Refreshes: 1, Hits: 3, Misses: 2}, tally.last())
	w.store.set(func(m *mapStore) { m.writesFail = errDown })
	_, _, err = w.manager.Create(t.Context(), fullAnswer(), Device{})
	require.ErrorIs(t, err, ErrUnavailable)
	require.EqualValues(t, 2, tally.last().Logins, "nobody logged in")
}

func BenchmarkTally(b *testing.B) {
	tally := NewTally(nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			tally.Add(Hits)
		}
	})
}

func TestOperations_Counts(t *testing.T) {
	clock := newTestClock()
	f := newOffice(t, worldOptions{now: clock.now, lifetime: Lifetime{IdleTimeout: time.Hour, MaxLifetime: 24 * time.Hour}})
	for i := range 3 {
		f.login(t, fmt.Sprint("user", i), time.Hour)
	}
	require.NoError(t, f.visit(t, "bob"))
	require.NoError(t, f.visit(t, "eve"))
	_, err := f.ops.Revoke(t.Context(), "lobby-eve", EndRevoked)
	require.NoError(t, err)
	n, err := f.ops.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, Counts{Own: 3, Foreign: 1, Sources: map[string]int{"corp": 3, "lobby": 1}, Complete: true}, n)
	f.store.set(func(m *mapStore) { m.readsFail = errDown })
	_, err = f.ops.Counts(t.Context())
	require.ErrorIs(t, err, ErrUnavailable)
	f.store.set(func(m *mapStore) { m.readsFail = nil })
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	n, err = f.ops.Counts(ctx)
	require.NoError(t, err)
	require.False(t, n.Complete, "out of time, and it says so")
	require.Zero(t, n.Own)
}
