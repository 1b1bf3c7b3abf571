package policy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

func TestNewTableRefuses(t *testing.T) {
	for want, o := range map[string]RouteOptions{
		`routes[0] "": name: must have 1 to 128`:                                                         {},
		`name: "a b" is not made of`:                                                                     {Name: "a b"},
		`access: "private" is not one of required, optional, public`:                                     {Access: "private"},
		`unauthenticated: "302" is not one of auto, redirect, unauthorized`:                              {Unauthenticated: "302"},
		`unauthenticated: a public route never asks`:                                                     {Access: Public, Unauthenticated: Redirect},
		`hosts[1] "app.example:80": not a host name`:                                                     {Hosts: []string{"ok", "app.example:80"}},
		`hosts[0] "*": leave hosts out`:                                                                  {Hosts: []string{"*"}},
		`hosts[0] "*.": not a host name`:                                                                 {Hosts: []string{"*."}},
		`hosts[0] "a.*.example": not a host name`:                                                        {Hosts: []string{"a.*.example"}},
		`hosts[0] "*.[::1]": not a host name`:                                                            {Hosts: []string{"*.[::1]"}},
		`hosts[0] "café.example": not a host name`:                                                       {Hosts: []string{"café.example"}},
		`hosts[0] "xn--example-.com": not a host name`:                                                   {Hosts: []string{"xn--example-.com"}},
		`hosts[0] "https://a.example": not a host name`:                                                  {Hosts: []string{"https://a.example"}},
		`paths[0] "app": must begin with "/" or "=/"`:                                                    {Paths: []string{"app"}},
		`paths[0] "": must begin`:                                                                        {Paths: []string{""}},
		`paths[0] "/app/*": a path is a prefix already`:                                                  {Paths: []string{"/app/*"}},
		`paths[0] "/app?x": a path has neither query nor fragment`:                                       {Paths: []string{"/app?x"}},
		`paths[0] "/a/../b": no request has such a path: request dot_segment`:                            {Paths: []string{"/a/../b"}},
		`paths[0] "/a//b": no request has such a path: request empty_segment`:                            {Paths: []string{"/a//b"}},
		`paths[0] "/a%2Fb": no request has such a path: request encoded_slash`:                           {Paths: []string{"/a%2Fb"}},
		`paths[0] "/a%zz": no request has such a path: request bad_escape`:                               {Paths: []string{"/a%zz"}},
		`methods[0] "get": methods are case-sensitive; write GET`:                                        {Methods: []string{"get"}},
		`methods[1] "A B": not a method`:                                                                 {Methods: []string{"GET", "A B"}},
		`methods[0] "CONNECT": CONNECT is never served`:                                                  {Methods: []string{"CONNECT"}},
		`require: sources[0] "": must not be empty`:                                                      {Require: RuleOptions{Sources: []string{""}}},
		`require: all_groups[0] " a": must not be empty nor begin or end`:                                {Require: RuleOptions{AllGroups: []string{" a"}}},
		`require: aal: "2" is not one of aal1, aal2, aal3`:                                               {Require: RuleOptions{AAL: "2"}},
		`require: max_age: -1s is negative`:                                                              {Require: RuleOptions{MaxAge: -time.Second}},
		`require: networks[0] "x": not an IP address`:                                                    {Require: RuleOptions{Networks: []string{"x"}}},
		`require: email_domains[0] ".corp.example": not a domain; write corp`:                            {Require: RuleOptions{EmailDomains: []string{".corp.example"}}},
		`require: email_domains[0] "@corp.example": not a domain`:                                        {Require: RuleOptions{EmailDomains: []string{"@corp.example"}}},
		`require: email_domains[0] "*": not a domain`:                                                    {Require: RuleOptions{EmailDomains: []string{"*"}}},
		`require: email_domains[0] "": not a domain`:                                                     {Require: RuleOptions{EmailDomains: []string{""}}},
		`require: expression: 1:8: undeclared reference to 'request.pth' (did you mean 'request.path'?)`: {Require: RuleOptions{Expression: `request.pth == "/"`}},
		`require: a public route looks at no session`:                                                    {Access: Public, Require: RuleOptions{AnyGroup: []string{"g"}}},
		`set access to optional to ask for the session`:                                                  {Access: Public, Require: RuleOptions{Expression: `session.aal == "aal2"`}},
	} {
		if o.Name == "" && want[:6] != "routes" {
			o.Name = "r"
		}
		_, err := NewTable([]RouteOptions{o})
		require.ErrorContains(t, err, want)
	}
}

func TestNewTableReportsEveryMistake(t *testing.T) {
	_, err := NewTable([]RouteOptions{
		{Name: "a", Hosts: []string{"*"}, Paths: []string{"x"}, Require: RuleOptions{AAL: "x", Networks: []string{"y"}}},
		{Name: "a", Paths: []string{"/ok"}},
	})
	for _, want := range []string{"hosts[0]", "paths[0]", "aal:", "networks[0]", `routes[1] "a": name: already used by routes[0]`} {
		require.ErrorContains(t, err, want)
	}
}

func TestNewTableRefusesUnreachableRoutes(t *testing.T) {
	for name, routes := range map[string][]RouteOptions{
		"same":             {{Paths: []string{"/a"}}, {Paths: []string{"/a"}}},
		"spelled anew":     {{Hosts: []string{"a.test"}, Paths: []string{"/ab"}}, {Hosts: []string{"A.Test."}, Paths: []string{"/%61b"}}},
		"longer path":      {{Paths: []string{"/a"}}, {Paths: []string{"/a/b"}}},
		"everything":       {{}, {Hosts: []string{"*.x.test"}, Paths: []string{"=/a/"}, Methods: []string{"GET"}}},
		"wildcard":         {{Hosts: []string{"*.x.test"}}, {Hosts: []string{"a.b.x.test"}}},
		"narrow wildcard":  {{Hosts: []string{"*.test"}}, {Hosts: []string{"*.x.test"}}},
		"exact":            {{Paths: []string{"/a"}}, {Paths: []string{"=/a"}}},
		"exact twice":      {{Paths: []string{"=/a"}}, {Paths: []string{"=/a"}}},
		"under":            {{Paths: []string{"/a"}}, {Paths: []string{"/a/"}}},
		"exact with slash": {{Paths: []string{"/a/"}}, {Paths: []string{"=/a/"}}},
		"methods":          {{Methods: []string{"GET", "POST"}}, {Methods: []string{"POST"}}},
		"two together":     {{Methods: []string{"GET"}}, {Methods: []string{"POST"}}, {Methods: []string{"GET", "POST"}}},
		"lists":            {{Hosts: []string{"a.test", "b.test"}}, {Hosts: []string{"b.test", "a.test"}, Paths: []string{"/x", "/y"}}},
	} {
		for i := range routes {
			routes[i].Name = string(rune('a' + i))
		}
		last := routes[len(routes)-1].Name
		_, err := NewTable(routes)
		require.ErrorContains(t, err, `"`+last+`": never reached: everything it matches is taken by routes[0] "a"`, name)
		if name == "two together" {
			require.ErrorContains(t, err, `taken by routes[0] "a", routes[1] "b"; put`)
		}
	}
}

func TestNewTableAcceptsOverlap(t *testing.T) {
	for name, routes := range map[string][]RouteOptions{
		"apex":            {{Hosts: []string{"*.x.test"}}, {Hosts: []string{"x.test"}}},
		"wider":           {{Paths: []string{"/a/b"}}, {Paths: []string{"/a"}}},
		"exact first":     {{Paths: []string{"=/a"}}, {Paths: []string{"/a"}}},
		"under first":     {{Paths: []string{"/a/"}}, {Paths: []string{"/a"}}},
		"under and exact": {{Paths: []string{"/a/"}}, {Paths: []string{"=/a"}}},
		"any method":      {{Methods: []string{"GET"}}, {}},
		"sibling":         {{Paths: []string{"/a"}}, {Paths: []string{"/ab"}}},
		"part of a list":  {{Hosts: []string{"a.test"}}, {Hosts: []string{"a.test", "b.test"}}},
		"any host":        {{Hosts: []string{"*.x.test", "x.test"}}, {}},
	} {
		for i := range routes {
			routes[i].Name = string(rune('a' + i))
		}
		_, err := NewTable(routes)
		require.NoError(t, err, name)
	}
}

func TestRouteOptionsFromYAML(t *testing.T) {
	var got []RouteOptions
	require.NoError(t, yaml.Load([]byte(`
- name: admin
  hosts: ["*.corp.example"]
  paths: [/admin]
  methods: [GET]
  access: required
  unauthenticated: unauthorized
  require:
    sources: [corp]
    any_group: [admins]
    all_groups: [staff]
    users: [alice]
    email_domains: [corp.example]
    aal: aal2
    max_age: 15m
    acr: [gold]
    networks: [10.0.0.0/8]
    expression: request.method == "GET"
`), &got, yaml.WithKnownFields()))
	require.Equal(t, []RouteOptions{{Name: "admin", Hosts: []string{"*.corp.example"}, Paths: []string{"/admin"}, Methods: []string{"GET"},
		Access: Required, Unauthenticated: Unauthorized, Require: RuleOptions{Sources: []string{"corp"}, AnyGroup: []string{"admins"},
			AllGroups: []string{"staff"}, Users: []string{"alice"}, EmailDomains: []string{"corp.example"}, AAL: "aal2", MaxAge: 15 * time.Minute,
			ACR: []string{"gold"}, Networks: []string{"10.0.0.0/8"}, Expression: `request.method == "GET"`}}}, got)
	_ = table(t, got...)
}
