package authority

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// CheckURL reports whether raw is an absolute URL of an authority that may be asked. URLs with a user, a fragment or,
// unless withQuery, a query are refused.
func CheckURL(raw string, insecureHTTP, withQuery bool) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.HasSuffix(raw, "#") {
		return errors.New("must be an absolute URL without user and fragment")
	}
	if !withQuery && (u.RawQuery != "" || u.ForceQuery) {
		return errors.New("must be a URL without a query")
	}
	return checkScheme(u, insecureHTTP)
}

// checkScheme refuses plain HTTP but to this machine.
func checkScheme(u *url.URL, insecureHTTP bool) error {
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && (insecureHTTP || loopback(u.Hostname())):
		return nil
	case u.Scheme == "http":
		return errors.New("plain http is refused: use https, or set insecure_http for a network you trust")
	default:
		return errors.New("only https is spoken")
	}
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
