package kratos

import (
	"context"
	"net/http"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// tokenLead is how long before its end, at most, the JWT of a session is made anew.
const tokenLead = 10 * time.Second

// RenewAt implements session.Renewer: when the session is to be extended or its JWT made anew, whichever comes first.
func (s *Source) RenewAt(held *session.Session) time.Time {
	due := s.extendAt(held)
	if held.Tokenized.Empty() {
		return due
	}
	life := held.Tokens.ExpiresAt.Sub(held.Tokens.ObtainedAt)
	return earlier(due, held.Tokens.ExpiresAt.Add(-min(tokenLead, max(life, 0)/4)))
}

// extendAt returns when held is to be extended; zero: never.
func (s *Source) extendAt(held *session.Session) time.Time {
	if s.o.ExtendBefore == 0 || held.ExpiresAt.IsZero() {
		return time.Time{}
	}
	before := s.o.ExtendBefore
	if reach := time.Duration(s.reach.Load()); reach > 0 {
		before = min(before, reach)
	}
	return held.ExpiresAt.Add(-before)
}

// learn notes that sessions can usefully be extended no earlier than d before their end.
func (s *Source) learn(d time.Duration) {
	for {
		known := s.reach.Load()
		if d <= 0 || (known > 0 && int64(d) >= known) || s.reach.CompareAndSwap(known, int64(d)) {
			return
		}
	}
}

// Refresh implements session.Refresher: it extends held when that is due (PATCH /admin/sessions/{id}/extend) and
// returns it as it is then, with the cookie Kratos wrote anew. A session that was extended by somebody else meanwhile is
// left alone.
//
// whoami is asked first: Kratos would bring a session back to life that is extended after its end.
func (s *Source) Refresh(ctx context.Context, held *session.Session) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "kratos "+s.name, "extend")
	if !s.made(held) {
		return nil, notMade()
	}
	before, err := s.whoami(ctx, proofOf(held))
	if err != nil {
		return nil, err
	}
	at := s.extendAt(before)
	if at.IsZero() || s.public.Now().Before(at) || before.ExpiresAt.After(held.ExpiresAt) {
		return before, nil
	}
	after, err := s.extendNow(ctx, before, held)
	if err != nil {
		return nil, err
	}
	return after, s.extended(before, after)
}

// Extend implements session.Extender. session.ErrUnavailable when it was too early for Kratos
// (session.earliest_possible_extend).
func (s *Source) Extend(ctx context.Context, held *session.Session) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "kratos "+s.name, "extend")
	if !s.made(held) {
		return nil, notMade()
	}
	before, err := s.whoami(ctx, proofOf(held))
	if err != nil {
		return nil, err
	}
	after, err := s.extendNow(ctx, before, held)
	if err == nil && !after.ExpiresAt.After(before.ExpiresAt) {
		return nil, errTooEarly
	}
	return after, err
}

var errTooEarly = authority.Unavailable("Kratos left the end where it is: it extends sessions only within session.earliest_possible_extend")

// extendNow has the session, which is as before, extended.
func (s *Source) extendNow(ctx context.Context, before, held *session.Session) (*session.Session, error) {
	if err := s.extend(ctx, before.SourceSessionID); err != nil {
		return nil, err
	}
	return s.whoami(ctx, proofOf(held))
}

// extended judges an attempt by what it did. Kratos answers 200 as well when it finds it too early and changes nothing;
// then the next attempt is made when half of the time has passed.
func (s *Source) extended(before, after *session.Session) error {
	left := after.ExpiresAt.Sub(s.public.Now())
	s.learn(left / 2)
	if after.ExpiresAt.After(before.ExpiresAt) || !after.Tokenized.Empty() {
		return nil
	}
	early := authority.Unavailable("Kratos extends sessions only within session.earliest_possible_extend: extend_before is longer")
	return session.WithRetryAfter(early, left/2)
}

// extend asks for it. 404 says nothing about the user's session: Kratos on CockroachDB answers it as well while another
// extends the session. whoami tells.
func (s *Source) extend(ctx context.Context, kratosID string) error {
	r, err := s.adminCall(ctx, http.MethodPatch, "/admin/sessions/"+kratosID+"/extend", nil)
	if err != nil {
		return err
	}
	switch r.Status {
	case http.StatusOK, http.StatusNoContent:
		return nil
	case http.StatusNotFound:
		_, err := s.fault(s.admin, r)
		return err
	}
	return r.Unavailable("Kratos", s.admin.Now())
}

// notMade is for a session that is not of this source.
func notMade() error { return authority.Unsupported("the session was not resolved by this source") }

var (
	_ session.Renewer  = (*Source)(nil)
	_ session.Extender = (*Source)(nil)
)
