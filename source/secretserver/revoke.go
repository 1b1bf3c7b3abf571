package secretserver

import (
	"context"
	"errors"
	"net/http"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Revoke implements session.Revoker: it ends the access token of old at once (POST oauth-expiration). A token that has
// ended already is fine. The refresh token has no such call: it is forgotten here, and dies at the server within the API
// session timeout and 15 minutes.
//
// session.ErrUnsupported for sessions of Windows authentication, which have no token, and of SDK clients, whose token is
// not ours to end.
func (s *Source) Revoke(ctx context.Context, old *session.Session) (err error) {
	defer s.wrap(&err, "end")
	switch {
	case old.Tokens.Type == TypeWindows || old.Tokens.Type == TypeSDK:
		return authority.Unsupported("a session of type " + old.Tokens.Type + " cannot be ended")
	case old.Tokens.Access.Empty():
		return nil
	}
	if err = s.expire(ctx, old.Tokens.Access); errors.Is(err, session.ErrRejected) {
		return nil
	}
	return err
}

// expire ends a token. session.ErrRejected: it had ended already. Only the JSON literal true is success.
func (s *Source) expire(ctx context.Context, token session.Secret) error {
	r, err := s.call(ctx, http.MethodPost, expirePath, token, nil)
	if err != nil {
		return err
	}
	if !parseTrue(r.Body) {
		return s.client.Nonsense("it does not say that the token has ended")
	}
	return nil
}
