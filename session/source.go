package session

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// Source is an authority that can say whose session something is. A source shows its powers by the optional
// interfaces it implements; they are found by type assertion, and each file asserts its own at its foot.
//
// All methods are safe for concurrent use, honour ctx, and return errors of the classes in this package: any other
// error is a bug. A session handed in must not be changed; a session returned is the caller's.
type Source interface {
	// Name is the configured name of the source: letters, digits, '-' and '_', unique in a configuration.
	Name() string
	// Kind is the kind of source: "oidc", "jwt", "local", …
	Kind() string
}

// Resolver is a source that recognises credentials carried by requests.
type Resolver interface {
	Source
	// Places lists where this source's credentials are carried. It never changes.
	Places() []Place
	// Resolve says whose credential c is: ErrNotMine when c is not of its making (decided without asking
	// anybody), ErrRejected when it is and must not pass, ErrUnavailable when the authority could not be asked.
	Resolve(ctx context.Context, c Credential) (*Session, error)
}

// Refresher is a source that can exchange a session's tokens for newer ones, or prolong it in its own way.
type Refresher interface {
	Source
	// Refresh returns a renewed clone of s: new tokens, and the identity as the authority sees it now. The
	// absolute end, handle and id stay. ErrRejected only when the authority definitely refuses (invalid_grant);
	// everything else that goes wrong is ErrUnavailable, with RetryAfter when the authority gave one. An authority
	// that prolongs its own sessions may move the ends it reported.
	Refresh(ctx context.Context, s *Session) (*Session, error)
}

// Renewer is a resolver that renews the sessions it resolves before their tokens end.
type Renewer interface {
	Resolver
	Refresher
	// RenewAt returns when renewal of s should begin; zero: never.
	RenewAt(s *Session) time.Time
}

// Toucher is a resolver whose sessions have an idle clock that use moves.
type Toucher interface {
	Resolver
	// TouchAt returns when use of s should next be written down; zero: never.
	TouchAt(s *Session) time.Time
	// Touch writes down that s is in use by the client that showed c, and returns the session as it is now.
	Touch(ctx context.Context, s *Session, c Credential) (*Session, error)
}

// UserAgentBinder is a resolver whose credentials hold for one client program: what it said of a credential counts for
// requests with the same User-Agent alone.
type UserAgentBinder interface {
	Resolver
	// BindsUserAgent reports whether that is so. It never changes.
	BindsUserAgent() bool
}

// CompanionCookies is a resolver that needs further cookies beside its credential. It is shown those and no others.
type CompanionCookies interface {
	Resolver
	// CompanionCookies lists their names. It never changes.
	CompanionCookies() []string
}

// Verifier is a source that wants to be asked, when a session of ours that it vouches for is looked up for a request,
// whether that session still holds at its authority: there it can end at any time, not only at a renewal.
type Verifier interface {
	Source
	// Verify returns nil when the tokens of s still hold. It is asked on behalf of a request and may count as use of
	// s at the authority. ErrRejected when the authority says that s has ended, ErrUnavailable when nobody can say.
	Verify(ctx context.Context, s *Session) error
}

// Keeper is a resolver that can say how a session is now without a request that shows its credential.
type Keeper interface {
	Resolver
	// Current returns s as it is now. ErrNotMine when s is not of its making (decided without asking anybody),
	// ErrRejected or ErrNotFound when it has ended, ErrUnavailable when nobody can say. It is no use of s.
	Current(ctx context.Context, s *Session) (*Session, error)
}

// Revoker is a source that can end the session, or its tokens, at the authority.
type Revoker interface {
	Source
	// Revoke ends s at its authority. A session the authority does not know is not an error.
	Revoke(ctx context.Context, s *Session) error
}

// RedirectLogin is a source people log in at with a browser that is sent there and comes back (OIDC code flow).
type RedirectLogin interface {
	Source
	// AuthorizationURL returns where to send the browser.
	AuthorizationURL(ctx context.Context, t Transaction) (string, error)
	// Exchange turns the authority's answer into a session. The caller has checked that cb.State is t.State and
	// that the browser is the one that began; the source checks everything else (iss, nonce, PKCE, signatures).
	// ErrRejected when the authority or a check said no.
	Exchange(ctx context.Context, t Transaction, cb Callback) (*Session, error)
}

// Transaction is one login attempt at a RedirectLogin. All secrets are fresh for each attempt.
type Transaction struct {
	State        string // opaque; returned by the authority unchanged
	Nonce        string // bound into the ID token (OIDC Core §3.1.2.1)
	CodeVerifier Secret // PKCE (RFC 7636); only its S256 challenge leaves
	RedirectURI  string // where the authority sends the browser back
	// Prompt, ACRValues and MaxAge ask for more than a running session at the authority; zero values ask for
	// nothing.
	Prompt    string
	ACRValues []string
	MaxAge    time.Duration
}

// Callback is the authority's answer as it came with the browser. Parameters that came twice never reach this type: make
// it with ReadCallback.
type Callback struct {
	Code             string
	State            string
	Issuer           string // iss (RFC 9207), "" when absent
	Error            string // OAuth error code, "" on success
	ErrorDescription string
}

// ReadCallback reads the answer out of the parameters the browser came back with. ErrMalformed when one of an answer's came
// twice: nobody knows which of the two another part of the chain believes.
func ReadCallback(params url.Values) (Callback, error) {
	for _, name := range []string{"state", "code", "iss", "error", "error_description", "session_state"} {
		if len(params[name]) > 1 {
			return Callback{}, fmt.Errorf("the answer's parameter %q came twice: %w", name, ErrMalformed)
		}
	}
	return Callback{
		Code: params.Get("code"), State: params.Get("state"), Issuer: params.Get("iss"),
		Error: params.Get("error"), ErrorDescription: params.Get("error_description"),
	}, nil
}

// DeviceLogin is a source people log in at on another device, which they tell a code (OAuth 2.0 Device Authorization Grant,
// RFC 8628).
type DeviceLogin interface {
	Source
	// BeginDevice has the authority make the codes of one login. ErrUnsupported when it offers none.
	BeginDevice(ctx context.Context) (DeviceAuthorization, error)
	// FinishDevice waits until the user has agreed and returns the session. ErrRejected when the user refused or did not
	// agree in time, ErrUnavailable when nobody can say because the authority could not be asked or ctx ended.
	FinishDevice(ctx context.Context, a DeviceAuthorization) (*Session, error)
}

// DeviceAuthorization is one login attempt at a DeviceLogin (RFC 8628 §3.2).
type DeviceAuthorization struct {
	DeviceCode      Secret // proves at the authority whose attempt it is
	UserCode        string // what the user tells the authority
	VerificationURI string // where
	// VerificationURIComplete is the same with the code in it; "" when the authority has none.
	VerificationURIComplete string
	ExpiresAt               time.Time
	Interval                time.Duration // between two questions of FinishDevice
}

// PasswordLogin is a source people log in at with a form of ours.
type PasswordLogin interface {
	Source
	// VerifyPassword returns a session for username when password is right, ErrRejected when it is not or there
	// is no such user (both take the same time), ErrTooMany when the account or the client must wait.
	VerifyPassword(ctx context.Context, username string, password Secret, clientIP string) (*Session, error)
}

// ExternalLogin is a source people log in at on pages of its own, which leave its own credential in the browser and send
// it straight to where it wanted to go: no answer comes back here.
type ExternalLogin interface {
	Source
	// LoginURL returns where to send a browser that is to come back to returnTo, an absolute URL of ours. "" when no
	// such page is configured. It asks nobody.
	LoginURL(returnTo string) string
}

// AssertionLogin is a source that makes a session out of a SAML assertion.
type AssertionLogin interface {
	Source
	// VerifyAssertion returns a session for the bytes of a SAML 2.0 assertion, which are sent on as they are.
	// ErrRejected when the authority does not accept it.
	VerifyAssertion(ctx context.Context, assertion Secret) (*Session, error)
}

// EndSession is a source whose own browser session can be ended by sending the browser there (OIDC RP-Initiated
// Logout 1.0).
type EndSession interface {
	Source
	// EndSessionURL returns where to send the browser to log out at the authority as well, coming back to
	// postLogoutRedirectURI. "" when the authority offers no such thing.
	EndSessionURL(ctx context.Context, s *Session, postLogoutRedirectURI, state string) (string, error)
}

// Starter is a source with work of its own in the background, such as discovery or watching a file.
type Starter interface {
	Source
	// Run works until ctx ends and returns only when all its goroutines have ended.
	Run(ctx context.Context) error
}

// HealthChecker is a source that can say how it is without asking its authority.
type HealthChecker interface {
	Source
	// Health returns nil when the last contact with the authority worked or none was needed yet.
	Health() error
}
