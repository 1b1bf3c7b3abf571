package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sessionward/sessionward/session"
)

// badges is the smallest source there is: the bearer token of user ann is "badge-ann".
type badges struct{}

func (badges) Name() string            { return "badges" }
func (badges) Kind() string            { return "example" }
func (badges) Places() []session.Place { return []session.Place{{Kind: session.KindBearer}} }

func (badges) Resolve(_ context.Context, c session.Credential) (*session.Session, error) {
	user, mine := strings.CutPrefix(c.Value.Reveal(), "badge-")
	if !mine {
		return nil, session.ErrNotMine
	}
	if user == "mallory" {
		return nil, fmt.Errorf("badge withdrawn: %w", session.ErrRejected)
	}
	return &session.Session{
		ID: "badge of " + user, Handle: user, Source: "badges", Active: true,
		Identity: session.Identity{Subject: user},
	}, nil
}

func bearer(token string) session.Credential {
	return session.Credential{Place: session.Place{Kind: session.KindBearer}, Value: session.NewSecret(token)}
}

// The validator asks a source once and remembers the answer.
func ExampleValidator() {
	v, err := session.NewValidator(session.ValidatorOptions{Resolvers: []session.Resolver{badges{}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	ctx := context.Background()
	for _, token := range []string{"badge-ann", "badge-ann", "badge-mallory"} {
		a, err := v.Validate(ctx, bearer(token))
		switch {
		case errors.Is(err, session.ErrRejected):
			fmt.Println("denied")
		case errors.Is(err, session.ErrUnavailable):
			fmt.Println("try again in", session.RetryAfter(err))
		default:
			fmt.Println(a.Session.Identity.Subject, a.Freshness)
		}
	}
	// Output:
	// ann miss
	// ann hit
	// denied
}

// A hook that puts the office of a user into the session, and lets nobody in who has none.
func ExampleHooks() {
	offices := map[string]string{"ann": "Lisbon"}
	hooks := session.Hooks{OnRequest: []func(context.Context, *session.Session) (*session.Session, error){
		func(_ context.Context, s *session.Session) (*session.Session, error) {
			office, ok := offices[s.Identity.Subject]
			if !ok {
				return nil, fmt.Errorf("no office: %w", session.ErrRejected)
			}
			changed := s.Clone() // never the session that was handed in
			changed.Properties = map[string]string{"office": office}
			return changed, nil
		},
	}}
	v, err := session.NewValidator(session.ValidatorOptions{Resolvers: []session.Resolver{badges{}}, Hooks: hooks})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	for _, token := range []string{"badge-ann", "badge-bob"} {
		a, err := v.Validate(context.Background(), bearer(token))
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(a.Session.Properties["office"])
	}
	// Output:
	// Lisbon
	// no office: rejected
}
