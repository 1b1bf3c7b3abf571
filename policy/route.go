package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Access says what a route asks of a request before its rule is looked at.
type Access string

// The kinds of access.
const (
	// Required needs a session. It is what "" means.
	Required Access = "required"
	// Optional serves with a session or without; a credential that is refused is still refused.
	Optional Access = "optional"
	// Public serves everybody and looks at no session.
	Public Access = "public"
)

// Unauthenticated says how a route asks for a login.
type Unauthenticated string

// The ways to ask for a login.
const (
	// Auto redirects browser navigation and answers 401 to everything else. It is what "" means.
	Auto Unauthenticated = "auto"
	// Redirect always redirects to the login.
	Redirect Unauthenticated = "redirect"
	// Unauthorized always answers 401.
	Unauthorized Unauthenticated = "unauthorized"
)

// RouteOptions describe a route. A request matches when one of the hosts, one of the paths and one of the methods
// does. Nothing of a query is ever matched.
type RouteOptions struct {
	// Name is unique in its table and appears in logs and metrics: up to 128 letters, digits, '.', '_' and '-'.
	Name string `yaml:"name"`
	// Hosts lists host names without port. "*.example.com" matches every name below example.com at any depth,
	// never example.com. None, or "", matches any host.
	Hosts []string `yaml:"hosts"`
	// Paths lists prefixes, compared exactly and on segment boundaries: "/app" matches /app and everything below
	// /app/, never /apple; "/app/" leaves /app itself out. "=/login" matches that path alone. None means "/".
	// Escapes are written as in a URL. Danger: "=/x" does not match /x/, which some upstreams serve all the same.
	Paths []string `yaml:"paths"`
	// Methods lists methods, compared exactly: HEAD is not GET. None matches any method.
	Methods []string `yaml:"methods"`
	// Access is "required" (also ""), "optional" or "public".
	Access Access `yaml:"access"`
	// Require is what the session and request must satisfy.
	Require RuleOptions `yaml:"require"`
	// Unauthenticated is "auto" (also ""), "redirect" or "unauthorized". Public routes never ask.
	Unauthenticated Unauthenticated `yaml:"unauthenticated"`
}

// Route is one compiled route. Nobody may change it once its table is made.
type Route struct {
	// Index is the route's place in the list its table was made of, for data kept beside it.
	Index           int
	Name            string
	Access          Access
	Unauthenticated Unauthenticated
	// Rule is never nil.
	Rule *Rule
}

const maxName = 128 // bytes of a route's name

// compiledRoute is a route and what it matches.
type compiledRoute struct {
	route   Route
	hosts   []hostPattern
	paths   []pathPattern
	methods []string // "" stands for any
}

// compileRoute checks o. The errors name the field and its fix; the caller adds which route.
func compileRoute(o RouteOptions, index int, x *expressions) (*compiledRoute, error) {
	c := &compiledRoute{route: Route{Index: index, Name: o.Name, Access: o.Access, Unauthenticated: o.Unauthenticated}}
	return c, errors.Join(
		checkName(o.Name),
		c.setAccess(),
		compileList(&c.hosts, "hosts", or(o.Hosts, ""), parseHost),
		compileList(&c.paths, "paths", or(o.Paths, "/"), parsePath),
		compileList(&c.methods, "methods", or(o.Methods, ""), parseMethod),
		c.setRule(o.Require, x),
	)
}

func (c *compiledRoute) setRule(o RuleOptions, x *expressions) (err error) {
	if c.route.Rule, err = newRule(o, c.route.Access, x); err != nil {
		return fmt.Errorf("require: %w", err)
	}
	return nil
}

func checkName(s string) error {
	for i := range len(s) {
		if b := s[i]; !isAlphanumeric(b) && b != '.' && b != '_' && b != '-' {
			return fmt.Errorf("name: %q is not made of letters, digits, '.', '_' and '-'", s)
		}
	}
	if s == "" || len(s) > maxName {
		return fmt.Errorf("name: must have 1 to %d characters", maxName)
	}
	return nil
}

// setAccess fills in the defaults of access and unauthenticated and checks both.
func (c *compiledRoute) setAccess() error {
	r := &c.route
	r.Access = cmp.Or(r.Access, Required)
	if !slices.Contains([]Access{Required, Optional, Public}, r.Access) {
		return fmt.Errorf("access: %q is not one of required, optional, public", r.Access)
	}
	if r.Access == Public && r.Unauthenticated != "" {
		return errors.New("unauthenticated: a public route never asks for a login; remove it")
	}
	r.Unauthenticated = cmp.Or(r.Unauthenticated, Auto)
	if !slices.Contains([]Unauthenticated{Auto, Redirect, Unauthorized}, r.Unauthenticated) {
		return fmt.Errorf("unauthenticated: %q is not one of auto, redirect, unauthorized", r.Unauthenticated)
	}
	return nil
}

// or returns items, or the fallback alone when there are none.
func or(items []string, fallback string) []string {
	if len(items) == 0 {
		return []string{fallback}
	}
	return items
}

// compileList parses every item into dst.
func compileList[T any](dst *[]T, field string, items []string, parse func(string) (T, error)) error {
	var errs []error
	for i, s := range items {
		v, err := parse(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s[%d] %q: %w", field, i, s, err))
			continue
		}
		*dst = append(*dst, v)
	}
	return errors.Join(errs...)
}

// hostPattern is an exact name, a wildcard (name holds what follows "*."), or any host (name is "").
type hostPattern struct {
	name     string
	wildcard bool
}

func parseHost(s string) (hostPattern, error) {
	if s == "" {
		return hostPattern{}, nil
	}
	if s == "*" {
		return hostPattern{}, errors.New("leave hosts out to match any host")
	}
	name, wildcard := strings.CutPrefix(s, "*.")
	host, err := canonicalName(name)
	if err != nil || wildcard && host[0] == '[' {
		return hostPattern{}, errors.New("not a host name; write app.example.com, *.example.com or [2001:db8::1], without port, other alphabets in their xn-- form")
	}
	return hostPattern{name: host, wildcard: wildcard}, nil
}

// pathKind says which paths a pattern matches.
type pathKind uint8

const (
	prefixPath pathKind = iota // "/a": /a and all below it
	underPath                  // "/a/": /a/ and all below it
	exactPath                  // "=/a"
	exactSlash                 // "=/a/"
)

// pathPattern is what follows the kind: the path without a final slash, "" for the root.
type pathPattern struct {
	kind pathKind
	path string
}

func parsePath(s string) (pathPattern, error) {
	text, exact := strings.CutPrefix(s, "=")
	switch {
	case !strings.HasPrefix(text, "/"):
		return pathPattern{}, errors.New(`must begin with "/" or "=/"`)
	case strings.Contains(text, "*"):
		return pathPattern{}, errors.New(`a path is a prefix already: write "/api/" for all below it, %2A for a star`)
	case strings.ContainsAny(text, "?#"):
		return pathPattern{}, errors.New("a path has neither query nor fragment; write %3F or %23 for the characters")
	}
	c := Canonicalizer{o: RequestOptions{AllowSemicolon: true, AllowDoubleEncoding: true}}
	path, _, err := c.path(escapeLiterals(text))
	if err != nil {
		return pathPattern{}, fmt.Errorf("no request has such a path: %w", err)
	}
	pattern := exactly(path)
	switch {
	case exact:
	case pattern.kind == exactSlash:
		pattern.kind = underPath
	default:
		pattern.kind = prefixPath
	}
	return pattern, nil
}

// exactly returns the pattern of one path alone.
func exactly(path string) pathPattern {
	if path, slash := strings.CutSuffix(path, "/"); slash {
		return pathPattern{kind: exactSlash, path: path}
	}
	return pathPattern{kind: exactPath, path: path}
}

// escapeLiterals escapes spaces and bytes that are not ASCII, so that a path may be written as people read it.
func escapeLiterals(s string) string {
	var out []byte
	for i := range len(s) {
		out = appendEscaped(out, s[i], s[i] != ' ' && s[i] < 0x80)
	}
	return string(out)
}

func parseMethod(s string) (string, error) {
	switch {
	case s == "":
		return "", nil
	case !isToken(s):
		return "", errors.New("not a method")
	case knownMethod(s) == http.MethodConnect:
		return "", errors.New("CONNECT is never served")
	case knownMethod(s) != "" && knownMethod(s) != s:
		return "", fmt.Errorf("methods are case-sensitive; write %s", knownMethod(s))
	default:
		return s, nil
	}
}
