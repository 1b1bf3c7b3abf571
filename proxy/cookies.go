package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// ownCookies are the cookies that belong to the gateway: never shown to an upstream, never set by one.
type ownCookies struct {
	names    []string
	prefixes []string
}

// newOwnCookies takes cookie names; one that ends in '*' stands for every name that begins with what precedes it.
func newOwnCookies(names []string) (ownCookies, error) {
	var o ownCookies
	for _, n := range names {
		prefix, isPrefix := strings.CutSuffix(n, "*")
		if !isToken(prefix) {
			return o, fmt.Errorf("cookies: %q is not a cookie name (RFC 6265 §4.1.1), nor one with '*' behind it", n)
		}
		if isPrefix {
			o.prefixes = append(o.prefixes, prefix)
			continue
		}
		o.names = append(o.names, n)
	}
	return o, nil
}

// isToken reports whether s is a token (RFC 9110 §5.6.2) without '*'.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?={}*", c) >= 0 {
			return false
		}
	}
	return s != ""
}

func (o ownCookies) owns(name string) bool {
	return slices.Contains(o.names, name) ||
		slices.ContainsFunc(o.prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// strip removes our cookies from the Cookie lines of h and leaves the others as they are, byte for byte. A line with
// nothing left is dropped. h must be the caller's to change.
func (o ownCookies) strip(h http.Header) {
	lines, ok := h["Cookie"]
	if !ok {
		return
	}
	kept := lines[:0]
	for _, line := range lines {
		if rest := o.without(line); rest != "" {
			kept = append(kept, rest)
		}
	}
	if len(kept) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = kept
}

func (o ownCookies) without(line string) string {
	if !o.in(line) {
		return line
	}
	var b strings.Builder
	for part := range strings.SplitSeq(line, ";") {
		if o.owns(cookieName(part)) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(';')
			b.WriteString(part)
			continue
		}
		if part = strings.TrimLeft(part, " \t"); part != "" {
			b.Grow(len(line))
			b.WriteString(part)
		}
	}
	return b.String()
}

func (o ownCookies) in(line string) bool {
	for part := range strings.SplitSeq(line, ";") {
		if o.owns(cookieName(part)) {
			return true
		}
	}
	return false
}

// cookieName reads a pair of a Cookie line as net/http does, so that whatever the gate could have taken for our cookie
// is removed.
func cookieName(pair string) string {
	name, _, _ := strings.Cut(pair, "=")
	return strings.Trim(name, " \t\r\n")
}

// stripSet removes from h every Set-Cookie line that would make a browser send one of our names. h must be the
// caller's to change.
func (o ownCookies) stripSet(h http.Header) {
	lines, ok := h["Set-Cookie"]
	if !ok {
		return
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return o.owns(setCookieName(line)) })
	if len(lines) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = lines
}

// setCookieName returns the name a server will read when a browser sends back what line sets. Browsers keep cookies
// without a name and send their bare value: "=session=x" comes back as "session=x".
func setCookieName(line string) string {
	pair, _, _ := strings.Cut(line, ";")
	return cookieName(strings.TrimLeft(pair, "= \t\r\n"))
}
