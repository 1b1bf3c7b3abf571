package powership

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Revoke implements session.Revoker: the library's logout. A session that has ended already is not an error.
func (s *Source) Revoke(ctx context.Context, known *session.Session) (err error) {
	r := &Request{AuthToken: known.Tokens.Access, User: &Account{ID: known.Identity.Subject}}
	from := connectionOf(known)
	r.RequestIP, r.UserAgent = from.IP, from.UserAgent
	_, err = s.Logout(ctx, r)
	if errors.Is(err, SessionNotFound) {
		return nil
	}
	return err
}

// Logout ends the session of r's token, which may have expired, and says what it ended. Where widen_logout is set, a
// token that cannot be verified ends all sessions of r's user; otherwise TokenVerificationFailed. SessionNotFound when
// nothing was ended. r forgets its user and token in any case.
func (s *Source) Logout(ctx context.Context, r *Request) (_ Invalidated, err error) {
	defer authority.Wrap(&err, "powership "+s.name, "logout")
	if r.User == nil || r.User.ID == "" {
		return Invalidated{}, InvalidRequest
	}
	if r.AuthToken.Empty() {
		return Invalidated{}, InvalidToken
	}
	return s.invalidate(ctx, r.User.ID, r.AuthToken, r)
}

// InvalidateAll ends all sessions of an account and says how many. SessionNotFound when there was none. r may be nil.
func (s *Source) InvalidateAll(ctx context.Context, accountID string, r *Request) (_ Invalidated, err error) {
	defer authority.Wrap(&err, "powership "+s.name, "invalidate sessions")
	if accountID == "" {
		return Invalidated{}, InvalidRequest
	}
	if r == nil {
		r = &Request{UserAgent: formUserAgent}
	}
	return s.invalidate(ctx, accountID, session.Secret{}, r)
}

// invalidate ends sessions, and then runs onDestroySession and lets r forget who it was, whatever was ended.
func (s *Source) invalidate(ctx context.Context, accountID string, token session.Secret, r *Request) (Invalidated, error) {
	ended, err := s.keeper.invalidate(ctx, accountID, token, r.from())
	if err != nil && !errors.Is(err, SessionNotFound) {
		return Invalidated{}, err
	}
	if !token.Empty() && ended.Scope == ScopeAll {
		s.log.WarnContext(ctx, "a logout with a token that cannot be verified ended all sessions of the account",
			slog.Int("invalidated", ended.Invalidated), slog.String("scope", ended.Scope), slog.String("subject", accountID))
	}
	_, hookErr := s.hooks.OnDestroySession.dispatch(ctx, r, struct{}{})
	r.AuthToken, r.User, r.Session, r.SessionDestroyed = session.Secret{}, nil, nil, true
	if err != nil {
		return Invalidated{}, err
	}
	return ended, hookErr
}

var _ session.Revoker = (*Source)(nil)
