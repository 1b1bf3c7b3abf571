package powership

import (
	"time"

	"github.com/sessionward/sessionward/session"
)

// Request is one request of a client, as the library's hooks see it (SessionRequest). HandleRequest fills in what it
// learns.
type Request struct {
	AuthToken session.Secret // the token the client showed; the new one once it was exchanged; empty: none
	RequestIP string
	UserAgent string
	// User is the account behind AuthToken, nil until it is known and after a logout.
	User *Account
	// Session is the document behind AuthToken, nil as long as User is.
	Session *Document
	// SessionDestroyed is true after a logout.
	SessionDestroyed bool

	expiresAt time.Time // of AuthToken
}

// from is where r comes from.
func (r *Request) from() ConnectionInfo {
	return ConnectionInfo{IP: r.RequestIP, UserAgent: r.UserAgent}
}

// take fills in what became of r's token.
func (r *Request) take(result *LoginResult) {
	account, document := result.Account, result.Session
	r.AuthToken, r.expiresAt, r.User, r.Session = result.AuthToken, result.ExpiresAt, &account, &document
}

// ConnectionInfo is where a session is used from, as session documents hold it.
type ConnectionInfo struct {
	IP        string
	UserAgent string
	// Extra are further texts kept with it.
	Extra map[string]string
}

// LoginResult is what is known of a session after a login or an exchange.
type LoginResult struct {
	AuthToken session.Secret
	ExpiresAt time.Time // of AuthToken
	Session   Document
	Account   Account
	// Exchanged is true when AuthToken is not the one that was shown.
	Exchanged bool
}

// Account is one user.
type Account struct {
	ID            string // accountId
	Username      string
	Email         string
	EmailVerified bool
	Name          string
	Groups        []string
	Deactivated   bool
	// Claims are what an application says of the account besides, without anything secret.
	Claims map[string]any
}

// Invalidated says what a logout ended.
type Invalidated struct {
	Invalidated int    `json:"invalidated"` // sessions
	Scope       string `json:"scope"`       // "one" or "all"; "" when the application does not say
}

// The scopes of a logout.
const (
	ScopeOne = "one"
	ScopeAll = "all"
)

// Refreshed is what onRefreshTokens is told: the request and what its token was exchanged for.
type Refreshed struct {
	Request *Request
	Result  *LoginResult
}
