package middleware

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/sessionward/sessionward/session"
)

// samePerson reports whether two sessions are of one user: the same subject of the same source and realm. A source that
// names nobody makes nobody the same.
func samePerson(a, b *session.Session) bool {
	return a.Source == b.Source && a.Realm == b.Realm && a.Identity.Subject == b.Identity.Subject && a.Identity.Subject != ""
}

// sameSession reports whether e is current itself: under its own name, or as its authority's session seen another way.
// To end that one there would end current.
func sameSession(current *session.Session, foreign bool, e session.Entry) bool {
	return e.Session.Handle == current.Handle ||
		(foreign || e.Foreign) && current.SourceSessionID != "" && e.Session.SourceSessionID == current.SourceSessionID
}

// mine yields all sessions that work and are of the user of current, in no order. The session of current may be missing: a
// foreign one is noted only after its first request.
func (s *Site) mine(ctx context.Context, current *session.Session) iter.Seq2[session.Entry, error] {
	return func(yield func(session.Entry, error) bool) {
		if current.Identity.Subject == "" {
			return // samePerson would refuse all of the source's, one by one
		}
		filter, err := session.ParseFilter(fmt.Sprintf("source eq %s and subject eq %s", session.QuoteFilter(current.Source), session.QuoteFilter(current.Identity.Subject)))
		if err != nil {
			yield(session.Entry{}, err)
			return
		}
		for cursor := ""; ; {
			page, err := s.o.Operations.List(ctx, filter, cursor, session.MaxPageSize)
			if err != nil {
				yield(session.Entry{}, err)
				return
			}
			for _, e := range page.Entries {
				if e.Active && samePerson(e.Session, current) && !yield(e, nil) {
					return
				}
			}
			if cursor = page.Next; cursor == "" {
				return
			}
		}
	}
}

// mineByHandle returns the session of the user of current with that handle. session.ErrNotFound for one that has ended, is
// somebody else's, or never was: nobody learns which.
func (s *Site) mineByHandle(ctx context.Context, current *session.Session, handle string) (session.Entry, error) {
	e, err := s.o.Operations.Get(ctx, handle)
	if err == nil && (!e.Active || !samePerson(e.Session, current)) {
		err = session.ErrNotFound
	}
	if errors.Is(err, session.ErrNotFound) {
		return session.Entry{}, fmt.Errorf("session: none of this user: %w", session.ErrNotFound)
	}
	return e, err
}
