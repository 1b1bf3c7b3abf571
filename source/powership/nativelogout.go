package powership

import (
	"context"
	"errors"

	"github.com/sessionward/sessionward/session"
)

// invalidate ends one session by its token, expired or not. A token that cannot be verified ends all sessions of the
// account where that was asked for.
func (n *native) invalidate(ctx context.Context, accountID string, raw session.Secret, _ ConnectionInfo) (Invalidated, error) {
	if raw.Empty() {
		return n.invalidateAll(ctx, accountID, func(Document) bool { return true })
	}
	t, err := n.verify(raw)
	switch {
	case err == nil && accountCursor(accountID) == t.account:
		return n.invalidateOne(ctx, t.session)
	case err == nil:
		return Invalidated{}, SessionNotFound // the library asks for session and account at once
	case n.widen && accountID != "":
		return n.invalidateAll(ctx, accountID, func(Document) bool { return true })
	default:
		return Invalidated{}, TokenVerificationFailed
	}
}

// invalidateOne ends the session of c. SessionNotFound when there is none or it had ended.
func (n *native) invalidateOne(ctx context.Context, c cursor) (Invalidated, error) {
	_, err := n.docs.update(ctx, c, func(d *Document) error {
		if !d.Valid {
			return SessionNotFound
		}
		d.Valid, d.UpdatedAt = false, n.now().UTC()
		return nil
	})
	if n.note(ctx, err); err != nil {
		return Invalidated{}, err
	}
	return Invalidated{Invalidated: 1, Scope: ScopeOne}, nil
}

// invalidateAll ends the sessions of an account, or of all with "", that match. SessionNotFound when there was none.
func (n *native) invalidateAll(ctx context.Context, accountID string, match func(Document) bool) (Invalidated, error) {
	ended := Invalidated{Scope: ScopeAll}
	for d, err := range n.docs.list(ctx, accountID) {
		if n.note(ctx, err); err != nil {
			return ended, err
		}
		if !d.Valid || !match(d) {
			continue
		}
		one, err := n.invalidateOne(ctx, d.cursor())
		if err != nil && !errors.Is(err, SessionNotFound) {
			return ended, err
		}
		ended.Invalidated += one.Invalidated
	}
	if ended.Invalidated == 0 {
		return ended, SessionNotFound
	}
	return ended, nil
}
