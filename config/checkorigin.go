package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/middleware"
)

// listeners checks both addresses.
func (k *checker) listeners() {
	k.listen("listen", k.config.Listen, "write host:port, such as 127.0.0.1:4180 or :4180")
	if k.config.AdminListens() {
		k.listen("admin.listen", k.config.Admin.Listen, "write host:port, such as 127.0.0.1:4181, or none")
	}
}

// listen checks host:port.
func (k *checker) listen(key, address, hint string) {
	host, port, err := net.SplitHostPort(address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || strconv.FormatUint(n, 10) != port || strings.ContainsAny(host, " /%") {
		k.refuse(key, hint, "%q is no address to listen on", cut(address, 80))
	}
}

func (k *checker) tls() {
	o := k.config.TLS
	switch {
	case o.CertFile == "" && o.KeyFile != "":
		k.refuse("tls.cert_file", "add it, or remove key_file", "is missing beside key_file")
	case o.CertFile != "" && o.KeyFile == "":
		k.refuse("tls.key_file", "add it, or remove cert_file", "is missing beside cert_file")
	}
}

func (k *checker) publicURL() {
	if k.config.PublicURL == "" {
		k.refuse("public_url", "write where browsers reach the gateway, such as https://app.example.com", "is missing")
		return
	}
	k.origin("public_url", k.config.PublicURL)
}

func (k *checker) returnOrigins() {
	for i, raw := range k.config.ReturnOrigins {
		k.origin(itemPath("return_origins", i), raw)
	}
}

// origin checks scheme://host[:port], in the one spelling browsers use, so that comparing is comparing text.
func (k *checker) origin(key, raw string) {
	u, err := url.Parse(raw)
	switch {
	case strings.Contains(raw, "@"):
		k.refuse(key, "remove what precedes the @", "must not hold a user or password")
	case err != nil || u.Host == "" || u.Opaque != "" || (u.Scheme != "https" && u.Scheme != "http"):
		k.refuse(key, "write https:// and a host, such as https://app.example.com", "%q is not an origin", cut(raw, 80))
	case raw != originOf(u):
		k.refuse(key, fmt.Sprintf("write %q", originOf(u)), "%q must be scheme, host and port alone, in lower case and without the usual port", cut(raw, 80))
	case !validHost(u.Hostname()) || !validPort(u.Port()):
		k.refuse(key, "", "%q does not name a host", cut(raw, 80))
	case u.Scheme == "http" && !isLoopback(u.Hostname()) && !k.config.Cookie.Insecure:
		k.refuse(key, "write https://, or accept that sessions can be taken over with cookie.insecure: true",
			"%q is plain http to another machine", cut(raw, 80))
	default:
		_, err = middleware.ParseOrigin(raw)
		k.room(key, err)
	}
}

// originOf returns u as browsers write an origin (RFC 6454 §6.2).
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	usual := ":443"
	if u.Scheme == "http" {
		usual = ":80"
	}
	return u.Scheme + "://" + strings.TrimSuffix(strings.TrimSuffix(host, usual), ":")
}

// validHost accepts IP addresses and names of letters, digits and dashes. Other names are written in their ASCII form
// (RFC 5891).
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return !strings.Contains(host, "%")
	}
	if len(host) > 253 || strings.HasSuffix(host, ".") {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// isLoopback reports whether host can only be this machine (RFC 6761 §6.3 for localhost).
func isLoopback(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func (k *checker) prefix() {
	prefix := k.config.Prefix
	ok := strings.HasPrefix(prefix, "/") && len(prefix) <= 64
	for segment := range strings.SplitSeq(strings.TrimPrefix(prefix, "/"), "/") {
		plain := strings.Trim(segment, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
		ok = ok && plain && segment != "" && segment != "." && segment != ".."
	}
	if !ok {
		k.refuse("prefix", "write a path such as /_session of letters, digits, -, _ and ., without a slash at its end", "%q cannot be a prefix", cut(prefix, 80))
	}
}

func (k *checker) limits() {
	l := k.config.Limits
	k.between("limits.max_header_bytes", l.MaxHeaderBytes, 4<<10, 1<<20)
	k.span("limits.read_header_timeout", l.ReadHeaderTimeout, time.Second, time.Hour)
	k.span("limits.idle_timeout", l.IdleTimeout, time.Second, 24*time.Hour)
	k.span("shutdown_timeout", k.config.ShutdownTimeout, 0, time.Hour)
}

func (k *checker) between(key string, n, least, most int) {
	if n < least || n > most {
		k.refuse(key, fmt.Sprintf("write %d to %d", least, most), "%d is out of range", n)
	}
}

func (k *checker) span(key string, d, least, most time.Duration) {
	if d < least || d > most {
		k.refuse(key, "write "+short(least)+" to "+short(most), "%s is out of range", short(d))
	}
}

// short writes d without zero minutes and seconds: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (k *checker) pages() {
	dir := k.config.Pages.Dir
	if dir == "" {
		return
	}
	if info, err := os.Stat(dir); err != nil {
		k.refuse("pages.dir", "", "%v", fileError(dir, err))
	} else if !info.IsDir() {
		k.refuse("pages.dir", "name the folder that holds the pages", "%s is not a folder", dir)
	}
}
