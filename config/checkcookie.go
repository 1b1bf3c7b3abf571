package config

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/sessionward/sessionward/middleware"
)

// cookie holds name and attributes against each other: browsers drop a cookie whose name promises what its attributes
// do not keep (RFC 6265bis §4.1.3), and nobody could log in.
func (k *checker) cookie() {
	o := k.config.Cookie
	name := strings.ToLower(o.Name)
	switch {
	case !validCookieName(o.Name):
		k.refuse("cookie.name", "use letters, digits, - and _", "%q is not 1 to 40 characters a cookie name can have", cut(o.Name, 80))
	case strings.HasPrefix(name, "__host-") && o.Domain != "":
		k.refuse("cookie.name", "begin it with __Secure-, or remove domain", "__Host- promises a cookie without a domain")
	case strings.HasPrefix(name, "__") && o.Insecure:
		k.refuse("cookie.name", "choose a name without a prefix, or use https", "%s promises a cookie that only https carries", cut(o.Name, 80))
	case strings.HasPrefix(name, "__host-") && !strings.HasPrefix(o.Name, "__Host-"),
		strings.HasPrefix(name, "__secure-") && !strings.HasPrefix(o.Name, "__Secure-"):
		k.refuse("cookie.name", "write the prefix as __Host- or __Secure-", "%q has a prefix some browsers would not recognise", cut(o.Name, 80))
	}
	if o.SameSite == "none" && o.Insecure {
		k.refuse("cookie.same_site", "use https, or lax", "none is only kept by browsers on a secure cookie")
	}
	k.cookieDomain(o.Domain)
}

// cookieRooms returns what the rooms that send, seal and strip the cookie say about it when the gateway starts.
func (k *checker) cookieRooms() error {
	public, err := url.Parse(k.config.PublicURL)
	if err != nil {
		return err // cannot be: publicURL has looked at it
	}
	cookies, err := middleware.NewCookies(middleware.CookieOptions(k.config.Cookie), public)
	if err != nil {
		return err
	}
	return k.stub.useCookies(cookies)
}

func (k *checker) cookieDomain(domain string) {
	u, err := url.Parse(k.config.PublicURL)
	if domain == "" || err != nil {
		return
	}
	host := u.Hostname()
	_, addrErr := netip.ParseAddr(domain)
	switch {
	case addrErr == nil || !validHost(domain) || !strings.Contains(domain, "."):
		k.refuse("cookie.domain", "write a name of your own such as example.com, in lower case and without a dot in front",
			"%q cannot be the domain of a cookie", cut(domain, 80))
	case host != domain && !strings.HasSuffix(host, "."+domain):
		k.refuse("cookie.domain", "write "+host+" or a domain above it", "%s is not within %q", host, cut(domain, 80))
	}
}

// maxCookieName is what a session manager takes, in bytes.
const maxCookieName = 40

// validCookieName accepts tokens (RFC 6265 §4.1.1) without the star, which stands for many names where cookies are
// kept from applications.
func validCookieName(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?={}*", c) >= 0 {
			return false
		}
	}
	return name != "" && len(name) <= maxCookieName
}
