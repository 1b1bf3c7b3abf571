package session

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestWatch_ClosesOnEndForAllWhoWatch(t *testing.T) {
	v := newTestValidator(t, ValidatorOptions{})
	s, other := answer("a"), answer("b")
	one, releaseOne := v.Watch(s)
	two, releaseTwo := v.Watch(s.Clone())
	three, releaseThree := v.Watch(other)
	v.End(s)
	v.End(s)
	require.True(t, isClosed(one) && isClosed(two))
	require.False(t, isClosed(three))
	late, releaseLate := v.Watch(s)
	require.True(t, isClosed(late), "judged before, watched after")
	for _, release := range []func(){releaseOne, releaseTwo, releaseThree, releaseLate, releaseOne} {
		release()
	}
	require.Empty(t, v.ended.watchers)
	require.False(t, isClosed(three))
}

func TestWatch_ClosesAtTheAbsoluteEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newTestValidator(t, ValidatorOptions{})
		s := answer("a")
		s.ExpiresAt = time.Now().Add(time.Hour)
		ended, release := v.Watch(s)
		time.Sleep(time.Hour - time.Nanosecond)
		require.False(t, isClosed(ended))
		time.Sleep(leastLook)
		synctest.Wait()
		require.True(t, isClosed(ended))
		release()
		released, release := v.Watch(s)
		release()
		<-released // over already
		v.End(s)
		past, release := v.Watch(s)
		defer release()
		require.True(t, isClosed(past))
	})
}

func TestWatch_RacingEndIsNeverMissed(t *testing.T) {
	v := newTestValidator(t, ValidatorOptions{})
	for range 500 {
		s := answer(string(newSessionID()))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				ended, release := v.Watch(s)
				defer release()
				<-ended
			})
		}
		wg.Go(func() { v.End(s) })
		wg.Wait()
	}
	require.Empty(t, v.ended.watchers)
}

func TestEnded_IsForgottenAfterAWholeRound(t *testing.T) {
	clock := newTestClock()
	v := newTestValidator(t, ValidatorOptions{Now: clock.now})
	for range 1000 {
		v.End(answer(string(newSessionID())))
	}
	round := func() {
		for range len(v.answers.shards) {
			v.sweep(1)
		}
	}
	round()
	require.Len(t, v.ended.until, 1000)
	clock.turn(time.Hour)
	round()
	round()
	require.Len(t, v.ended.until, 0)
	require.False(t, v.ended.some.Load())
}

func TestRun_EndsWithItsContextAndLeaksNothing(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	w := newWorld(t, worldOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.validator.Run(ctx) }()
	s, c := w.login(t, "ann", time.Hour)
	_, err := w.validator.Validate(ctx, c)
	require.NoError(t, err)
	_, release := w.validator.Watch(s)
	w.store.set(func(m *mapStore) { m.writesFail = errDown })
	_, err = w.manager.Refresh(ctx, s)
	require.NoError(t, err)
	require.NoError(t, w.manager.End(ctx, s, EndLogout))
	release()
	cancel()
	require.NoError(t, <-done)
	w.validator.Close()
	w.manager.Close()
	goleak.VerifyNone(t, ignore)
}

func TestRun_SweepsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &scripted{name: "corp", resolve: alwaysAnswer}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(t, v.Run(ctx)) })
		for _, token := range []string{"a", "b", "c"} {
			_, err := v.Validate(ctx, bearer(token))
			require.NoError(t, err)
		}
		v.End(answer("a"))
		require.Equal(t, 3, v.answers.len())
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Zero(t, v.answers.len())
		require.Empty(t, v.ended.until)
		cancel()
		wg.Wait()
	})
}
