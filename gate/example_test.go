package gate_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// badges knows one bearer token.
type badges struct{}

func (badges) Name() string            { return "badges" }
func (badges) Kind() string            { return "example" }
func (badges) Places() []session.Place { return []session.Place{{Kind: session.KindBearer}} }

func (badges) Resolve(_ context.Context, c session.Credential) (*session.Session, error) {
	if !c.Value.Equal(session.NewSecret("alices-badge")) {
		return nil, session.ErrRejected
	}
	return &session.Session{
		ID: "1", Source: "badges", Active: true, Identity: session.Identity{Subject: "alice", Groups: []string{"staff"}},
	}, nil
}

func ExampleGate() {
	table, err := policy.NewTable([]policy.RouteOptions{
		{Name: "health", Paths: []string{"=/health"}, Access: policy.Public},
		{Name: "admin", Paths: []string{"/admin"}, Require: policy.RuleOptions{AnyGroup: []string{"admins"}}},
		{Name: "app", Paths: []string{"/app"}},
	})
	if err != nil {
		panic(err)
	}
	validator, err := session.NewValidator(session.ValidatorOptions{Resolvers: []session.Resolver{badges{}}})
	if err != nil {
		panic(err)
	}
	defer validator.Close()
	g, err := gate.New(gate.Options{Table: table, Validator: validator})
	if err != nil {
		panic(err)
	}
	for _, path := range []string{"/health", "/app", "/admin", "/elsewhere"} {
		for _, token := range []string{"", "alices-badge", "stolen"} {
			q := policy.Request{Method: "GET", Scheme: "https", Host: "gw.example", Path: path, RawPath: path, Header: http.Header{}}
			if token != "" {
				q.Header.Set("Authorization", "Bearer "+token)
			}
			d := g.Decide(context.Background(), q)
			fmt.Printf("%-10s %-12q %-5t %s\n", path, token, d.Verdict == gate.Pass, d.Code)
		}
	}
	// Output:
	// /health    ""           true  ok
	// /health    "alices-badge" true  ok
	// /health    "stolen"     true  ok
	// /app       ""           false no_session
	// /app       "alices-badge" true  ok
	// /app       "stolen"     false invalid_token
	// /admin     ""           false no_session
	// /admin     "alices-badge" false group_required
	// /admin     "stolen"     false invalid_token
	// /elsewhere ""           false no_route
	// /elsewhere "alices-badge" false no_route
	// /elsewhere "stolen"     false no_route
}
