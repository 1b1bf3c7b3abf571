package authority

import (
	"net/http"
	"strings"

	"github.com/sessionward/sessionward/session"
)

// Credentials say which credentials are a source's: where they are carried and how they begin. Whose a credential is, is
// decided by that alone, before anybody is asked: it is shown to its own authority and never offered round.
type Credentials struct {
	Cookie string `yaml:"cookie"` // name of the cookie that carries one; "": none
	Header string `yaml:"header"` // name of the header that carries one; "": none
	Bearer bool   `yaml:"bearer"` // "Authorization: Bearer" carries one
	// Prefix is how credentials begin. Without it a source that takes bearer tokens takes every one that is not a
	// signed JWT, so that it must come last among the sources that take any.
	Prefix string `yaml:"prefix"`
}

// Zero reports whether nothing is set.
func (o Credentials) Zero() bool { return o == Credentials{} }

// Places lists where the credentials are carried: cookie, header, bearer.
func (o Credentials) Places() []session.Place {
	var places []session.Place
	if o.Cookie != "" {
		places = append(places, session.Place{Kind: session.KindCookie, Name: o.Cookie})
	}
	if o.Header != "" {
		places = append(places, session.Place{Kind: session.KindHeader, Name: http.CanonicalHeaderKey(o.Header)})
	}
	if o.Bearer {
		places = append(places, session.Place{Kind: session.KindBearer})
	}
	return places
}

// Mine reports whether c is one of them, without asking anybody. A bearer token of the shape of a signed JWT names its
// issuer, so that it belongs to nobody who takes opaque ones, unless Prefix fits it.
func (o Credentials) Mine(c session.Credential) bool {
	value := c.Value.Reveal()
	if value == "" || !strings.HasPrefix(value, o.Prefix) {
		return false
	}
	switch c.Kind {
	case session.KindCookie:
		return o.Cookie != "" && c.Name == o.Cookie
	case session.KindHeader:
		return o.Header != "" && c.Name == http.CanonicalHeaderKey(o.Header)
	case session.KindBearer:
		return o.Bearer && (o.Prefix != "" || !LooksLikeJWT(value))
	}
	return false
}

// CatchesAll reports whether bearer tokens that show no sign of their issuer are all taken.
func (o Credentials) CatchesAll() bool { return o.Bearer && o.Prefix == "" }

// LooksLikeJWT reports whether value has the shape of a compact JWS whose header is a JSON object (RFC 7519 §3.1).
func LooksLikeJWT(value string) bool {
	return strings.HasPrefix(value, "eyJ") && strings.Count(value, ".") == 2
}

// Check notes what is wrong with o, whose keys stand below at.
func (o Credentials) Check(p *Problems, at string) {
	if len(o.Places()) == 0 {
		p.Add(at, "names no place where a credential is carried", "set cookie, header or bearer")
	}
	if !token(o.Cookie) {
		p.Add(at+".cookie", "is not the name of a cookie", "use the name the session system gives its cookie")
	}
	if !token(o.Header) {
		p.Add(at+".header", "is not the name of a header", "use a name such as X-Session-Token")
	}
	for _, owned := range []string{"Authorization", "Cookie", "Host", "Connection", "Proxy-Authorization"} {
		if strings.EqualFold(o.Header, owned) {
			p.Add(at+".header", owned+" is read by rules of its own", "use bearer or cookie, or another header")
		}
	}
	if strings.ContainsFunc(o.Prefix, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		p.Add(at+".prefix", "has characters a token cannot have", "write how every token of this authority begins, such as ory_st_")
	}
}

// token reports whether s is made of the characters of RFC 9110 §5.6.2, which cookie and header names share.
func token(s string) bool {
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}
