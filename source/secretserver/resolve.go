package secretserver

import (
	"context"
	"errors"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Resolve implements session.Resolver for tokens that clients have of Secret Server and show. The answer says whose the
// token is and nothing about its end, so that all times stay unknown and each look asks again.
//
// A good token whose user may not read who they are is session.ErrUnavailable and not a rejection: it is known to hold,
// and not whose it is.
func (s *Source) Resolve(ctx context.Context, c session.Credential) (_ *session.Session, err error) {
	if !s.o.Takes().Mine(c) {
		return nil, session.ErrNotMine
	}
	defer s.wrap(&err, "resolve")
	if !possible(c.Value.Reveal()) {
		return nil, authority.Rejected("the credential cannot be a token")
	}
	u, err := s.whoIs(ctx, c.Value)
	if errors.Is(err, session.ErrInsufficient) {
		return nil, authority.Unavailable("the token is good, and its user may not read who they are")
	}
	if err != nil {
		return nil, err
	}
	id := authority.SessionID(s.name, c.Value)
	kind, method := TypeExternal, "external"
	if s.o.TokenType == TypeSDK {
		kind, method = TypeSDK, "sdk"
	}
	return &session.Session{
		ID:                    id,
		Handle:                authority.Handle("secretserver", id),
		Source:                s.name,
		Active:                true,
		Identity:              u.identity,
		AuthenticationMethods: []session.AuthenticationMethod{{Method: method}},
		Tokens:                session.Tokens{Type: kind, Access: c.Value},
		Properties:            s.properties(ctx, c.Value),
	}, nil
}

// Current implements session.Keeper for sessions that Resolve made. It is no use of them.
func (s *Source) Current(ctx context.Context, old *session.Session) (_ *session.Session, err error) {
	if old.Source != s.name || old.ID != authority.SessionID(s.name, old.Tokens.Access) {
		return nil, session.ErrNotMine
	}
	defer s.wrap(&err, "look again")
	u, err := s.whoIs(ctx, old.Tokens.Access)
	switch {
	case errors.Is(err, session.ErrInsufficient):
		return old.Clone(), nil
	case err != nil:
		return nil, err
	}
	n := old.Clone()
	n.Identity = u.identity
	return n, nil
}

// Verify implements session.Verifier for sessions that a login by our form made: they can end at the server at any time.
// That their user may not read who they are ends no session.
func (s *Source) Verify(ctx context.Context, old *session.Session) (err error) {
	defer s.wrap(&err, "verify")
	u, err := s.whoIs(ctx, old.Tokens.Access)
	switch {
	case errors.Is(err, session.ErrInsufficient):
		return nil
	case err != nil:
		return err
	case u.subject != old.Identity.Subject:
		return s.client.Nonsense("the token is another user's")
	}
	return nil
}
