package middleware

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// Options are the parts of a Site. Gate, Canonicalizer, Manager, Operations, Keys and PublicURL are required.
type Options struct {
	Gate          *gate.Gate
	Canonicalizer *policy.Canonicalizer
	Manager       *session.Manager
	Operations    *session.Operations
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

	logoutStates *session.Sealer
	notices      *session.Sealer
	endpoints    http.Handler
}

// New checks o and returns the site.
func New(o Options) (*Site, error) {
	if o.Gate == nil || o.Canonicalizer == nil || o.Manager == nil || o.Operations == nil || o.Keys == nil || o.PublicURL == nil {
		return nil, fmt.Errorf("site: gate, canonicalizer, manager, operations, keys and public URL are required: %w", session.ErrMalformed)
	}
	origin, err := ParseOrigin(o.PublicURL.String())
	if err != nil {
		return nil, fmt.Errorf("site: public URL: %w", err)
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if !validPrefix(o.Prefix) {
		return nil, fmt.Errorf("site: prefix %q must begin with a slash, not end with one, and be made of letters, digits, '-', '_' and '.': %w", o.Prefix, session.ErrMalformed)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Site{o: o, origin: origin, origins: []string{origin}, logoutStates: o.Keys.Sealer("logout-state"), notices: o.Keys.Sealer("sessions-notice")}
	for i, raw := range o.ReturnOrigins {
		origin, err := ParseOrigin(raw)
		if err != nil {
			return nil, fmt.Errorf("site: return origin %d: %w", i+1, err)
		}
		s.origins = append(s.origins, origin)
	}
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

// validPrefix allows what means the same to every router.
func validPrefix(prefix string) bool {
	rest, ok := strings.CutPrefix(prefix, "/")
	for seg := range strings.SplitSeq(rest, "/") {
		plain := strings.ContainsFunc(seg, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
		})
		if seg == "" || seg == "." || seg == ".." || plain {
			return false
		}
	}
	return ok
}

// ParseOrigin checks an origin as configured, scheme and host and nothing else, and returns it in the spelling browsers
// use (RFC 6454 §6.2): lower case, without the usual port.
func ParseOrigin(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil ||
		strings.TrimSuffix(raw, "/") != u.Scheme+"://"+u.Host || strings.ContainsAny(u.Host, "!$&'()*+,;=~%") {
		return "", fmt.Errorf("origin %q must be scheme://host[:port] and nothing else: %w", raw, session.ErrMalformed)
	}
	return originOf(u), nil
}

func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == "" || (port == "443" && u.Scheme == "https") || (port == "80" && u.Scheme == "http") {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
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
	return originOf(publicURL) + prefix + "/callback/" + source
}
