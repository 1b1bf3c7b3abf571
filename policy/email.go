package policy

import (
	"errors"
	"strings"

	"github.com/sessionward/sessionward/session"
)

// domain is an e-mail domain in lower case: itself, or everything below it.
type domain struct {
	name  string
	below bool
}

func parseDomain(s string) (domain, error) {
	name, below := strings.CutPrefix(s, "*.")
	name, ok := asciiDomain(name)
	if !ok {
		return domain{}, errors.New("not a domain; write corp.example or *.corp.example, other alphabets in their xn-- form")
	}
	return domain{name: name, below: below}, nil
}

func (d domain) holds(name string) bool {
	if !d.below {
		return name == d.name
	}
	rest, ok := strings.CutSuffix(name, d.name)
	return ok && len(rest) > 1 && rest[len(rest)-1] == '.'
}

// asciiDomain returns a domain name in lower case; false when it is not made of ASCII labels (RFC 5321 §4.1.2).
func asciiDomain(s string) (string, bool) {
	if s == "" || len(s) > maxHost {
		return "", false
	}
	for label := range strings.SplitSeq(s, ".") {
		if checkLabel(label) != nil {
			return "", false
		}
	}
	return strings.ToLower(s), true
}

// splitEmail returns the domain of an address that has exactly one '@' with something before it.
func splitEmail(address string) (domain string, ok bool) {
	local, domain, ok := strings.Cut(address, "@")
	return domain, ok && local != "" && strings.IndexByte(domain, '@') < 0
}

// checkEmail judges the domain of the user's verified address.
func checkEmail(id *session.Identity, allowed []domain) *Denial {
	if id.Email == "" || !id.EmailVerified {
		return forbidden("email_not_verified", "the user has no verified e-mail address")
	}
	name, ok := splitEmail(id.Email)
	if ok {
		name, ok = asciiDomain(name)
	}
	for _, d := range allowed {
		if ok && d.holds(name) {
			return nil
		}
	}
	return forbidden("email_domain_not_allowed", "the domain of the user's e-mail address is none of the route's email_domains")
}

// trustedEmail returns the user's address for expressions, "" when its domain proves nothing.
func trustedEmail(id *session.Identity) string {
	if _, ok := splitEmail(id.Email); !ok || !id.EmailVerified {
		return ""
	}
	return id.Email
}
