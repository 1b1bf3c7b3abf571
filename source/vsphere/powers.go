package vsphere

import (
	"context"
	"iter"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// noList says why sessions of others cannot be reached: SessionManager of the SOAP API lists SOAP sessions, whose keys are
// not the ids of this API.
const noList = "the session service of a vCenter knows the session that asks and no other: it neither lists nor ends those of a user"

// List implements session.Lister: always session.ErrUnsupported.
func (s *Source) List(context.Context, session.Query) iter.Seq2[*session.Session, error] {
	return func(yield func(*session.Session, error) bool) { yield(nil, authority.Unsupported(noList)) }
}

// RevokeIDs implements session.IDRevoker: always session.ErrUnsupported.
func (s *Source) RevokeIDs(context.Context, ...string) (map[string]bool, error) {
	return nil, authority.Unsupported(noList)
}

// RevokeUser implements session.UserRevoker: always session.ErrUnsupported.
func (s *Source) RevokeUser(context.Context, session.Query) (int, error) {
	return 0, authority.Unsupported(noList)
}

// RevokeAll implements session.AllRevoker: always session.ErrUnsupported.
func (s *Source) RevokeAll(context.Context) (int, error) { return 0, authority.Unsupported(noList) }

// ValidSession implements session.TokenChecker: a session has an id.
func (s *Source) ValidSession(of *session.Session) bool { return possibleID(of.Tokens.Access.Reveal()) }

// ValidToken implements session.TokenChecker.
func (s *Source) ValidToken(of *session.Session) bool {
	ends, known := s.EndsWithin(of, 0)
	return s.ValidSession(of) && (!known || !ends)
}

// EndsWithin implements session.TokenChecker: by the idle and absolute ends as far as they are known.
func (s *Source) EndsWithin(of *session.Session, d time.Duration) (ends, known bool) {
	at := of.EndsAt()
	if t := of.Tokens.ExpiresAt; !t.IsZero() && (at.IsZero() || t.Before(at)) {
		at = t
	}
	return !at.After(s.now().Add(d)), !at.IsZero()
}

var (
	_ session.Lister       = (*Source)(nil)
	_ session.IDRevoker    = (*Source)(nil)
	_ session.UserRevoker  = (*Source)(nil)
	_ session.AllRevoker   = (*Source)(nil)
	_ session.TokenChecker = (*Source)(nil)
)
