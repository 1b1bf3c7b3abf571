package identity

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sessionward/sessionward/session"
)

const (
	// verifyLeeway is how far the clocks of gateway and application may be apart.
	verifyLeeway = 30 * time.Second
	// maxAssertion bounds what is parsed; an assertion is about a kilobyte.
	maxAssertion = 16 << 10
)

// Assertion is what the gateway states, verified.
type Assertion struct {
	Identity session.Identity // Claims is nil
	Issuer   string
	Audience string
	ID       string // jti; one assertion serves many requests, so it comes again
	Handle   string // public name of the session (sid)
	AAL      string // authenticator assurance level, "" when unknown
	ACR      string // authentication context class, "" when unknown
	// AuthenticationMethods lists how the user proved who they are (amr).
	AuthenticationMethods []string
	IssuedAt              time.Time
	ExpiresAt             time.Time
	AuthenticatedAt       time.Time // zero when unknown
}

// Verifier checks the gateway's signed assertions in an application. Set JWKSURL, Issuer and Audience, make one for
// the application's life and share it: it is safe for concurrent use, must not be copied, and its fields must not
// change once it is used.
type Verifier struct {
	// JWKSURL is where the gateway serves its key set. https, or http to the local host.
	JWKSURL string
	// Issuer (iss) is the gateway's, usually its public URL.
	Issuer string
	// Audience (aud) is this application's: the route's name unless the gateway is told otherwise. Without it, an
	// assertion made for another application would pass.
	Audience string
	// Header that carries the assertion. "": DefaultAssertionHeader.
	Header string
	// HTTPClient fetches the key set; redirects are refused whatever it says. nil: a client with a timeout of five
	// seconds.
	HTTPClient *http.Client
	// InsecureJWKSOverHTTP permits plain http to another host. Whoever is on the way can then make assertions.
	InsecureJWKSOverHTTP bool
	// Now tells the time. nil: time.Now.
	Now func() time.Time

	keys keySource
}

// Verify returns the assertion that came with r. session.ErrNotFound when none came, which is an anonymous visitor on
// a public route or somebody who did not come through the gateway; session.ErrRejected when it is not to be believed;
// session.ErrUnavailable, with RetryAfter, when there is no key set to check it with; session.ErrMalformed when the
// Verifier is not set up. Anything but nil means: no identity.
//
// It believes ES256 signatures by a key of the set alone, and requires type, issuer, audience and a life of at most
// MaxAssertionTTL that has begun and not ended, with 30 seconds of leeway for the clocks. It looks for keys it does not
// know at most once per ten seconds, and for keys that were withdrawn once per KeySetMaxAge; the request that has to
// look waits, those whose key is known do not.
func (v *Verifier) Verify(r *http.Request) (Assertion, error) {
	name := textproto.CanonicalMIMEHeaderKey(cmp.Or(v.Header, DefaultAssertionHeader))
	values := r.Header[name]
	switch {
	case len(values) == 0:
		return Assertion{}, fmt.Errorf("identity assertion: no %s header: %w", name, session.ErrNotFound)
	case len(values) > 1:
		return Assertion{}, rejected("%d %s headers", len(values), name)
	case len(values[0]) > maxAssertion:
		return Assertion{}, rejected("%d bytes are too many", len(values[0]))
	}
	return v.verify(r.Context(), values[0])
}

func (v *Verifier) verify(ctx context.Context, token string) (Assertion, error) {
	if v.JWKSURL == "" || v.Issuer == "" || v.Audience == "" {
		return Assertion{}, fmt.Errorf("identity verifier: set JWKSURL, Issuer and Audience: %w", session.ErrMalformed)
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return Assertion{}, rejected("not an ES256 token: %w", err)
	}
	header := jws.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != AssertionType {
		return Assertion{}, rejected("typ %q is not %q", typ, AssertionType)
	}
	key, err := v.key(ctx, header.KeyID)
	if err != nil {
		return Assertion{}, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return Assertion{}, rejected("signature: %w", err)
	}
	var c assertionClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return Assertion{}, rejected("claims: %w", err)
	}
	if err := v.check(&c); err != nil {
		return Assertion{}, err
	}
	return c.assertion(), nil
}

// check holds the claims against what this application expects.
func (v *Verifier) check(c *assertionClaims) error {
	now := v.now()
	switch {
	case c.Issuer != v.Issuer:
		return rejected("iss %q is not %q", c.Issuer, v.Issuer)
	case c.Audience != v.Audience:
		return rejected("aud %q is not %q", c.Audience, v.Audience)
	case c.Subject == "":
		return rejected("no sub")
	case c.NotBefore <= 0 || c.IssuedAt <= 0:
		return rejected("nbf or iat is missing")
	case c.ExpiresAt-c.IssuedAt > int64(MaxAssertionTTL/time.Second):
		return rejected("lives longer than %v", MaxAssertionTTL)
	case !now.Add(-verifyLeeway).Before(time.Unix(c.ExpiresAt, 0)):
		return rejected("expired, or without exp")
	case now.Add(verifyLeeway).Before(time.Unix(max(c.NotBefore, c.IssuedAt), 0)):
		return rejected("not valid yet; compare the clocks")
	}
	return nil
}

func (v *Verifier) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

func (c *assertionClaims) assertion() Assertion {
	a := Assertion{
		Identity: session.Identity{
			Subject: c.Subject, Username: c.PreferredUsername, Email: c.Email, EmailVerified: c.EmailVerified,
			Name: c.Name, Groups: c.Groups,
		},
		Issuer: c.Issuer, Audience: c.Audience, ID: c.ID, Handle: c.SessionID, AAL: c.AAL, ACR: c.ACR,
		AuthenticationMethods: c.AMR,
		IssuedAt:              time.Unix(c.IssuedAt, 0).UTC(),
		ExpiresAt:             time.Unix(c.ExpiresAt, 0).UTC(),
	}
	if c.AuthTime != 0 {
		a.AuthenticatedAt = time.Unix(c.AuthTime, 0).UTC()
	}
	return a
}

func rejected(format string, args ...any) error {
	return fmt.Errorf("identity assertion: %w: %w", fmt.Errorf(format, args...), session.ErrRejected)
}
