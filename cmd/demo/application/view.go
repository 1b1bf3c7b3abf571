package application

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// view is what the page shows.
type view struct {
	Name     string // who is signed in, "" for nobody
	Groups   []string
	Request  string // method and path
	Identity []header
	Others   []header
	Facts    []Fact
	Time     string
}

// header is one header as the page shows it.
type header struct {
	Name  string
	Value string
	Note  string // age of what it carries, "" when it carries no time
}

func (a *Application) view(r *http.Request) view {
	v := view{
		Request: r.Method + " " + r.Host + r.URL.EscapedPath(),
		Time:    a.o.Now().UTC().Format("15:04:05 UTC"),
		Name: first(r.Header, "X-Sessionward-Name", "X-Sessionward-User", "X-Forwarded-Preferred-Username",
			"X-Forwarded-User", "X-Auth-Request-Preferred-Username", "X-Auth-Request-User", "Remote-User"),
		Groups: split(first(r.Header, "X-Sessionward-Groups", "X-Forwarded-Groups", "X-Auth-Request-Groups", "Remote-Groups")),
	}
	if a.o.Facts != nil {
		v.Facts = a.o.Facts()
	}
	for name, values := range r.Header {
		for _, value := range values {
			h := header{Name: name, Value: shown(name, value), Note: age(value, a.o.Now())}
			if isIdentity(name) {
				v.Identity = append(v.Identity, h)
			} else {
				v.Others = append(v.Others, h)
			}
		}
	}
	byName := func(a, b header) int { return strings.Compare(a.Name, b.Name) }
	slices.SortStableFunc(v.Identity, byName)
	slices.SortStableFunc(v.Others, byName)
	return v
}

// isIdentity reports whether a header, in canonical spelling, says who the user is.
func isIdentity(name string) bool {
	for _, prefix := range []string{"X-Sessionward-", "X-Auth-Request-", "Remote-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch strings.TrimPrefix(name, "X-Forwarded-") {
	case "User", "Email", "Groups", "Preferred-Username", "Access-Token", "Id-Token":
		return strings.HasPrefix(name, "X-Forwarded-")
	}
	return false
}

// shown returns value, or a description of it when it is a secret.
func shown(name, value string) string {
	if name == "Cookie" {
		var names []string
		for _, part := range strings.Split(value, ";") {
			n, _, _ := strings.Cut(strings.TrimSpace(part), "=")
			names = append(names, n)
		}
		return strings.Join(names, ", ") + " (values hidden)"
	}
	secret := name == "Authorization" || name == "Proxy-Authorization"
	for _, suffix := range []string{"-Token", "-Assertion", "-Secret", "-Key"} {
		secret = secret || strings.HasSuffix(name, suffix)
	}
	if secret {
		return fmt.Sprintf("%d characters (hidden)", len(value))
	}
	return value
}

func first(h http.Header, names ...string) string {
	for _, name := range names {
		if v := h.Get(name); v != "" {
			return v
		}
	}
	return ""
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}
