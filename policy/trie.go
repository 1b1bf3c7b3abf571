package policy

import (
	"slices"
	"strings"
)

// node is one path, reached from the root segment by segment, and the routes whose paths end there, by kind.
type node struct {
	children map[string]*node
	routes   [exactSlash + 1]methods
}

// methods are the routes of one pattern: the smallest index for each method.
type methods []methodRoute

type methodRoute struct {
	method string // "" is any
	index  int32
}

// lowest returns the smallest index for method, or best when that is smaller. For method "" only routes for any
// method count.
func (m methods) lowest(method string, best int32) int32 {
	for i := range m {
		if m[i].index < best && (m[i].method == "" || m[i].method == method) {
			best = m[i].index
		}
	}
	return best
}

// add enters a route. Routes come in the order of their indexes, so the first for a method is the smallest.
func (n *node) add(p pathPattern, method string, index int32) {
	for rest := p.path; rest != ""; {
		var segment string
		segment, rest = nextSegment(rest)
		child := n.children[segment]
		if child == nil {
			if n.children == nil {
				n.children = map[string]*node{}
			}
			child = &node{}
			n.children[segment] = child
		}
		n = child
	}
	for _, m := range n.routes[p.kind] {
		if m.method == method {
			return
		}
	}
	n.routes[p.kind] = append(n.routes[p.kind], methodRoute{method, index})
}

// covering returns the smallest index of a route below best that matches everything p and method match, or best. The
// route of a request is the one that covers the pattern of its path alone.
func (n *node) covering(p pathPattern, method string, best int32) int32 {
	for path := p.path; n != nil && path != ""; {
		best = n.routes[prefixPath].lowest(method, best)
		best = n.routes[underPath].lowest(method, best)
		var segment string
		segment, path = nextSegment(path)
		n = n.children[segment]
	}
	if n == nil {
		return best
	}
	best = n.routes[prefixPath].lowest(method, best)
	best = n.routes[p.kind].lowest(method, best)
	if p.kind == exactSlash {
		best = n.routes[underPath].lowest(method, best)
	}
	return best
}

// nextSegment cuts the first segment off a path that begins with a slash; rest is "" or begins with one.
func nextSegment(path string) (segment, rest string) {
	end := strings.IndexByte(path[1:], '/') + 1
	if end == 0 {
		return path[1:], ""
	}
	return path[1:end], path[end:]
}

// shadow returns the routes already in the table that together match everything c matches, nil when something is
// left to c.
func (t *Table) shadow(c *compiledRoute) []int32 {
	var by []int32
	for _, h := range c.hosts {
		for _, p := range c.paths {
			for _, m := range c.methods {
				index := t.covering(h, p, m)
				if index == noRoute {
					return nil
				}
				if !slices.Contains(by, index) {
					by = append(by, index)
				}
			}
		}
	}
	return by
}

// covering returns the smallest index of a route that matches everything the three match, or noRoute.
func (t *Table) covering(h hostPattern, p pathPattern, method string) int32 {
	best := t.any.covering(p, method, noRoute)
	if h.wildcard {
		best = t.wild[h.name].covering(p, method, best)
	} else {
		best = t.exact[h.name].covering(p, method, best)
	}
	if len(t.wild) == 0 {
		return best
	}
	for _, rest, ok := strings.Cut(h.name, "."); ok; _, rest, ok = strings.Cut(rest, ".") {
		best = t.wild[rest].covering(p, method, best)
	}
	return best
}
