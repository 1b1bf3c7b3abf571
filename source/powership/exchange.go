package powership

import (
	"context"

	"github.com/sessionward/sessionward/session"
)

// keeper is who has the accounts and the session documents: this gateway or an application.
type keeper interface {
	// request does what a request of a client asks for: it looks at the token and exchanges it where that is due.
	request(ctx context.Context, token session.Secret, from ConnectionInfo) (*LoginResult, error)
	// refresh exchanges a token whatever its age.
	refresh(ctx context.Context, token session.Secret, from ConnectionInfo) (*LoginResult, error)
	// look says what is behind a token and leaves it as it is.
	look(ctx context.Context, token session.Secret, from ConnectionInfo) (*LoginResult, error)
	// login makes a session for who knows the password.
	login(ctx context.Context, username string, password session.Secret, from ConnectionInfo) (*LoginResult, error)
	// invalidate ends the session of a token, expired or not, or with an empty token all sessions of the account.
	// SessionNotFound when there was none.
	invalidate(ctx context.Context, accountID string, token session.Secret, from ConnectionInfo) (Invalidated, error)
	// health returns why sessions cannot be asked about, nil when they can.
	health() error
	// run works in the background until ctx ends.
	run(ctx context.Context) error
	close() error
}

// HandleRequest runs the hooks onRequest over r and returns what they made of it. The first of them is TrySetSession: r
// itself then has the token, the user and the session as they are now. Without a token nothing happens to r. A token that
// is refused fails the request with the Code of the refusal.
func (s *Source) HandleRequest(ctx context.Context, r *Request) (*Request, error) {
	return s.hooks.OnRequest.dispatch(ctx, r, struct{}{})
}

// TrySetSession looks at the token of r, exchanges it where that is due, runs onRefreshTokens when it was exchanged, and
// writes into r what came of it. nil when r has no token.
func (s *Source) TrySetSession(ctx context.Context, r *Request) (*LoginResult, error) {
	if r.AuthToken.Empty() {
		return nil, nil
	}
	result, err := s.exchange(ctx, r, s.keeper.request)
	if err != nil {
		return nil, err
	}
	if result.Exchanged {
		changed, err := s.hooks.OnRefreshTokens.dispatch(ctx, Refreshed{Request: r, Result: result}, r)
		if err != nil {
			return nil, err
		}
		if changed.Result == nil {
			return nil, session.ErrUnavailable
		}
		result = changed.Result
	}
	r.take(result)
	return result, nil
}

// RefreshTokens exchanges the token of r whatever its age, and writes the new one into r.
func (s *Source) RefreshTokens(ctx context.Context, r *Request) (*LoginResult, error) {
	result, err := s.exchange(ctx, r, s.keeper.refresh)
	if err != nil {
		return nil, err
	}
	r.take(result)
	return result, nil
}

// exchange asks about the token of r and runs onUpsertSessionError on what fails.
func (s *Source) exchange(ctx context.Context, r *Request, ask func(context.Context, session.Secret, ConnectionInfo) (*LoginResult, error)) (*LoginResult, error) {
	result, err := ask(ctx, r.AuthToken, r.from())
	if err == nil {
		return result, nil
	}
	replaced, hookErr := s.hooks.OnUpsertSessionError.dispatch(ctx, err, r)
	switch {
	case hookErr != nil:
		return nil, hookErr
	case replaced != nil:
		return nil, classed(answered(replaced))
	default:
		return nil, answered(err)
	}
}

// ConnectionInfo says where r comes from (getConnectionInfo). Unlike in the library neither part can be absent: a client
// that sends none has the empty text.
func (*Source) ConnectionInfo(r *Request) ConnectionInfo { return r.from() }
