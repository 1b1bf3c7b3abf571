package provider_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"golang.org/x/oauth2"

	"github.com/sessionward/sessionward/cmd/demo/provider"
)

// A test starts a provider on a port of its own, lets a user sign in at an application, and looks on.
func Example() {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "welcome") }))
	defer app.Close()
	server := httptest.NewUnstartedServer(nil)
	issuer := "http://" + server.Listener.Addr().String()
	p, err := provider.New(provider.Options{
		Issuer:  issuer,
		Clients: []provider.Client{{ID: "app", Secret: "app-secret", RedirectURIs: []string{app.URL + "/callback"}}},
		Users:   []provider.User{{Username: "alice", Password: "wonderland", Subject: "u-1", Groups: []string{"staff"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server.Config.Handler = p
	server.Start()
	defer server.Close()

	conf := oauth2.Config{
		ClientID: "app", RedirectURL: app.URL + "/callback", Scopes: []string{"openid", "groups", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: issuer + provider.AuthorizePath, TokenURL: issuer + provider.TokenPath},
	}
	jar, _ := cookiejar.New(nil)
	res, err := provider.Login(context.Background(), &http.Client{Jar: jar},
		conf.AuthCodeURL("state", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())), "alice", "wonderland")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.Request.URL.Path, res.Request.URL.Query().Get("code") != "")
	fmt.Println(p.Sessions("u-1"), p.Calls(provider.LoginPath), p.TokenCalls("refresh_token"))
	// Output:
	// /callback true
	// 1 2 0
}
