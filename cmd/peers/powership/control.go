package powership

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Login makes a session for a user, as used from an address with a user agent, and returns its token.
func (p *Peer) Login(username, ip, userAgent string) (token string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, ok := p.user(username)
	if !ok {
		return "", fmt.Errorf("powership: no user %q", username)
	}
	result, err := p.login(u, ConnectionInfo{IP: ip, UserAgent: userAgent})
	if err != nil {
		return "", err
	}
	return result.AuthToken, nil
}

// Sign returns a token with exactly this data, signed now: for tokens the library would not make.
func (p *Peer) Sign(data string, ttl time.Duration) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return sign(p.secret, data, p.o.Now(), ttl)
}

// SetSecret changes what tokens are signed and verified with from now on.
func (p *Peer) SetSecret(secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secret = secret
}

// Sessions returns the documents there are, the oldest first.
func (p *Peer) Sessions() []Document {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Document
	for d := range maps.Values(p.documents) {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b Document) int { return cmp.Compare(a.ULID, b.ULID) })
	return list
}

// Refreshed counts the tokens exchanged so far.
func (p *Peer) Refreshed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refreshed
}

// Session returns the document of the session a token belongs to, expired or not.
func (p *Peer) Session(token string) (Document, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.find(token); d != nil {
		return *d, true
	}
	return Document{}, false
}

func (p *Peer) find(token string) *Document {
	_, claims, err := verify(p.secret, token, time.Time{})
	if err != nil {
		return nil
	}
	return p.documents[cursorOf(claims.S)]
}

// Alter changes the document of a token's session; false when there is none.
func (p *Peer) Alter(token string, change func(*Document)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.find(token)
	if d == nil {
		return false
	}
	change(d)
	return true
}

// End makes the session of a token invalid, as a logout elsewhere does; false when there is none.
func (p *Peer) End(token string) bool {
	return p.Alter(token, func(d *Document) { d.Valid = false })
}

// EndDocument is End for a session whose token nobody here knows, named by its document.
func (p *Peer) EndDocument(cursor string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, ok := p.documents[cursor]
	if ok {
		d.Valid = false
	}
	return ok
}

// Forget removes the document of a token's session.
func (p *Peer) Forget(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.find(token); d != nil {
		delete(p.documents, d.Cursor)
	}
}

// SetUser adds an account or replaces the one with the same AccountID.
func (p *Peer) SetUser(u User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accounts[accountCursor(u.AccountID)] = u
}

// RemoveUser removes an account; its sessions stay, as in the library.
func (p *Peer) RemoveUser(accountID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.accounts, accountCursor(accountID))
}
