package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func table(t testing.TB, routes ...RouteOptions) *Table {
	t.Helper()
	tab, err := NewTable(routes)
	require.NoError(t, err)
	return tab
}

// routeOf returns the name of the route of a canonical request, "" when there is none.
func routeOf(tab *Table, method, host, path string) string {
	r, ok := tab.Match(Request{Method: method, Host: host, Path: path, RawPath: path})
	if !ok {
		return ""
	}
	return r.Name
}

func TestMatchPaths(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		match   []string
		miss    []string
	}{
		{"/", []string{"/", "/a", "/a/b/"}, []string{"", "*", "a"}},
		{"/app", []string{"/app", "/app/", "/app/secret"}, []string{"/", "/apple", "/App", "/ap", "/x/app", "/app.json"}},
		{"/app/", []string{"/app/", "/app/secret"}, []string{"/app", "/apple/"}},
		{"/app/x", []string{"/app/x", "/app/x/y"}, []string{"/app", "/app/", "/app/xy"}},
		{"=/login", []string{"/login"}, []string{"/login/", "/login/x", "/", "/logins"}},
		{"=/login/", []string{"/login/"}, []string{"/login", "/login/x"}},
		{"=/", []string{"/"}, []string{"/a"}},
		{"/caf%C3%A9", []string{"/café", "/café/x"}, []string{"/cafe"}},
		{"/café", []string{"/café"}, nil},
		{"/a b", []string{"/a b"}, []string{"/a"}},
		{"/%61pp", []string{"/app"}, []string{"/%61pp"}},
		{"/a%3Fb", []string{"/a?b"}, []string{"/a"}},
		{"/%2A", []string{"/*"}, []string{"/x"}},
	} {
		tab := table(t, RouteOptions{Name: "r", Paths: []string{tt.pattern}})
		for _, p := range tt.match {
			require.Equal(t, "r", routeOf(tab, "GET", "h", p), "%s %s", tt.pattern, p)
		}
		for _, p := range tt.miss {
			require.Empty(t, routeOf(tab, "GET", "h", p), "%s %s", tt.pattern, p)
		}
	}
}

// S-197: a prefix ends where a segment ends.
func TestPublicPrefixDoesNotCoverLongerName(t *testing.T) {
	tab := table(t, RouteOptions{Name: "public", Paths: []string{"/public"}, Access: Public})
	require.Empty(t, routeOf(tab, "GET", "h", "/publicx"))
	require.Empty(t, routeOf(tab, "GET", "h", "/public.bak"))
	require.Equal(t, "public", routeOf(tab, "GET", "h", "/public/x"))
}

func TestMatchHosts(t *testing.T) {
	for _, tt := range []struct {
		pattern     string
		match, miss []string
	}{
		{"", []string{"a", "b.c", "[::1]"}, nil},
		{"app.example", []string{"app.example", "app.example:8443"}, []string{"x.app.example", "app.example.evil", "example", "xapp.example"}},
		{"App.Example.", []string{"app.example"}, nil},
		{"*.app.example", []string{"a.app.example", "a.b.app.example:1"}, []string{"app.example", "xapp.example", "a.app.example.evil"}}, // S-058
		{"[::1]", []string{"[::1]", "[::1]:8443"}, []string{"[::2]"}},
		{"192.0.2.1", []string{"192.0.2.1"}, []string{"192.0.2.10"}},
	} {
		tab := table(t, RouteOptions{Name: "r", Hosts: []string{tt.pattern}})
		for _, h := range tt.match {
			require.Equal(t, "r", routeOf(tab, "GET", h, "/"), "%s %s", tt.pattern, h)
		}
		for _, h := range tt.miss {
			require.Empty(t, routeOf(tab, "GET", h, "/"), "%s %s", tt.pattern, h)
		}
	}
}

func TestMatchMethods(t *testing.T) {
	tab := table(t, RouteOptions{Name: "r", Methods: []string{"GET", "POST"}}, RouteOptions{Name: "rest", Paths: []string{"/x"}})
	require.Equal(t, "r", routeOf(tab, "POST", "h", "/"))
	for _, m := range []string{"HEAD", "get", "DELETE", ""} {
		require.Empty(t, routeOf(tab, m, "h", "/"), m)
		require.Equal(t, "rest", routeOf(tab, m, "h", "/x"), m)
	}
}

func TestFirstMatchWins(t *testing.T) {
	tab := table(t,
		RouteOptions{Name: "a", Hosts: []string{"*.x.test"}, Paths: []string{"/deep/er"}},
		RouteOptions{Name: "b", Paths: []string{"/deep"}, Methods: []string{"GET"}},
		RouteOptions{Name: "c", Hosts: []string{"a.x.test"}},
		RouteOptions{Name: "d", Hosts: []string{"a.x.test", "b.x.test"}, Paths: []string{"=/deep/other"}},
	)
	require.Equal(t, "a", routeOf(tab, "GET", "a.x.test", "/deep/er"))
	require.Equal(t, "b", routeOf(tab, "GET", "a.x.test", "/deep"), "an earlier route for any host beats a later one for the host")
	require.Equal(t, "c", routeOf(tab, "POST", "a.x.test", "/deep"))
	require.Equal(t, "", routeOf(tab, "POST", "b.x.test", "/deep"))
	r, ok := tab.Match(Request{Method: "POST", Host: "a.x.test", Path: "/", RawPath: "/"})
	require.True(t, ok)
	require.Equal(t, 2, r.Index)
	require.Same(t, r, tab.routes[2])
}

// D1: nothing matched means denied.
func TestNothingMatchedIsDenied(t *testing.T) {
	require.Empty(t, routeOf(table(t), "GET", "h", "/"))
	tab := table(t, RouteOptions{Name: "r", Hosts: []string{"a.test"}, Paths: []string{"/p"}, Methods: []string{"GET"}})
	require.Equal(t, "r", routeOf(tab, "GET", "a.test", "/p"))
	require.Empty(t, routeOf(tab, "GET", "a.test", "/"))
	require.Empty(t, routeOf(tab, "GET", "b.test", "/p"))
	require.Empty(t, routeOf(tab, "POST", "a.test", "/p"))
	require.Empty(t, routeOf(tab, "OPTIONS", "a.test", "*"))
}

// S-008: a query never takes part in the match.
func TestQueryCannotChooseARoute(t *testing.T) {
	tab := table(t, RouteOptions{Name: "public", Paths: []string{"/status"}, Access: Public}, RouteOptions{Name: "rest"})
	for _, target := range []string{"/api/private/x?path=/status", "/api?/status", "/api/%3F/status"} {
		q, err := new(Canonicalizer).Request(get(t, target))
		require.NoError(t, err)
		r, _ := tab.Match(q)
		require.Equal(t, "rest", r.Name, target)
	}
}

// S-012: an encoded '#' stays part of the path that is judged.
func TestEncodedHashCutsNothing(t *testing.T) {
	tab := table(t, RouteOptions{Name: "secret", Paths: []string{"/foo/secret"}}, RouteOptions{Name: "public", Paths: []string{"/foo"}, Access: Public})
	q, err := new(Canonicalizer).Request(get(t, "/foo/secret%23/bar"))
	require.NoError(t, err)
	require.Equal(t, "/foo/secret#/bar", q.Path)
	r, _ := tab.Match(q)
	require.Equal(t, "public", r.Name)
	require.Equal(t, "/foo/secret%23/bar", q.RawPath, "and of the path that is forwarded")
}

// S-040: no spelling of a host skips its stricter route.
func TestHostCaseDoesNotSkipAStricterRoute(t *testing.T) {
	tab := table(t, RouteOptions{Name: "strict", Hosts: []string{"*.Admin.X"}}, RouteOptions{Name: "public", Hosts: []string{"*.x"}, Access: Public})
	for _, host := range []string{"a.admin.x", "a.ADMIN.x", "A.Admin.X", "a.ADMIN.x.", "a.ADMIN.x:80", "b.a.Admin.x:8080"} {
		r := get(t, "/")
		r.Host = host
		q, err := new(Canonicalizer).Request(r)
		require.NoError(t, err)
		got, _ := tab.Match(q)
		require.Equal(t, "strict", got.Name, host)
	}
}

// S-114: many routes are matched exactly as few are.
func TestManyRoutesMatchLikeFew(t *testing.T) {
	var routes []RouteOptions
	for i := range 150 {
		routes = append(routes, RouteOptions{Name: fmt.Sprint("r", i), Hosts: []string{fmt.Sprintf("App%d.example", i)}, Paths: []string{fmt.Sprintf("/app%d", i)}})
	}
	tab := table(t, routes...)
	for i := range 150 {
		for host, target := range map[string]string{
			fmt.Sprintf("app%d.example", i):     fmt.Sprintf("/app%d/x", i),
			fmt.Sprintf("APP%d.Example.", i):    fmt.Sprintf("/%%61pp%d/x", i),
			fmt.Sprintf("aPP%d.EXAMPLE:80", i):  fmt.Sprintf("/%%61%%70%%70%d/%%78", i),
			fmt.Sprintf("App%d.example.:80", i): fmt.Sprintf("/app%%3%d%s", fmt.Sprint(i)[0]-'0', fmt.Sprint(i)[1:]),
		} {
			r := get(t, target)
			r.Host = host
			q, err := new(Canonicalizer).Request(r)
			require.NoError(t, err)
			got, ok := tab.Match(q)
			require.True(t, ok, "%s %s", host, target)
			require.Equal(t, i, got.Index)
			require.Empty(t, routeOf(tab, "GET", q.Host, strings.ToUpper(q.Path)), "paths are case-exact")
		}
	}
}

// S-030: a path with two readings has a route only when both agree on it.
func TestEncodedSlashNeedsBothReadingsToAgree(t *testing.T) {
	c := &Canonicalizer{o: RequestOptions{AllowEncodedSlash: true}}
	tab := table(t,
		RouteOptions{Name: "public", Paths: []string{"/public"}, Access: Public},
		RouteOptions{Name: "admin", Paths: []string{"/api/admin"}},
		RouteOptions{Name: "api", Paths: []string{"/api"}},
		RouteOptions{Name: "rest"})
	for target, want := range map[string]string{
		"/api/projects/group%2Fname": "api",
		"/api/admin/a%2fb":           "admin",
		"/public%2Fx":                "", // below /public, or a name at the root
		"/api%2Fx":                   "",
		"/api/admin%2Fx":             "",
		"/x%2Fy":                     "rest",
		"/api/%2561dmin":             "",
	} {
		r, ok := matched(c, tab, get(t, target).RequestURI)
		require.Equal(t, want != "", ok, target)
		require.Equal(t, want, r, target)
	}
}

// S-070: matrix parameters neither skip a stricter route nor gain a weaker one.
func TestMatrixParametersNeedBothReadingsToAgree(t *testing.T) {
	c := &Canonicalizer{o: RequestOptions{AllowSemicolon: true, AllowEncodedSlash: true}}
	tab := table(t, RouteOptions{Name: "app", Paths: []string{"/app"}}, RouteOptions{Name: "login", Paths: []string{"=/login"}}, RouteOptions{Name: "public", Access: Public})
	for target, want := range map[string]string{
		"/app;x=1/secret":   "",
		"/app%3Bx=1/secret": "",
		"/app/secret;x":     "app",
		"/app/a;b/c;d":      "app",
		"/login;jsessionid": "",
		"/x;y":              "public",
		"/app;x%2Fsecret":   "",
		"/app/a;x%2Fy":      "app",
		"/x;a%2Fapp":        "public",
		"/login%2Fx;y":      "public",
		"/login;x%2Fy":      "",
		"/x%2Flogin;y":      "public",
	} {
		r, _ := matched(c, tab, target)
		require.Equal(t, want, r, target)
	}
	// Each of the four readings can be the one that disagrees.
	for target, first := range map[string][]string{
		"/a%2Fb;x":   {"/a/b"},
		"/a;x%2Fb":   {"=/a"},
		"/k;v/x%2Fy": {"/k;v/x", "/k"},
	} {
		tab := table(t, RouteOptions{Name: "first", Paths: first}, RouteOptions{Name: "second", Paths: []string{"/k;v"}}, RouteOptions{Name: "rest"})
		r, ok := matched(c, tab, target)
		require.False(t, ok, "%s got %s", target, r)
	}
}

func matched(c *Canonicalizer, tab *Table, target string) (string, bool) {
	q, err := c.Original(Original{Method: "GET", Scheme: "http", Host: "h", Target: target, ClientIP: netip.Addr{}})
	if err != nil {
		return "", false
	}
	r, ok := tab.Match(q)
	if !ok {
		return "", false
	}
	return r.Name, true
}

// S-023, S-030, S-072, S-073: whatever is accepted is decided as its canonical form is.
func TestEverySpellingIsDecidedAsItsCanonicalForm(t *testing.T) {
	tab := table(t,
		RouteOptions{Name: "public", Paths: []string{"/public"}, Access: Public},
		RouteOptions{Name: "app", Paths: []string{"/app"}},
		RouteOptions{Name: "admin", Paths: []string{"/admin"}})
	loose := looseCanonicalizer()
	loose.o.AllowDoubleEncoding = false
	for _, c := range []*Canonicalizer{new(Canonicalizer), loose} {
		for target := range spellings() {
			q, err := c.Original(Original{Method: "GET", Scheme: "http", Host: "h", Target: target})
			if err != nil {
				continue
			}
			checkInvariants(t, c, q)
			got, _ := matched(c, tab, target)
			canonical, _ := matched(c, tab, q.RawPath)
			require.Equal(t, canonical, got, target)
			require.NotEqual(t, "public", got, "%q reaches no public route", target)
		}
	}
}

func TestRouteDefaults(t *testing.T) {
	r := table(t, RouteOptions{Name: "r"}).routes[0]
	require.Equal(t, Required, r.Access)
	require.Equal(t, Auto, r.Unauthenticated)
	require.NotNil(t, r.Rule)
}

func TestMatchDoesNotAllocate(t *testing.T) {
	tab := table(t, manyRoutes(1000)...)
	q := Request{Method: "GET", Host: "a.b.host7.example:8443", Path: "/team7/app/x/y/z", RawPath: "/team7/app/x/y/z"}
	_, ok := tab.Match(q)
	require.True(t, ok)
	require.Zero(t, testing.AllocsPerRun(100, func() { tab.Match(q) }))
}

// manyRoutes returns n routes over exact, wildcard and any host.
func manyRoutes(n int) []RouteOptions {
	routes := make([]RouteOptions, n)
	for i := range routes {
		routes[i] = RouteOptions{Name: fmt.Sprint("r", i), Paths: []string{fmt.Sprintf("/team%d/app", i)}}
		switch i % 3 {
		case 0:
			routes[i].Hosts = []string{fmt.Sprintf("host%d.example", i)}
		case 1:
			routes[i].Hosts = []string{fmt.Sprintf("*.host%d.example", i)}
		}
	}
	return routes
}
