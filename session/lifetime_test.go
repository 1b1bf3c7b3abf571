package session

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLifetime_Validate(t *testing.T) {
	require.NoError(t, Lifetime{}.Validate())
	require.NoError(t, Lifetime{IdleTimeout: time.Second}.Validate(), "touch_every follows a short idle timeout")
	for name, l := range map[string]Lifetime{
		"idle_timeout":                 {IdleTimeout: -1},
		"max_lifetime":                 {MaxLifetime: -1},
		"touch_every":                  {TouchEvery: -1},
		"refresh_before":               {RefreshBefore: -1},
		"at most half of idle_timeout": {IdleTimeout: time.Minute, TouchEvery: 31 * time.Second},
	} {
		require.ErrorIs(t, l.Validate(), ErrMalformed)
		require.ErrorContains(t, l.Validate(), name, "the message names the field")
	}
}

func TestLifetime_TwoClocks(t *testing.T) {
	life := Lifetime{IdleTimeout: 10 * time.Minute, MaxLifetime: time.Hour}
	t.Run("idle", func(t *testing.T) {
		clock := newTestClock()
		w := newWorld(t, worldOptions{now: clock.now, lifetime: life})
		_, c := w.login(t, "ann", 24*time.Hour)
		clock.turn(10*time.Minute - time.Nanosecond)
		_, err := w.manager.Resolve(t.Context(), c)
		require.NoError(t, err)
		clock.turn(time.Nanosecond)
		_, err = w.manager.Resolve(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected)
		clock.turn(keepEnded - time.Nanosecond)
		_, err = w.manager.Resolve(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected)
		require.NotZero(t, w.store.len(), "the clock may be wrong")
		clock.turn(time.Nanosecond)
		_, err = w.manager.Resolve(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected)
		require.Zero(t, w.store.len())
		clock.turn(-5*time.Minute - keepEnded)
		_, err = w.manager.Resolve(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected, "a clock put back brings nothing to life that has ended for good")
	})
	t.Run("absolute, whatever happens", func(t *testing.T) {
		clock := newTestClock()
		w := newWorld(t, worldOptions{now: clock.now, lifetime: life})
		s, c := w.login(t, "ann", 24*time.Hour)
		for range 11 {
			clock.turn(5 * time.Minute)
			var err error
			s, err = w.manager.Touch(t.Context(), s, c)
			require.NoError(t, err)
			s, err = w.manager.Refresh(t.Context(), s)
			require.NoError(t, err)
			require.Equal(t, testStart.Add(time.Hour), s.ExpiresAt)
			require.False(t, s.IdleExpiresAt.After(s.ExpiresAt), "a touch never goes beyond the absolute end")
		}
		clock.turn(5*time.Minute - time.Nanosecond)
		_, err := w.manager.Resolve(t.Context(), c)
		require.NoError(t, err)
		clock.turn(time.Nanosecond)
		_, err = w.manager.Touch(t.Context(), s, c)
		require.ErrorIs(t, err, ErrRejected)
		_, err = w.manager.Resolve(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected)
	})
}

// Everybody is refused while the clock shows a time past their end, and nobody is logged out by that. The record is
// there for an hour more, for the store as well, and no use of it meanwhile prolongs the session.
func TestLifetime_ClockThatJumpsAheadAndBackLogsOutNobody(t *testing.T) {
	clock := newTestClock()
	w := newWorld(t, worldOptions{now: clock.now})
	s, c := w.login(t, "ann", time.Hour)
	require.Equal(t, s.EndsAt().Add(keepEnded), w.store.records[storeKey(s.ID)].ExpiresAt)
	_, err := w.validator.Validate(t.Context(), c)
	require.NoError(t, err)
	jump := DefaultIdleTimeout + keepEnded - time.Second
	clock.turn(jump)
	for range 3 {
		_, err = w.validator.Validate(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected)
		_, err = w.manager.Touch(t.Context(), s, c)
		require.ErrorIs(t, err, ErrRejected)
		_, err = w.manager.Refresh(t.Context(), s)
		require.ErrorIs(t, err, ErrRejected)
	}
	require.Zero(t, w.authority.renewals.Load())
	clock.turn(-jump)
	a, err := w.validator.Validate(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, s.EndsAt(), a.Session.EndsAt())
	require.Equal(t, s.version, a.Session.version, "nothing was written")
	clock.turn(DefaultIdleTimeout)
	_, err = w.validator.Validate(t.Context(), c)
	require.ErrorIs(t, err, ErrRejected, "its own clock goes on")
}

func TestLifetime_RecordsAreKeptForTimesTheStoreCanWrite(t *testing.T) {
	for name, tc := range map[string]struct{ end, kept time.Time }{
		"never":     {time.Time{}, time.Time{}},
		"usual":     {testStart, testStart.Add(keepEnded)},
		"last year": {time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
	} {
		require.Equal(t, tc.kept, keptUntil(&Session{ExpiresAt: tc.end}), name)
	}
}

func TestLifetime_LateTouchDoesNotResurrect(t *testing.T) {
	clock := newTestClock()
	w := newWorld(t, worldOptions{now: clock.now})
	s, c := w.login(t, "ann", time.Hour)
	clock.turn(DefaultIdleTimeout)
	_, err := w.manager.Touch(t.Context(), s, c) // begun before its end, done after
	require.ErrorIs(t, err, ErrRejected)
	_, err = w.manager.Resolve(t.Context(), c)
	require.ErrorIs(t, err, ErrRejected)
}

func TestLifetime_TouchIsWrittenOncePerTouchEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		s, c := w.login(t, "ann", 24*time.Hour)
		for range 600 { // ten minutes of a request each second
			_, err := w.validator.Validate(t.Context(), c)
			require.NoError(t, err)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		require.InDelta(t, 9, w.stored(t, s).version-s.version, 1)
		require.WithinDuration(t, time.Now(), w.stored(t, s).LastAccessAt, DefaultTouchEvery)
	})
}

func TestLifetime_UseKeepsASessionAndDisuseEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{lifetime: Lifetime{IdleTimeout: 10 * time.Minute, MaxLifetime: 3 * time.Hour}})
		_, c := w.login(t, "ann", 24*time.Hour)
		for range 36 {
			time.Sleep(5*time.Minute - time.Second)
			_, err := w.validator.Validate(t.Context(), c)
			require.NoError(t, err)
			synctest.Wait()
		}
		time.Sleep(10 * time.Minute)
		_, err := w.validator.Validate(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected)
	})
}

func TestLifetime_PerSource(t *testing.T) {
	clock := newTestClock()
	m := newTestManager(t, ManagerOptions{
		Store: newMapStore(), Keys: testRing(t, "k1"), CookieName: "c", Now: clock.now,
		Lifetime:       Lifetime{MaxLifetime: time.Hour},
		SourceLifetime: map[string]Lifetime{"short": {IdleTimeout: time.Minute, MaxLifetime: 2 * time.Minute}},
	})
	for source, want := range map[string][2]time.Duration{"short": {2 * time.Minute, time.Minute}, "corp": {time.Hour, time.Hour}} {
		s, _, err := m.Create(t.Context(), &Session{Source: source, Active: true}, Device{})
		require.NoError(t, err)
		require.Equal(t, testStart.Add(want[0]), s.ExpiresAt)
		require.Equal(t, testStart.Add(want[1]), s.IdleExpiresAt)
	}
	early := &Session{Source: "corp", Active: true, ExpiresAt: testStart.Add(time.Minute)}
	s, _, err := m.Create(t.Context(), early, Device{})
	require.NoError(t, err)
	require.Equal(t, early.ExpiresAt, s.ExpiresAt, "the authority's own end holds where it is earlier")
	require.Equal(t, early.ExpiresAt, s.IdleExpiresAt)
}

func TestLifetime_RenewAt(t *testing.T) {
	tokens := func(life time.Duration) Tokens {
		return Tokens{Refresh: NewSecret("r"), ObtainedAt: testStart, ExpiresAt: testStart.Add(life)}
	}
	for name, tc := range map[string]struct {
		l              Lifetime
		life           time.Duration
		earliest, last time.Duration // before the token's end
	}{
		"an hour: 6 minutes":          {Lifetime{}, time.Hour, 7*time.Minute + 30*time.Second, 6 * time.Minute},
		"five minutes: one minute":    {Lifetime{}, 5 * time.Minute, 75 * time.Second, time.Minute},
		"a minute: never before half": {Lifetime{}, time.Minute, 37500 * time.Millisecond, 30 * time.Second},
		"configured":                  {Lifetime{RefreshBefore: 10 * time.Minute}, time.Hour, 12*time.Minute + 30*time.Second, 10 * time.Minute},
		"configured too long":         {Lifetime{RefreshBefore: 10 * time.Hour}, time.Hour, 37*time.Minute + 30*time.Second, 30 * time.Minute},
		"no life":                     {Lifetime{}, 0, 0, 0},
		"ended when it came":          {Lifetime{}, -time.Hour, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			spread := map[time.Time]bool{}
			for i := range 100 {
				tok := tokens(tc.life)
				at := tc.l.renewAt(tok, fmt.Sprint("handle", i))
				require.False(t, at.Before(tok.ExpiresAt.Add(-tc.earliest)), "%s", tok.ExpiresAt.Sub(at))
				require.False(t, at.After(tok.ExpiresAt.Add(-tc.last)), "%s", tok.ExpiresAt.Sub(at))
				spread[at] = true
			}
			if tc.life > 0 {
				require.Greater(t, len(spread), 90, "not all at once")
			}
		})
	}
	require.True(t, Lifetime{}.renewAt(Tokens{ExpiresAt: testStart}, "h").IsZero(), "cannot be renewed")
	require.True(t, Lifetime{}.renewAt(Tokens{Refresh: NewSecret("r")}, "h").IsZero(), "end unknown")
}

func TestDevices_AreBoundedAndKeepTheFirst(t *testing.T) {
	clock := newTestClock()
	w := newWorld(t, worldOptions{now: clock.now, lifetime: Lifetime{TouchEvery: time.Second}})
	s, c := w.login(t, "ann", time.Hour)
	for i := range 20 {
		clock.turn(2 * time.Second)
		c.RemoteIP, c.UserAgent = fmt.Sprint("198.51.100.", i), "bad \xff bytes"
		for range 2 { // the second time from there is the same place
			var err error
			s, err = w.manager.Touch(t.Context(), w.stored(t, s), c)
			require.NoError(t, err)
			clock.turn(2 * time.Second)
		}
	}
	require.Len(t, s.Devices, maxDevices)
	require.Equal(t, "192.0.2.1", s.Devices[0].IP)
	require.Equal(t, "198.51.100.19", s.Devices[maxDevices-1].IP)
	require.Equal(t, "bad  bytes", s.Devices[1].UserAgent)
	c.UserAgent = string(make([]byte, 1<<20))
	clock.turn(2 * time.Second)
	s, err := w.manager.Touch(t.Context(), s, c)
	require.NoError(t, err)
	require.Len(t, s.Devices[maxDevices-1].UserAgent, maxUserAgent)
}
