package source

import (
	"cmp"
	"maps"
	"math"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// defaultSkew is how far the clocks of authorities may be off.
const defaultSkew = time.Minute

// lastSecond is the end of the year 9999: a time beyond it is a mistake or an attack, never a date.
const lastSecond = 253402300799

// ClaimsOptions say which claims become which fields. A name is looked up whole first, so that names with dots in
// them ("https://example.com/groups") work, and then as a path ("realm_access.roles").
type ClaimsOptions struct {
	Username string `yaml:"username"` // default preferred_username
	Email    string `yaml:"email"`    // default email
	Name     string `yaml:"name"`     // default name
	Groups   string `yaml:"groups"`   // default groups; an array of strings, or one string for one group
}

func (o ClaimsOptions) withDefaults() ClaimsOptions {
	return ClaimsOptions{
		Username: cmp.Or(o.Username, "preferred_username"),
		Email:    cmp.Or(o.Email, "email"),
		Name:     cmp.Or(o.Name, "name"),
		Groups:   cmp.Or(o.Groups, "groups"),
	}
}

// identity maps claims. email_verified speaks of the claim email alone, so an address taken from elsewhere is never
// verified. What the protocol needs for itself and what became a field is left out of the remaining claims.
func (o ClaimsOptions) identity(claims map[string]any) session.Identity {
	id := session.Identity{
		Subject:  authority.Text(claims["sub"]),
		Username: authority.Text(authority.LookUp(claims, o.Username)),
		Email:    authority.Text(authority.LookUp(claims, o.Email)),
		Name:     authority.Text(authority.LookUp(claims, o.Name)),
		Groups:   authority.Texts(authority.LookUp(claims, o.Groups)),
	}
	if o.Email == "email" && id.Email != "" {
		id.EmailVerified = claims["email_verified"] == true || claims["email_verified"] == "true"
	}
	rest := maps.Clone(claims)
	for _, name := range append(noise(), o.Username, o.Email, o.Name, o.Groups) {
		delete(rest, name)
	}
	if len(rest) > 0 {
		id.Claims = rest
	}
	return id
}

// noise lists the claims that serve the protocol, not the application.
func noise() []string {
	return []string{
		"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash", "azp", "client_id",
		"sid", "auth_time", "acr", "amr", "typ", "scope", "scp", "email_verified", "_claim_names", "_claim_sources",
	}
}

// seconds reads a NumericDate (RFC 7519 §2). there is false when the claim is absent, ok is false when it is there
// and no date: a string, negative, or beyond the year 9999.
func seconds(claims map[string]any, name string) (at time.Time, there, ok bool) {
	v, there := claims[name]
	if !there {
		return time.Time{}, false, true
	}
	f, isNumber := v.(float64)
	if !isNumber || f < 0 || f > lastSecond {
		return time.Time{}, true, false
	}
	whole, frac := math.Modf(f)
	return time.Unix(int64(whole), int64(frac*1e9)).UTC(), true, true
}

// times are the dates of a token.
type times struct{ exp, iat, nbf, auth time.Time }

// readTimes reads all dates of claims; any that is no date is a rejection.
func readTimes(claims map[string]any) (times, error) {
	var t times
	for name, at := range map[string]*time.Time{"exp": &t.exp, "iat": &t.iat, "nbf": &t.nbf, "auth_time": &t.auth} {
		v, _, ok := seconds(claims, name)
		if !ok {
			return times{}, authority.Rejected(name + " is not a date")
		}
		*at = v
	}
	return t, nil
}

// begun reports a token from the future.
func (t times) begun(now time.Time, skew time.Duration) error {
	if t.nbf.After(now.Add(skew)) {
		return authority.Rejected("not valid yet (nbf)")
	}
	if t.iat.After(now.Add(skew)) {
		return authority.Rejected("issued in the future (iat)")
	}
	return nil
}

// audiences reads aud: a string, or an array of strings with at least one (RFC 7519 §4.1.3). Any other shape is nil.
func audiences(claims map[string]any) []string {
	switch v := claims["aud"].(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil
			}
			out = append(out, s)
		}
		return out
	default:
		return nil
	}
}

// methods maps amr (RFC 8176).
func methods(claims map[string]any) []session.AuthenticationMethod {
	var out []session.AuthenticationMethod
	for _, m := range authority.Texts(claims["amr"]) {
		out = append(out, session.AuthenticationMethod{Method: m})
	}
	return out
}

// scopes reads the granted scopes: scope (RFC 9068 §2.2.3) as one string, or scp as some issuers write it.
func scopes(claims map[string]any) []string {
	for _, name := range []string{"scope", "scp"} {
		if s := authority.Text(claims[name]); s != "" {
			return strings.Fields(s)
		}
		if list := authority.Texts(claims[name]); list != nil {
			return list
		}
	}
	return nil
}
