package middleware

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
)

// CookieOptions set how the session cookie is sent.
type CookieOptions struct {
	// Name of the session cookie. "": "__Host-sessionward", which browsers let nobody else set (RFC 6265bis §4.1.3);
	// "__Secure-sessionward" with Domain; "sessionward" over plain http.
	Name string
	// Domain shares the cookie with the subdomains of a domain; "" keeps it on the one host, which is safer.
	Domain string
	// SameSite is "lax" (default) or "none". There is no "strict": the browser would withhold the cookie on the way
	// back from the provider, and the login would never end.
	SameSite string
	// Insecure sends cookies over plain http from hosts other than the local one. Anybody on the way can take them.
	Insecure bool
}

// Cookies says how our cookies are named and sent on a site.
type Cookies struct {
	o      CookieOptions
	secure bool
}

// NewCookies checks o for a site at publicURL. Plain http is for this machine alone, unless o.Insecure says otherwise.
func NewCookies(o CookieOptions, publicURL *url.URL) (Cookies, error) {
	c := Cookies{o: o, secure: publicURL.Scheme == "https"}
	if c.o.Name == "" {
		c.o.Name = c.prefix() + "sessionward"
	}
	if strings.ContainsFunc(c.o.Name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }) {
		return c, fmt.Errorf("cookie: name %q has characters a cookie name cannot have: %w", c.o.Name, session.ErrMalformed)
	}
	if err := c.checkPrefix(); err != nil {
		return c, err
	}
	if err := checkDomain(o.Domain, publicURL.Hostname()); err != nil {
		return c, err
	}
	if !c.secure && !o.Insecure && !localHost(publicURL.Hostname()) {
		return c, fmt.Errorf("cookie: %s is plain http, so the session cookie could be read on the way; use https, or set cookie.insecure for a test: %w", publicURL, session.ErrMalformed)
	}
	if _, ok := sameSiteModes[o.SameSite]; !ok {
		return c, fmt.Errorf("cookie: same_site %q must be lax or none: %w", o.SameSite, session.ErrMalformed)
	}
	if o.SameSite == "none" && !c.secure {
		return c, fmt.Errorf("cookie: same_site none needs https: %w", session.ErrMalformed)
	}
	return c, nil
}

var sameSiteModes = map[string]http.SameSite{
	"": http.SameSiteLaxMode, "lax": http.SameSiteLaxMode, "none": http.SameSiteNoneMode,
}

// checkPrefix refuses a name that promises what the attributes do not keep: browsers drop such a cookie, and every
// login would end where it began (RFC 6265bis §4.1.3).
func (c Cookies) checkPrefix() error {
	lower := strings.ToLower(c.o.Name)
	switch {
	case strings.HasPrefix(lower, "__host-") && (!c.secure || c.o.Domain != ""):
		return fmt.Errorf("cookie: name %q promises https and no domain; choose another name, or leave it out: %w", c.o.Name, session.ErrMalformed)
	case strings.HasPrefix(lower, "__secure-") && !c.secure:
		return fmt.Errorf("cookie: name %q promises https; choose another name, or leave it out: %w", c.o.Name, session.ErrMalformed)
	}
	return nil
}

// checkDomain refuses a domain that host is not in: browsers drop such a cookie.
func checkDomain(domain, host string) error {
	if domain == "" {
		return nil
	}
	_, addressErr := netip.ParseAddr(domain)
	odd := strings.ContainsFunc(domain, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	})
	if odd || addressErr == nil || !strings.Contains(strings.Trim(domain, "."), ".") || !within(strings.ToLower(host), domain) {
		return fmt.Errorf("cookie: domain %q must be a domain name of two labels or more that %s is in: %w", domain, host, session.ErrMalformed)
	}
	return nil
}

// within reports whether host is domain or below it.
func within(host, domain string) bool {
	domain = strings.ToLower(strings.TrimPrefix(domain, "."))
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// reach reports whether browsers show the session cookie that was set at public to host. Cookies know no ports.
func (c Cookies) reach(host, public string) bool {
	return host == public || (c.o.Domain != "" && within(host, c.o.Domain))
}

func localHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// prefix is what browsers hold a cookie to that has it in its name: who may set it, and how.
func (c Cookies) prefix() string {
	switch {
	case !c.secure:
		return ""
	case c.o.Domain != "":
		return "__Secure-"
	default:
		return "__Host-"
	}
}

// SessionName is the name of the session cookie.
func (c Cookies) SessionName() string { return c.o.Name }

// LoginName is the name of the cookie that binds login attempts to a browser. It never leaves the host.
func (c Cookies) LoginName() string {
	base := strings.TrimPrefix(strings.TrimPrefix(c.o.Name, "__Host-"), "__Secure-") + "-login"
	if c.secure {
		return "__Host-" + base
	}
	return base
}

// Names lists all cookies of ours, which go to no application.
func (c Cookies) Names() []string { return []string{c.SessionName(), c.LoginName(), c.againName()} }

// againName is the name of the cookie by which logins that go round in a circle are noticed.
func (c Cookies) againName() string { return c.LoginName() + "-again" }

// session says how long and not until when: the browser's clock may be wrong.
func (c Cookies) session(value string, lifetime time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: c.SessionName(), Value: value, Path: "/", Domain: c.o.Domain, MaxAge: int(seconds(lifetime)),
		Secure: c.secure, HttpOnly: true, SameSite: sameSiteModes[c.o.SameSite],
	}
}

func (c Cookies) login(value string, lifetime time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: c.LoginName(), Value: value, Path: "/", MaxAge: int(seconds(lifetime)),
		Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode, // Lax: the provider's redirect must carry it
	}
}

// again marks the browser for a minute: how many logins it completed in a row, or that an answer of it was stray.
func (c Cookies) again(value string) *http.Cookie {
	ck := c.login(value, time.Minute)
	ck.Name = c.againName()
	return ck
}

// cleared is ck with the same attributes and nothing in it, which is how a browser forgets it.
func cleared(ck *http.Cookie) *http.Cookie {
	gone := *ck
	gone.Value, gone.MaxAge, gone.Expires = "", -1, time.Unix(1, 0)
	return &gone
}

// CookieNames lists the site's own cookies: they go to no application, and no application may set them.
func (s *Site) CookieNames() []string { return s.cookies.Names() }
