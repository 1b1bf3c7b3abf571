package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sessionward/sessionward/session"
)

const (
	askAuthority  = 10 * time.Second // for all that is asked of an authority to end sessions
	listAuthority = 3 * time.Second  // for the list of its sessions: a page waits for it
	maxElsewhere  = 100              // sessions of its list that are read
)

// sourceOf returns the source of that name; nil when there is none.
func (s *Site) sourceOf(name string) session.Source {
	for _, src := range s.o.Sources {
		if src.Name() == name {
			return src
		}
	}
	return nil
}

// sourceLabel is what people call the source of current.
func (s *Site) sourceLabel(name string) string {
	if src := s.sourceOf(name); src != nil {
		return label(src)
	}
	return name
}

// elsewhere lists the sessions of the user of current that their authority knows and that are not among seen: those of
// other sites. known is false when it could not be asked; an authority without such a list has none.
func (s *Site) elsewhere(ctx context.Context, current *session.Session, seen []session.Entry) (found []*session.Session, known bool) {
	lister, ok := s.sourceOf(current.Source).(session.OwnLister)
	if !ok {
		return nil, true
	}
	ctx, cancel := context.WithTimeout(ctx, listAuthority)
	defer cancel()
	met := map[string]bool{current.Handle: true}
	if current.SourceSessionID != "" {
		met[current.SourceSessionID] = true
	}
	for _, e := range seen {
		met[e.Session.Handle] = true
		met[e.Session.SourceSessionID] = true
	}
	for there, err := range lister.ListOwn(ctx, current) {
		if err != nil {
			s.o.Log.DebugContext(ctx, "the authority did not list a user's own sessions", "request_id", RequestID(ctx), "source", current.Source, "error", err)
			return found, errors.Is(err, session.ErrUnsupported)
		}
		if there.Ended(s.o.Now()) || met[there.Handle] || there.SourceSessionID == "" || met[there.SourceSessionID] {
			continue
		}
		if found = append(found, there); len(found) == maxElsewhere {
			break
		}
	}
	return found, true
}

// endElsewhere ends the session with that handle which only the authority knows, as the user of current.
// session.ErrNotFound when the authority lists none, or one that is current itself.
func (s *Site) endElsewhere(ctx context.Context, current *session.Session, handle string) error {
	r, ok := s.sourceOf(current.Source).(session.OwnRevoker)
	if !ok {
		return session.ErrNotFound
	}
	found, known := s.elsewhere(ctx, current, nil)
	for _, there := range found {
		if there.Handle != handle {
			continue
		}
		err := r.RevokeOwn(ctx, current, there.SourceSessionID)
		if err != nil && !errors.Is(err, session.ErrUnsupported) && !errors.Is(err, session.ErrNotFound) {
			err = errors.Join(session.ErrUnavailable, err) // a no of the authority is no refused login
		}
		return err
	}
	if !known {
		return fmt.Errorf("source %q: its list of sessions: %w", current.Source, session.ErrUnavailable)
	}
	return session.ErrNotFound
}

// endOthersElsewhere asks the authority of current to end all its other sessions of that user.
func (s *Site) endOthersElsewhere(ctx context.Context, current *session.Session) atAuthority {
	r, ok := s.sourceOf(current.Source).(session.OthersRevoker)
	if !ok {
		return notAsked
	}
	_, err := r.RevokeOthers(ctx, current)
	switch {
	case errors.Is(err, session.ErrUnsupported):
		return notAsked
	case err != nil:
		s.o.Log.WarnContext(ctx, "the authority did not end a user's other sessions", "request_id", RequestID(ctx), "source", current.Source, "error", err)
		return unconfirmed
	}
	return endedThere
}

// afterEnd says what became of one foreign session at its authority. What that did not take from the gateway it may take
// from its own user.
func (s *Site) afterEnd(ctx context.Context, current *session.Session, e session.Entry, err error) atAuthority {
	if err == nil {
		return endedThere
	}
	r, ok := s.sourceOf(current.Source).(session.OwnRevoker)
	if ok && e.Session.SourceSessionID != "" {
		err = r.RevokeOwn(ctx, current, e.Session.SourceSessionID)
	}
	switch {
	case err == nil:
		return endedThere
	case errors.Is(err, session.ErrUnsupported):
		return unsupported
	}
	s.o.Log.WarnContext(ctx, "a session was not ended at its authority", "request_id", RequestID(ctx), "source", current.Source, "session", e.Session.Handle, "error", err)
	return unconfirmed
}
