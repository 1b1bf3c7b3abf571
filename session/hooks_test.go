package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// marking returns a hook that adds a property and notes the order.
func marking(name string, order *[]string) hookSession {
	return func(_ context.Context, s *Session) (*Session, error) {
		*order = append(*order, name)
		return marked(s, name), nil
	}
}

func marked(s *Session, name string) *Session {
	c := s.Clone()
	if c.Properties == nil {
		c.Properties = map[string]string{}
	}
	c.Properties[name] = "seen"
	return c
}

func aborting(err error) hookSession {
	return func(context.Context, *Session) (*Session, error) { return nil, err }
}

var hookFailures = map[string]struct{ failure, class error }{
	"rejected":          {ErrRejected, ErrRejected},
	"unavailable":       {ErrUnavailable, ErrUnavailable},
	"too many":          {WithRetryAfter(ErrTooMany, time.Minute), ErrTooMany},
	"of no class":       {errors.New("boom"), ErrUnavailable},
	"nothing at all":    {nil, ErrUnavailable},
	"context cancelled": {context.Canceled, ErrUnavailable},
}

func TestHooks_OnRequest(t *testing.T) {
	src := &scripted{name: "corp", resolve: alwaysAnswer}
	var order []string
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Hooks: Hooks{OnRequest: []hookSession{marking("1", &order), marking("2", &order)}}})
	for range 2 {
		a, err := v.Validate(t.Context(), bearer("a"))
		require.NoError(t, err)
		require.Equal(t, map[string]string{"1": "seen", "2": "seen"}, a.Session.Properties)
	}
	require.Equal(t, []string{"1", "2", "1", "2"}, order, "for every request")
	c := bearer("a")
	key := v.key(&c)
	require.Empty(t, v.answers.get(&key).session.Properties, "what is remembered is what the source said")
	for name, tc := range hookFailures {
		order = nil
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Hooks: Hooks{OnRequest: []hookSession{aborting(tc.failure), marking("after", &order)}}})
		a, err := v.Validate(t.Context(), bearer("a"))
		require.ErrorIs(t, err, tc.class, name)
		require.Equal(t, Answer{}, a)
		require.Empty(t, order, "none runs after an abort")
	}
}

func TestHooks_OnCreate(t *testing.T) {
	var order []string
	w := newWorld(t, worldOptions{hooks: Hooks{OnCreate: []hookSession{marking("1", &order), marking("2", &order)}}})
	s, _ := w.login(t, "ann", time.Hour)
	require.Equal(t, []string{"1", "2"}, order)
	require.Equal(t, map[string]string{"1": "seen", "2": "seen"}, w.stored(t, s).Properties)
	for name, tc := range hookFailures {
		order = nil
		w := newWorld(t, worldOptions{hooks: Hooks{OnCreate: []hookSession{aborting(tc.failure), marking("after", &order)}}})
		s, value, err := w.manager.Create(t.Context(), answer("x"), Device{})
		require.ErrorIs(t, err, tc.class, name)
		require.Nil(t, s)
		require.True(t, value.Empty())
		require.Empty(t, order)
		require.Zero(t, w.store.len(), "before the session is written")
	}
}

func TestHooks_OnRefresh(t *testing.T) {
	var order []string
	hook := func(name string) func(contextT, *Session, *Session) (*Session, error) {
		return func(_ contextT, before, after *Session) (*Session, error) {
			order = append(order, name+" "+access(before)+" "+access(after))
			return marked(after, name), nil
		}
	}
	type hooks = []func(contextT, *Session, *Session) (*Session, error)
	w := newWorld(t, worldOptions{hooks: Hooks{OnRefresh: hooks{hook("1"), hook("2")}}})
	s, _ := w.login(t, "ann", time.Hour)
	got, err := w.manager.Refresh(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, []string{"1 access-ann access-ann+", "2 access-ann access-ann+"}, order)
	require.Equal(t, map[string]string{"1": "seen", "2": "seen"}, got.Properties)
	require.Equal(t, got.Properties, w.stored(t, s).Properties)
	for name, tc := range hookFailures {
		order = nil
		w := newWorld(t, worldOptions{hooks: Hooks{OnRefresh: hooks{
			func(contextT, *Session, *Session) (*Session, error) { return nil, tc.failure }, hook("after"),
		}}})
		s, _ := w.login(t, "ann", time.Hour)
		_, err := w.manager.Refresh(t.Context(), s)
		require.ErrorIs(t, err, tc.class, name)
		require.Empty(t, order)
	}
}

func TestHooks_OnErrorSeesEveryFailureAndCannotMakeASession(t *testing.T) {
	failure := ErrUnavailable
	src := &scripted{name: "corp", resolve: func(context.Context, Credential) (*Session, error) { return nil, failure }}
	var seen []error
	var replace func(error) error
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Hooks: Hooks{OnError: []func(contextT, error) error{
		func(_ contextT, err error) error { seen = append(seen, err); return err },
		func(_ contextT, err error) error { return replace(err) },
		func(_ contextT, err error) error { require.Error(t, err, "a hook is only shown failures"); return err },
	}}})
	same := func(err error) error { return err }
	for name, tc := range map[string]struct {
		failure error
		replace func(error) error
		want    error
	}{
		"as it is":            {ErrUnavailable, same, ErrUnavailable},
		"made a denial":       {ErrUnavailable, func(error) error { return ErrRejected }, ErrRejected},
		"made unknown":        {ErrRejected, func(error) error { return errors.New("hidden") }, ErrUnavailable},
		"nil is no session":   {ErrRejected, func(error) error { return nil }, ErrUnavailable},
		"nil for unavailable": {ErrUnavailable, func(error) error { return nil }, ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			failure, replace, seen = tc.failure, tc.replace, nil
			for i := range 2 { // asked, and (a rejection) remembered
				a, err := v.Validate(t.Context(), bearer(name))
				require.ErrorIs(t, err, tc.want)
				require.Equal(t, Answer{}, a)
				require.Len(t, seen, i+1)
				require.ErrorIs(t, seen[i], tc.failure)
			}
		})
	}
}

func TestHooks_OnErrorSeesFailedRenewals(t *testing.T) {
	clock := newTestClock()
	var seen []error
	w := newWorld(t, worldOptions{now: clock.now, hooks: Hooks{OnError: []func(contextT, error) error{
		func(_ contextT, err error) error { seen = append(seen, err); return err },
	}}})
	_, c := w.login(t, "ann", 10*time.Minute)
	w.authority.refresh = func(contextT, *Session) (*Session, error) {
		return nil, WithRetryAfter(ErrUnavailable, time.Minute)
	}
	clock.turn(10 * time.Minute)
	_, err := w.validator.Validate(t.Context(), c)
	require.ErrorIs(t, err, ErrUnavailable)
	require.Equal(t, time.Minute, RetryAfter(err))
	require.Len(t, seen, 1)
}

func TestHooks_OnEnd(t *testing.T) {
	type end struct {
		handle string
		why    EndReason
	}
	var ends []end
	note := func(_ contextT, s *Session, why EndReason) { ends = append(ends, end{s.Handle, why}) }
	clock := newTestClock()
	w := newWorld(t, worldOptions{now: clock.now, hooks: Hooks{OnEnd: []func(contextT, *Session, EndReason){note, note}}})
	a, _ := w.login(t, "ann", time.Hour)
	require.NoError(t, w.manager.End(t.Context(), a, EndRevoked))
	b, _ := w.login(t, "bob", time.Hour)
	w.authority.refresh = func(contextT, *Session) (*Session, error) { return nil, ErrRejected }
	_, err := w.manager.Refresh(t.Context(), b)
	require.ErrorIs(t, err, ErrRejected)
	c, cookie := w.login(t, "cid", time.Hour)
	clock.turn(DefaultIdleTimeout)
	_, err = w.manager.Resolve(t.Context(), cookie)
	require.ErrorIs(t, err, ErrRejected)
	require.Len(t, ends, 4, "refused, but not over for good: the clock may be put back")
	clock.turn(keepEnded)
	_, err = w.manager.Resolve(t.Context(), cookie)
	require.ErrorIs(t, err, ErrRejected)
	require.Equal(t, []end{
		{a.Handle, EndRevoked}, {a.Handle, EndRevoked}, {b.Handle, EndRefused}, {b.Handle, EndRefused}, {c.Handle, EndExpired}, {c.Handle, EndExpired},
	}, ends)
}

func TestErrors_RetryAfterSurvivesWrapping(t *testing.T) {
	require.NoError(t, WithRetryAfter(nil, time.Second))
	require.Zero(t, RetryAfter(nil))
	require.Zero(t, RetryAfter(WithRetryAfter(ErrTooMany, -time.Second)))
	err := WithRetryAfter(ErrTooMany, time.Second)
	require.ErrorIs(t, err, ErrTooMany)
	require.Equal(t, time.Second, RetryAfter(errors.Join(errors.New("x"), err)))
	require.Equal(t, time.Second, RetryAfter(answerOf(WithRetryAfter(errors.New("unclassed"), time.Second))))
	require.NoError(t, answerOf(nil))
	require.ErrorIs(t, classed(errors.New("x")), ErrUnavailable)
	require.NotErrorIs(t, classed(ErrTooMany), ErrUnavailable)
}
