package source

import (
	"mime"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/source/authority"
)

// introspected is what an authority said of a token (RFC 7662 §2.2).
type introspected struct {
	active bool
	claims map[string]any // every member; nil when the token is not active
	times  times
}

// parseIntrospection reads the body of a 200. What is not an answer of that shape says nothing about the token: all
// errors are session.ErrUnavailable. Signed and encrypted answers (RFC 9701) are not asked for and not read.
func parseIntrospection(contentType string, body []byte) (introspected, error) {
	if media, _, err := mime.ParseMediaType(contentType); err == nil && strings.HasSuffix(media, "jwt") {
		return introspected{}, authority.Unavailable("the answer is a JWT (RFC 9701), which was not asked for")
	}
	object, err := authority.DecodeObject(body)
	if err != nil {
		return introspected{}, authority.Unavailable("the answer is refused: " + err.Error())
	}
	active, ok := object["active"].(bool)
	switch {
	case !ok:
		return introspected{}, authority.Unavailable("the answer does not say whether the token is active")
	case !active:
		return introspected{}, nil // whatever else stands there (RFC 7662 §2.2)
	}
	t, err := readTimes(object)
	if err != nil {
		return introspected{}, authority.Unavailable("a time in the answer is not a date")
	}
	for _, name := range []string{"sub", "username", "client_id", "iss", "token_type"} {
		if v, there := object[name]; there && v != nil {
			if _, isText := v.(string); !isText {
				return introspected{}, authority.Unavailable(name + " in the answer is not a string")
			}
		}
	}
	return introspected{active: true, claims: object, times: t}, nil
}

// check holds an active token against the rules. All its errors are session.ErrRejected.
func (a introspected) check(o *IntrospectionOptions, now time.Time) error {
	if !a.active {
		return authority.Rejected("the token is not active")
	}
	for _, check := range []func(*IntrospectionOptions, time.Time) error{a.checkKind, a.checkTimes, a.checkGrant} {
		if err := check(o, now); err != nil {
			return err
		}
	}
	return nil
}

// checkKind refuses tokens of another issuer, of another kind, and tokens bound to a key the client has not shown. A
// refresh token is active, too, and opens no door.
func (a introspected) checkKind(o *IntrospectionOptions, _ time.Time) error {
	if iss := authority.Text(a.claims["iss"]); iss != "" && o.Issuer != "" && iss != o.Issuer {
		return authority.Rejected("a token of another issuer (iss)")
	}
	if _, bound := a.claims["cnf"]; bound {
		return authority.Rejected("bound to a key (cnf) that was not proven")
	}
	if !slices.Contains([]string{"", "bearer", "access_token"}, strings.ToLower(authority.Text(a.claims["token_type"]))) {
		return authority.Rejected("not a bearer token (token_type)")
	}
	// Widespread providers write the kind of token into a claim of their own.
	for _, name := range []string{"typ", "token_use"} {
		kind := strings.ToLower(authority.Text(a.claims[name]))
		if slices.Contains([]string{"id", "id_token", "refresh", "refresh_token", "offline", "logout"}, kind) {
			return authority.Rejected("a token of another kind (" + name + ")")
		}
	}
	return nil
}

func (a introspected) checkTimes(o *IntrospectionOptions, now time.Time) error {
	if !a.times.exp.IsZero() && !now.Before(a.times.exp) {
		return authority.Rejected("expired")
	}
	return a.times.begun(now, o.ClockSkew)
}

// checkGrant is about what the token was given for: its subject, audience and scopes.
func (a introspected) checkGrant(o *IntrospectionOptions, _ time.Time) error {
	if authority.Text(authority.LookUp(a.claims, o.SubjectClaim)) == "" {
		return authority.Rejected("the token is nobody's: " + o.SubjectClaim + " is missing")
	}
	ours := func(aud string) bool { return slices.Contains(o.Audiences, aud) }
	if len(o.Audiences) > 0 && !slices.ContainsFunc(audiences(a.claims), ours) {
		return authority.Rejected("made for another audience")
	}
	granted := scopes(a.claims)
	for _, s := range o.RequiredScopes {
		if !slices.Contains(granted, s) {
			return authority.Rejected("a required scope is missing")
		}
	}
	return nil
}
