package gate

import (
	"net/http"
	"strings"

	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// places is the rule by which one credential is taken from a request. The first of these that is there decides, and
// the others are not looked at, so that a bad token is never rescued by a good cookie or the other way round:
//
//  1. Authorization: Bearer, when a source takes bearer tokens;
//  2. the headers of sources, in the order of the sources;
//  3. the cookies of sources, in the order of the sources.
//
// What comes twice with different values is refused: two parties must not see two different credentials in one
// request.
type places struct {
	bearer  bool
	headers []string
	cookies []string

	companions map[session.Place][]string // cookies that come along with a credential
}

func newPlaces(list []session.Place, companions func(session.Place) []string) places {
	p := places{companions: map[session.Place][]string{}}
	for _, place := range list {
		if names := companions(place); len(names) > 0 {
			p.companions[place] = names
		}
		switch place.Kind {
		case session.KindBearer:
			p.bearer = true
		case session.KindHeader:
			p.headers = append(p.headers, http.CanonicalHeaderKey(place.Name))
		case session.KindCookie:
			p.cookies = append(p.cookies, place.Name)
		}
	}
	return p
}

// malformed is a request that shows its credential in no sensible way.
type malformed struct{ code, reason string }

func (p *places) credential(q policy.Request) (c session.Credential, found bool, bad *malformed) {
	place, value, bad := p.find(q.Header)
	if bad != nil || value == "" {
		return session.Credential{}, false, bad
	}
	c = session.Credential{Place: place, Value: session.NewSecret(value), UserAgent: q.Header.Get("User-Agent")}
	if q.ClientIP.IsValid() {
		c.RemoteIP = q.ClientIP.String()
	}
	for _, name := range p.companions[place] {
		value, bad := cookieValue(q.Header["Cookie"], name)
		if bad != nil {
			return session.Credential{}, false, bad
		}
		c.Companions = append(c.Companions, session.Companion{Name: name, Value: session.NewSecret(value)})
	}
	return c, true, nil
}

func (p *places) find(h http.Header) (session.Place, string, *malformed) {
	if p.bearer {
		token, bad := bearerToken(h["Authorization"])
		if bad != nil || token != "" {
			return session.Place{Kind: session.KindBearer}, token, bad
		}
	}
	for _, name := range p.headers {
		values := h[name]
		if len(values) > 1 {
			return session.Place{}, "", &malformed{"duplicate_header", "The header " + name + " must come once."}
		}
		if len(values) == 1 && values[0] != "" {
			return session.Place{Kind: session.KindHeader, Name: name}, values[0], nil
		}
	}
	for _, name := range p.cookies {
		value, bad := cookieValue(h["Cookie"], name)
		if bad != nil || value != "" {
			return session.Place{Kind: session.KindCookie, Name: name}, value, bad
		}
	}
	return session.Place{}, "", nil
}

// bearerToken reads RFC 6750 §2.1. Other schemes are none of ours.
func bearerToken(values []string) (string, *malformed) {
	if len(values) > 1 {
		return "", &malformed{"duplicate_authorization", "The Authorization header must come once."}
	}
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	if token = strings.Trim(token, " "); token == "" || strings.ContainsAny(token, " ,\t") {
		return "", &malformed{"malformed_authorization", "The Authorization header must hold one bearer token."}
	}
	return token, nil
}

// Cookie returns the value of the cookie with exactly that name, "" when there is none; false when it came twice with
// different values. Whoever reads a cookie of ours reads it here, so that no two readers see two different ones.
func Cookie(h http.Header, name string) (string, bool) {
	value, bad := cookieValue(h["Cookie"], name)
	return value, bad == nil
}

// cookieValue finds the cookie with exactly that name, byte for byte, as RFC 6265 §5.4 has browsers send it. It looks
// at the text itself: parsers disagree about blanks, quotes and $Version, and a name that only some of them see must
// not count.
func cookieValue(lines []string, name string) (string, *malformed) {
	value, seen := "", false
	for _, line := range lines {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			pair = strings.TrimLeft(pair, " ")
			if len(pair) <= len(name) || pair[len(name)] != '=' || pair[:len(name)] != name {
				continue
			}
			v := pair[len(name)+1:]
			if seen && v != value {
				return "", &malformed{"duplicate_cookie", "The cookie " + name + " came twice with different values; clear this site's cookies."}
			}
			value, seen = v, true
		}
	}
	return value, nil
}
