package middleware

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// Options are the parts of a Site. Gate, Canonicalizer, Manager, Keys and PublicURL are required.
type Options struct {
	Gate          *gate.Gate
	Canonicalizer *policy.Canonicalizer
	Manager       *session.Manager
	Keys          *session.KeyRing
	// Sources are all sources; those with a login are offered at the sign-in page, in this order.
	Sources []session.Source
	// PublicURL is where browsers reach the gateway: scheme and host. Every absolute URL we send is made of it,
	// never of what a request says.
	PublicURL *url.URL
	// Prefix is the path our own endpoints live under. "": DefaultPrefix.
	Prefix string
	// ReturnOrigins are further origins ("https://app.example.com") a login or logout may return to.
	ReturnOrigins []string
	Cookie        CookieOptions
	Pages         PageOptions
	// JWKS serves the keys of signed assertions; nil: none are signed.
	JWKS http.Handler
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: nothing is logged
}

// DefaultPrefix is the path our own endpoints live under.
const DefaultPrefix = "/_session"

// Site is the gateway as the web sees it. It is safe for concurrent use and never changes.
type Site struct {
	o       Options
	origin  string   // of PublicURL
	origins []string // origins a browser may be sent back to, the own one first
	logins  *logins
	pages   *pages
	cookies Cookies

	endpoints http.Handler
}

// New checks o and returns the site.
func New(o Options) (*Site, error) {
	if o.Gate == nil || o.Canonicalizer == nil || o.Manager == nil || o.Keys == nil || o.PublicURL == nil {
		return nil, fmt.Errorf("site: gate, canonicalizer, manager, keys and public URL are required: %w", session.ErrMalformed)
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if !strings.HasPrefix(o.Prefix, "/") || strings.HasSuffix(o.Prefix, "/") {
		return nil, fmt.Errorf("site: prefix %q must begin with a slash and not end with one: %w", o.Prefix, session.ErrMalformed)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Site{o: o, origin: o.PublicURL.Scheme + "://" + strings.ToLower(o.PublicURL.Host)}
	s.origins = []string{s.origin}
	for _, raw := range o.ReturnOrigins {
		origin, err := ParseOrigin(raw)
		if err != nil {
			return nil, err
		}
		s.origins = append(s.origins, origin)
	}
	var err error
	if s.cookies, err = NewCookies(o.Cookie, o.PublicURL); err != nil {
		return nil, err
	}
	if s.pages, err = newPages(o.Pages); err != nil {
		return nil, err
	}
	s.logins = newLogins(o.Sources, o.Keys, o.Now)
	s.endpoints = s.newEndpoints()
	return s, nil
}

// ParseOrigin checks an origin as configured: scheme and host, nothing else.
func ParseOrigin(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || strings.TrimSuffix(raw, "/") != u.Scheme+"://"+u.Host {
		return "", fmt.Errorf("origin %q must be scheme://host[:port] and nothing else: %w", raw, session.ErrMalformed)
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

// path returns the path of one of our endpoints.
func (s *Site) path(name string) string { return s.o.Prefix + "/" + name }

// url returns the absolute URL of one of our endpoints with a query.
func (s *Site) url(name string, query url.Values) string {
	u := s.origin + s.path(name)
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}

// CallbackURL returns the redirect URI of a source with the given name below publicURL.
func CallbackURL(publicURL *url.URL, prefix, source string) string {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	return publicURL.Scheme + "://" + strings.ToLower(publicURL.Host) + prefix + "/callback/" + source
}

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

// loginURL is where a browser logs in and comes back to target.
func (s *Site) loginURL(target string) string {
	q := url.Values{}
	if target != "/" {
		q.Set("return_to", target)
	}
	return s.url("login", q)
}
