package powership

import (
	"context"
	"errors"

	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// VerifyPassword implements session.PasswordLogin: Login for a form of the gateway's. The session belongs to the gateway
// as a client of its own; its token is never given to the browser, and is exchanged for a new one before it ends.
func (s *Source) VerifyPassword(ctx context.Context, username string, password session.Secret, clientIP string) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "powership "+s.name, "verify password")
	if s.o.NoForm {
		return nil, authority.Unsupported("no_form is set")
	}
	result, err := s.login(ctx, &Request{RequestIP: clientIP, UserAgent: formUserAgent}, username, password)
	if err != nil {
		return nil, err
	}
	made := s.form(result)
	made.AuthenticationMethods = []session.AuthenticationMethod{{Method: "pwd", AAL: "aal1", CompletedAt: made.AuthenticatedAt}}
	return made, nil
}

// Login makes a session for the client of r, and writes its token, user and session into r: the library's
// userByPasswordLogin. AuthenticationFailed when the password is wrong or there is no such user.
func (s *Source) Login(ctx context.Context, r *Request, username string, password session.Secret) (_ *LoginResult, err error) {
	defer authority.Wrap(&err, "powership "+s.name, "login")
	return s.login(ctx, r, username, password)
}

func (s *Source) login(ctx context.Context, r *Request, username string, password session.Secret) (*LoginResult, error) {
	if username == "" || password.Empty() {
		return nil, AuthenticationFailed
	}
	result, err := s.keeper.login(ctx, username, password, r.from())
	if err != nil {
		return nil, answered(err)
	}
	r.take(result)
	return result, nil
}

// form maps what becomes a session of the gateway's own, which gives it id, handle, ends and devices.
func (s *Source) form(result *LoginResult) *session.Session {
	r := &Request{}
	r.take(result)
	made := s.session(r)
	made.ID, made.Handle, made.ExpiresAt, made.LastAccessAt, made.Devices = "", "", time.Time{}, time.Time{}, nil
	made.IssuedAt = time.Time{}
	made.Tokens.Refresh = made.Tokens.Access // whoever has a token can exchange it
	return made
}

// Refresh implements session.Refresher for sessions made by VerifyPassword: it exchanges the token for a new one.
func (s *Source) Refresh(ctx context.Context, known *session.Session) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "powership "+s.name, "refresh")
	from := connectionOf(known)
	r := &Request{AuthToken: known.Tokens.Refresh, RequestIP: from.IP, UserAgent: from.UserAgent}
	if r.AuthToken.Empty() {
		return nil, authority.Unsupported("the client of this session has its token exchanged by using it; the gateway exchanges those of sessions that began with its form")
	}
	result, err := s.RefreshTokens(ctx, r)
	if err != nil {
		return nil, err
	}
	fresh := s.form(result)
	renewed := known.Clone()
	renewed.Identity, renewed.Tokens, renewed.SourceSessionID = fresh.Identity, fresh.Tokens, fresh.SourceSessionID
	return renewed, nil
}

// Verify implements session.Verifier for sessions made by VerifyPassword. In bridge mode a strict application cannot be
// asked without spending the token: there a session that ended is noticed when its token is exchanged.
func (s *Source) Verify(ctx context.Context, known *session.Session) (err error) {
	defer authority.Wrap(&err, "powership "+s.name, "verify")
	_, err = s.keeper.look(ctx, known.Tokens.Access, connectionOf(known))
	if errors.Is(err, errSpends) {
		return nil
	}
	return answered(err)
}

var (
	_ session.PasswordLogin = (*Source)(nil)
	_ session.Refresher     = (*Source)(nil)
	_ session.Verifier      = (*Source)(nil)
)
