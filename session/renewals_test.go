package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// renewing returns an authority whose tokens live for ten minutes and are renewed from five minutes on, with
// rotation: a spent token is refused.
func renewing(t testing.TB, takes time.Duration) *scriptedRenewer {
	t.Helper()
	var mu sync.Mutex
	spent := map[string]bool{}
	r := &scriptedRenewer{scripted{name: "corp"}}
	r.resolve = func(_ context.Context, c Credential) (*Session, error) {
		s := answer(c.Value.Reveal())
		s.Tokens = Tokens{Access: NewSecret("a"), Refresh: NewSecret("r-" + s.ID), ObtainedAt: time.Now(), ExpiresAt: time.Now().Add(10 * time.Minute)}
		return s, nil
	}
	r.renewAt = func(s *Session) time.Time { return s.Tokens.ExpiresAt.Add(-5 * time.Minute) }
	r.refresh = func(ctx context.Context, s *Session) (*Session, error) {
		if takes > 0 {
			select {
			case <-time.After(takes):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if spent[s.Tokens.Refresh.Reveal()] {
			t.Errorf("refresh token used twice")
			return nil, ErrRejected
		}
		spent[s.Tokens.Refresh.Reveal()] = true
		c := s.Clone()
		c.Tokens.Access = NewSecret(s.Tokens.Access.Reveal() + "+")
		c.Tokens.Refresh = NewSecret(s.Tokens.Refresh.Reveal() + "+")
		c.Tokens.ObtainedAt = time.Now()
		c.Tokens.ExpiresAt = time.Now().Add(10 * time.Minute)
		return c, nil
	}
	return r
}

var hours = CacheOptions{FreshFor: 10 * time.Hour}

func TestRenewal_TwoHundredRequestsAtExpiryRenewOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, 4*time.Second)
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		_, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		began := time.Now()
		together(200, func(int) {
			a, err := v.Validate(t.Context(), bearer("a"))
			require.NoError(t, err)
			require.True(t, a.Renewed)
			require.Equal(t, "a+", a.Session.Tokens.Access.Reveal())
		})
		require.Equal(t, 4*time.Second, time.Since(began))
		require.EqualValues(t, 1, src.renewals.Load())
		a, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		require.False(t, a.Renewed)
		require.Equal(t, Hit, a.Freshness)
	})
}

func TestRenewal_BeforeExpiryNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, 4*time.Second)
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		_, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		time.Sleep(5 * time.Minute)
		began := time.Now()
		together(200, func(int) {
			a, err := v.Validate(t.Context(), bearer("a"))
			require.NoError(t, err)
			require.Equal(t, "a", a.Session.Tokens.Access.Reveal(), "the old token is still valid")
		})
		require.Zero(t, time.Since(began))
		time.Sleep(4 * time.Second)
		synctest.Wait()
		a, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		require.Equal(t, "a+", a.Session.Tokens.Access.Reveal())
		require.EqualValues(t, 1, src.renewals.Load())
	})
}

// One that took the old answer from the cache just before the renewal was over must not spend the spent token again.
func TestRenewal_HolderOfTheStateBeforeGetsTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, time.Second)
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		_, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		c := bearer("a")
		key := v.key(&c)
		old := v.answers.get(&key)
		time.Sleep(10 * time.Minute)
		_, err = v.Validate(t.Context(), c)
		require.NoError(t, err)
		for range 3 {
			time.Sleep(2 * renewRest)
			a, err := v.serve(t.Context(), &key, old, c, time.Now().UnixNano())
			require.NoError(t, err)
			require.Equal(t, "a+", a.Session.Tokens.Access.Reveal())
		}
		require.EqualValues(t, 1, src.renewals.Load())
	})
}

// Two credentials of one session: the renewal made for one serves the other.
func TestRenewal_ServesAllCredentialsOfASession(t *testing.T) {
	for name, wait := range map[string]time.Duration{"aside": 6 * time.Minute, "at expiry": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := renewing(t, time.Second)
				resolve := src.resolve
				src.resolve = func(ctx context.Context, _ Credential) (*Session, error) { return resolve(ctx, bearer("one")) }
				v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
				for _, token := range []string{"x", "y"} {
					_, err := v.Validate(t.Context(), bearer(token))
					require.NoError(t, err)
				}
				time.Sleep(wait)
				_, err := v.Validate(t.Context(), bearer("x"))
				require.NoError(t, err)
				time.Sleep(time.Second)
				synctest.Wait()
				for range 2 {
					a, err := v.Validate(t.Context(), bearer("y"))
					require.NoError(t, err)
					require.Equal(t, "a+", a.Session.Tokens.Access.Reveal())
				}
				require.EqualValues(t, 1, src.renewals.Load())
				c := bearer("y")
				key := v.key(&c)
				require.Equal(t, "a+", v.answers.get(&key).session.Tokens.Access.Reveal(), "and is remembered for it")
			})
		})
	}
}

func TestRenewal_VisitorLeavesRenewalGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, time.Second)
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		_, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		for round := range 50 {
			time.Sleep(10 * time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			began := time.Now()
			_, err = v.Validate(ctx, bearer("a"))
			cancel()
			require.ErrorIs(t, err, ErrUnavailable)
			require.Equal(t, 50*time.Millisecond, time.Since(began))
			time.Sleep(time.Second)
			synctest.Wait()
			a, err := v.Validate(t.Context(), bearer("a"))
			require.NoError(t, err)
			require.False(t, a.Renewed)
			require.EqualValues(t, round+1, src.renewals.Load(), "the next request needs no call")
		}
	})
}

func TestRenewal_FailuresKeepTheSessionAndRest(t *testing.T) {
	for name, tc := range map[string]struct {
		failure error
		rests   []time.Duration
	}{
		"unavailable":  {ErrUnavailable, []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 2 * time.Minute, 2 * time.Minute}},
		"retry after":  {WithRetryAfter(ErrUnavailable, 45*time.Second), []time.Duration{45 * time.Second, 45 * time.Second, 45 * time.Second, 80 * time.Second}},
		"too many":     {WithRetryAfter(ErrTooMany, 30*time.Second), []time.Duration{30 * time.Second}},
		"absurd":       {WithRetryAfter(ErrUnavailable, 10000*time.Hour), []time.Duration{time.Hour}},
		"unclassed":    {errors.New("EOF"), []time.Duration{10 * time.Second}},
		"garbled":      {ErrMalformed, []time.Duration{10 * time.Second}},
		"unsupported":  {ErrUnsupported, []time.Duration{10 * time.Second}},
		"joined no":    {errors.Join(ErrUnavailable, ErrRejected), []time.Duration{10 * time.Second}},
		"not found":    {ErrNotFound, []time.Duration{10 * time.Second}},
		"its deadline": {context.DeadlineExceeded, []time.Duration{10 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := renewing(t, 0)
				good := src.refresh
				src.refresh = func(context.Context, *Session) (*Session, error) { return nil, tc.failure }
				v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
				_, err := v.Validate(t.Context(), bearer("a"))
				require.NoError(t, err)
				time.Sleep(10 * time.Minute) // the token has ended
				for i, rest := range tc.rests {
					_, err = v.Validate(t.Context(), bearer("a"))
					require.NotErrorIs(t, err, ErrRejected)
					require.True(t, errors.Is(err, ErrUnavailable) || errors.Is(err, ErrTooMany))
					require.Equal(t, rest, RetryAfter(err))
					require.EqualValues(t, i+1, src.renewals.Load())
					time.Sleep(rest - time.Nanosecond)
					_, err = v.Validate(t.Context(), bearer("a"))
					require.Equal(t, time.Nanosecond, RetryAfter(err), "what is left of it")
					require.EqualValues(t, i+1, src.renewals.Load(), "left alone")
					time.Sleep(time.Nanosecond)
				}
				src.refresh = good
				a, err := v.Validate(t.Context(), bearer("a"))
				require.NoError(t, err, "it works again without a login")
				require.Equal(t, "a+", a.Session.Tokens.Access.Reveal())
			})
		})
	}
}

func TestRenewal_FailureBeforeExpiryIsNotFelt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, 0)
		src.refresh = func(ctx context.Context, _ *Session) (*Session, error) { <-ctx.Done(); return nil, ctx.Err() }
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		_, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		time.Sleep(5 * time.Minute)
		for range 299 {
			began := time.Now()
			_, err := v.Validate(t.Context(), bearer("a"))
			require.NoError(t, err)
			require.Zero(t, time.Since(began))
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, src.renewals.Load(), int64(8))
	})
}

func TestRenewal_AtMost32AtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, renewTurn/8)
		var now, most atomic.Int64
		good := src.refresh
		src.refresh = func(ctx context.Context, s *Session) (*Session, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			return good(ctx, s)
		}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		for i := range 200 {
			_, err := v.Validate(t.Context(), bearer(fmt.Sprint(i)))
			require.NoError(t, err)
		}
		time.Sleep(10 * time.Minute)
		together(200, func(i int) {
			_, err := v.Validate(t.Context(), bearer(fmt.Sprint(i)))
			require.NoError(t, err)
		})
		require.EqualValues(t, renewalsAtOnce, most.Load())
		require.EqualValues(t, 200, src.renewals.Load())
	})
}

// Behind an authority that hangs nobody waits for longer than one renewal takes, and those in the queue not even that.
func TestRenewal_QueueBehindAHangingAuthorityIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, time.Hour)
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		const sessions = 10 * renewalsAtOnce
		for i := range sessions {
			_, err := v.Validate(t.Context(), bearer(fmt.Sprint(i)))
			require.NoError(t, err)
		}
		time.Sleep(10 * time.Minute)
		began := time.Now()
		var queued atomic.Int64
		together(sessions, func(i int) {
			_, err := v.Validate(t.Context(), bearer(fmt.Sprint(i)))
			require.ErrorIs(t, err, ErrUnavailable)
			require.NotErrorIs(t, err, ErrRejected)
			require.GreaterOrEqual(t, RetryAfter(err), renewRetryFirst)
			switch took := time.Since(began); took {
			case renewTurn:
				queued.Add(1)
			default:
				require.Equal(t, DefaultRefreshTimeout, took)
			}
		})
		require.EqualValues(t, sessions-renewalsAtOnce, queued.Load())
		require.EqualValues(t, renewalsAtOnce, src.renewals.Load())
		src.refresh = renewing(t, time.Millisecond).refresh
		time.Sleep(renewRetryFirst)
		together(sessions, func(i int) {
			_, err := v.Validate(t.Context(), bearer(fmt.Sprint(i)))
			require.NoError(t, err, "they are kept, and heal")
		})
	})
}

func TestRenewal_RefusalEndsTheSessionOnThatRequest(t *testing.T) { // S-015
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, 0)
		src.refresh = func(context.Context, *Session) (*Session, error) { return nil, ErrRejected }
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		a, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		ended, release := v.Watch(a.Session)
		defer release()
		time.Sleep(10 * time.Minute)
		for range 3 {
			_, err = v.Validate(t.Context(), bearer("a"))
			require.ErrorIs(t, err, ErrRejected)
		}
		require.EqualValues(t, 1, src.renewals.Load())
		<-ended
	})
}

func TestRenewal_PanicInARefresherIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logLines
		src := renewing(t, 0)
		good := src.refresh
		src.refresh = func(_ context.Context, s *Session) (*Session, error) { panic(s.Tokens.Refresh.Reveal()) }
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours, Log: log.logger()})
		_, err := v.Validate(t.Context(), bearer("planted"))
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		_, err = v.Validate(t.Context(), bearer("planted"))
		require.ErrorIs(t, err, ErrUnavailable)
		require.Equal(t, 10*time.Second, RetryAfter(err))
		require.Equal(t, 1, strings.Count(log.String(), "panic while renewing a session\""))
		require.NotContains(t, log.String(), "r-planted")
		src.refresh = good
		time.Sleep(10 * time.Second)
		_, err = v.Validate(t.Context(), bearer("planted"))
		require.NoError(t, err, "no slot and no waiter was lost")
	})
}

func TestRenewal_NilSessionIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, 0)
		src.refresh = func(context.Context, *Session) (*Session, error) { return nil, nil }
		var log logLines
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours, Log: log.logger()})
		_, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		_, err = v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrUnavailable)
		require.NotContains(t, log.String(), "panic")
	})
}

// An authority that gives out tokens that have ended already is not asked once per request.
func TestRenewal_TokensThatEndAtOnceAreNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, 0)
		good := src.refresh
		src.refresh = func(ctx context.Context, s *Session) (*Session, error) {
			c, err := good(ctx, s)
			if err == nil {
				c.Tokens.ExpiresAt = time.Now()
			}
			return c, err
		}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		_, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		for range 1000 {
			_, err = v.Validate(t.Context(), bearer("a"))
			require.NoError(t, err)
		}
		require.EqualValues(t, 1, src.renewals.Load())
	})
}

func TestRenewal_LogoutWhileItRunsIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, time.Second)
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		a, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := v.Validate(t.Context(), bearer("a"))
			require.ErrorIs(t, err, ErrRejected)
		})
		time.Sleep(500 * time.Millisecond)
		v.End(a.Session)
		wg.Wait()
		_, err = v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrRejected)
		c := bearer("a")
		key := v.key(&c)
		require.Equal(t, "a", v.answers.get(&key).session.Tokens.Access.Reveal(), "nor is the result remembered")
	})
}

func TestRenewal_SessionThatEndsMeanwhileIsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, time.Minute)
		resolve := src.resolve
		src.resolve = func(ctx context.Context, c Credential) (*Session, error) {
			s, err := resolve(ctx, c)
			s.ExpiresAt = time.Now().Add(10*time.Minute + 30*time.Second)
			return s, err
		}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours, RefreshTimeout: 2 * time.Minute})
		_, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		_, err = v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrRejected, "its absolute end passed while its tokens were renewed")
	})
}

func TestRenewal_CloseFreesThoseInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, time.Hour)
		v, err := NewValidator(ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		require.NoError(t, err)
		for i := range 100 {
			_, err := v.Validate(t.Context(), bearer(fmt.Sprint(i)))
			require.NoError(t, err)
		}
		time.Sleep(6 * time.Minute)
		for i := range 100 {
			_, err := v.Validate(t.Context(), bearer(fmt.Sprint(i)))
			require.NoError(t, err)
		}
		synctest.Wait()
		began := time.Now()
		v.Close()
		require.Equal(t, DefaultRefreshTimeout, time.Since(began), "one deadline, not one for each place in the queue")
		require.EqualValues(t, renewalsAtOnce, src.renewals.Load())
		time.Sleep(5 * time.Minute)
		_, err = v.Validate(t.Context(), bearer("1"))
		require.ErrorIs(t, err, ErrUnavailable)
	})
}

func TestRenewal_MemoryOfAttemptsIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := renewing(t, 0)
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		for i := range 100 {
			if i%2 == 0 {
				src.refresh = func(context.Context, *Session) (*Session, error) { return nil, ErrUnavailable }
			}
			_, err := v.Validate(t.Context(), bearer(fmt.Sprint(i)))
			require.NoError(t, err)
		}
		time.Sleep(6 * time.Minute)
		for i := range 100 {
			_, _ = v.Validate(t.Context(), bearer(fmt.Sprint(i)))
		}
		synctest.Wait()
		require.Len(t, v.renewals.by, 100)
		v.sweep(1)
		require.Len(t, v.renewals.by, 100, "not while it may still be asked for")
		time.Sleep(3 * time.Minute)
		v.sweep(1)
		require.Empty(t, v.renewals.by)
	})
}

func TestTouch_OnceAndNotHammeredWhenItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &scriptedToucher{scripted{name: "corp"}}
		src.resolve = func(context.Context, Credential) (*Session, error) {
			s := answer("a")
			s.LastAccessAt = time.Now()
			return s, nil
		}
		src.touch = func(_ context.Context, s *Session) (*Session, error) {
			c := s.Clone()
			c.LastAccessAt = time.Now()
			return c, nil
		}
		good := src.touch
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: hours})
		ask := func() {
			_, err := v.Validate(t.Context(), bearer("a"))
			require.NoError(t, err)
			synctest.Wait()
		}
		ask()
		time.Sleep(time.Minute)
		for range 100 {
			ask()
		}
		require.EqualValues(t, 1, src.touches.Load())
		src.touch = func(context.Context, *Session) (*Session, error) { return nil, ErrUnavailable }
		time.Sleep(time.Minute)
		for range 100 {
			ask()
		}
		require.EqualValues(t, 2, src.touches.Load(), "not once per request while it fails")
		src.touch = func(context.Context, *Session) (*Session, error) { panic("boom") }
		time.Sleep(failureRest)
		ask()
		require.EqualValues(t, 3, src.touches.Load())
		src.touch = good
		time.Sleep(failureRest)
		ask()
		ask()
		require.EqualValues(t, 4, src.touches.Load())
		src.touch = func(context.Context, *Session) (*Session, error) { return nil, ErrRejected }
		time.Sleep(time.Minute)
		ask()
		_, err := v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrRejected)
	})
}
