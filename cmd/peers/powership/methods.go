package powership

import (
	"crypto/subtle"
	"encoding/json"
)

// request is what the library calls SessionRequest, as far as it goes over the wire. Texts that are absent are told from
// empty ones: the library accepts only the latter.
type request struct {
	AuthToken        string   `json:"authToken,omitempty"`
	SessionDestroyed bool     `json:"sessionDestroyed,omitempty"`
	RequestIP        *string  `json:"requestIp"`
	UserAgent        *string  `json:"userAgent"`
	User             *account `json:"user,omitempty"`
}

// input is what all methods but handleRequest, trySetSession and getConnectionInfo are asked with.
type input struct {
	AuthToken string  `json:"authToken"`
	Request   request `json:"request"`

	Mode      string `json:"mode"`
	AccountID string `json:"accountId"`
	Widen     bool   `json:"widen"`

	Username string `json:"username"`
	Password string `json:"password"`
}

// invalidated is the bridge's answer to what ends sessions.
type invalidated struct {
	Invalidated      int    `json:"invalidated"`
	Scope            string `json:"scope"`
	SessionDestroyed bool   `json:"sessionDestroyed"`
}

func (r request) from() (ConnectionInfo, error) {
	if r.UserAgent == nil {
		return ConnectionInfo{}, invalidUserAgent
	}
	if r.RequestIP == nil {
		return ConnectionInfo{}, invalidIP
	}
	return ConnectionInfo{IP: *r.RequestIP, UserAgent: *r.UserAgent}, nil
}

func read[T any](raw []byte) (v T, err error) {
	if json.Unmarshal(raw, &v) != nil {
		return v, invalidRequest
	}
	return v, nil
}

// handleRequest returns the request with the user and the new token in it; without a token, the request as it came.
func (p *Peer) handleRequest(raw []byte) (any, error) {
	r, err := read[request](raw)
	if err != nil || r.AuthToken == "" {
		return r, err
	}
	result, err := p.refresh(r.AuthToken, r)
	if err != nil {
		return nil, err
	}
	r.AuthToken, r.User = result.AuthToken, result.Account
	return r, nil
}

// trySetSession returns null when there is no token.
func (p *Peer) trySetSession(raw []byte) (any, error) {
	r, err := read[request](raw)
	if err != nil || r.AuthToken == "" {
		return nil, err
	}
	return p.refresh(r.AuthToken, r)
}

func (p *Peer) refreshTokens(raw []byte) (any, error) {
	in, err := read[input](raw)
	if err != nil {
		return nil, err
	}
	return p.refresh(in.AuthToken, in.Request)
}

// passwordLogin fails in the same way whatever the cause.
func (p *Peer) passwordLogin(raw []byte) (any, error) {
	in, err := read[input](raw)
	if err != nil {
		return nil, err
	}
	from, err := in.Request.from()
	if err != nil {
		return nil, err
	}
	u, ok := p.user(in.Username)
	if !ok || subtle.ConstantTimeCompare([]byte(u.Password), []byte(in.Password)) != 1 {
		return nil, authenticationFailed
	}
	return p.login(u, from)
}

// user finds an account by its name.
func (p *Peer) user(name string) (User, bool) {
	for _, u := range p.accounts {
		if u.Username == name {
			return u, true
		}
	}
	return User{}, false
}

func (p *Peer) logout(raw []byte) (any, error) {
	in, err := read[input](raw)
	if err != nil {
		return nil, err
	}
	if in.Request.User == nil || in.Request.User.AccountID == "" {
		return nil, invalidRequest
	}
	n, scope, err := p.invalidate(in.Request.User.AccountID, in.AuthToken, scopeOne, in.Widen || p.o.Bare)
	return p.ended(n, scope, err, true)
}

func (p *Peer) invalidateSessions(raw []byte) (any, error) {
	in, err := read[input](raw)
	if err != nil {
		return nil, err
	}
	if in.AccountID == "" || (in.Mode != scopeOne && in.Mode != scopeAll) {
		return nil, invalidRequest
	}
	n, scope, err := p.invalidate(in.AccountID, in.AuthToken, in.Mode, in.Widen || p.o.Bare)
	return p.ended(n, scope, err, false)
}

// ended is the answer to what ended n sessions.
func (p *Peer) ended(n int, scope string, err error, isLogout bool) (any, error) {
	switch {
	case err != nil:
		return nil, err
	case p.o.Bare && isLogout:
		return true, nil
	case p.o.Bare:
		return n, nil
	default:
		return invalidated{Invalidated: n, Scope: scope, SessionDestroyed: true}, nil
	}
}

func (p *Peer) connectionInfo(raw []byte) (any, error) {
	r, err := read[request](raw)
	if err != nil {
		return nil, err
	}
	return r.from()
}
