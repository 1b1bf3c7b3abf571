package secretserver

import (
	"time"

	"github.com/sessionward/sessionward/session"
)

// ValidSession implements session.TokenChecker (IsValidSession of the vendor's module): a session of ours must have an
// access token, a time of login, and a refresh token as long as the server gives it one. A token made elsewhere has
// neither of the last two; Windows authentication and SDK clients need nothing here.
func (s *Source) ValidSession(old *session.Session) bool {
	switch old.Tokens.Type {
	case TypeWindows, TypeSDK:
		return true
	case TypeExternal:
		return !old.Tokens.Access.Empty()
	}
	refreshes := old.Tokens.Renewable() || s.left(old) == 0
	return !old.Tokens.Access.Empty() && !old.AuthenticatedAt.IsZero() && refreshes
}

// ValidToken implements session.TokenChecker (IsValidToken): whether now is before the end of the access token. Of tokens
// made elsewhere, SDK clients and Windows authentication no end is known here, and they are taken to hold: only the
// server can say.
func (s *Source) ValidToken(old *session.Session) bool {
	switch old.Tokens.Type {
	case TypeWindows, TypeSDK, TypeExternal:
		return true
	}
	return !old.Tokens.Access.Empty() && s.now().Before(old.Tokens.ExpiresAt)
}

// EndsWithin implements session.TokenChecker (CheckTokenTtl): whether the access token ends within d, or has ended. known
// is false where no end is known.
func (s *Source) EndsWithin(old *session.Session, d time.Duration) (ends, known bool) {
	if old.Tokens.ExpiresAt.IsZero() {
		return false, false
	}
	return !old.Tokens.ExpiresAt.After(s.now().Add(d)), true
}
