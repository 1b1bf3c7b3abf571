package powership

import (
	"time"
)

// accountError is a failure by its code; the library's message is the code again.
type accountError string

// Error implements error.
func (e accountError) Error() string { return string(e) }

// The codes this peer answers with.
const (
	unauthorized            = accountError("Unauthorized")
	invalidRequest          = accountError("InvalidRequest")
	invalidUserAgent        = accountError("InvalidLocationInfoUserAgent")
	invalidIP               = accountError("InvalidLocationInfoIP")
	userDeactivated         = accountError("UserDeactivated")
	authenticationFailed    = accountError("AuthenticationFailed")
	userNotFound            = accountError("UserNotFound")
	invalidSession          = accountError("InvalidSession")
	tokenVerificationFailed = accountError("TokenVerificationFailed")
	sessionNotFound         = accountError("SessionNotFound")
)

// loginResult is what the library returns for a session.
type loginResult struct {
	SessionDocument Document `json:"sessionDocument"`
	AuthToken       string   `json:"authToken"`
	Account         *account `json:"account"`
}

// login makes a session for u.
func (p *Peer) login(u User, from ConnectionInfo) (*loginResult, error) {
	if p.o.RefuseDeactivated && u.Deactivated {
		return nil, userDeactivated
	}
	now := p.o.Now()
	d := newDocument(u.AccountID, from, now)
	d.Token = newData(p.nameOf(d), graphID(accountCursor(u.AccountID)), from.IP, from.UserAgent)
	p.documents[d.Cursor] = d
	return p.result(u, d, now), nil
}

// nameOf is how tokens call a session.
func (p *Peer) nameOf(d *Document) string {
	if p.o.GraphIDs {
		return d.ID
	}
	return d.Cursor
}

func (p *Peer) result(u User, d *Document, now time.Time) *loginResult {
	return &loginResult{
		AuthToken:       sign(p.secret, d.Token, now, p.o.TokenDuration),
		SessionDocument: *d,
		Account:         u.account(*d),
	}
}

// refresh exchanges a token: verify, find the account, compare the user agent, write the new token, and only then look
// whether the session is valid. The token shown is not compared with the one stored, unless strict.
func (p *Peer) refresh(token string, r request) (*loginResult, error) {
	now := p.o.Now()
	data, claims, err := verify(p.secret, token, now)
	if err != nil {
		return nil, tokenVerificationFailed
	}
	u, ok := p.accounts[cursorOf(claims.A)]
	if !ok {
		return nil, userNotFound
	}
	if p.o.RefuseDeactivated && u.Deactivated {
		return nil, userDeactivated
	}
	from, err := r.from()
	if err != nil {
		return nil, err
	}
	if claims.U != hash32(from.UserAgent) {
		return nil, invalidSession
	}
	d, ok := p.documents[cursorOf(claims.S)]
	if !ok {
		return nil, sessionNotFound
	}
	if p.o.Strict && !p.newest(d, data, now) {
		return nil, invalidSession
	}
	d.rotate(newData(p.nameOf(d), graphID(accountCursor(u.AccountID)), from.IP, from.UserAgent), from, now)
	if !d.Valid {
		return nil, invalidSession
	}
	p.refreshed++
	return p.result(u, d, now), nil
}

func (d *Document) rotate(token string, from ConnectionInfo, now time.Time) {
	d.previous, d.rotatedAt = d.Token, now
	d.Token, d.From, d.UpdatedAt, d.Version = token, from, stamp(now), newULID(now)
}

// newest reports whether data is the stored token, or the one before that is still tolerated.
func (p *Peer) newest(d *Document, data string, now time.Time) bool {
	return data == d.Token || (data == d.previous && now.Sub(d.rotatedAt) < p.o.Grace)
}

// scopes of an invalidation.
const (
	scopeOne = "one"
	scopeAll = "all"
)

// invalidate ends the session of a token, expired or not, or all sessions of the account. A token that cannot be
// verified widens to the whole account where widen allows it.
func (p *Peer) invalidate(accountID, token, scope string, widen bool) (n int, _ string, _ error) {
	cursor := ""
	if scope == scopeOne {
		_, claims, err := verify(p.secret, token, time.Time{})
		switch {
		case err == nil:
			cursor = cursorOf(claims.S)
		case widen:
			scope = scopeAll
		default:
			return 0, "", tokenVerificationFailed
		}
	}
	for _, d := range p.documents {
		if d.AccountID == accountID && d.Valid && (scope == scopeAll || d.Cursor == cursor) {
			d.Valid, d.UpdatedAt = false, stamp(p.o.Now())
			n++
		}
	}
	if n == 0 {
		return 0, "", sessionNotFound
	}
	return n, scope, nil
}
