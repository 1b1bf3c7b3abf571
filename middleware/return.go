package middleware

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sessionward/sessionward/policy"
)

// maxReturnTarget bounds a return target: it travels inside the state parameter, which providers limit.
const maxReturnTarget = 1024

// ReturnTarget returns raw if a browser that follows it stays on this site or goes to a listed origin, and "/"
// otherwise. It refuses whatever browsers and servers are known to read differently: backslashes, controls and blanks,
// doubled slashes, dot segments and encoded separators in the path, user names in the authority.
func (s *Site) ReturnTarget(raw string) string {
	if raw == "" || len(raw) > maxReturnTarget || strings.ContainsFunc(raw, unsafeInTarget) {
		return "/"
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" {
		return "/"
	}
	rest := raw
	if u.Scheme != "" || u.Host != "" {
		i := slices.IndexFunc(s.origins, func(o string) bool {
			return len(raw) >= len(o) && strings.EqualFold(raw[:len(o)], o)
		})
		if i < 0 || !strings.EqualFold(u.Scheme+"://"+u.Host, s.origins[i]) {
			return "/"
		}
		if rest = raw[len(s.origins[i]):]; rest == "" {
			return s.origins[i] + "/"
		}
	}
	path := rest // of the text itself: url.Parse reads "//" as an empty authority
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		path = rest[:i]
	}
	if !strings.HasPrefix(path, "/") || !plainPath(path) {
		return "/"
	}
	return raw
}

// unsafeInTarget holds for runes that a browser strips, turns into a slash or cannot have sent.
func unsafeInTarget(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }

// plainPath holds for paths that mean the same to everybody.
func plainPath(escaped string) bool {
	lower := strings.ToLower(escaped)
	for _, bad := range []string{"//", "%2f", "%5c", "%00", "%0", "%1", "%7f"} {
		if strings.Contains(lower, bad) {
			return false
		}
	}
	for seg := range strings.SplitSeq(lower, "/") {
		plain := strings.ReplaceAll(seg, "%2e", ".")
		if before, _, _ := strings.Cut(plain, ";"); before == "." || before == ".." {
			return false
		}
	}
	return true
}

// returnTo is the target that brings a browser back to where q was going.
func (s *Site) returnTo(q policy.Request) string {
	target := q.RawPath
	if q.RawQuery != "" {
		target += "?" + q.RawQuery
	}
	if origin := q.Scheme + "://" + q.Host; origin != s.origin && slices.Contains(s.origins, origin) {
		target = origin + target
	}
	return s.ReturnTarget(target)
}

// absolute is a return target with its origin.
func (s *Site) absolute(target string) string {
	if strings.HasPrefix(target, "/") {
		return s.origin + target
	}
	return target
}

// loginURL is where a browser logs in and comes back to target; q holds further parameters.
func (s *Site) loginURL(q url.Values, target string) string {
	if target != "/" {
		q.Set("return_to", target)
	}
	return s.url("login", q)
}

// targetRequest is the request a browser makes that follows target with what it showed in r; false when there is no
// such request, or it is for a page of ours, which no route judges.
func (s *Site) targetRequest(r *http.Request, target string) (policy.Request, bool) {
	q, _ := CanonicalRequest(r.Context())
	u, err := url.Parse(target)
	if err != nil {
		return policy.Request{}, false
	}
	u.Fragment, u.RawFragment = "", ""
	u = s.o.PublicURL.ResolveReference(u)
	to, err := s.o.Canonicalizer.Original(policy.Original{
		Method: http.MethodGet, Scheme: u.Scheme, Host: u.Host, Target: u.RequestURI(), ClientIP: q.ClientIP, Header: r.Header, TLS: q.TLS,
	})
	return to, err == nil && !s.own(to.Path)
}

// cookieReaches reports whether browsers show our session cookie where target leads. Where they do not, a login helps
// nobody: it would begin anew each time they come back.
func (s *Site) cookieReaches(target string) bool {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return err == nil
	}
	return s.cookies.reach(strings.ToLower(u.Hostname()), strings.ToLower(s.o.PublicURL.Hostname()))
}
