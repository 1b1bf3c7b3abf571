package powership

import (
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// formUserAgent is the client of sessions that were made with a form of the gateway's: the gateway itself, for no
// browser ever has their token.
const formUserAgent = "sessionward"

// session maps what is known of a request with a user.
func (s *Source) session(r *Request) *session.Session {
	found := s.listed(*r.Session, *r.User)
	found.Tokens = session.Tokens{Type: tokenType, Access: r.AuthToken, ExpiresAt: r.expiresAt}
	found.ExpiresAt = r.expiresAt
	return found
}

// listed maps a document and its account, without tokens.
func (s *Source) listed(d Document, a Account) *session.Session {
	id := authority.SessionID(s.name, session.NewSecret(d.cursor().String()))
	begun := begunAt(d)
	a = a.clone()
	found := &session.Session{
		ID: id, Handle: authority.Handle(Kind, id), Source: s.name, SourceSessionID: d.ID(), Active: d.Valid,
		Identity: session.Identity{
			Subject: a.ID, Username: a.Username, Email: a.Email, EmailVerified: a.EmailVerified, Name: a.Name,
			Groups: a.Groups, Claims: a.Claims,
		},
		AAL: "aal1", IssuedAt: begun, AuthenticatedAt: begun, LastAccessAt: d.UpdatedAt, ExpiresAt: d.endsAt,
		Devices:    []session.Device{{IP: d.Connection.IP, UserAgent: d.Connection.UserAgent, LastSeenAt: d.UpdatedAt}},
		Properties: maps.Clone(d.Connection.Extra),
	}
	return found
}

// begunAt is when a session began: a ULID holds that as well. Sessions begin with a login and with nothing else.
func begunAt(d Document) time.Time {
	if !d.CreatedAt.IsZero() {
		return d.CreatedAt
	}
	return ulidTime(d.ULID)
}

// connectionOf is where a session was last used from. Sessions made with a form of the gateway's have a device only once
// the gateway has given them one, and their user agent is the gateway all the same.
func connectionOf(known *session.Session) ConnectionInfo {
	var from ConnectionInfo
	if n := len(known.Devices); n > 0 {
		from.IP, from.UserAgent = known.Devices[n-1].IP, known.Devices[n-1].UserAgent
	}
	if t, err := readToken(known.Tokens.Access.Reveal()); err == nil && t.claims.UserAgent == fingerprint(formUserAgent) {
		from.UserAgent = formUserAgent
	}
	return from
}

// reissue is how the new token of r gets to the client that showed c.
func (s *Source) reissue(c session.Credential, r *Request) []session.ReplyHeader {
	if c.Kind != session.KindCookie {
		return []session.ReplyHeader{{Name: http.CanonicalHeaderKey(s.o.Reissue.Header), Value: r.AuthToken}}
	}
	o := s.o.Reissue
	cookie := http.Cookie{
		Name: c.Name, Value: r.AuthToken.Reveal(), Path: o.CookiePath, Domain: o.CookieDomain, Expires: r.expiresAt,
		Secure: !o.InsecureCookie, HttpOnly: true, SameSite: sameSite(o.CookieSameSite),
	}
	return []session.ReplyHeader{{Name: "Set-Cookie", Value: session.NewSecret(cookie.String())}}
}

func sameSite(name string) http.SameSite {
	switch strings.ToLower(name) {
	case "strict":
		return http.SameSiteStrictMode
	case "none":
		return http.SameSiteNoneMode
	default:
		return http.SameSiteLaxMode
	}
}
