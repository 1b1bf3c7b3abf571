package source_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source"
)

// A source of API keys: it recognises its own keys and leaves every other credential to the next source.
func ExampleOpen() {
	key, hash := source.NewAPIKey("backup")
	s, err := source.Open(source.Options{Name: "house", Local: &source.LocalOptions{
		APIKeys: []source.APIKey{{ID: "backup", Hash: hash, Username: "backup-job", Groups: []string{"services"}}},
	}}, source.Deps{})
	if err != nil {
		fmt.Println(err)
		return
	}
	house := s.(session.Resolver)
	show := func(token session.Secret) {
		got, err := house.Resolve(context.Background(), session.Credential{Place: session.Place{Kind: session.KindBearer}, Value: token})
		switch {
		case errors.Is(err, session.ErrNotMine):
			fmt.Println("not mine")
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(got.Identity.Subject, got.Identity.Groups)
		}
	}
	show(key)
	show(session.NewSecret("eyJhbGciOiJFUzI1NiJ9.e30.AA"))
	show(session.NewSecret(key.Reveal() + "x"))
	// Output:
	// backup-job [services]
	// not mine
	// local house: API key: rejected: not a key of ours
}

// Everything that is wrong is told at once, with its place and the way to put it right.
func ExampleOptions_Validate() {
	fmt.Println(source.Options{Name: "api", JWT: &source.JWTOptions{
		Issuers: []source.JWTIssuer{{Issuer: "http://id.example.com"}},
	}}.Validate())
	// Output:
	// source "api": jwt.issuers[0].audiences: must name at least one audience; write the aud of tokens that are made for this gateway: malformed
	// source "api": jwt.issuers[0].issuer: plain http is refused: use https, or set insecure_http for a network you trust; or set jwks_url, so that discovery is not needed: malformed
}
