package session

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// together runs f n times at once and waits for all.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() { <-begin; f(i) })
	}
	close(begin)
	wg.Wait()
}

func TestValidator_ThousandColdRequestsAskOnce(t *testing.T) {
	for name, resolve := range map[string]func(context.Context, Credential) (*Session, error){
		"answered": alwaysAnswer,
		"rejected": func(context.Context, Credential) (*Session, error) { return nil, ErrRejected },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &scripted{name: "corp", resolve: func(ctx context.Context, c Credential) (*Session, error) {
					time.Sleep(50 * time.Millisecond)
					return resolve(ctx, c)
				}}
				v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
				var sessions, fresh sync.Map
				var misses, rejections atomic.Int64
				together(1000, func(i int) {
					time.Sleep(time.Duration(i%100) * time.Millisecond) // some arrive while it is asked, some later
					a, err := v.Validate(t.Context(), bearer("one"))
					if errors.Is(err, ErrRejected) {
						rejections.Add(1)
						return
					}
					sessions.Store(a.Session, true)
					fresh.Store(a.Freshness, true)
					if a.Freshness == Miss {
						misses.Add(1)
					}
				})
				require.EqualValues(t, 1, src.questions.Load())
				if name == "rejected" {
					require.EqualValues(t, 1000, rejections.Load())
					return
				}
				n := 0
				sessions.Range(func(_, _ any) bool { n++; return true })
				require.Equal(t, 1, n, "all see the same answer")
				require.EqualValues(t, 1, misses.Load(), "one asked, the rest shared or found it")
				_, shared := fresh.Load(Shared)
				_, hit := fresh.Load(Hit)
				require.True(t, shared && hit)
			})
		})
	}
}

// The look into the cache and the joining of a flight are two steps: who falls between them must not ask again.
func TestValidator_AnsweredBetweenLookAndFlightIsNotAskedAgain(t *testing.T) {
	var reject atomic.Bool
	src := &scripted{name: "corp", resolve: func(_ context.Context, c Credential) (*Session, error) {
		if reject.Load() {
			return nil, ErrRejected
		}
		return answer("x"), nil
	}}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
	for _, token := range []string{"good", "bad"} {
		reject.Store(token == "bad")
		src.questions.Store(0)
		c := bearer(token)
		_, _ = v.Validate(t.Context(), c)
		a, err := v.ask(t.Context(), v.key(&c), c) // as one who looked too early would
		require.EqualValues(t, 1, src.questions.Load())
		if token == "good" {
			require.NoError(t, err)
			require.Equal(t, Hit, a.Freshness)
		} else {
			require.ErrorIs(t, err, ErrRejected)
		}
	}
}

func TestValidator_VisitorLeavesQuestionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &scripted{name: "corp", resolve: func(ctx context.Context, c Credential) (*Session, error) {
			select {
			case <-time.After(time.Second):
				return alwaysAnswer(ctx, c)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
		gone, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		var staying Answer
		var wg sync.WaitGroup
		wg.Go(func() {
			began := time.Now()
			_, err := v.Validate(gone, bearer("a"))
			require.ErrorIs(t, err, ErrUnavailable)
			require.NotErrorIs(t, err, ErrRejected)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, 50*time.Millisecond, time.Since(began), "a waiter leaves on its own context")
		})
		wg.Go(func() {
			time.Sleep(10 * time.Millisecond)
			var err error
			staying, err = v.Validate(t.Context(), bearer("a"))
			require.NoError(t, err, "the leader's cancel is not the waiter's")
		})
		wg.Wait()
		require.NotNil(t, staying.Session)
		a, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		require.Equal(t, Hit, a.Freshness)
		require.EqualValues(t, 1, src.questions.Load())
	})
}

func TestValidator_QuestionHasADeadlineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &scripted{name: "corp", resolve: func(ctx context.Context, _ Credential) (*Session, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, ResolveTimeout: 2 * time.Second})
		began := time.Now()
		_, err := v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrUnavailable)
		require.Equal(t, 2*time.Second, time.Since(began))
	})
}

func TestValidator_UnavailableIsNeverRememberedNorADenial(t *testing.T) {
	for name, failure := range map[string]error{
		"unavailable":          ErrUnavailable,
		"unclassed":            errors.New("reset by peer"),
		"malformed reply":      fmt.Errorf("reply: %w", ErrMalformed),
		"not found":            ErrNotFound,
		"both":                 errors.Join(ErrUnavailable, ErrRejected),
		"not mine for an odd":  errors.Join(ErrNotMine, ErrUnavailable),
		"context":              context.DeadlineExceeded,
		"conflict in a source": ErrConflict,
	} {
		t.Run(name, func(t *testing.T) {
			src := &scripted{name: "corp", resolve: func(context.Context, Credential) (*Session, error) { return nil, failure }}
			v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
			for i := range 3 {
				_, err := v.Validate(t.Context(), bearer("a"))
				require.ErrorIs(t, err, ErrUnavailable)
				require.NotErrorIs(t, err, ErrRejected)
				require.EqualValues(t, i+1, src.questions.Load(), "asked each time")
			}
			src.resolve = alwaysAnswer
			_, err := v.Validate(t.Context(), bearer("a"))
			require.NoError(t, err)
		})
	}
}

func TestValidator_AnswerWithoutSessionOrIDIsRefused(t *testing.T) {
	for name, s := range map[string]*Session{"nil": nil, "no id": {Active: true, Source: "corp"}} {
		t.Run(name, func(t *testing.T) {
			src := &scripted{name: "corp", resolve: func(context.Context, Credential) (*Session, error) { return s, nil }}
			v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
			_, err := v.Validate(t.Context(), bearer("a"))
			require.ErrorIs(t, err, ErrUnavailable)
		})
	}
}

func TestValidator_PanicInAResolverIsUnavailable(t *testing.T) {
	var log logLines
	boom := true
	src := &scripted{name: "corp", resolve: func(ctx context.Context, c Credential) (*Session, error) {
		if boom {
			panic("planted-secret-in-a-panic")
		}
		return alwaysAnswer(ctx, c)
	}}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Log: log.logger()})
	_, err := v.Validate(t.Context(), bearer("a"))
	require.ErrorIs(t, err, ErrUnavailable)
	require.Equal(t, 1, strings.Count(log.String(), "\n"), "one line")
	require.Contains(t, log.String(), "panic while resolving")
	require.NotContains(t, log.String(), "planted-secret")
	boom = false
	_, err = v.Validate(t.Context(), bearer("a"))
	require.NoError(t, err)
}

func TestValidator_Windows(t *testing.T) {
	type step struct {
		turn      time.Duration // before it
		down      bool
		freshness Freshness
		asked     int64 // by now, in all
		err       error
	}
	minute := CacheOptions{FreshFor: time.Minute, StaleFor: time.Minute, StaleIfError: 10 * time.Minute}
	noStale := CacheOptions{FreshFor: time.Minute, StaleFor: -1, StaleIfError: 10 * time.Minute}
	plain := CacheOptions{FreshFor: time.Minute, StaleFor: -1}
	for name, tc := range map[string]struct {
		cache CacheOptions
		steps []step
	}{
		"fresh, then asked aside, then asked": {minute, []step{
			{freshness: Miss, asked: 1},
			{turn: 59 * time.Second, freshness: Hit, asked: 1},
			{turn: time.Second, freshness: Stale, asked: 2},
			{freshness: Hit, asked: 2},
			{turn: 2 * time.Minute, freshness: Miss, asked: 3},
		}},
		"stale never": {plain, []step{
			{freshness: Miss, asked: 1},
			{turn: time.Minute, freshness: Miss, asked: 2},
			{turn: time.Minute, down: true, err: ErrUnavailable, asked: 3},
		}},
		"stale while it cannot be reached": {noStale, []step{
			{freshness: Miss, asked: 1},
			{turn: time.Minute, down: true, freshness: Stale, asked: 2},
			{turn: time.Second, down: true, freshness: Stale, asked: 2}, // not hammered
			{turn: 9 * time.Minute, down: true, freshness: Stale, asked: 3},
			{turn: 58 * time.Second, down: true, freshness: Stale, asked: 4},
			{turn: time.Second, down: true, err: ErrUnavailable, asked: 5},
			{freshness: Miss, asked: 6},
		}},
		"healed within the window": {noStale, []step{
			{freshness: Miss, asked: 1},
			{turn: 5 * time.Minute, down: true, freshness: Stale, asked: 2},
			{turn: 6 * time.Second, freshness: Stale, asked: 3}, // the failure is recent: asked aside
			{freshness: Hit, asked: 3},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := newTestClock()
				down := false
				src := &scripted{name: "corp", resolve: func(ctx context.Context, c Credential) (*Session, error) {
					if down {
						return nil, ErrUnavailable
					}
					return alwaysAnswer(ctx, c)
				}}
				v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: tc.cache, Now: clock.now})
				for i, st := range tc.steps {
					clock.turn(st.turn)
					down = st.down
					a, err := v.Validate(t.Context(), bearer("a"))
					synctest.Wait() // for what was asked aside
					require.EqualValues(t, st.asked, src.questions.Load(), "step %d", i)
					if st.err != nil {
						require.ErrorIs(t, err, st.err, "step %d", i)
						continue
					}
					require.NoError(t, err, "step %d", i)
					require.Equal(t, st.freshness, a.Freshness, "step %d", i)
				}
			})
		})
	}
}

func TestValidator_EntryEndsAtTheEarliest(t *testing.T) {
	long := CacheOptions{FreshFor: time.Hour, StaleFor: time.Hour, StaleIfError: time.Hour}
	at := func(d time.Duration) time.Time { return testStart.Add(d) }
	for name, tc := range map[string]struct {
		change func(s *Session)
		end    time.Duration
	}{
		"cache limit":                 {func(*Session) {}, 2 * time.Hour},
		"absolute end":                {func(s *Session) { s.ExpiresAt = at(time.Minute) }, time.Minute},
		"idle end":                    {func(s *Session) { s.IdleExpiresAt = at(2 * time.Minute); s.ExpiresAt = at(3 * time.Minute) }, 2 * time.Minute},
		"end of the token":            {func(s *Session) { s.Tokens.ExpiresAt = at(time.Minute) }, time.Minute},
		"token long gone is no limit": {func(s *Session) { s.Tokens.ExpiresAt = at(-time.Minute) }, 2 * time.Hour},
		"never, as the year 9999":     {func(s *Session) { s.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }, 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := newTestClock()
				src := &scripted{name: "corp", resolve: func(context.Context, Credential) (*Session, error) {
					s := answer("a")
					tc.change(s)
					return s, nil
				}}
				v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: long, Now: clock.now})
				_, err := v.Validate(t.Context(), bearer("a"))
				require.NoError(t, err)
				src.resolve = func(context.Context, Credential) (*Session, error) { return nil, ErrUnavailable }
				clock.turn(tc.end - time.Nanosecond)
				_, err = v.Validate(t.Context(), bearer("a"))
				require.NoError(t, err, "just before")
				synctest.Wait()
				clock.turn(time.Nanosecond)
				_, err = v.Validate(t.Context(), bearer("a"))
				require.ErrorIs(t, err, ErrUnavailable, "at the end nothing remembered is served")
			})
		})
	}
}

func TestValidator_EndIsImmediate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan struct{})
		src := &scripted{name: "corp", resolve: func(ctx context.Context, c Credential) (*Session, error) {
			if c.Value.Reveal() == "late" {
				<-asked
			}
			return answer("one"), nil
		}}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
		a, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		var late error
		var wg sync.WaitGroup
		wg.Go(func() { _, late = v.Validate(t.Context(), bearer("late")) })
		synctest.Wait()
		v.End(a.Session)
		_, err = v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrRejected)
		close(asked)
		wg.Wait()
		require.ErrorIs(t, late, ErrRejected, "an answer under way when it ended is not served")
	})
}

func TestValidator_ClockThatJumpsBringsNothingBack(t *testing.T) {
	newest := CacheOptions{FreshFor: time.Minute, StaleFor: time.Minute}
	t.Run("forward and back after the end", func(t *testing.T) {
		clock := newTestClock()
		src := &scripted{name: "corp", resolve: alwaysAnswer}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: newest, Now: clock.now})
		a, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		v.End(a.Session)
		clock.turn(time.Hour)
		v.sweep(4) // what ended must not be forgotten before what is remembered of it
		clock.turn(-time.Hour)
		_, err = v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrRejected)
	})
	t.Run("back: what was fresh is asked again", func(t *testing.T) {
		clock := newTestClock()
		src := &scripted{name: "corp", resolve: alwaysAnswer}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: newest, Now: clock.now})
		_, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		clock.turn(-time.Hour)
		_, err = v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		require.EqualValues(t, 2, src.questions.Load(), "or it would be fresh for an hour and a minute")
	})
	t.Run("back: a rejection is not held for an hour", func(t *testing.T) {
		clock := newTestClock()
		src := &scripted{name: "corp", resolve: func(context.Context, Credential) (*Session, error) { return nil, ErrRejected }}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: newest, Now: clock.now})
		_, err := v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrRejected)
		clock.turn(-time.Hour)
		src.resolve = alwaysAnswer
		_, err = v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
	})
}

func TestValidator_RejectionsAreRememberedBriefly(t *testing.T) {
	clock := newTestClock()
	src := &scripted{name: "corp", resolve: func(context.Context, Credential) (*Session, error) { return nil, ErrRejected }}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: CacheOptions{RejectedFor: 5 * time.Second}, Now: clock.now})
	for range 10 {
		_, err := v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrRejected)
	}
	require.EqualValues(t, 1, src.questions.Load())
	clock.turn(5 * time.Second)
	src.resolve = alwaysAnswer
	_, err := v.Validate(t.Context(), bearer("a"))
	require.NoError(t, err)
}

// The store was read before a touch and answers after it: the newer state stays.
func TestValidator_OlderAnswerDoesNotReplaceANewerOne(t *testing.T) {
	versions := []uint64{5, 4}
	src := &scripted{name: "corp"}
	src.resolve = func(context.Context, Credential) (*Session, error) {
		s := answer("a")
		s.version = versions[src.questions.Load()-1]
		return s, nil
	}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
	c := bearer("a")
	key := v.key(&c)
	for range versions {
		e, err := v.question(t.Context(), key, c)
		require.NoError(t, err)
		require.EqualValues(t, 5, e.session.version)
		require.Same(t, e, v.answers.get(&key))
	}
}

// A definite no on asking again replaces the answer that is remembered.
func TestValidator_RejectionOnAskingAgainIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newTestClock()
		src := &scripted{name: "corp", resolve: alwaysAnswer}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: CacheOptions{StaleIfError: time.Hour}, Now: clock.now})
		_, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		src.resolve = func(context.Context, Credential) (*Session, error) { return nil, ErrRejected }
		clock.turn(DefaultFreshFor)
		_, err = v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err, "served stale once")
		synctest.Wait()
		_, err = v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrRejected)
		src.resolve = func(context.Context, Credential) (*Session, error) { return nil, ErrUnavailable }
		clock.turn(DefaultRejectedFor)
		_, err = v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, ErrUnavailable, "no stale answer is left to serve")
	})
}

func TestValidator_FloodOfBadCredentialsPushesOutNoGoodOne(t *testing.T) {
	n := rounds(1_000_000)
	src := &scripted{name: "corp", resolve: func(ctx context.Context, c Credential) (*Session, error) {
		if strings.HasPrefix(c.Value.Reveal(), "good") {
			return alwaysAnswer(ctx, c)
		}
		return nil, ErrRejected
	}}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Cache: CacheOptions{FreshFor: time.Hour, RejectedFor: time.Hour, MaxEntries: 8000, MaxBytes: 8 << 20}})
	for i := range 10 {
		_, err := v.Validate(t.Context(), bearer(fmt.Sprint("good", i)))
		require.NoError(t, err)
	}
	for i := range n { // straight to where questions end up: one goroutine each would only be slower
		c := bearer(fmt.Sprint("bad", i))
		key := v.key(&c)
		_, err := v.question(t.Context(), key, c)
		if !errors.Is(err, ErrRejected) {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		a, err := v.Validate(t.Context(), bearer(fmt.Sprint("good", i)))
		require.NoError(t, err)
		require.Equal(t, Hit, a.Freshness)
	}
	require.LessOrEqual(t, v.rejections.len(), 1000)
	require.LessOrEqual(t, v.rejections.bytes(), int64(1<<20))
	require.LessOrEqual(t, v.rejections.queued(), 2*1000+64*len(v.rejections.shards)+len(v.rejections.shards))
	require.LessOrEqual(t, v.answers.len(), 10)
}

func TestValidator_HugeCredentialsAreRefusedBeforeHashing(t *testing.T) {
	src := &scripted{name: "corp", resolve: alwaysAnswer}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
	huge := bearer(strings.Repeat("x", MaxCredentialBytes+1))
	_, err := v.Validate(t.Context(), huge)
	require.ErrorIs(t, err, ErrRejected)
	require.Zero(t, src.questions.Load())
	require.Zero(t, v.rejections.len(), "and nothing is kept of it")
	huge = bearer(strings.Repeat("x", 8<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		_, _ = v.Validate(t.Context(), huge)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20), "no copy of it is made")
	_, err = v.Validate(t.Context(), bearer(strings.Repeat("x", MaxCredentialBytes)))
	require.NoError(t, err)
}

func TestValidator_OrderOfSources(t *testing.T) {
	first := &scripted{name: "first", resolve: func(_ context.Context, c Credential) (*Session, error) {
		switch c.Value.Reveal() {
		case "second's":
			return nil, ErrNotMine
		case "down":
			return nil, ErrUnavailable
		case "no":
			return nil, ErrRejected
		}
		return answer("first"), nil
	}}
	second := &scripted{name: "second", resolve: func(context.Context, Credential) (*Session, error) { return answer("second"), nil }}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{first, second}})
	a, err := v.Validate(t.Context(), bearer("first's"))
	require.NoError(t, err)
	require.Equal(t, "first", a.Session.ID)
	a, err = v.Validate(t.Context(), bearer("second's"))
	require.NoError(t, err)
	require.Equal(t, "second", a.Session.ID)
	before := second.questions.Load()
	_, err = v.Validate(t.Context(), bearer("down"))
	require.ErrorIs(t, err, ErrUnavailable)
	_, err = v.Validate(t.Context(), bearer("no"))
	require.ErrorIs(t, err, ErrRejected)
	require.Equal(t, before, second.questions.Load(), "a credential is shown to nobody else")
	_, err = v.Validate(t.Context(), cookieOf("other", "first's"))
	require.ErrorIs(t, err, ErrRejected, "found where no source looks")
}

// S-100: what is asked at the same time never gets another's answer.
func TestValidator_ManyAtOnceEachGetTheirOwn(t *testing.T) {
	src := &scripted{name: "corp", resolve: alwaysAnswer}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
	together(64, func(w int) {
		for i := range 160 {
			token := fmt.Sprintf("token-%d", (w*31+i*17)%10_000)
			a, err := v.Validate(t.Context(), bearer(token))
			if err != nil || a.Session.ID != token {
				t.Errorf("%s: got %v, %v", token, a.Session, err)
			}
		}
	})
}

func TestValidator_OddBytesInCredentialsAreJustDenied(t *testing.T) { // S-045
	var log logLines
	src := &scripted{name: "corp", resolve: func(context.Context, Credential) (*Session, error) { return nil, ErrRejected }}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Log: log.logger()})
	for _, value := range []string{"%s%n%x", "\x00", "", "\xff\xfe", "a\r\nSet-Cookie: b=c", strings.Repeat("%d", 1000)} {
		_, err := v.Validate(t.Context(), bearer(value))
		require.ErrorIs(t, err, ErrRejected)
		require.NotContains(t, err.Error(), "%!")
	}
	require.Empty(t, log.String())
}

func TestValidator_CloseWaitsAndBeginsNothingAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &scripted{name: "corp", resolve: func(ctx context.Context, c Credential) (*Session, error) {
			time.Sleep(time.Second)
			return alwaysAnswer(ctx, c)
		}}
		v, err := NewValidator(ValidatorOptions{Resolvers: []Resolver{src}})
		require.NoError(t, err)
		_, err = v.Validate(t.Context(), bearer("known"))
		require.NoError(t, err)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = v.Validate(gone, bearer("under way"))
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		began := time.Now()
		v.Close()
		v.Close()
		require.Equal(t, time.Second, time.Since(began), "the question nobody waits for any more is waited for")
		_, err = v.Validate(t.Context(), bearer("new"))
		require.ErrorIs(t, err, ErrUnavailable)
		_, err = v.Validate(t.Context(), bearer("known"))
		require.NoError(t, err)
		require.EqualValues(t, 2, src.questions.Load())
	})
}

func TestValidator_OptionsAreChecked(t *testing.T) {
	for name, o := range map[string]ValidatorOptions{
		"fresh_for":      {Cache: CacheOptions{FreshFor: -1}},
		"stale_if_error": {Cache: CacheOptions{StaleIfError: -1}},
		"rejected_for":   {Cache: CacheOptions{RejectedFor: -1}},
		"max_entries":    {Cache: CacheOptions{MaxEntries: -1}},
		"max_bytes":      {Cache: CacheOptions{MaxBytes: -1}},
		"resolve":        {ResolveTimeout: -1},
		"refresh":        {RefreshTimeout: -1},
	} {
		_, err := NewValidator(o)
		require.ErrorIs(t, err, ErrMalformed)
		require.ErrorContains(t, err, name, "the message names the field")
	}
}
