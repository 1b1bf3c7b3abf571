package vsphere

import (
	"context"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// tokenType names the tokens of a session: the id of a session of the vSphere Automation API.
const tokenType = "vapi"

// Places implements session.Resolver.
func (s *Source) Places() []session.Place { return s.opts.Credentials.Places() }

// Resolve implements session.Resolver. It counts as use of the session at the vCenter.
func (s *Source) Resolve(ctx context.Context, c session.Credential) (_ *session.Session, err error) {
	if !s.opts.Credentials.Mine(c) || !possibleID(c.Value.Reveal()) {
		return nil, session.ErrNotMine
	}
	defer authority.Wrap(&err, "vsphere "+s.name, "resolve")
	i, err := s.look(ctx, c.Value)
	if err != nil {
		return nil, err
	}
	return s.foreign(c.Value, i), nil
}

// TouchAt implements session.Toucher. A session in use is asked about, which moves its idle clock, when a third of it is
// left.
func (s *Source) TouchAt(of *session.Session) time.Time {
	if of.IdleExpiresAt.IsZero() {
		return time.Time{}
	}
	return of.IdleExpiresAt.Add(-s.opts.IdleTimeout / 3)
}

// Touch implements session.Toucher.
func (s *Source) Touch(ctx context.Context, of *session.Session, c session.Credential) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "vsphere "+s.name, "touch")
	i, err := s.look(ctx, c.Value)
	if err != nil {
		return nil, err
	}
	n := of.Clone()
	n.LastAccessAt, n.IdleExpiresAt = i.accessed, s.idleEnd(i)
	if n.IdleExpiresAt.Before(of.IdleExpiresAt) {
		n.IdleExpiresAt = of.IdleExpiresAt
	}
	return n, nil
}

// Verify implements session.Verifier for sessions of the gateway's form. It keeps the session at the vCenter from ending
// by idleness.
func (s *Source) Verify(ctx context.Context, of *session.Session) (err error) {
	defer authority.Wrap(&err, "vsphere "+s.name, "verify")
	i, err := s.look(ctx, of.Tokens.Access)
	if err != nil {
		return err
	}
	if i.user != of.Identity.Subject {
		return authority.Rejected("the session at the vCenter is another user's")
	}
	return nil
}

// Revoke implements session.Revoker. Calls under way complete (vSphere Automation API, session delete).
func (s *Source) Revoke(ctx context.Context, of *session.Session) (err error) {
	defer authority.Wrap(&err, "vsphere "+s.name, "revoke")
	if of.Tokens.Access.Empty() {
		return nil
	}
	return s.remove(ctx, of.Tokens.Access)
}

// foreign is a session that a client brought.
func (s *Source) foreign(id session.Secret, i info) *session.Session {
	n := s.session(id, i)
	n.ID = authority.SessionID(s.name, id)
	n.Handle = authority.Handle(s.Kind(), n.ID)
	n.IssuedAt, n.LastAccessAt, n.IdleExpiresAt = i.created, i.accessed, s.idleEnd(i)
	if s.opts.MaxLifetime > 0 && !i.created.IsZero() {
		n.ExpiresAt = i.created.Add(s.opts.MaxLifetime)
	}
	return n
}

// session is what is known of every session.
func (s *Source) session(id session.Secret, i info) *session.Session {
	username, realm := split(i.user)
	return &session.Session{
		Source:          s.name,
		Realm:           realm,
		Active:          true,
		Identity:        session.Identity{Subject: i.user, Username: username},
		AAL:             "aal1",
		AuthenticatedAt: i.created,
		Tokens:          session.Tokens{Type: tokenType, Access: id},
	}
}

// split parts a user into name and domain ("Administrator@VSPHERE.LOCAL").
func split(user string) (name, domain string) {
	at := strings.LastIndexByte(user, '@')
	if at <= 0 {
		return user, ""
	}
	return user[:at], user[at+1:]
}

// idleEnd is when the session ends unless it is used. The vCenter has just said that it has not ended: an end that is past
// by our reckoning shows that the clocks or the configured timeout differ, and is left out.
func (s *Source) idleEnd(i info) time.Time {
	if i.accessed.IsZero() {
		return time.Time{}
	}
	at := i.accessed.Add(s.opts.IdleTimeout)
	if !at.After(s.now()) {
		return time.Time{}
	}
	return at
}
