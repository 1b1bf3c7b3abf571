package kratos

import (
	"context"
	"iter"
	"net/http"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// ListOwn implements session.OwnLister (GET /sessions): the user's active sessions without held itself.
func (s *Source) ListOwn(ctx context.Context, held *session.Session) iter.Seq2[*session.Session, error] {
	l := listing{client: s.public, path: "/sessions", numbered: true, ask: func(ctx context.Context, path string) (authority.Reply, error) {
		return s.ownCall(ctx, held, http.MethodGet, path)
	}}
	return s.sessions(ctx, l, func(*session.Session) bool { return true })
}

// RevokeOthers implements session.OthersRevoker (DELETE /sessions).
func (s *Source) RevokeOthers(ctx context.Context, held *session.Session) (_ int, err error) {
	defer authority.Wrap(&err, "kratos "+s.name, "revoke others")
	r, err := s.ownCall(ctx, held, http.MethodDelete, "/sessions")
	if err != nil {
		return 0, err
	}
	o, err := s.public.Object(r)
	if err != nil {
		return 0, err
	}
	count, ok := o["count"].(float64)
	if r.Status != http.StatusOK || !ok {
		return 0, s.public.Nonsense("the answer says nothing of how many were ended")
	}
	return int(count), nil
}

// RevokeOwn implements session.OwnRevoker (DELETE /sessions/{id}). Kratos refuses that for the session that asks: it is
// logged out instead, after the others.
func (s *Source) RevokeOwn(ctx context.Context, held *session.Session, ids ...string) (err error) {
	defer authority.Wrap(&err, "kratos "+s.name, "revoke own")
	itself := false
	for _, id := range ids {
		switch {
		case id == held.SourceSessionID:
			itself = true
			continue
		case !validID(id): // nobody's session
			continue
		}
		r, err := s.ownCall(ctx, held, http.MethodDelete, "/sessions/"+id)
		if err != nil {
			return err
		}
		if r.Status != http.StatusNoContent && r.Status != http.StatusNotFound && r.Status != http.StatusBadRequest {
			return r.Unavailable("Kratos", s.public.Now())
		}
	}
	if itself {
		return s.Revoke(ctx, held)
	}
	return nil
}

// ownCall asks as the user of held. A session that has ended is session.ErrRejected.
func (s *Source) ownCall(ctx context.Context, held *session.Session, method, path string) (authority.Reply, error) {
	if !s.made(held) {
		return authority.Reply{}, notMade()
	}
	r, err := s.public.Call(ctx, authority.Question{Method: method, URL: base(s.o.URL) + path, Header: s.header(proofOf(held))})
	if err != nil {
		return r, err
	}
	if r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden {
		return r, s.denied(ctx, proofOf(held), r)
	}
	return r, nil
}

var (
	_ session.OwnLister     = (*Source)(nil)
	_ session.OthersRevoker = (*Source)(nil)
	_ session.OwnRevoker    = (*Source)(nil)
)
