package powership

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/powership"
	"github.com/sessionward/sessionward/session"
)

// add is a hook on numbers: it replaces the value by what it returns, 0 for keeping it.
func add(seen *[]int, f func(int) (int, bool)) Handler[int, string] {
	return func(_ context.Context, current int, about string) (Outcome[int], error) {
		*seen = append(*seen, current)
		next, finish := f(current)
		switch {
		case finish:
			return Finish(next), nil
		case next == 0:
			return Outcome[int]{}, nil
		default:
			return Replace(next), nil
		}
	}
}

func TestHooksRunInOrderOnTheValueBefore(t *testing.T) {
	var c Chain[int, string]
	var seen []int
	require.NoError(t, c.Push(add(&seen, func(n int) (int, bool) { return n + 1, false })))
	require.NoError(t, c.Push(add(&seen, func(int) (int, bool) { return 0, false })))
	require.NoError(t, c.Push(add(&seen, func(n int) (int, bool) { return n * 10, false })))
	require.NoError(t, c.Unshift(add(&seen, func(n int) (int, bool) { return n + 4, false })))
	got, err := c.dispatch(t.Context(), 1, "about")
	require.NoError(t, err)
	require.Equal(t, []int{1, 5, 6, 6}, seen)
	require.Equal(t, 60, got)
}

func TestHookCanFinishTheChain(t *testing.T) {
	var c Chain[int, string]
	var seen []int
	require.NoError(t, c.Push(add(&seen, func(int) (int, bool) { return 7, true })))
	require.NoError(t, c.Push(add(&seen, func(int) (int, bool) { return 8, false })))
	got, err := c.dispatch(t.Context(), 1, "")
	require.NoError(t, err)
	require.Equal(t, 7, got)
	require.Equal(t, []int{1}, seen)
}

func TestHookCanAbort(t *testing.T) {
	for want, given := range map[error]error{
		session.ErrRejected: session.ErrRejected, session.ErrInsufficient: UserDeactivated, session.ErrUnavailable: errors.New("of no class"),
	} {
		var c Chain[int, string]
		var seen []int
		require.NoError(t, c.Push(func(context.Context, int, string) (Outcome[int], error) { return Replace(2), given }))
		require.NoError(t, c.Push(add(&seen, func(int) (int, bool) { return 8, false })))
		got, err := c.dispatch(t.Context(), 1, "")
		require.ErrorIs(t, err, want)
		require.Zero(t, got)
		require.Empty(t, seen)
	}
}

func TestHooksAreFrozenByTheFirstDispatch(t *testing.T) {
	var c Chain[int, string]
	_, err := c.dispatch(t.Context(), 1, "")
	require.NoError(t, err)
	hook := func(context.Context, int, string) (Outcome[int], error) { return Replace(2), nil }
	require.ErrorIs(t, c.Push(hook), ErrFrozen)
	require.ErrorIs(t, c.Unshift(hook), ErrFrozen)
	require.ErrorIs(t, ErrFrozen, session.ErrUnsupported)
	got, err := c.dispatch(t.Context(), 1, "")
	require.NoError(t, err)
	require.Equal(t, 1, got)
}

func TestHooksAroundARequestInTheDocumentedOrder(t *testing.T) {
	inBothModes(t, Options{}, peer.Options{}, func(t *testing.T, w world) {
		var order []string
		h := w.Hooks()
		require.NoError(t, h.OnRequest.Unshift(func(_ context.Context, r *Request, _ struct{}) (Outcome[*Request], error) {
			order = append(order, "before")
			require.Nil(t, r.User, "nobody has looked yet")
			return Outcome[*Request]{}, nil
		}))
		require.NoError(t, h.OnRequest.Push(func(_ context.Context, r *Request, _ struct{}) (Outcome[*Request], error) {
			order = append(order, "after")
			require.Equal(t, "alice", r.User.Username)
			changed := *r
			user := r.User.clone()
			user.Groups = append(user.Groups, "hooked")
			changed.User = &user
			return Replace(&changed), nil
		}))
		require.NoError(t, h.OnRefreshTokens.Push(func(_ context.Context, f Refreshed, r *Request) (Outcome[Refreshed], error) {
			order = append(order, "refreshed")
			require.Same(t, r, f.Request)
			require.True(t, f.Result.Exchanged)
			result := *f.Result
			result.Account.Name = "renamed by a hook"
			return Replace(Refreshed{Request: r, Result: &result}), nil
		}))
		require.NoError(t, h.OnDestroySession.Push(func(_ context.Context, r *Request, _ struct{}) (Outcome[*Request], error) {
			order = append(order, "destroyed")
			require.NotNil(t, r.User)
			return Outcome[*Request]{}, nil
		}))
		raw := w.token(t)
		s, err := w.Resolve(t.Context(), cookie(raw))
		require.NoError(t, err)
		require.Equal(t, []string{"before", "after"}, order, "nothing was exchanged")
		require.Contains(t, s.Identity.Groups, "hooked")

		w.advance(time.Hour)
		order = nil
		s, err = w.Resolve(t.Context(), cookie(raw))
		require.NoError(t, err)
		require.Equal(t, []string{"before", "refreshed", "after"}, order)
		require.Equal(t, "renamed by a hook", s.Identity.Name)

		order = nil
		r := &Request{AuthToken: raw, UserAgent: browser, User: &Account{ID: vectorAccount}}
		_, err = w.Logout(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, []string{"destroyed"}, order)
		require.True(t, r.SessionDestroyed)
		require.Nil(t, r.User)
		require.True(t, r.AuthToken.Empty())
		order = nil
		_, err = w.Logout(t.Context(), &Request{AuthToken: raw, UserAgent: browser, User: &Account{ID: vectorAccount}})
		require.ErrorIs(t, err, SessionNotFound)
		require.Equal(t, []string{"destroyed"}, order, "also when there was nothing to end")
	})
}

func TestHooksOnAFailedExchange(t *testing.T) {
	inBothModes(t, Options{}, peer.Options{}, func(t *testing.T, w world) {
		var replacement error
		require.NoError(t, w.Hooks().OnUpsertSessionError.Push(func(_ context.Context, err error, r *Request) (Outcome[error], error) {
			require.ErrorIs(t, err, TokenVerificationFailed)
			require.Equal(t, browser, r.UserAgent)
			return Replace(replacement), nil
		}))
		bad := cookie(damaged(w.token(t)))
		_, err := w.Resolve(t.Context(), bad)
		require.ErrorIs(t, err, TokenVerificationFailed, "a hook that gives no error changes nothing")
		replacement = UserDeactivated
		_, err = w.Resolve(t.Context(), bad)
		require.ErrorIs(t, err, session.ErrInsufficient)
		require.NotErrorIs(t, err, session.ErrRejected)
		replacement = errors.New("of no class")
		_, err = w.Resolve(t.Context(), bad)
		require.ErrorIs(t, err, session.ErrUnavailable)
	})
}

func TestHookThatTakesTheUserAwayRejects(t *testing.T) {
	for name, hook := range map[string]func(*Request) *Request{
		"the user":    func(r *Request) *Request { return &Request{AuthToken: r.AuthToken, Session: r.Session} },
		"the request": func(*Request) *Request { return nil },
	} {
		w := openNativeWorld(t, nativeOptions(t))
		require.NoError(t, w.Hooks().OnRequest.Push(func(_ context.Context, r *Request, _ struct{}) (Outcome[*Request], error) {
			return Replace(hook(r)), nil
		}))
		_, err := w.Resolve(t.Context(), cookie(w.token(t)))
		require.ErrorIs(t, err, session.ErrRejected, name)
	}
	w := openNativeWorld(t, nativeOptions(t))
	require.NoError(t, w.Hooks().OnRefreshTokens.Push(func(context.Context, Refreshed, *Request) (Outcome[Refreshed], error) {
		return Replace(Refreshed{}), nil
	}))
	raw := w.token(t)
	w.clock.advance(time.Hour)
	_, err := w.Resolve(t.Context(), cookie(raw))
	require.ErrorIs(t, err, session.ErrUnavailable, "no result is no answer")
}

func TestRequestWithoutATokenStaysAsItIs(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	r := &Request{RequestIP: address, UserAgent: browser}
	got, err := w.HandleRequest(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, &Request{RequestIP: address, UserAgent: browser}, got)
	require.Equal(t, ConnectionInfo{IP: address, UserAgent: browser}, w.ConnectionInfo(r))
	require.Zero(t, w.docs.count())
}
