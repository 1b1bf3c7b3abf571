package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// reference is the meaning of a table, said as plainly as possible: the first route of the list that matches.
func reference(routes []RouteOptions, method, host, path string) string {
	for _, r := range routes {
		if anyOf(r.Hosts, func(p string) bool { return hostMatches(p, host) }) &&
			anyOf(r.Paths, func(p string) bool { return pathMatches(p, path) }) &&
			anyOf(r.Methods, func(p string) bool { return p == "" || p == method }) {
			return r.Name
		}
	}
	return ""
}

func anyOf(patterns []string, match func(string) bool) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, match)
}

func hostMatches(pattern, host string) bool {
	if below, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(host, below)
	}
	return pattern == "" || pattern == host
}

func pathMatches(pattern, path string) bool {
	if exact, ok := strings.CutPrefix(pattern, "="); ok {
		return path == exact
	}
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(path, pattern)
	}
	return path == pattern || strings.HasPrefix(path, pattern+"/")
}

// The world of the comparison: few names, so that everything overlaps.
func someHosts() []string {
	return []string{"", "a", "b.a", "c.b.a", "d.c.b.a", "*.a", "*.b.a", "*.c.b.a"}
}

func somePaths() []string {
	return []string{"/", "/x", "/x/", "/x/y", "/x/y/", "/xy", "/x/y/z", "=/", "=/x", "=/x/", "=/x/y", "=/x/y/"}
}

func someMethods() []string { return []string{"", "GET", "POST", "PUT"} }

// everyRequest yields all requests of the world, unlisted names among them.
func everyRequest(yield func(method, host, path string)) {
	for _, m := range []string{"GET", "POST", "PUT", "DELETE"} {
		for _, h := range []string{"a", "b.a", "c.b.a", "d.c.b.a", "e.d.c.b.a", "ba", "z"} {
			for _, p := range []string{"/", "/x", "/x/", "/x/y", "/x/y/", "/x/y/z", "/x/y/z/", "/xy", "/xy/z", "/z"} {
				yield(m, h, p)
			}
		}
	}
}

// matchesReference draws a table and compares it with the reference over the whole world. Routes the table calls
// unreachable must be so, and are left out.
func matchesReference(t *rapid.T) {
	list := func(label string, of []string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, 2, rapid.ID[string]).Draw(t, label)
	}
	var routes []RouteOptions
	tab, err := NewTable(nil)
	require.NoError(t, err)
	for i := range rapid.IntRange(1, 8).Draw(t, "n") {
		o := RouteOptions{Name: string(rune('a' + i)), Hosts: list("hosts", someHosts()), Paths: list("paths", somePaths()), Methods: list("methods", someMethods())}
		more := append(slices.Clone(routes), o)
		next, err := NewTable(more)
		if err == nil {
			routes, tab = more, next
			continue
		}
		everyRequest(func(m, h, p string) {
			require.NotEqual(t, o.Name, reference(more, m, h, p), "called unreachable: %v", err)
		})
	}
	everyRequest(func(m, h, p string) {
		require.Equal(t, reference(routes, m, h, p), routeOf(tab, m, h, p), "%s %s%s in %+v", m, h, p, routes)
	})
}

func TestMatchIsTheReference(t *testing.T) { rapid.Check(t, matchesReference) }

func FuzzMatchReference(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"))
	f.Add([]byte{3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	f.Fuzz(rapid.MakeFuzz(matchesReference))
}
