package powership_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
	"github.com/sessionward/sessionward/source/powership"
)

// A hook that adds a group to everybody, after the token was looked at.
func ExampleSource_Hooks() {
	dir, err := os.MkdirTemp("", "powership-example-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	accounts := filepath.Join(dir, "accounts.yaml")
	if err := os.WriteFile(accounts, []byte("accounts: []"), 0o600); err != nil {
		panic(err)
	}
	src, err := powership.Open("accounts", powership.Options{Native: &powership.NativeOptions{
		Secret: session.NewSecret("a secret of at least thirty-two bytes"), AccountsFile: accounts,
	}}, authority.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	addGroup := func(_ context.Context, r *powership.Request, _ struct{}) (powership.Outcome[*powership.Request], error) {
		if r.User == nil {
			return powership.Outcome[*powership.Request]{}, nil // keep it as it is
		}
		user := *r.User
		user.Groups = append([]string{"everybody"}, user.Groups...)
		changed := *r
		changed.User = &user
		return powership.Replace(&changed), nil
	}
	fmt.Println(src.Hooks().OnRequest.Push(addGroup))
	r, err := src.HandleRequest(context.Background(), &powership.Request{UserAgent: "curl/8.5.0"})
	fmt.Println(r.User == nil, err)
	fmt.Println(src.Hooks().OnRequest.Push(addGroup))
	// Output:
	// <nil>
	// true <nil>
	// the hooks are in use already: register before the first request
}
