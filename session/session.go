package session

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// Session is the one answer all sources give: whose credential it was, how they proved it, and until when it holds.
// It is immutable once handed out; use Clone to make a changed one. All times are UTC; a time its authority does not
// give is the zero time, never a guess. Field by field mapping of each authority: docs/sources.
type Session struct {
	// ID identifies the session to its source; never empty, and no two sessions of a source share one. It is as good
	// as a credential for some sources: fmt, slog and JSON leave it out.
	ID string `json:"-"`
	// Handle is the public name of the session: stable over its life, safe to show, log and put into URLs.
	Handle string
	// Source is the configured name of the source that vouches for the session.
	Source string
	// SourceSessionID is the authority's own name for the session (OIDC sid), when it has told one.
	SourceSessionID string
	// Realm is the authority's tenant, domain or realm, when it has such a thing.
	Realm string
	// Active is true unless the authority has said that the session is not.
	Active bool

	Identity Identity

	// AuthenticationMethods lists how the user proved who they are, oldest first (OIDC amr, RFC 8176).
	AuthenticationMethods []AuthenticationMethod
	// AAL is the authenticator assurance level ("aal1", "aal2", "aal3"; NIST SP 800-63B), "" when unknown.
	AAL string
	// ACR is the authentication context class reference the authority gave (OIDC Core §2), "" when none.
	ACR string
	// Devices lists where the session has been used from, the first one first.
	Devices []Device

	IssuedAt        time.Time // the session began
	AuthenticatedAt time.Time // the user last proved who they are (OIDC auth_time)
	LastAccessAt    time.Time // last use that was written down; at most TouchEvery behind
	ExpiresAt       time.Time // absolute end; renewal never moves it
	IdleExpiresAt   time.Time // end by idleness; every touch moves it

	Tokens Tokens

	// Properties are free name/value pairs attached to the session.
	Properties map[string]string
	// Tokenized is a signed JWT of the session when one was asked for.
	Tokenized Secret

	// Reissue are headers the client is sent with every reply until it shows a new credential: its authority gave one
	// in the place of the one that was shown (Set-Cookie, or a header of the authority's). Never stored.
	Reissue []ReplyHeader

	// FreshUntil is until when this answer may be remembered, where its authority says so; zero: as long as the cache
	// likes. Never stored.
	FreshUntil time.Time

	// version is where a session of ours stands in the store; 0 for foreign and unsaved ones.
	version uint64
}

// Identity says who the user is. Strings are as the authority gave them; Username falls back to the subject only in
// what is shown, never here.
type Identity struct {
	Subject       string
	Username      string
	Email         string
	EmailVerified bool
	Name          string
	Groups        []string
	// Claims are the remaining claims as decoded from JSON (string, float64, bool, nil, []any, map[string]any).
	Claims map[string]any
}

// AuthenticationMethod is one proof the user gave.
type AuthenticationMethod struct {
	Method      string // "pwd", "otp", "hwk", … (RFC 8176) or the authority's own word
	AAL         string // assurance this proof alone gives, "" when unknown
	CompletedAt time.Time
}

// Device is one place a session was used from.
type Device struct {
	IP          string
	UserAgent   string
	FirstSeenAt time.Time
	LastSeenAt  time.Time
}

// Tokens are what the authority gave for the session. All of them are secret.
type Tokens struct {
	Type    string // "Bearer" for OAuth 2.0; the authority's own word otherwise
	Access  Secret
	Refresh Secret
	ID      Secret
	// ObtainedAt is when these tokens were received. The manager sets it.
	ObtainedAt time.Time
	ExpiresAt  time.Time // end of the access token; zero when the authority did not say
}

// ReplyHeader is a header of a reply to the client.
type ReplyHeader struct {
	Name  string // canonical
	Value Secret
}

// Renewable reports whether the tokens can be exchanged for newer ones.
func (t Tokens) Renewable() bool { return !t.Refresh.Empty() }

// Expired reports whether the access token is known to be past its end.
func (t Tokens) Expired(now time.Time) bool { return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) }

// EndsAt returns the earlier of the absolute and the idle end, zero when neither is known.
func (s *Session) EndsAt() time.Time { return earliest(s.ExpiresAt, s.IdleExpiresAt) }

// Ended reports whether the session is over at the given time, by its own clocks or its authority's word. The end of
// the access token is not the end of the session: see Manager.
func (s *Session) Ended(now time.Time) bool {
	end := s.EndsAt()
	return !s.Active || (!end.IsZero() && !now.Before(end))
}

// Format implements fmt.Formatter for every verb with what is safe to show: handle, source and subject.
func (s Session) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "session{handle:%q source:%q subject:%q}", s.Handle, s.Source, s.Identity.Subject)
}

// LogValue implements slog.LogValuer with what is safe to show: handle, source and subject.
func (s Session) LogValue() slog.Value {
	return slog.GroupValue(slog.String("handle", s.Handle), slog.String("source", s.Source), slog.String("subject", s.Identity.Subject))
}

// Clone returns a deep copy that shares no memory with s.
func (s *Session) Clone() *Session {
	c := *s
	c.Identity.Groups = slices.Clone(s.Identity.Groups)
	c.Identity.Claims = cloneClaims(s.Identity.Claims)
	c.AuthenticationMethods = slices.Clone(s.AuthenticationMethods)
	c.Devices = slices.Clone(s.Devices)
	c.Properties = maps.Clone(s.Properties)
	c.Reissue = slices.Clone(s.Reissue)
	return &c
}

func cloneClaims(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	c := make(map[string]any, len(m))
	for k, v := range m {
		c[k] = cloneClaim(v)
	}
	return c
}

func cloneClaim(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneClaims(v)
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = cloneClaim(v[i])
		}
		return c
	default:
		return v
	}
}

// earliest returns the earliest of the times that are not zero.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
