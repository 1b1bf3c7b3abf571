package policy

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// noRoute is larger than the index of every route.
const noRoute int32 = math.MaxInt32

// Table finds the route of a request. It is immutable and safe for concurrent use.
type Table struct {
	routes []*Route
	any    *node            // routes for any host
	exact  map[string]*node // by host name
	wild   map[string]*node // by what follows "*."
}

// NewTable compiles routes, in their order. Every mistake is reported, joined, with its place: a bad field, a name
// used twice, and a route that no request can reach because routes before it take everything it matches.
func NewTable(routes []RouteOptions) (*Table, error) {
	t := &Table{any: &node{}, exact: map[string]*node{}, wild: map[string]*node{}}
	names := make(map[string]int, len(routes))
	x := &expressions{}
	var errs []error
	for i, o := range routes {
		c, err := compileRoute(o, i, x)
		if first, taken := names[o.Name]; taken && o.Name != "" {
			err = errors.Join(err, fmt.Errorf("name: already used by routes[%d]; give each route its own", first))
		} else {
			names[o.Name] = i
		}
		if err == nil {
			err = t.add(c)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("routes[%d] %q: %w", i, o.Name, err))
		}
		t.routes = append(t.routes, &c.route)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// add enters a route into the tries, unless no request would ever reach it.
func (t *Table) add(c *compiledRoute) error {
	if by := t.shadow(c); len(by) > 0 {
		names := make([]string, len(by))
		for i, index := range by {
			names[i] = fmt.Sprintf("routes[%d] %q", index, t.routes[index].Name)
		}
		return fmt.Errorf("never reached: everything it matches is taken by %s; put the narrower route first or remove one",
			strings.Join(names, ", "))
	}
	for _, h := range c.hosts {
		root := t.root(h)
		for _, p := range c.paths {
			for _, m := range c.methods {
				root.add(p, m, int32(c.route.Index))
			}
		}
	}
	return nil
}

// root returns the trie of a host pattern, a new one when it is the first.
func (t *Table) root(h hostPattern) *node {
	if h.name == "" {
		return t.any
	}
	tries := t.exact
	if h.wildcard {
		tries = t.wild
	}
	n := tries[h.name]
	if n == nil {
		n = &node{}
		tries[h.name] = n
	}
	return n
}

// Match returns the first route in the order of the list that matches q. Nothing matched means denied. A path that
// servers read in several ways (an encoded slash, matrix parameters) has a route only when all readings find the
// same one. It does not allocate otherwise, and its cost does not grow with the number of routes.
func (t *Table) Match(q Request) (*Route, bool) {
	host := q.Hostname()
	found := t.find(host, q.Path, q.Method)
	if found == noRoute || ambiguous(q) && !t.agree(q, host, found) {
		return nil, false
	}
	return t.routes[found], true
}

// find returns the smallest index of a route that matches.
func (t *Table) find(host, path, method string) int32 {
	if path == "" || path[0] != '/' {
		return noRoute
	}
	return t.covering(hostPattern{name: host}, exactly(path), method)
}

// ambiguous reports whether servers read the path in several ways.
func ambiguous(q Request) bool {
	return strings.IndexByte(q.Path, ';') >= 0 || len(q.Path) != len(q.RawPath) && strings.Contains(q.RawPath, encodedSlash)
}

// agree reports whether the other readings of the path find the same route.
func (t *Table) agree(q Request, host string, found int32) bool {
	unsplit := unsplitPath(q)
	for _, path := range []string{withoutParameters(q.Path), unsplit, withoutParameters(unsplit)} {
		if t.find(host, path, q.Method) != found {
			return false
		}
	}
	return true
}

const encodedSlash = "%2F"

// unsplitPath decodes the path with every encoded slash as NUL, which no route and no other path holds: the reading
// in which it separates nothing.
func unsplitPath(q Request) string {
	var out []byte
	for i := 0; i < len(q.RawPath); i++ {
		b := q.RawPath[i]
		if d, ok := unhex(q.RawPath[i:]); b == '%' && ok {
			i += 2
			if b = d; d == '/' {
				b = 0
			}
		}
		out = append(out, b)
	}
	return string(out)
}

// withoutParameters cuts the matrix parameters off each segment (RFC 3986 §3.3).
func withoutParameters(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}
