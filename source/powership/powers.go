package powership

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// errBridge is why an application is not asked for some things: the library has no method for them.
var errBridge = authority.Unsupported("the application keeps the sessions, and its library has no such method")

// List implements session.Lister in native mode: the documents of one account, or of all, the newest of each first.
func (s *Source) List(ctx context.Context, q session.Query) iter.Seq2[*session.Session, error] {
	return func(yield func(*session.Session, error) bool) {
		if s.native == nil {
			yield(nil, errBridge)
			return
		}
		accountID, ok := s.native.accountOf(q)
		if !ok {
			return
		}
		now, list := s.now(), s.native.accounts.Current()
		for d, err := range s.native.docs.list(ctx, accountID) {
			if s.native.note(ctx, err); err != nil {
				yield(nil, fmt.Errorf("powership %s: list: %w", s.name, err))
				return
			}
			if q.ActiveOnly && (!d.Valid || !now.Before(d.endsAt)) {
				continue
			}
			if !yield(s.listed(d, list.of(d)), nil) {
				return
			}
		}
	}
}

// of returns the account of d, with its id alone when it is not there any more.
func (a *accounts) of(d Document) Account {
	if e := a.byCursor[accountCursor(d.AccountID)]; e != nil {
		return e.account()
	}
	return Account{ID: d.AccountID}
}

// accountOf returns the id of the account q speaks of, "" for all. false when there can be none.
func (n *native) accountOf(q session.Query) (id string, ok bool) {
	if q.Realm != "" {
		return "", false // accounts have no realm
	}
	if q.Username == "" {
		return q.Subject, true
	}
	e := n.accounts.Current().byUsername[q.Username]
	if e == nil || (q.Subject != "" && q.Subject != e.ID) {
		return "", false
	}
	return e.ID, true
}

// ListOwn implements session.OwnLister in native mode.
func (s *Source) ListOwn(ctx context.Context, known *session.Session) iter.Seq2[*session.Session, error] {
	if known.Identity.Subject == "" {
		return func(yield func(*session.Session, error) bool) { yield(nil, InvalidRequest) }
	}
	return s.List(ctx, session.Query{Subject: known.Identity.Subject, ActiveOnly: true})
}

// RevokeIDs implements session.IDRevoker in native mode. An id that cannot be one is that of no session.
func (s *Source) RevokeIDs(ctx context.Context, ids ...string) (map[string]bool, error) {
	if s.native == nil {
		return nil, errBridge
	}
	gone := map[string]bool{}
	for _, id := range ids {
		gone[id] = false
		err := s.revokeID(ctx, id)
		if err != nil {
			return gone, fmt.Errorf("powership %s: revoke: %w", s.name, err)
		}
		gone[id] = true
	}
	return gone, nil
}

// revokeID ends the session an id names. That there is none is no error.
func (s *Source) revokeID(ctx context.Context, id string) error {
	c, err := parseCursor(id)
	if err != nil || c.ulid == "" {
		return nil
	}
	_, err = s.native.invalidateOne(ctx, c)
	if errors.Is(err, SessionNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.destroyed(ctx, c.account)
}

// destroyed runs onDestroySession for sessions of an account that somebody else ended.
func (s *Source) destroyed(ctx context.Context, accountID string) error {
	r := &Request{UserAgent: formUserAgent, User: &Account{ID: accountID}}
	_, err := s.hooks.OnDestroySession.dispatch(ctx, r, struct{}{})
	return err
}

// RevokeOwn implements session.OwnRevoker in native mode. session.ErrNotFound when an id is not of the user's sessions;
// those before it are ended.
func (s *Source) RevokeOwn(ctx context.Context, known *session.Session, ids ...string) error {
	if s.native == nil {
		return errBridge
	}
	for _, id := range ids {
		c, err := parseCursor(id)
		if err != nil || c.account != accountCursor(known.Identity.Subject).account {
			return fmt.Errorf("powership %s: revoke: %w: no such session of this user", s.name, session.ErrNotFound)
		}
		if err := s.revokeID(ctx, id); err != nil {
			return fmt.Errorf("powership %s: revoke: %w", s.name, err)
		}
	}
	return nil
}

// RevokeOthers implements session.OthersRevoker in native mode.
func (s *Source) RevokeOthers(ctx context.Context, known *session.Session) (int, error) {
	if s.native == nil {
		return 0, errBridge
	}
	if known.Identity.Subject == "" || known.SourceSessionID == "" {
		return 0, InvalidRequest
	}
	return s.revokeMany(ctx, known.Identity.Subject, func(d Document) bool { return d.ID() != known.SourceSessionID })
}

// RevokeUser implements session.UserRevoker: the library's invalidateSessions for a whole account. In bridge mode the
// user is named by Subject alone.
func (s *Source) RevokeUser(ctx context.Context, user session.Query) (int, error) {
	if s.native != nil {
		id, ok := s.native.accountOf(user)
		if !ok {
			return 0, nil
		}
		user.Subject = id
	} else if user.Subject == "" {
		return 0, authority.Unsupported("the application finds accounts by their id alone")
	}
	ended, err := s.InvalidateAll(ctx, user.Subject, nil)
	if errors.Is(err, SessionNotFound) {
		return 0, nil
	}
	return ended.Invalidated, err
}

// RevokeAll implements session.AllRevoker in native mode.
func (s *Source) RevokeAll(ctx context.Context) (int, error) {
	if s.native == nil {
		return 0, errBridge
	}
	return s.revokeMany(ctx, "", func(Document) bool { return true })
}

func (s *Source) revokeMany(ctx context.Context, accountID string, match func(Document) bool) (int, error) {
	ended, err := s.native.invalidateAll(ctx, accountID, match)
	if errors.Is(err, SessionNotFound) {
		return 0, nil
	}
	if err == nil {
		err = s.destroyed(ctx, accountID)
	}
	if err != nil {
		return ended.Invalidated, fmt.Errorf("powership %s: revoke: %w", s.name, err)
	}
	return ended.Invalidated, nil
}

// ValidSession implements session.TokenChecker: s has a token of its session.
func (s *Source) ValidSession(known *session.Session) bool {
	t, err := readToken(known.Tokens.Access.Reveal())
	return err == nil && known.Active && known.Source == s.name && known.SourceSessionID == t.session.graphID()
}

// ValidToken implements session.TokenChecker.
func (s *Source) ValidToken(known *session.Session) bool {
	t, err := readToken(known.Tokens.Access.Reveal())
	return err == nil && t.holds(s.now())
}

// EndsWithin implements session.TokenChecker. The end of a token stands in it.
func (s *Source) EndsWithin(known *session.Session, d time.Duration) (ends, ok bool) {
	t, err := readToken(known.Tokens.Access.Reveal())
	if err != nil {
		return false, false
	}
	return !s.now().Add(d).Before(t.expiresAt), true
}

var (
	_ session.Lister        = (*Source)(nil)
	_ session.OwnLister     = (*Source)(nil)
	_ session.IDRevoker     = (*Source)(nil)
	_ session.OwnRevoker    = (*Source)(nil)
	_ session.OthersRevoker = (*Source)(nil)
	_ session.UserRevoker   = (*Source)(nil)
	_ session.AllRevoker    = (*Source)(nil)
	_ session.TokenChecker  = (*Source)(nil)
)
