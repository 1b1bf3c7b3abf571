package policy

import (
	"net/http"
	"strings"
)

const (
	maxTarget = 16 << 10 // bytes of the whole request target
	asterisk  = "*"      // the target of a request about the server itself (RFC 9112 §3.2.4)
)

// target is a request target in its parts; scheme and authority are "" for the origin form.
type target struct{ scheme, authority, path, query string }

// splitTarget takes a target apart (RFC 9112 §3.2). The path is not judged here, save that it is there.
func splitTarget(method, s string) (target, error) {
	if len(s) > maxTarget {
		return target{}, tooLong("target_too_long", "the request target is longer than 16 KiB")
	}
	if s == "" {
		return target{}, bad("target_form", "the request has no target")
	}
	if s == asterisk && method == http.MethodOptions {
		return target{path: asterisk}, nil
	}
	t := target{path: s}
	if s[0] != '/' {
		var ok bool
		if t, ok = splitAbsolute(s); !ok {
			return target{}, bad("target_form", "the request target is neither a path nor an http URL")
		}
	}
	var found bool
	if t.path, t.query, found = strings.Cut(t.path, "?"); found {
		if err := checkQuery(t.query); err != nil {
			return target{}, err
		}
	}
	if t.path == "" {
		t.path = "/" // only the absolute form can leave it out (RFC 9112 §3.2.1)
	}
	return t, nil
}

// splitAbsolute takes scheme and authority off an absolute target; path still carries the query.
func splitAbsolute(s string) (target, bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || knownScheme(scheme) == "" {
		return target{}, false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 {
		return target{}, false
	}
	return target{scheme: scheme, authority: rest[:end], path: rest[end:]}, true
}

// checkQuery refuses bytes that no query can hold. Its structure is nobody's business here.
func checkQuery(s string) error {
	for i := range len(s) {
		if err := checkTargetByte(s[i]); err != nil {
			return err
		}
	}
	return nil
}

// checkTargetByte refuses bytes that cannot stand in a target as they are.
func checkTargetByte(b byte) error {
	switch {
	case b <= ' ' || b == 0x7f:
		return bad("control", "the target holds a space or control character")
	case b >= 0x80:
		return bad("non_ascii", "the target holds a byte that is not ASCII")
	case b == '#':
		return bad("fragment", "the target holds a fragment")
	default:
		return nil
	}
}

// checkMethod refuses methods and upgrades that would turn the connection into something nobody judges.
func checkMethod(method string, h http.Header) error {
	if method == http.MethodConnect {
		return bad("connect", "CONNECT is not served")
	}
	if !isToken(method) {
		return bad("method", "the method is not a token")
	}
	if known := knownMethod(method); known != "" && known != method {
		// Applications that fold case would serve "get" as GET, past a route that lists GET.
		return bad("method", "the method is a known one in the wrong case")
	}
	for _, v := range h["Upgrade"] {
		for p := range strings.SplitSeq(v, ",") {
			if name, _, _ := strings.Cut(strings.Trim(p, " \t"), "/"); equalFold(name, "h2c") {
				return bad("upgrade_h2c", "an upgrade to h2c is not served")
			}
		}
	}
	return nil
}

// knownMethod returns the registered method (RFC 9110 §9.3, RFC 5789) that s is but for its case, "" when there is none.
func knownMethod(s string) string {
	for _, m := range [...]string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodTrace, http.MethodConnect,
	} {
		if equalFold(s, m) {
			return m
		}
	}
	return ""
}

// isToken reports whether s is a token (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		b := s[i]
		if !isAlphanumeric(b) && strings.IndexByte("!#$%&'*+-.^_`|~", b) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// equalFold compares a with b, which is ASCII, without regard to case. No letter beyond ASCII has the length of the
// ASCII letter strings.EqualFold takes it for.
func equalFold(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }
