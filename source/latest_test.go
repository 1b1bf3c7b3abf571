package source

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// newLatest returns a document that fetch provides. Call it inside a synctest bubble, where time.Now is fake.
func newLatest(fetch func(context.Context) (int, error)) *latest[int] {
	return &latest[int]{now: time.Now, timeout: 5 * time.Second, fetch: func(ctx context.Context) (int, time.Duration, error) {
		v, err := fetch(ctx)
		return v, 10 * time.Minute, err
	}}
}

func TestLatestFetchesOnceForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		l := newLatest(func(context.Context) (int, error) {
			time.Sleep(time.Second)
			return int(calls.Add(1)), nil
		})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				v, err := l.get(t.Context())
				require.NoError(t, err)
				require.Equal(t, 1, v)
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, calls.Load())
	})
}

func TestLatestFetchGoesOnWithoutTheCallerThatBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLatest(func(ctx context.Context) (int, error) {
			select {
			case <-time.After(2 * time.Second):
				return 7, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := l.get(ctx)
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		v, err := l.get(t.Context())
		require.NoError(t, err)
		require.Equal(t, 7, v)
	})
}

// at most one call per second while the authority is down, noticed within 5 s when it is back.
func TestLatestBacksOffAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Time
		up := begun.Add(time.Minute + 100*time.Millisecond)
		l := newLatest(func(context.Context) (int, error) {
			at = append(at, time.Now())
			if time.Now().Before(up) {
				return 0, authority.Unavailable("down")
			}
			return 1, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); l.run(ctx) }()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		_, err := l.get(ctx)
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.Positive(t, session.RetryAfter(err))
		require.LessOrEqual(t, session.RetryAfter(err), 5*time.Second)
		time.Sleep(time.Minute)
		cancel()
		<-ended
		for i := 1; i < len(at); i++ {
			require.GreaterOrEqual(t, at[i].Sub(at[i-1]), time.Second)
		}
		require.LessOrEqual(t, at[len(at)-1].Sub(up), 5*time.Second)
		require.NoError(t, l.health())
	})
}

func TestLatestHonoursRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		l := newLatest(func(context.Context) (int, error) {
			calls++
			return 0, session.WithRetryAfter(authority.Unavailable("busy"), 30*time.Second)
		})
		for range 29 {
			_, err := l.get(t.Context())
			require.ErrorIs(t, err, session.ErrUnavailable)
			time.Sleep(time.Second)
		}
		require.Equal(t, 1, calls)
	})
}

// the last good copy outlives an outage of a day, and nobody waits for the authority meanwhile.
func TestLatestKeepsTheLastGoodCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		l := newLatest(func(ctx context.Context) (int, error) {
			if down.Load() {
				<-ctx.Done()
				return 0, errors.Join(session.ErrUnavailable, ctx.Err())
			}
			return 1, nil
		})
		_, err := l.get(t.Context())
		require.NoError(t, err)
		down.Store(true)
		waits := 0
		for range 24 * 60 {
			time.Sleep(time.Minute)
			begun := time.Now()
			v, err := l.get(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, v)
			if time.Since(begun) > 0 {
				waits++
			}
		}
		require.LessOrEqual(t, waits, 1)
		time.Sleep(6 * time.Second) // let the last fetch end with its bubble
	})
}

func TestLatestRefreshesBeforeTheEndAndWaitsAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		l := newLatest(func(context.Context) (int, error) { calls++; return calls, nil })
		for _, step := range []struct {
			pass time.Duration
			want int
		}{{0, 1}, {7 * time.Minute, 1}, {2 * time.Minute, 1}, {time.Second, 2}, {10 * time.Minute, 3}} {
			time.Sleep(step.pass)
			v, err := l.get(t.Context())
			require.NoError(t, err)
			require.Equal(t, step.want, v)
			synctest.Wait()
		}
	})
}

func TestLatestRunStaysFreshAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		l := newLatest(func(ctx context.Context) (int, error) {
			if calls.Add(1) > 3 {
				<-ctx.Done()
				return 0, authority.Unavailable("stalled")
			}
			return 1, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); l.run(ctx) }()
		time.Sleep(24*time.Minute + time.Second)
		require.EqualValues(t, 4, calls.Load(), "every 8 minutes, and one under way")
		cancel()
		<-ended
		require.Nil(t, l.flight)
	})
}

// An outage is said once when it begins and once when it ends.
func TestLatestTellsOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing bool
		var told []bool
		l := newLatest(func(context.Context) (int, error) {
			if failing {
				return 0, authority.Unavailable("down")
			}
			return 1, nil
		})
		l.changed = func(err error) { told = append(told, err == nil) }
		for _, down := range []bool{false, true, true, false, false} {
			failing = down
			time.Sleep(11 * time.Minute)
			_, _ = l.get(t.Context())
			synctest.Wait()
		}
		require.Equal(t, []bool{false, true}, told)
	})
}

func TestLatestFetchThatPanicsIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		l := newLatest(func(context.Context) (int, error) {
			if broken {
				panic("what the document said")
			}
			return 7, nil
		})
		_, err := l.get(t.Context())
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.NotContains(t, err.Error(), "what the document said")
		broken = false
		time.Sleep(5 * time.Second)
		v, err := l.get(t.Context())
		require.NoError(t, err)
		require.Equal(t, 7, v)
	})
}

// TestLatestTriesAgainAfterAForcedFetchFailed: until it worked again health says that it did not, however fresh the copy.
func TestLatestTriesAgainAfterAForcedFetchFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		l := newLatest(func(context.Context) (int, error) {
			if down.Load() {
				return 0, authority.Unavailable("down")
			}
			return 7, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go l.run(ctx)
		_, err := l.get(ctx)
		require.NoError(t, err)
		down.Store(true)
		_, err = l.force(ctx)
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.Error(t, l.health())
		down.Store(false)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.NoError(t, l.health(), "nobody asked for it")
		cancel()
	})
}
