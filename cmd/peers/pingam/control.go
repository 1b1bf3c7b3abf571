package pingam

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Login logs the user of a realm ("" for the root) in without a password and returns the token.
func (p *Peer) Login(username, realm string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.o.Users, func(u User) bool {
		return strings.EqualFold(u.Username, username) && u.Realm == cmp.Or(realm, "/")
	})
	if i < 0 {
		return "", fmt.Errorf("pingam: no user %q in realm %q", username, cmp.Or(realm, "/"))
	}
	return p.login(p.o.Users[i]).token, nil
}

// End ends the session of a token and reports whether it was there.
func (p *Peer) End(token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	living := p.find(token) != nil
	delete(p.sessions, token)
	return living
}

// EndUser ends all sessions of a user in every realm, such as those of an administrator.
func (p *Peer) EndUser(username string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for token, s := range p.sessions {
		if strings.EqualFold(s.user.Username, username) {
			delete(p.sessions, token)
		}
	}
}

// Sessions lists the tokens of the living sessions, the oldest first.
func (p *Peer) Sessions() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var tokens []string
	for _, s := range p.sorted() {
		tokens = append(tokens, s.token)
	}
	return tokens
}

// Handle returns the handle of a living session, "" when it has none.
func (p *Peer) Handle(token string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.find(token); s != nil {
		return s.handle
	}
	return ""
}

// SetProperty sets a property of a session as the product itself does.
func (p *Peer) SetProperty(token, name, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.find(token); s != nil {
		s.properties[name] = value
	}
}
