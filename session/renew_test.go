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

func access(s *Session) string { return s.Tokens.Access.Reveal() }

func TestRefresh_RefusalEndsTheSessionForGood(t *testing.T) { // S-015
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		s, c := w.login(t, "ann", 10*time.Minute)
		_, err := w.validator.Validate(t.Context(), c)
		require.NoError(t, err)
		w.authority.refresh = func(context.Context, *Session) (*Session, error) { return nil, ErrRejected }
		time.Sleep(10 * time.Minute)
		_, err = w.validator.Validate(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected, "on that very request")
		require.Nil(t, w.stored(t, s), "gone from the store")
		_, err = w.validator.Validate(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected)
		_, err = w.manager.Resolve(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected)
		require.Zero(t, w.authority.revoked.Load(), "who refused need not be told")
		time.Sleep(DefaultMaxLifetime)
		_, err = w.validator.Validate(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected)
		require.EqualValues(t, 1, w.authority.renewals.Load())
	})
}

func TestRefresh_OutageKeepsTheSessionAndItHealsWithoutLogin(t *testing.T) { // R-09, F8
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		s, c := w.login(t, "ann", 10*time.Minute)
		_, err := w.validator.Validate(t.Context(), c)
		require.NoError(t, err)
		good := w.authority.refresh
		w.authority.refresh = func(context.Context, *Session) (*Session, error) { return nil, errors.New("status 500") }
		time.Sleep(10 * time.Minute)
		_, err = w.validator.Validate(t.Context(), c)
		require.ErrorIs(t, err, ErrUnavailable)
		require.Positive(t, RetryAfter(err))
		require.NotNil(t, w.stored(t, s))
		w.authority.refresh = good
		time.Sleep(RetryAfter(err))
		a, err := w.validator.Validate(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, "access-ann+", access(a.Session))
	})
}

// S-065, R-10: another replica spent the token a moment ago. What the store says now decides.
func TestRefresh_RefusedButRenewedByAnotherReplica(t *testing.T) {
	w := newWorld(t, worldOptions{})
	s, c := w.login(t, "ann", time.Hour)
	w.authority.refresh = func(ctx context.Context, before *Session) (*Session, error) {
		_, err := w.manager.save(ctx, renewedBy(before, nil), before.version) // the other one's result arrives
		require.NoError(t, err)
		return nil, ErrRejected
	}
	got, err := w.manager.Refresh(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, "access-ann+", access(got))
	_, err = w.manager.Resolve(t.Context(), c)
	require.NoError(t, err)
}

func TestRefresh_RefusedWhileTheStoreIsDownEndsNothing(t *testing.T) {
	w := newWorld(t, worldOptions{})
	s, c := w.login(t, "ann", time.Hour)
	w.authority.refresh = func(context.Context, *Session) (*Session, error) {
		w.store.set(func(m *mapStore) { m.readsFail = errDown })
		return nil, ErrRejected
	}
	_, err := w.manager.Refresh(t.Context(), s)
	require.ErrorIs(t, err, ErrUnavailable)
	require.NotErrorIs(t, err, ErrRejected)
	w.store.set(func(m *mapStore) { m.readsFail = nil })
	_, err = w.manager.Resolve(t.Context(), c)
	require.NoError(t, err)
}

// F1: a slow renewal must not write over what came after it.
func TestRefresh_SlowRenewalNeverOverwritesANewerState(t *testing.T) {
	w := newWorld(t, worldOptions{})
	s, _ := w.login(t, "ann", time.Hour)
	w.authority.refresh = func(ctx context.Context, before *Session) (*Session, error) {
		newer := renewedBy(before, nil)
		newer.Tokens.Access = NewSecret("newer")
		_, err := w.manager.save(ctx, newer, before.version)
		require.NoError(t, err)
		return renewedBy(before, nil), nil
	}
	got, err := w.manager.Refresh(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, "newer", access(got))
	require.Equal(t, "newer", access(w.stored(t, s)))
}

func TestRefresh_AlreadyRenewedIsNotRenewedAgain(t *testing.T) {
	w := newWorld(t, worldOptions{})
	s, _ := w.login(t, "ann", time.Hour)
	for range 3 {
		got, err := w.manager.Refresh(t.Context(), s) // with the state before, each time
		require.NoError(t, err)
		require.Equal(t, "access-ann+", access(got))
	}
	require.EqualValues(t, 1, w.authority.renewals.Load())
}

// A renewal may leave the access token's text as it was and change the rest: that is a renewal too.
func TestRefresh_NewRefreshTokenOrEndAloneIsARenewal(t *testing.T) {
	for name, change := range map[string]func(s *Session){
		"refresh token": func(s *Session) { s.Tokens.Refresh = NewSecret("new") },
		"end":           func(s *Session) { s.Tokens.ExpiresAt = s.Tokens.ExpiresAt.Add(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, worldOptions{})
			s, _ := w.login(t, "ann", time.Hour)
			w.authority.refresh = func(_ context.Context, before *Session) (*Session, error) {
				c := before.Clone()
				change(c)
				return c, nil
			}
			for range 2 {
				_, err := w.manager.Refresh(t.Context(), s)
				require.NoError(t, err)
			}
			require.EqualValues(t, 1, w.authority.renewals.Load())
		})
	}
}

func TestRefresh_BringsIdentityAndKeepsClocks(t *testing.T) {
	clock := newTestClock()
	w := newWorld(t, worldOptions{now: clock.now})
	s, _ := w.login(t, "ann", time.Hour)
	w.authority.refresh = func(_ context.Context, before *Session) (*Session, error) {
		c := renewedBy(before, clock.now)
		c.Identity.Groups = []string{"new"}
		c.ID, c.Handle, c.Source = "x", "y", "z"
		c.ExpiresAt, c.IdleExpiresAt, c.IssuedAt = testStart.Add(1000*time.Hour), time.Time{}, time.Time{}
		c.SourceSessionID, c.AAL = "sid", "aal2"
		return c, nil
	}
	clock.turn(30 * time.Minute)
	got, err := w.manager.Refresh(t.Context(), s)
	require.NoError(t, err)
	for _, got := range []*Session{got, w.stored(t, s)} {
		require.Equal(t, []string{"new"}, got.Identity.Groups)
		require.Equal(t, "aal2", got.AAL)
		require.Equal(t, "sid", got.SourceSessionID)
		require.Equal(t, []string{s.ID, s.Handle, s.Source}, []string{got.ID, got.Handle, got.Source})
		require.Equal(t, s.ExpiresAt, got.ExpiresAt, "renewal never moves the absolute end (F6)")
		require.Equal(t, s.IdleExpiresAt, got.IdleExpiresAt)
		require.Equal(t, s.IssuedAt, got.IssuedAt)
		require.Equal(t, clock.now(), got.Tokens.ObtainedAt)
	}
}

func TestRefresh_ForAnotherSubjectIsRefused(t *testing.T) { // OpenID Connect Core §12.2
	w := newWorld(t, worldOptions{})
	s, c := w.login(t, "ann", time.Hour)
	w.authority.refresh = func(_ context.Context, before *Session) (*Session, error) {
		n := renewedBy(before, nil)
		n.Identity.Subject = "bob"
		return n, nil
	}
	_, err := w.manager.Refresh(t.Context(), s)
	require.ErrorIs(t, err, ErrRejected)
	_, err = w.manager.Resolve(t.Context(), c)
	require.ErrorIs(t, err, ErrRejected)
}

func TestRefresh_TouchMeanwhileLosesNothing(t *testing.T) {
	clock := newTestClock()
	w := newWorld(t, worldOptions{now: clock.now})
	s, c := w.login(t, "ann", time.Hour)
	clock.turn(10 * time.Minute)
	c.RemoteIP = "192.0.2.77"
	w.authority.refresh = func(ctx context.Context, before *Session) (*Session, error) {
		_, err := w.manager.Touch(ctx, s, c)
		require.NoError(t, err)
		return renewedBy(before, clock.now), nil
	}
	got, err := w.manager.Refresh(t.Context(), s)
	require.NoError(t, err)
	for _, got := range []*Session{got, w.stored(t, s)} {
		require.Equal(t, "access-ann+", access(got))
		require.Equal(t, clock.now(), got.LastAccessAt)
		require.Len(t, got.Devices, 2)
	}
	clock.turn(10 * time.Minute)
	touched, err := w.manager.Touch(t.Context(), s, c) // with the state before both
	require.NoError(t, err)
	require.Equal(t, "access-ann+", access(touched))
	require.Equal(t, "access-ann+", access(w.stored(t, s)))
}

func TestRefresh_TouchRacingRefreshThousandRounds(t *testing.T) {
	w := newWorld(t, worldOptions{lifetime: Lifetime{TouchEvery: time.Nanosecond}})
	s, c := w.login(t, "ann", time.Hour)
	for round := range 1000 {
		var wg sync.WaitGroup
		var next *Session
		wg.Go(func() {
			var err error
			next, err = w.manager.Refresh(t.Context(), s)
			require.NoError(t, err)
		})
		for range 3 {
			wg.Go(func() { _, err := w.manager.Touch(t.Context(), s, c); require.NoError(t, err) })
		}
		wg.Wait()
		now := w.stored(t, s)
		require.Equal(t, access(next), access(now), "round %d", round)
		require.True(t, now.LastAccessAt.After(s.LastAccessAt), "round %d", round)
		require.EqualValues(t, round+1, w.authority.renewals.Load())
		s = now
	}
}

func TestRefresh_LogoutRacingThousandRounds(t *testing.T) {
	store := newMapStore()
	w, replica := newWorld(t, worldOptions{store: store}), newWorld(t, worldOptions{store: store})
	for round := range 1000 {
		s, c := w.login(t, fmt.Sprint("user", round), time.Hour)
		_, err := w.validator.Validate(t.Context(), c)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for _, r := range []*world{w, replica} {
			wg.Go(func() { _, _ = r.manager.Refresh(t.Context(), s) })
			wg.Go(func() { _, _ = r.manager.Touch(t.Context(), s, c) })
		}
		wg.Go(func() { require.NoError(t, w.manager.End(t.Context(), s, EndLogout)) })
		wg.Wait()
		_, err = w.validator.Validate(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected, "round %d", round)
		_, err = replica.manager.Resolve(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected, "round %d", round)
	}
	require.Zero(t, store.len())
}

func TestRefresh_ResultAfterLogoutIsRevoked(t *testing.T) {
	w := newWorld(t, worldOptions{})
	s, c := w.login(t, "ann", time.Hour)
	var revoked atomic.Value
	w.authority.revoke = func(_ context.Context, s *Session) error { revoked.Store(access(s)); return nil }
	w.authority.refresh = func(ctx context.Context, before *Session) (*Session, error) {
		require.NoError(t, w.manager.o.Store.Delete(ctx, storeKey(s.ID))) // by another replica
		return renewedBy(before, nil), nil
	}
	_, err := w.manager.Refresh(t.Context(), s)
	require.ErrorIs(t, err, ErrRejected)
	_, err = w.manager.Resolve(t.Context(), c)
	require.ErrorIs(t, err, ErrRejected)
	w.manager.Close()
	require.Equal(t, "access-ann+", revoked.Load(), "nobody else knows the new tokens")
}

func TestPending_ServedKeptAndRetriedUntilTheStoreTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		s, c := w.login(t, "ann", 10*time.Minute)
		_, err := w.validator.Validate(t.Context(), c)
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		w.store.set(func(m *mapStore) { m.writesFail = errDown })
		a, err := w.validator.Validate(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, "access-ann+", access(a.Session), "served")
		time.Sleep(2 * time.Minute)
		a, err = w.validator.Validate(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, "access-ann+", access(a.Session), "and served to those who ask the store")
		require.Equal(t, "access-ann", access(w.stored(t, s)))
		w.store.set(func(m *mapStore) { m.writesFail = nil })
		time.Sleep(pendingRetryMost)
		synctest.Wait()
		require.Equal(t, "access-ann+", access(w.stored(t, s)), "written at last")
		require.Empty(t, w.manager.pending)
		require.EqualValues(t, 1, w.authority.renewals.Load())
	})
}

// While it waits, somebody else writes: an old state with an idle clock moved. The renewed tokens go on top.
func TestPending_SurvivesATouchByAnotherReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMapStore()
		w, replica := newWorld(t, worldOptions{store: store}), newWorld(t, worldOptions{store: store})
		s, c := w.login(t, "ann", time.Hour)
		time.Sleep(10 * time.Minute)
		store.set(func(m *mapStore) { m.writesFail = errDown })
		_, err := w.manager.Refresh(t.Context(), s)
		require.NoError(t, err)
		store.set(func(m *mapStore) { m.writesFail = nil })
		_, err = replica.manager.Touch(t.Context(), s, c)
		require.NoError(t, err)
		got, err := w.manager.Resolve(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, "access-ann+", access(got), "what waits is newer than what the store has")
		require.Equal(t, time.Now().UTC(), got.LastAccessAt.UTC())
		time.Sleep(pendingRetryMost)
		synctest.Wait()
		require.Equal(t, "access-ann+", access(w.stored(t, s)))
		require.Equal(t, got.LastAccessAt, w.stored(t, s).LastAccessAt)
	})
}

// A touch of our own, made from the state before, must not make the waiting tokens forgotten.
func TestPending_SurvivesATouchFromTheStateBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		s, c := w.login(t, "ann", time.Hour)
		time.Sleep(10 * time.Minute)
		w.store.set(func(m *mapStore) { m.writesFail = errDown })
		_, err := w.manager.Refresh(t.Context(), s)
		require.NoError(t, err)
		w.store.set(func(m *mapStore) { m.writesFail = nil })
		_, err = w.manager.Touch(t.Context(), s, c)
		require.NoError(t, err)
		time.Sleep(pendingRetryMost)
		synctest.Wait()
		require.Equal(t, "access-ann+", access(w.stored(t, s)))
	})
}

func TestPending_SecondRenewalBuildsOnTheFirst(t *testing.T) {
	for name, between := range map[string]func(t *testing.T, w *world, s *Session, c Credential){
		"nothing between": func(*testing.T, *world, *Session, Credential) {},
		"a touch between": func(t *testing.T, w *world, s *Session, c Credential) {
			w.store.set(func(m *mapStore) { m.writesFail = nil })
			_, err := w.manager.Touch(t.Context(), s, c)
			require.NoError(t, err)
			w.store.set(func(m *mapStore) { m.writesFail = errDown })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{})
				s, c := w.login(t, "ann", time.Hour)
				time.Sleep(10 * time.Minute)
				w.store.set(func(m *mapStore) { m.writesFail = errDown })
				first, err := w.manager.Refresh(t.Context(), s)
				require.NoError(t, err)
				second, err := w.manager.Refresh(t.Context(), first)
				require.NoError(t, err)
				require.Equal(t, "access-ann++", access(second))
				between(t, w, s, c)
				w.store.set(func(m *mapStore) { m.writesFail = nil })
				time.Sleep(2 * pendingRetryMost)
				synctest.Wait()
				require.Equal(t, "access-ann++", access(w.stored(t, s)))
				require.EqualValues(t, 2, w.authority.renewals.Load())
			})
		})
	}
}

func TestPending_ManyConflictsLoseNoTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		s, _ := w.login(t, "ann", time.Hour)
		w.store.set(func(m *mapStore) { m.conflicts = 3 * swapAttempts })
		got, err := w.manager.Refresh(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, "access-ann+", access(got))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, "access-ann+", access(w.stored(t, s)))
	})
}

func TestPending_LogoutMeanwhileWins(t *testing.T) { // R-14 with R-04
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		s, c := w.login(t, "ann", 10*time.Minute)
		_, err := w.validator.Validate(t.Context(), c)
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		w.store.set(func(m *mapStore) { m.writesFail = errDown })
		_, err = w.validator.Validate(t.Context(), c)
		require.NoError(t, err)
		require.NoError(t, w.manager.End(t.Context(), s, EndLogout))
		for range 10 {
			_, err = w.validator.Validate(t.Context(), c)
			require.ErrorIs(t, err, ErrRejected)
			_, err = w.manager.Resolve(t.Context(), c)
			require.ErrorIs(t, err, ErrRejected)
			time.Sleep(time.Minute)
		}
		w.store.set(func(m *mapStore) { m.readsFail = errDown })
		_, err = w.manager.Resolve(t.Context(), c)
		require.ErrorIs(t, err, ErrUnavailable, "nor is it served from memory while the store is away")
		w.store.set(func(m *mapStore) { m.readsFail, m.writesFail = nil, nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Nil(t, w.stored(t, s))
		require.Empty(t, w.manager.pending)
		require.False(t, w.manager.retrying)
	})
}

func TestPending_LogoutThatFailsKeepsTheTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		s, _ := w.login(t, "ann", time.Hour)
		w.store.set(func(m *mapStore) { m.writesFail, m.deleteFail = errDown, errDown })
		_, err := w.manager.Refresh(t.Context(), s)
		require.NoError(t, err)
		require.ErrorIs(t, w.manager.End(t.Context(), s, EndLogout), ErrUnavailable)
		w.store.set(func(m *mapStore) { m.writesFail, m.deleteFail = nil, nil })
		time.Sleep(pendingRetryMost)
		synctest.Wait()
		require.Equal(t, "access-ann+", access(w.stored(t, s)))
	})
}

func TestPending_CloseTriesOnceMoreAndEnds(t *testing.T) {
	for name, healed := range map[string]bool{"healed": true, "still down": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logLines
				w := newWorld(t, worldOptions{log: log.logger()})
				s, _ := w.login(t, "ann", time.Hour)
				w.store.set(func(m *mapStore) { m.writesFail = errDown })
				_, err := w.manager.Refresh(t.Context(), s)
				require.NoError(t, err)
				time.Sleep(time.Minute)
				if healed {
					w.store.set(func(m *mapStore) { m.writesFail = nil })
				}
				began := time.Now()
				w.manager.Close()
				require.Zero(t, time.Since(began))
				if healed {
					require.Equal(t, "access-ann+", access(w.stored(t, s)))
				} else {
					require.Contains(t, log.String(), "was not written")
				}
				require.Empty(t, w.manager.pending)
				w.store.set(func(m *mapStore) { m.writesFail = errDown })
				got, err := w.manager.Refresh(t.Context(), w.stored(t, s))
				require.NoError(t, err, "after Close it is served, and said to be lost")
				require.NotNil(t, got)
				require.Empty(t, w.manager.pending)
			})
		})
	}
}

func TestPending_OneGoroutineForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		var all []*Session
		for i := range 300 {
			s, _ := w.login(t, fmt.Sprint("user", i), time.Hour)
			all = append(all, s)
		}
		w.store.set(func(m *mapStore) { m.writesFail = errDown })
		for _, s := range all {
			_, err := w.manager.Refresh(t.Context(), s)
			require.NoError(t, err)
		}
		before := w.store.swaps()
		time.Sleep(time.Minute)
		require.Less(t, w.store.swaps()-before, 30, "a store that is down is not run down by those who wait for it")
		w.store.set(func(m *mapStore) { m.writesFail = nil })
		time.Sleep(pendingRetryMost)
		synctest.Wait()
		for i, s := range all {
			require.Equal(t, fmt.Sprintf("access-user%d+", i), access(w.stored(t, s)))
		}
	})
}

func TestRefresh_HookThatCannotSayLosesNoTokens(t *testing.T) {
	down := true
	w := newWorld(t, worldOptions{hooks: Hooks{OnRefresh: []func(contextT, *Session, *Session) (*Session, error){
		func(_ contextT, _, after *Session) (*Session, error) {
			if down {
				return nil, errors.New("directory is down")
			}
			return after, nil
		},
	}}})
	s, _ := w.login(t, "ann", time.Hour)
	good := w.authority.refresh
	w.authority.refresh = func(ctx context.Context, before *Session) (*Session, error) {
		c, err := good(ctx, before)
		c.Identity.Groups = []string{"admins"}
		return c, err
	}
	_, err := w.manager.Refresh(t.Context(), s)
	require.ErrorIs(t, err, ErrUnavailable)
	require.Equal(t, "access-ann+", access(w.stored(t, s)), "the old ones are spent")
	require.Empty(t, w.stored(t, s).Identity.Groups, "what nobody judged is not believed")
	down = false
	got, err := w.manager.Refresh(t.Context(), w.stored(t, s))
	require.NoError(t, err)
	require.Equal(t, []string{"admins"}, got.Identity.Groups)
}

// The old refresh token is spent: whatever else comes with the new one, it must be written down.
func TestRefresh_OversizedIdentityLosesNoTokens(t *testing.T) {
	for name, change := range map[string]func(*Session){
		"too large":   func(s *Session) { s.Identity.Groups = []string{strings.Repeat("g", maxRecordBytes)} },
		"unencodable": func(s *Session) { s.Identity.Claims = map[string]any{"f": func() {}} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logLines
				w := newWorld(t, worldOptions{log: log.logger()})
				s, c := w.login(t, "ann", time.Hour)
				good := w.authority.refresh
				w.authority.refresh = func(ctx context.Context, before *Session) (*Session, error) {
					after, err := good(ctx, before)
					change(after)
					return after, err
				}
				got, err := w.manager.Refresh(t.Context(), s)
				require.NoError(t, err)
				require.Equal(t, "access-ann+", access(got))
				require.Equal(t, "access-ann+", access(w.stored(t, s)))
				require.Equal(t, "refresh-ann+", w.stored(t, s).Tokens.Refresh.Reveal())
				require.Equal(t, s.Identity, w.stored(t, s).Identity, "as it was")
				require.Contains(t, log.String(), "cannot be kept")
				w.store.set(func(m *mapStore) { m.writesFail = errDown })
				_, err = w.manager.Refresh(t.Context(), got)
				require.NoError(t, err)
				w.store.set(func(m *mapStore) { m.writesFail = nil })
				time.Sleep(pendingRetryMost)
				synctest.Wait()
				require.Equal(t, "access-ann++", access(w.stored(t, s)), "nor while the store was down")
				_, err = w.manager.Resolve(t.Context(), c)
				require.NoError(t, err)
			})
		})
	}
}

func TestRefresh_HookThatRejectsEndsTheSession(t *testing.T) {
	w := newWorld(t, worldOptions{hooks: Hooks{OnRefresh: []func(contextT, *Session, *Session) (*Session, error){
		func(contextT, *Session, *Session) (*Session, error) { return nil, ErrRejected },
	}}})
	s, c := w.login(t, "ann", time.Hour)
	_, err := w.manager.Refresh(t.Context(), s)
	require.ErrorIs(t, err, ErrRejected)
	require.Nil(t, w.stored(t, s))
	_, err = w.validator.Validate(t.Context(), c)
	require.ErrorIs(t, err, ErrRejected)
	w.manager.Close()
	require.EqualValues(t, 1, w.authority.revoked.Load(), "its new tokens are of use to nobody")
}

func TestRefresh_WithoutPowerIsUnsupported(t *testing.T) {
	w := newWorld(t, worldOptions{})
	s, _, err := w.manager.Create(t.Context(), &Session{Source: "nobody", Active: true, Tokens: Tokens{Refresh: NewSecret("r")}}, Device{})
	require.NoError(t, err)
	_, err = w.manager.Refresh(t.Context(), s)
	require.ErrorIs(t, err, ErrUnsupported)
	require.True(t, w.manager.RenewAt(s).IsZero())
	s, _, err = w.manager.Create(t.Context(), &Session{Source: "corp", Active: true}, Device{})
	require.NoError(t, err)
	_, err = w.manager.Refresh(t.Context(), s)
	require.ErrorIs(t, err, ErrUnsupported, "no refresh token")
}

// The whole way: two replicas' worth of visitors at expiry through manager and validator.
func TestRefresh_StormAtExpiryThroughTheManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		good := w.authority.refresh
		w.authority.refresh = func(ctx context.Context, s *Session) (*Session, error) {
			time.Sleep(4 * time.Second)
			return good(ctx, s)
		}
		_, c := w.login(t, "ann", 10*time.Minute)
		_, err := w.validator.Validate(t.Context(), c)
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		together(200, func(i int) {
			time.Sleep(time.Duration(i) * 40 * time.Millisecond) // before, at and after its end
			a, err := w.validator.Validate(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, "access-ann+", access(a.Session))
		})
		require.EqualValues(t, 1, w.authority.renewals.Load())
	})
}
