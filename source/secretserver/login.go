package secretserver

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strconv"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// maxTyped bounds, in bytes, what somebody types as name or password.
const maxTyped = 1024

// VerifyPassword implements session.PasswordLogin with the grant "password" of the token endpoint. Who is logged in is
// asked with the new token; when that fails the token is ended again.
//
// Accounts that need a one-time password cannot log in here: it would have to be sent along, and our form has no field
// for it. session.ErrInsufficient when the password is right and the user may not read who they are.
func (s *Source) VerifyPassword(ctx context.Context, username string, password session.Secret, _ string) (_ *session.Session, err error) {
	defer s.wrap(&err, "log in")
	if !s.HasPasswords() {
		return nil, authority.Unsupported("the form is not among what is accepted")
	}
	if username == "" || password.Empty() || len(username) > maxTyped || len(password.Reveal()) > maxTyped {
		return nil, authority.Rejected("user name or password cannot be one")
	}
	form := url.Values{"grant_type": {"password"}, "username": {username}, "password": {password.Reveal()}}
	if s.o.Domain != "" {
		form.Set("domain", s.o.Domain)
	}
	t, until, err := s.token(ctx, form)
	if err != nil {
		return nil, err
	}
	u, err := s.whoIs(ctx, t.access)
	if err != nil {
		s.abandon(ctx, t.access)
		if errors.Is(err, session.ErrRejected) {
			return nil, s.client.Nonsense("it refuses a token it has just issued")
		}
		return nil, err
	}
	left := s.o.maxRefreshes()
	if t.refresh.Empty() {
		left = 0
	}
	now := s.now().UTC()
	properties := s.properties(ctx, t.access)
	properties[refreshesLeft] = strconv.Itoa(left)
	return &session.Session{
		Source:                s.name,
		SourceSessionID:       s.currentID(ctx, t.access),
		Realm:                 s.o.Domain,
		Active:                true,
		Identity:              u.identity,
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "pwd", AAL: "aal1", CompletedAt: now}},
		AAL:                   "aal1",
		AuthenticatedAt:       now,
		Tokens:                tokens(t, until, left),
		Properties:            properties,
	}, nil
}

// abandon ends a token nobody will ever use, also when the caller has gone.
func (s *Source) abandon(ctx context.Context, token session.Secret) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.client.Timeout())
	defer cancel()
	if err := s.expire(ctx, token); err != nil {
		s.log.WarnContext(ctx, "a login came to nothing and its token stays until its end", slog.Any("error", err))
	}
}

// Refresh implements session.Refresher with the grant "refresh_token". A refresh token works once, and the server takes
// only so many after a login; the property refreshes_left counts them. An answer that got lost cannot be had again: the
// next attempt is refused, and that ends the session.
//
// When the new tokens are there and whose they are cannot be asked, they are taken and the identity stays as it was.
// session.ErrUnsupported for tokens that were made elsewhere.
func (s *Source) Refresh(ctx context.Context, old *session.Session) (_ *session.Session, err error) {
	defer s.wrap(&err, "refresh")
	if err := unrefreshable(old); err != nil {
		return nil, err
	}
	t, until, err := s.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.Tokens.Refresh.Reveal()}})
	if err != nil {
		return nil, err
	}
	left := max(0, s.left(old)-1)
	if t.refresh.Empty() {
		left = 0
	}
	n := old.Clone()
	n.Tokens = tokens(t, until, left)
	if n.Properties == nil {
		n.Properties = map[string]string{}
	}
	n.Properties[refreshesLeft] = strconv.Itoa(left)
	u, err := s.whoIs(ctx, t.access)
	switch {
	case err != nil:
		s.log.WarnContext(ctx, "renewed without asking who it is: the identity stays", slog.String("session", old.Handle), slog.Any("error", err))
		return n, nil
	case u.subject != old.Identity.Subject:
		return nil, s.client.Nonsense("the new token is another user's: not taken")
	}
	n.Identity = u.identity
	return n, nil
}
