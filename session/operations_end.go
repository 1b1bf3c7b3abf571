package session

import (
	"context"
	"errors"
	"fmt"
)

// Ended is what became of one session that was to be ended.
type Ended struct {
	Handle string
	// Here is true when the gateway refuses it from now on.
	Here bool
	// AtAuthority is nil when its authority has ended it too. For sessions of ours that is asked in the background:
	// ErrUnsupported there means that the authority has no such call.
	AtAuthority error
}

// Revoke ends the session with that handle: here at once, then at its authority. ErrNotFound when there is none.
func (o *Operations) Revoke(ctx context.Context, handle string, why EndReason) (Ended, error) {
	e, err := o.Get(ctx, handle)
	if err != nil {
		return Ended{Handle: handle}, err
	}
	return o.end(ctx, e, why)
}

func (o *Operations) end(ctx context.Context, e Entry, why EndReason) (Ended, error) {
	done := Ended{Handle: e.Session.Handle}
	if !e.Foreign {
		if err := o.o.Manager.End(ctx, e.Session, why); err != nil {
			return done, err
		}
		done.Here = true
		if _, ok := o.sources[e.Session.Source].(Revoker); !ok {
			done.AtAuthority = o.lacks(e.Session, "end a session at the authority")
		}
		return done, nil
	}
	live, inUse := o.o.Validator.Remembered(e.Session) // what has ended here is remembered no more
	if err := o.EndForeign(ctx, e.Session); err != nil {
		return done, err
	}
	done.Here = true
	if inUse {
		done.AtAuthority = o.endByCredential(ctx, live)
	} else {
		done.AtAuthority = o.endByID(ctx, e.Session)
	}
	return done, nil
}

// EndForeign has a foreign session refused here until its own end, whatever its authority says.
func (o *Operations) EndForeign(ctx context.Context, s *Session) error {
	if err := o.o.Manager.refuse(ctx, s); err != nil {
		return err
	}
	o.o.Validator.End(s)
	return nil
}

// endByCredential ends a foreign session at its authority as its own user.
func (o *Operations) endByCredential(ctx context.Context, live *Session) error {
	r, ok := o.sources[live.Source].(Revoker)
	if !ok {
		return o.endByID(ctx, live)
	}
	err := r.Revoke(ctx, live)
	if errors.Is(err, ErrUnsupported) {
		return o.endByID(ctx, live)
	}
	return err
}

// endByID ends a foreign session at its authority by the authority's own name for it.
func (o *Operations) endByID(ctx context.Context, s *Session) error {
	r, ok := o.sources[s.Source].(IDRevoker)
	if !ok || s.SourceSessionID == "" {
		return o.lacks(s, "end a session whose credential the gateway does not hold")
	}
	gone, err := r.RevokeIDs(ctx, s.SourceSessionID)
	if err == nil && !gone[s.SourceSessionID] {
		err = fmt.Errorf("source %q did not end the session: %w", s.Source, ErrUnavailable)
	}
	return err
}

// RevokeUserAtAuthority ends all sessions of a user at the named source's authority, those the gateway has never seen as
// well, and returns how many, -1 when the authority does not say.
func (o *Operations) RevokeUserAtAuthority(ctx context.Context, source string, user Query) (int, error) {
	src := o.sources[source]
	if src == nil {
		return 0, fmt.Errorf("source %q: %w", source, ErrNotFound)
	}
	r, ok := src.(UserRevoker)
	if !ok {
		return 0, fmt.Errorf("source %q (%s) cannot end all sessions of a user: %w", source, src.Kind(), ErrUnsupported)
	}
	return r.RevokeUser(ctx, user)
}
