package proxy

import (
	"net/url"
	"strings"
)

// target returns the URL that makes net/http send exactly path and query in the request line: the bytes that were
// judged. Bytes that would end the request line, or mean something else in it, are refused.
func target(upstream *url.URL, path, query string, emptyQuery bool) (url.URL, error) {
	u := url.URL{Scheme: upstream.Scheme, Host: upstream.Host, RawQuery: query, ForceQuery: emptyQuery}
	if !strings.HasPrefix(path, "/") || !sendable(path) || strings.Contains(path, "?") || !sendable(query) {
		return u, errTarget
	}
	if !strings.HasPrefix(path, "//") {
		u.Opaque = path // sent as it is, where Path would be escaped anew
		return u, nil
	}
	// An opaque part that begins with two slashes would be read as a host.
	plain, err := url.PathUnescape(path)
	if err != nil {
		return u, errTarget
	}
	u.Path, u.RawPath = plain, path
	if u.EscapedPath() != path {
		return u, errTarget
	}
	return u, nil
}

// sendable reports whether s holds no byte that ends or splits a request line: controls, space, DEL and '#'.
func sendable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// validHost reports whether host is empty or made of the bytes of a host name or address with a port. What is more
// than that is for the gate to judge.
func validHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && strings.IndexByte("-._~:[]", c) < 0 {
			return false
		}
	}
	return true
}
