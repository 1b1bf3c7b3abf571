package vsphere

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// VerifyPassword implements session.PasswordLogin: it makes a session at the vCenter, by user and password or by a token
// of its token service for them, as configured. A vCenter does not tell an unknown user from a wrong password, and locks
// accounts itself.
func (s *Source) VerifyPassword(ctx context.Context, username string, password session.Secret, _ string) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "vsphere "+s.name, "log in")
	switch {
	case s.opts.Login == loginNone:
		return nil, authority.Unsupported("login is none: nobody logs in with a password here")
	case username == "" || password.Empty() || strings.ContainsAny(username, ":\x00") || strings.Contains(password.Reveal(), "\x00"):
		return nil, authority.Rejected("user name or password cannot be one") // a colon ends the name in Basic (RFC 7617 §2)
	case s.opts.Login == loginSAML:
		t, err := s.tokens.issue(ctx, username, password)
		if err != nil {
			return nil, err
		}
		return s.byToken(ctx, t)
	}
	return s.begin(ctx, byPassword(username, password), "basic", token{})
}

// VerifyAssertion implements session.AssertionLogin. A token that holds for a key needs the certificate and key of the
// configuration; the vCenter refuses one that was issued to another.
func (s *Source) VerifyAssertion(ctx context.Context, assertion session.Secret) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "vsphere "+s.name, "log in by assertion")
	t, err := readToken(assertion)
	if err != nil {
		return nil, err
	}
	return s.byToken(ctx, t)
}

// byPassword is the proof of RFC 7617.
func byPassword(username string, password session.Secret) proof {
	return func(string, *url.URL) (http.Header, error) {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(username, password.Reveal())
		return r.Header, nil
	}
}

func (s *Source) byToken(ctx context.Context, t token) (*session.Session, error) {
	by, err := s.tokens.proof(t)
	if err != nil {
		return nil, err
	}
	method := "saml_bearer"
	if t.holder {
		method = "saml_hok"
	}
	return s.begin(ctx, by, method, t)
}

// begin makes a session and asks whose it is. When that fails, the session is not left behind.
func (s *Source) begin(ctx context.Context, by proof, method string, t token) (*session.Session, error) {
	id, err := s.make(ctx, by)
	if err != nil {
		return nil, err
	}
	i, err := s.look(ctx, id)
	if err != nil {
		s.abandon(ctx, id)
		if errors.Is(err, session.ErrRejected) {
			return nil, s.client.Nonsense("a session that was just made is not known")
		}
		return nil, err
	}
	n := s.session(id, i)
	if n.AuthenticatedAt.IsZero() {
		n.AuthenticatedAt = s.now().UTC()
	}
	n.AuthenticationMethods = []session.AuthenticationMethod{{Method: method, AAL: "aal1", CompletedAt: n.AuthenticatedAt}}
	n.Tokens = s.newTokens(id, i, t)
	return n, nil
}

// newTokens are those of a session that was made with t. A vCenter ends such a session with the lifetime it is configured
// for, which it does not tell; a token that can be renewed is exchanged for a new session before it ends itself.
func (s *Source) newTokens(id session.Secret, i info, t token) session.Tokens {
	tokens := session.Tokens{Type: tokenType, Access: id}
	if s.opts.MaxLifetime > 0 && !i.created.IsZero() {
		tokens.ExpiresAt = i.created.Add(s.opts.MaxLifetime)
	}
	if !t.renewable || t.expiresAt.IsZero() {
		return tokens
	}
	tokens.Refresh = t.assertion
	if tokens.ExpiresAt.IsZero() || t.expiresAt.Before(tokens.ExpiresAt) {
		tokens.ExpiresAt = t.expiresAt
	}
	return tokens
}

// abandon ends a session nobody will use, also when the caller has gone.
func (s *Source) abandon(ctx context.Context, id session.Secret) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(s.client.Timeout(), time.Second))
	defer cancel()
	_ = s.remove(ctx, id) // otherwise it ends by idleness
}

// Refresh implements session.Refresher for sessions made with a renewable token: it renews the token, makes a new session
// with it and lets the old one end by idleness, because what is under way may still use it.
func (s *Source) Refresh(ctx context.Context, of *session.Session) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "vsphere "+s.name, "refresh")
	if of.Tokens.Refresh.Empty() {
		return nil, authority.Unsupported("a vCenter prolongs no session; one made with a renewable token (login saml, certificate_file) can be replaced")
	}
	t, err := s.tokens.renew(ctx, of.Tokens.Refresh)
	if err != nil {
		return nil, err
	}
	fresh, err := s.byToken(ctx, t)
	if errors.Is(err, session.ErrRejected) {
		return nil, s.client.Nonsense("a token that was just renewed is refused")
	}
	if err != nil {
		return nil, err
	}
	if fresh.Identity.Subject != of.Identity.Subject {
		s.abandon(ctx, fresh.Tokens.Access)
		return nil, s.client.Nonsense("the renewed token is another user's: not taken")
	}
	n := of.Clone()
	n.Tokens = fresh.Tokens
	return n, nil
}
