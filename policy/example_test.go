package policy_test

import (
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

func ExampleTable() {
	table, err := policy.NewTable([]policy.RouteOptions{
		{Name: "health", Paths: []string{"=/healthz"}, Methods: []string{"GET"}, Access: policy.Public},
		{Name: "admin", Hosts: []string{"*.corp.example"}, Paths: []string{"/admin"}},
		{Name: "app", Hosts: []string{"app.corp.example"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	canonicalizer := &policy.Canonicalizer{}
	for _, url := range []string{
		"http://app.corp.example/healthz",
		"http://APP.corp.example:80/%61dmin/users",
		"http://app.corp.example/administration",
		"http://other.example/admin",
		"http://app.corp.example/public/%2e%2e/admin",
	} {
		q, err := canonicalizer.Request(httptest.NewRequest("GET", url, nil))
		if err != nil {
			fmt.Println(err)
			continue
		}
		if route, ok := table.Match(q); ok {
			fmt.Println(route.Name, route.Access, q.Host, q.RawPath)
		} else {
			fmt.Println("denied")
		}
	}
	// Output:
	// health public app.corp.example /healthz
	// admin required app.corp.example /admin/users
	// app required app.corp.example /administration
	// denied
	// request dot_segment: the path has a dot segment
}

func ExampleRule() {
	rule, err := policy.NewRule(policy.RuleOptions{
		AnyGroup:   []string{"operators", "admins"},
		MaxAge:     15 * time.Minute,
		Expression: `request.method == "GET" || session.identity.claims.region == "eu"`,
	}, policy.Required)
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := &session.Session{AuthenticatedAt: now.Add(-time.Hour), Identity: session.Identity{Groups: []string{"admins"}}}
	for _, q := range []policy.Request{{Method: "GET"}, {Method: "POST"}} {
		d := rule.Check(q, s, now)
		fmt.Println(d.Code, d.Status)
	}
	s.AuthenticatedAt = now
	fmt.Println(rule.Check(policy.Request{Method: "GET"}, s, now) == nil)
	// Output:
	// max_age_exceeded step_up
	// expression_error forbidden
	// true
}
