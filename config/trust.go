package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// Decision is something a configuration takes on trust, or leaves open: what whoever answers for a gateway should
// have seen once.
type Decision struct {
	Key   string `json:"key"`   // of the setting: "routes[2].upstream.url"
	Where string `json:"where"` // it was written: "sessionward.yaml:12:5"
	Text  string `json:"text"`  // what it means, in one sentence
}

// Decisions lists every trust decision of c: whose forwarded headers are believed, where logins may return to, who
// else gets the cookie or tokens, what travels in the clear, and every insecure option. Public routes are not among
// them; see PublicRoutes.
func (c *Config) Decisions() []Decision {
	var out []Decision
	add := func(key, format string, args ...any) {
		out = append(out, Decision{Key: key, Where: c.Where(key), Text: fmt.Sprintf(format, args...)})
	}
	if !isLoopbackListener(c.Listen) && c.TLS.CertFile == "" {
		add("listen", "connections from other machines to %s are plain http: something in front must end TLS", c.Listen)
	}
	for i, network := range c.TrustedProxies {
		add(itemPath("trusted_proxies", i), "whoever connects from %s can say any client address, host and scheme", network)
	}
	for i, origin := range c.ReturnOrigins {
		add(itemPath("return_origins", i), "a login may return to %s", origin)
	}
	if c.Cookie.Domain != "" {
		add("cookie.domain", "every host below %s gets the session cookie", c.Cookie.Domain)
	}
	for i, r := range c.Routes {
		c.routeDecisions(i, r, add)
	}
	c.insecure(add)
	slices.SortStableFunc(out, func(a, b Decision) int { return cmp.Compare(c.line(a.Key), c.line(b.Key)) })
	return out
}

// routeDecisions adds what one route takes on trust.
func (c *Config) routeDecisions(i int, r Route, add func(key, format string, args ...any)) {
	section := itemPath("routes", i)
	if u, err := url.Parse(r.Upstream.URL); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		add(section+".upstream.url", "requests and identities of route %q travel in the clear to %s", r.Name, u.Host)
	}
	if r.Upstream.KeepAuthorization {
		add(section+".upstream.keep_authorization", "route %q hands the caller's own credential to its application", r.Name)
	}
	if r.Identity.ForwardAccessToken {
		add(section+".identity.forward_access_token", "route %q hands the access token to its application", r.Name)
	}
	if r.Identity.ForwardIDToken {
		add(section+".identity.forward_id_token", "route %q hands the ID token to its application", r.Name)
	}
}

// insecure adds every option whose name begins with insecure and that is on. Such options are found by their name, so
// that a new one cannot be forgotten here.
func (c *Config) insecure(add func(key, format string, args ...any)) {
	walkValues(reflect.ValueOf(c).Elem(), "", func(path, key string, v reflect.Value) {
		if strings.HasPrefix(key, "insecure") && v.Kind() == reflect.Bool && v.Bool() {
			add(path, "a protection is switched off: %s", path)
		}
	})
}

// walkValues calls visit for every setting at and below v.
func walkValues(v reflect.Value, path string, visit func(path, key string, v reflect.Value)) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		walkValues(v.Elem(), path, visit)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			walkValues(v.Index(i), itemPath(path, i), visit)
		}
	case v.Kind() == reflect.Struct && !isText(v.Type()):
		for _, f := range fieldsOf(v.Type()) {
			if f.secretFile {
				continue
			}
			visit(childPath(path, f.name), f.name, v.FieldByIndex(f.index))
			walkValues(v.FieldByIndex(f.index), childPath(path, f.name), visit)
		}
	}
}

// line returns the line key was written in, 0 for the environment and for defaults.
func (c *Config) line(key string) int {
	_, at := nearestPlace(c.places, key, position{})
	return at.line
}

// PublicRoutes returns the names of the routes that anybody may use without a session, in their order.
func (c *Config) PublicRoutes() []string {
	var names []string
	for _, r := range c.Routes {
		if r.Access == "public" {
			names = append(names, r.Name)
		}
	}
	return names
}

// isLoopbackListener reports whether only this machine can connect to address.
func isLoopbackListener(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return host == "localhost"
}
