package powership

import (
	"context"
	"errors"
	"sync"

	"github.com/sessionward/sessionward/session"
)

// Hooks are the library's hooks around sessions, as a Go interface. Register before the source is used: with the first
// call of a chain it takes no more.
type Hooks struct {
	// OnRequest runs for every request; its value goes on as the request. The first in it looks at the token, and
	// fails the request when that is refused.
	OnRequest Chain[*Request, struct{}]
	// OnRefreshTokens runs after a token was exchanged for a request. What its result says goes on.
	OnRefreshTokens Chain[Refreshed, *Request]
	// OnUpsertSessionError runs when an exchange failed, on the error. The error it gives, where it gives one, is what
	// happened: one of no class of package session counts as session.ErrUnavailable.
	OnUpsertSessionError Chain[error, *Request]
	// OnDestroySession runs after a logout, before the request forgets its user. Its error fails the logout, which has
	// happened all the same.
	OnDestroySession Chain[*Request, struct{}]
}

// Handler is one hook. current is what the hook before it gave, about what the chain was called about.
type Handler[T, C any] func(ctx context.Context, current T, about C) (Outcome[T], error)

// Outcome is what a hook does to the value. The zero Outcome keeps it.
type Outcome[T any] struct {
	value    T
	replaced bool
	finished bool
}

// Replace goes on with another value.
func Replace[T any](value T) Outcome[T] { return Outcome[T]{value: value, replaced: true} }

// Finish ends the chain with a value: no further hook runs.
func Finish[T any](value T) Outcome[T] {
	return Outcome[T]{value: value, replaced: true, finished: true}
}

// ErrFrozen is what registering a hook too late fails with. It is of class session.ErrUnsupported.
var ErrFrozen = frozenError{}

type frozenError struct{}

// Error implements error.
func (frozenError) Error() string {
	return "the hooks are in use already: register before the first request"
}

// Unwrap gives it its class.
func (frozenError) Unwrap() error { return session.ErrUnsupported }

// Chain is hooks that run in order, each on what the one before it gave. An error ends the chain. It is safe for
// concurrent use.
type Chain[T, C any] struct {
	mu       sync.Mutex
	handlers []Handler[T, C]
	frozen   bool
}

// Push adds a hook at the end. ErrFrozen once the chain was called.
func (c *Chain[T, C]) Push(h Handler[T, C]) error {
	return c.register(func() { c.handlers = append(c.handlers, h) })
}

// Unshift adds a hook at the beginning. ErrFrozen once the chain was called.
func (c *Chain[T, C]) Unshift(h Handler[T, C]) error {
	return c.register(func() { c.handlers = append([]Handler[T, C]{h}, c.handlers...) })
}

func (c *Chain[T, C]) register(add func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen {
		return ErrFrozen
	}
	add()
	return nil
}

// dispatch runs the chain on initial and returns what the last hook gave. An error of a hook that has no class is
// session.ErrUnavailable.
func (c *Chain[T, C]) dispatch(ctx context.Context, initial T, about C) (T, error) {
	c.mu.Lock()
	c.frozen = true
	handlers := c.handlers // never changes from now on
	c.mu.Unlock()
	current := initial
	for _, h := range handlers {
		out, err := h(ctx, current, about)
		if err != nil {
			var none T
			return none, classed(err)
		}
		if out.replaced {
			current = out.value
		}
		if out.finished {
			break
		}
	}
	return current, nil
}

// classed makes sure that err belongs to a class: what nobody has classed is unknown, and unknown is not denied.
func classed(err error) error {
	for _, class := range []error{
		session.ErrRejected, session.ErrInsufficient, session.ErrUnavailable, session.ErrNotFound, session.ErrUnsupported,
		session.ErrMalformed, session.ErrTooMany,
	} {
		if errors.Is(err, class) {
			return err
		}
	}
	return errors.Join(session.ErrUnavailable, err)
}
