package session

import (
	"context"
	"iter"
	"time"
)

// What follows are the powers over sessions at their authority beyond resolving, renewing and ending one. A source that
// has such a call in general and not for this session, this configuration or this version of its authority answers
// ErrUnsupported, and the chain says why.
//
// Where a method takes a *Session it acts as that session's user, with the tokens in it; where it does not it acts as an
// administrator that is configured. An authority's own names of sessions are SourceSessionID.

// Query says which sessions to list; fields that are empty match all.
type Query struct {
	Subject  string
	Username string
	Realm    string
	// ActiveOnly leaves out sessions that are known to have ended.
	ActiveOnly bool
}

// Lister lists sessions at the authority, those of all users. Listed sessions carry no tokens.
type Lister interface {
	Source
	List(ctx context.Context, q Query) iter.Seq2[*Session, error]
}

// OwnLister lists the sessions of the user of s. That of s itself is among them only where the authority lists it.
type OwnLister interface {
	Source
	ListOwn(ctx context.Context, s *Session) iter.Seq2[*Session, error]
}

// IDRevoker ends sessions by the authority's own names.
type IDRevoker interface {
	Source
	// RevokeIDs reports for each id whether its session is gone now, whether or not it was there before.
	RevokeIDs(ctx context.Context, ids ...string) (map[string]bool, error)
}

// OwnRevoker ends sessions of the user of s by the authority's own names.
type OwnRevoker interface {
	Source
	RevokeOwn(ctx context.Context, s *Session, ids ...string) error
}

// OthersRevoker ends all sessions of the user of s but s itself.
type OthersRevoker interface {
	Source
	// RevokeOthers returns how many were ended, -1 when the authority does not say.
	RevokeOthers(ctx context.Context, s *Session) (int, error)
}

// UserRevoker ends all sessions of one user, named by Subject or by Username and Realm, as the authority knows users.
type UserRevoker interface {
	Source
	// RevokeUser returns how many were ended, -1 when the authority does not say.
	RevokeUser(ctx context.Context, user Query) (int, error)
}

// AllRevoker ends all sessions of all users.
type AllRevoker interface {
	Source
	// RevokeAll returns how many were ended, -1 when the authority does not say.
	RevokeAll(ctx context.Context) (int, error)
}

// Tokenizer has the authority make a signed JWT of a session.
type Tokenizer interface {
	Source
	// Tokenize returns the JWT made by the named template, and when it ends.
	Tokenize(ctx context.Context, s *Session, template string) (Secret, time.Time, error)
}

// Extender moves the end of sessions it resolved.
type Extender interface {
	Resolver
	// Extend has the authority move the end of s now, however far away that is, and returns s as it is then.
	Extend(ctx context.Context, s *Session) (*Session, error)
}

// PropertyReader reads the properties the authority keeps with a session.
type PropertyReader interface {
	Source
	// ReadProperties returns those the authority shows; one that is not set is "".
	ReadProperties(ctx context.Context, s *Session) (map[string]string, error)
}

// PropertyUpdater changes the properties the authority keeps with a session.
type PropertyUpdater interface {
	Source
	// UpdateProperties changes those that are named and returns all. ErrInsufficient when one of them may not be
	// changed.
	UpdateProperties(ctx context.Context, s *Session, properties map[string]string) (map[string]string, error)
}

// TokenChecker has rules of its own about which tokens hold, decided without asking anybody.
type TokenChecker interface {
	Source
	// ValidSession reports whether s has what a session of this authority must have.
	ValidSession(s *Session) bool
	// ValidToken reports whether the access token of s is not known to have ended.
	ValidToken(s *Session) bool
	// EndsWithin reports whether the access token ends within d or has ended already; known is false when its end is
	// not known.
	EndsWithin(s *Session, d time.Duration) (ends, known bool)
}

// Powers lists what src can do, by the names of the interfaces it implements in the words of the documents. A power may
// still be unsupported for one session, configuration or version of the authority. A source without any has an empty list.
func Powers(src Source) []string {
	out := []string{}
	for _, power := range []struct {
		name string
		has  bool
	}{
		{"resolve", is[Resolver](src)},
		{"redirect_login", is[RedirectLogin](src)},
		{"device_login", is[DeviceLogin](src)},
		{"external_login", is[ExternalLogin](src)},
		{"password_login", is[PasswordLogin](src)},
		{"assertion_login", is[AssertionLogin](src)},
		{"look", is[Keeper](src)},
		{"touch", is[Toucher](src)},
		{"verify", is[Verifier](src)},
		{"check_token", is[TokenChecker](src)},
		{"refresh", is[Refresher](src)},
		{"extend", is[Extender](src)},
		{"revoke", is[Revoker](src)},
		{"revoke_ids", is[IDRevoker](src)},
		{"revoke_own", is[OwnRevoker](src)},
		{"revoke_others", is[OthersRevoker](src)},
		{"revoke_user", is[UserRevoker](src)},
		{"revoke_all", is[AllRevoker](src)},
		{"list", is[Lister](src)},
		{"list_own", is[OwnLister](src)},
		{"read_properties", is[PropertyReader](src)},
		{"update_properties", is[PropertyUpdater](src)},
		{"tokenize", is[Tokenizer](src)},
		{"end_session", is[EndSession](src)},
	} {
		if power.has {
			out = append(out, power.name)
		}
	}
	return out
}

func is[T Source](src Source) bool {
	_, ok := src.(T)
	return ok
}
