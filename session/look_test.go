package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// keeping is a resolver that says how its sessions are.
type keeping struct {
	scripted
	current func(ctx context.Context, s *Session) (*Session, error)
	looks   atomic.Int64
}

func (k *keeping) Current(ctx context.Context, s *Session) (*Session, error) {
	k.looks.Add(1)
	return k.current(ctx, s)
}

var _ Keeper = (*keeping)(nil)

// closedWithin reports after how long c was closed, -1 when it was not.
func closedWithin(c <-chan struct{}, limit time.Duration) time.Duration {
	began := time.Now()
	select {
	case <-c:
		return time.Since(began)
	case <-time.After(limit):
		return -1
	}
}

// A session that only streams ends at its idle end, and the record is of no matter for that.
func TestWatch_ClosesAtTheIdleEnd(t *testing.T) {
	for name, lifetime := range map[string]Lifetime{
		"shorter than a look": {IdleTimeout: 2 * time.Second},
		"many looks":          {IdleTimeout: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{lifetime: lifetime})
				s, _ := w.login(t, "ann", 10*time.Minute)
				ended, release := w.validator.Watch(s)
				defer release()
				require.InDelta(t, lifetime.IdleTimeout, closedWithin(ended, 24*time.Hour), float64(leastLook))
				require.Zero(t, w.authority.renewals.Load(), "nothing is renewed for a stream alone")
				require.Equal(t, s.version, w.stored(t, s).version, "nor is it use")
			})
		})
	}
	t.Run("of a source that cannot look", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v := newTestValidator(t, ValidatorOptions{})
			s := answer("a")
			s.ExpiresAt, s.IdleExpiresAt = time.Now().Add(time.Hour), time.Now().Add(time.Minute)
			ended, release := v.Watch(s)
			defer release()
			require.InDelta(t, time.Minute, closedWithin(ended, time.Hour), float64(leastLook))
		})
	})
}

func TestWatch_UseByOtherRequestsProlongsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{lifetime: Lifetime{IdleTimeout: 10 * time.Minute, MaxLifetime: 3 * time.Hour}})
		s, c := w.login(t, "ann", 24*time.Hour)
		ended, release := w.validator.Watch(s)
		defer release()
		for time.Since(s.IssuedAt) < 3*time.Hour-5*time.Minute {
			time.Sleep(5 * time.Minute)
			require.False(t, isClosed(ended))
			_, err := w.validator.Validate(t.Context(), c)
			require.NoError(t, err)
			synctest.Wait()
		}
		<-ended
		require.WithinDuration(t, s.ExpiresAt, time.Now(), leastLook, "but never beyond the absolute end")
	})
}

// Another replica ends the session: nobody tells this one.
func TestWatch_SessionThatEndedElsewhereIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMapStore()
		w, replica := newWorld(t, worldOptions{store: store}), newWorld(t, worldOptions{store: store})
		s, _ := w.login(t, "ann", time.Hour)
		other, _ := w.login(t, "bob", time.Hour)
		ended, release := w.validator.Watch(s)
		defer release()
		kept, releaseKept := w.validator.Watch(other)
		defer releaseKept()
		time.Sleep(5 * time.Minute)
		require.False(t, isClosed(ended))
		require.NoError(t, replica.manager.End(t.Context(), s, EndLogout))
		took := closedWithin(ended, time.Hour)
		require.True(t, took >= 0 && took <= DefaultFreshFor, "%s", took)
		require.False(t, isClosed(kept))
	})
}

func TestWatch_RejectionOfItsCredentialClosesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &scripted{name: "corp", resolve: alwaysAnswer}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
		a, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		ended, release := v.Watch(a.Session)
		defer release()
		other, releaseOther := v.Watch(answer("b"))
		defer releaseOther()
		src.resolve = func(context.Context, Credential) (*Session, error) { return nil, ErrUnavailable }
		time.Sleep(DefaultFreshFor + DefaultStaleFor)
		_, err = v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrUnavailable)
		require.False(t, isClosed(ended))
		src.resolve = func(context.Context, Credential) (*Session, error) { return nil, ErrRejected }
		_, err = v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrRejected)
		require.True(t, isClosed(ended))
		require.False(t, isClosed(other))
		src.resolve = alwaysAnswer
		time.Sleep(DefaultRejectedFor)
		_, err = v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err, "the credential is refused by its source, not by a memory of ours")
	})
}

func TestWatch_OutageKeepsItUntilTheLastEndThatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		s, _ := w.login(t, "ann", 24*time.Hour)
		ended, release := w.validator.Watch(s)
		defer release()
		w.store.set(func(m *mapStore) { m.readsFail = errDown })
		require.InDelta(t, DefaultIdleTimeout, closedWithin(ended, 24*time.Hour), float64(leastLook))
	})
}

// What a keeper may answer, and whether the stream goes on.
func TestWatch_AnswersOfKeepers(t *testing.T) {
	as := func(err error) func(context.Context, *Session) (*Session, error) {
		return func(_ context.Context, s *Session) (*Session, error) { return s, err }
	}
	for name, tc := range map[string]struct {
		current func(context.Context, *Session) (*Session, error)
		goesOn  bool
	}{
		"there":                     {as(nil), true},
		"rejected":                  {as(ErrRejected), false},
		"not found":                 {as(fmt.Errorf("gone: %w", ErrNotFound)), false},
		"unavailable":               {as(ErrUnavailable), true},
		"unavailable and rejected":  {as(errors.Join(ErrUnavailable, ErrRejected)), true},
		"unavailable and not found": {as(errors.Join(ErrUnavailable, ErrNotFound)), true},
		"not mine":                  {as(ErrNotMine), true},
		"any other error":           {as(errors.New("bug")), true},
		"nothing":                   {func(context.Context, *Session) (*Session, error) { return nil, nil }, true},
		"another session":           {func(context.Context, *Session) (*Session, error) { return &Session{ID: "b"}, nil }, true},
		"panic":                     {func(context.Context, *Session) (*Session, error) { panic("planted") }, true},
		"hangs":                     {func(ctx context.Context, _ *Session) (*Session, error) { <-ctx.Done(); return nil, ErrUnavailable }, true},
		"there, but no more active": {func(_ context.Context, s *Session) (*Session, error) { c := s.Clone(); c.Active = false; return c, nil }, false},
		"there, but its clock is up": {func(_ context.Context, s *Session) (*Session, error) {
			c := s.Clone()
			c.IdleExpiresAt = time.Now()
			return c, nil
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &keeping{scripted: scripted{name: "corp", resolve: alwaysAnswer}, current: tc.current}
				v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{k}})
				ended, release := v.Watch(answer("a"))
				defer release()
				took := closedWithin(ended, 10*time.Minute)
				require.Equal(t, tc.goesOn, took < 0, "%s", took)
				if tc.goesOn {
					require.Greater(t, k.looks.Load(), int64(10), "and it is looked at again")
				}
			})
		})
	}
}

var errThere = errors.New("there")

// With two keepers, one that has never heard of a session does not end what the other one has.
func TestWatch_AnyKeeperThatHasTheSessionKeepsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answers [2]atomic.Value
		keeper := func(i int) *keeping {
			return &keeping{scripted: scripted{name: fmt.Sprint(i)}, current: func(_ context.Context, s *Session) (*Session, error) {
				if err := answers[i].Load().(error); !errors.Is(err, errThere) {
					return nil, err
				}
				return s, nil
			}}
		}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{keeper(0), keeper(1)}})
		set := func(first, second error) {
			answers[0].Store(fmt.Errorf("%w", first))
			answers[1].Store(fmt.Errorf("%w", second))
		}
		set(ErrNotFound, errThere)
		ended, release := v.Watch(answer("a"))
		defer release()
		for _, pair := range [][2]error{
			{ErrNotFound, errThere}, {errThere, ErrRejected}, {ErrUnavailable, errThere}, {ErrNotMine, errThere},
			{ErrNotFound, ErrUnavailable}, {ErrUnavailable, ErrNotFound}, {ErrNotMine, ErrNotMine},
		} {
			set(pair[0], pair[1])
			require.Less(t, closedWithin(ended, 10*time.Minute), time.Duration(0), "%v", pair)
		}
		set(ErrNotMine, ErrNotFound)
		took := closedWithin(ended, time.Hour)
		require.True(t, took >= 0 && took <= DefaultFreshFor, "%s", took)
	})
}

func TestWatch_NothingThatIsLearnedProlongsTheAbsoluteEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &keeping{scripted: scripted{name: "corp"}, current: func(context.Context, *Session) (*Session, error) { return answer("a"), nil }}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{k}})
		s := answer("a")
		s.ExpiresAt = time.Now().Add(time.Hour)
		ended, release := v.Watch(s)
		defer release()
		require.InDelta(t, time.Hour, closedWithin(ended, 24*time.Hour), float64(leastLook))
	})
}

func TestWatch_LooksAreBounded(t *testing.T) {
	for fresh, want := range map[time.Duration][2]int64{
		time.Nanosecond:  {3600, 4800},
		10 * time.Second: {360, 480},
		24 * time.Hour:   {60, 80},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := &keeping{scripted: scripted{name: "corp"}, current: func(_ context.Context, s *Session) (*Session, error) { return s, nil }}
			v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{k}, Cache: CacheOptions{FreshFor: fresh}})
			_, release := v.Watch(answer("a"))
			time.Sleep(time.Hour)
			require.GreaterOrEqual(t, k.looks.Load(), want[0]-1, fresh)
			require.LessOrEqual(t, k.looks.Load(), want[1], fresh)
			release()
			before := k.looks.Load()
			time.Sleep(time.Hour)
			require.Equal(t, before, k.looks.Load(), "no look after release")
		})
	}
}

// A clock put ahead ends the streams of sessions that are over by it; one put back lets no stream outlive its session.
func TestWatch_ClockThatJumpsIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jump atomic.Int64
		v := newTestValidator(t, ValidatorOptions{Now: func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }})
		s := answer("a")
		s.ExpiresAt = time.Now().Add(time.Hour)
		ended, release := v.Watch(s)
		defer release()
		jump.Store(int64(2 * time.Hour))
		took := closedWithin(ended, 2*time.Hour)
		require.True(t, took >= 0 && took <= DefaultFreshFor, "%s", took)
		jump.Store(0)
		ended, release = v.Watch(s)
		defer release()
		jump.Store(-int64(time.Hour))
		require.Less(t, closedWithin(ended, 90*time.Minute), time.Duration(0))
		require.NotEqual(t, time.Duration(-1), closedWithin(ended, 40*time.Minute))
	})
}

func TestWatch_CloseEndsStreamsAndLeaksNothing(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	looking := make(chan struct{}, 100)
	k := &keeping{scripted: scripted{name: "corp"}, current: func(ctx context.Context, _ *Session) (*Session, error) {
		looking <- struct{}{}
		<-ctx.Done()
		return nil, ErrUnavailable
	}}
	v, err := NewValidator(ValidatorOptions{Resolvers: []Resolver{k}})
	require.NoError(t, err)
	s := answer("a")
	s.IdleExpiresAt = time.Now() // looked at at once
	one, releaseOne := v.Watch(s)
	_, releaseTwo := v.Watch(s)
	<-looking
	<-looking
	releaseTwo() // ends the look that is under way
	began := time.Now()
	v.Close()
	require.Less(t, time.Since(began), DefaultResolveTimeout/2, "it ends the looks that are under way")
	require.True(t, isClosed(one))
	late, releaseLate := v.Watch(answer("b"))
	require.True(t, isClosed(late), "nobody would look after it")
	releaseOne()
	releaseLate()
	require.Empty(t, v.ended.watchers)
	goleak.VerifyNone(t, ignore)
}

func TestWatch_LooksRacingReleaseEndAndClose(t *testing.T) {
	w := newWorld(t, worldOptions{})
	var wg sync.WaitGroup
	for i := range rounds(400) {
		s, _ := w.login(t, fmt.Sprint("user", i), time.Hour)
		s.IdleExpiresAt = time.Now().Add(time.Millisecond) // looks at once, and learns that it goes on
		ended, release := w.validator.Watch(s)
		wg.Go(func() {
			defer release()
			if i%2 == 0 {
				<-ended
			}
		})
		if i%4 == 0 {
			wg.Go(func() { w.validator.End(s) })
		}
	}
	w.validator.Close()
	wg.Wait()
	require.Empty(t, w.validator.ended.watchers)
}

func TestManager_CurrentIsOnlyForItsOwn(t *testing.T) {
	w := newWorld(t, worldOptions{})
	_, err := w.manager.Current(t.Context(), answer("a"))
	require.ErrorIs(t, err, ErrNotMine)
	s, _ := w.login(t, "ann", time.Hour)
	got, err := w.manager.Current(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, s.Handle, got.Handle)
	require.NoError(t, w.manager.End(t.Context(), s, EndLogout))
	_, err = w.manager.Current(t.Context(), s)
	require.ErrorIs(t, err, ErrRejected)
}
