package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// endTimeout bounds the end of one session, here and at its authority, so that there is time left to tell of it.
const endTimeout = 20 * time.Second

// Ended is what became of one session that was to be ended.
type Ended struct {
	Handle string
	// Here is true when the gateway refuses it from now on.
	Here bool
	// AtAuthority is nil when its authority has ended it too, or is being asked to.
	AtAuthority error
	// Asked is true for sessions of ours: their authority is asked in the background, and what it says is in the log.
	Asked bool
}

// Revoke ends the session with that handle: here at once, then at its authority. ErrNotFound when there is none.
func (o *Operations) Revoke(ctx context.Context, handle string, why EndReason) (Ended, error) {
	e, err := o.Get(ctx, handle)
	if err != nil {
		return Ended{Handle: handle}, err
	}
	return o.end(ctx, e, why)
}

// end is Revoke once the session is found. What has begun to end ends, whether or not anybody still waits for it: a record
// that is gone while this process remembers the session would be no end.
func (o *Operations) end(ctx context.Context, e Entry, why EndReason) (Ended, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	done := Ended{Handle: e.Session.Handle}
	if !e.Foreign {
		if err := o.o.Manager.End(ctx, e.Session, why); err != nil {
			return done, err
		}
		done.Here = true
		if _, ok := o.sources[e.Session.Source].(Revoker); !ok {
			done.AtAuthority = o.lacks(e.Session, "end a session at the authority")
			return done, nil
		}
		done.Asked = true
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
		if _, able := o.sources[s.Source].(Revoker); able {
			return o.lacks(s, "end a session whose credential the gateway does not hold")
		}
		return o.lacks(s, "end a session at the authority")
	}
	gone, err := r.RevokeIDs(ctx, s.SourceSessionID)
	if err == nil && !gone[s.SourceSessionID] {
		err = fmt.Errorf("source %q did not end the session: %w", s.Source, ErrUnavailable)
	}
	return err
}

// UserEnded is what became of the sessions of one user.
type UserEnded struct {
	AtAuthority int // how many its authority ended, -1 when it does not say
	Here        int // how many of those the gateway knew it refuses from now on
}

// RevokeUserAtAuthority ends all sessions of a user at the named source's authority, those the gateway has never seen as
// well, and then those it knows here, so that none of them is answered from memory. When the authority fails nothing has
// ended here.
func (o *Operations) RevokeUserAtAuthority(ctx context.Context, source string, user Query) (UserEnded, error) {
	src := o.sources[source]
	if src == nil {
		return UserEnded{}, fmt.Errorf("source %q: %w", source, ErrNotFound)
	}
	r, ok := src.(UserRevoker)
	if !ok {
		return UserEnded{}, fmt.Errorf("source %q (%s) cannot end all sessions of a user: %w", source, src.Kind(), ErrUnsupported)
	}
	f, err := filterOf(source, user)
	if err != nil {
		return UserEnded{}, err
	}
	var done UserEnded
	if done.AtAuthority, err = r.RevokeUser(ctx, user); err != nil {
		return UserEnded{}, err
	}
	done.Here, err = o.endHere(ctx, f)
	return done, err
}

// endHere has all sessions f chooses refused here, and returns how many.
func (o *Operations) endHere(ctx context.Context, f Filter) (n int, err error) {
	for cursor := ""; ; {
		page, err := o.List(ctx, f, cursor, MaxPageSize)
		if err != nil {
			return n, err
		}
		for _, e := range page.Entries {
			if !e.Active {
				continue
			}
			if e.Foreign {
				err = o.EndForeign(ctx, e.Session)
			} else {
				err = o.o.Manager.End(ctx, e.Session, EndRevoked)
			}
			if err != nil {
				return n, err
			}
			n++
		}
		if cursor = page.Next; cursor == "" {
			return n, nil
		}
	}
}

// filterOf chooses the sessions of one user of a source.
func filterOf(source string, user Query) (Filter, error) {
	text := "source eq " + QuoteFilter(source)
	for _, part := range []struct{ name, value string }{{"subject", user.Subject}, {"username", user.Username}, {"realm", user.Realm}} {
		if part.value != "" {
			text += " and " + part.name + " eq " + QuoteFilter(part.value)
		}
	}
	return ParseFilter(text)
}
