package policy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func BenchmarkCanonicalRequest(b *testing.B) {
	for name, target := range map[string]string{
		"plain":   "/team7/app/assets/main.js?v=1234567890",
		"escaped": "/team7/app/caf%C3%A9/a%20b?v=1",
		"dots":    "/" + strings.Repeat("a/..", 2000),
	} {
		b.Run(name, func(b *testing.B) {
			c, r := new(Canonicalizer), get(b, target)
			r.Header = http.Header{"Accept": {"*/*"}, "User-Agent": {"x"}}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Request(r)
			}
		})
	}
	b.Run("forwarded", func(b *testing.B) {
		c, r := behind(b, "10.0.0.0/8", "192.0.2.0/24"), get(b, "/team7/app")
		r.Header = http.Header{"X-Forwarded-For": {"203.0.113.9, 10.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"app.example"}}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Request(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tab := table(b, manyRoutes(n)...)
			q := Request{Method: "GET", Host: "a.b.host7.example", Path: "/team7/app/x/y/z", RawPath: "/team7/app/x/y/z"}
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := tab.Match(q); !ok {
					b.Fatal("no route")
				}
			}
		})
	}
}

func BenchmarkNewTable(b *testing.B) {
	routes := manyRoutes(10_000)
	for b.Loop() {
		_ = table(b, routes...)
	}
}

func BenchmarkRule(b *testing.B) {
	for name, o := range map[string]RuleOptions{
		"conditions": {Sources: []string{"corp"}, AnyGroup: []string{"admins"}, Networks: []string{"10.0.0.0/8"}},
		"expression": {Expression: `request.method == "GET" && "admins" in session.identity.groups`},
		"loop":       {Expression: `session.identity.groups.exists(g, g == "admins")`},
		"headers":    {Expression: `request.headers["x-one"] == "1"`},
	} {
		b.Run(name, func(b *testing.B) {
			r, q, s, now := rule(b, o, Required), question(), alice(), clock()
			b.ReportAllocs()
			for b.Loop() {
				if d := r.Check(q, s, now); d != nil {
					b.Fatal(d.Code)
				}
			}
		})
	}
}
