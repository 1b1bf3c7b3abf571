package session

import (
	"context"
	"fmt"
)

// EndReason says why a session ended.
type EndReason string

// The reasons a session ends for.
const (
	EndLogout   EndReason = "logout"   // the user asked
	EndReplaced EndReason = "replaced" // a new login in the same browser took its place
	EndRevoked  EndReason = "revoked"  // an operator or the authority asked
	EndRefused  EndReason = "refused"  // the authority refused to renew it
	// EndExpired: one of its clocks ran out. A session is refused from that moment, and told of here when its
	// record is removed because somebody shows its cookie an hour or more later; what a store forgets by itself
	// is told of nowhere.
	EndExpired EndReason = "expired"
)

// Hooks let a program take part in the life of sessions. The hooks of one kind run in order, each on the result of
// the one before. A hook may replace the value by returning another one (a Clone; never a changed argument), and
// abort by returning an error: one of the classes of this package decides what the client sees, any other counts as
// ErrUnavailable.
type Hooks struct {
	// OnRequest runs for every request with a session, before the route's rules.
	OnRequest []func(ctx context.Context, s *Session) (*Session, error)
	// OnCreate runs at login, before the session is written and its cookie sent.
	OnCreate []func(ctx context.Context, s *Session) (*Session, error)
	// OnRefresh runs after a renewal, before the renewed session is written.
	OnRefresh []func(ctx context.Context, before, after *Session) (*Session, error)
	// OnError sees every failure to resolve or renew and may replace it.
	OnError []func(ctx context.Context, err error) error
	// OnEnd is told after a session of ours has ended.
	OnEnd []func(ctx context.Context, s *Session, why EndReason)
}

var errHookNil = fmt.Errorf("hook: returned neither a session nor an error: %w", ErrUnavailable)

func (h *Hooks) request(ctx context.Context, s *Session) (*Session, error) {
	return chain(ctx, h.OnRequest, s)
}

func (h *Hooks) create(ctx context.Context, s *Session) (*Session, error) {
	return chain(ctx, h.OnCreate, s)
}

func (h *Hooks) refresh(ctx context.Context, before, after *Session) (*Session, error) {
	for _, hook := range h.OnRefresh {
		next, err := hook(ctx, before, after)
		if err == nil && next == nil {
			err = errHookNil
		}
		if err != nil {
			return nil, classed(err)
		}
		after = next
	}
	return after, nil
}

func (h *Hooks) failed(ctx context.Context, err error) error {
	for _, hook := range h.OnError {
		if err = hook(ctx, err); err == nil {
			return ErrUnavailable // a failure cannot be turned into a session
		}
	}
	return classed(err)
}

func (h *Hooks) ended(ctx context.Context, s *Session, why EndReason) {
	for _, hook := range h.OnEnd {
		hook(ctx, s, why)
	}
}

func chain(ctx context.Context, hooks []func(context.Context, *Session) (*Session, error), s *Session) (*Session, error) {
	for _, hook := range hooks {
		next, err := hook(ctx, s)
		if err == nil && next == nil {
			err = errHookNil
		}
		if err != nil {
			return nil, classed(err)
		}
		s = next
	}
	return s, nil
}
