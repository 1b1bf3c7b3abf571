package identity_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/session"
)

// An application that nobody can reach except through the gateway reads the headers.
func ExampleFromRequest() {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Forwarded-User", "248289761001")
	r.Header.Set("X-Forwarded-Groups", "staff,users%2Cadmins")

	id, ok := identity.FromRequest(r, identity.FamilyXForwarded)
	fmt.Println(ok, id.Subject)
	fmt.Printf("%q\n", id.Groups)
	// Output:
	// true 248289761001
	// ["staff" "users,admins"]
}

// The gateway's side: strip whatever the client sent, in whatever spelling, then write.
func ExampleHeaders_Write() {
	headers, err := identity.New(identity.Options{
		Headers: []identity.HeaderOptions{{Name: "X-Tenant", Value: "identity.claims.tenant"}},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	strip := identity.NewStripper(append(headers.Names(), identity.ForwardingNames()...)...)

	out := http.Header{"X.Forwarded.User": {"root"}, "X_tenant": {"red"}}
	strip.Strip(out)
	alice := &session.Session{Active: true, Identity: session.Identity{
		Subject: "alice", Claims: map[string]any{"tenant": "blue"},
	}}
	if err := headers.Write(out, alice, identity.StatusValid, "app"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out)
	// Output: map[X-Forwarded-User:[alice] X-Tenant:[blue]]
}

// An application that wants proof verifies the signed assertion, whatever way the request came.
func ExampleVerifier() {
	signer, err := newSigner()
	if err != nil {
		fmt.Println(err)
		return
	}
	gateway := httptest.NewServer(signer.Handler())
	defer gateway.Close()

	verifier := &identity.Verifier{
		JWKSURL:    gateway.URL,
		Issuer:     "https://gate.example",
		Audience:   "app", // the name of this application's route
		HTTPClient: gateway.Client(),
	}
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := verifier.Verify(r)
		switch {
		case errors.Is(err, session.ErrUnavailable):
			http.Error(w, "try again", http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, "who are you?", http.StatusUnauthorized)
		default:
			fmt.Fprintf(w, "hello %s", a.Identity.Subject)
		}
	})

	alice := &session.Session{Active: true, Identity: session.Identity{Subject: "alice"}}
	token, err := signer.Sign(alice, "app", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, assertion := range []string{token, "forged", ""} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if assertion != "" {
			r.Header.Set(identity.DefaultAssertionHeader, assertion)
		}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 hello alice
	// 401 who are you?
	// 401 who are you?
}

func newSigner() (*identity.Signer, error) {
	ring, err := session.NewKeyRing(session.Key{ID: "2026-11", Secret: session.NewSecret(strings.Repeat("example!", 4))})
	if err != nil {
		return nil, err
	}
	return identity.NewSigner(ring, "https://gate.example", nil)
}
