package middleware_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/middleware"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source"
	"github.com/sessionward/sessionward/store"
)

// A server of net/http with a public page and one for its staff. Sessions are kept in memory; the one source knows a
// service by its key. An OpenID provider or a password file is one more source in the list.
func ExampleSite_Session() {
	key, hash := source.NewAPIKey("billing")
	site, err := newSite(hash)
	if err != nil {
		panic(err)
	}
	hello := func(w http.ResponseWriter, r *http.Request) {
		if s, ok := middleware.SessionFrom(r.Context()); ok {
			_, _ = fmt.Fprintf(w, "hello %s of %v", s.Identity.Username, s.Identity.Groups)
			return
		}
		_, _ = fmt.Fprint(w, "hello stranger")
	}
	server := httptest.NewServer(site.Session(http.HandlerFunc(hello)))
	defer server.Close()

	for _, path := range []string{"/about", "/staff", "/elsewhere"} {
		fmt.Println(ask(server, path, ""), "|", ask(server, path, key.Reveal()))
	}
	// Output:
	// 200 hello stranger | 200 hello stranger
	// 401 Unauthorized | 200 hello billing of [staff]
	// 404 Not Found | 404 Not Found
}

func newSite(keyHash string) (*middleware.Site, error) {
	keys, err := session.NewKeyRing(session.Key{ID: "k1", Secret: session.NewSecret(rand.Text() + rand.Text())}) // keep it: with it go all sessions
	if err != nil {
		return nil, err
	}
	services, err := source.Open(source.Options{Name: "services", Local: &source.LocalOptions{
		APIKeys: []source.APIKey{{ID: "billing", Hash: keyHash, Username: "billing", Groups: []string{"staff"}}},
	}}, source.Deps{})
	if err != nil {
		return nil, err
	}
	sources := []session.Source{services}

	kept, err := store.OpenMemory(store.MemoryOptions{}, store.Deps{})
	if err != nil {
		return nil, err
	}
	public := &url.URL{Scheme: "http", Host: "localhost:8080"}
	cookies, err := middleware.NewCookies(middleware.CookieOptions{}, public)
	if err != nil {
		return nil, err
	}
	manager, err := session.NewManager(session.ManagerOptions{Store: kept, Keys: keys, CookieName: cookies.SessionName(), Sources: sources})
	if err != nil {
		return nil, err
	}
	validator, err := session.NewValidator(session.ValidatorOptions{Resolvers: []session.Resolver{manager, services.(session.Resolver)}, Ledger: manager})
	if err != nil {
		return nil, err
	}
	operations, err := session.NewOperations(session.OperationsOptions{Manager: manager, Validator: validator, Sources: sources})
	if err != nil {
		return nil, err
	}

	table, err := policy.NewTable([]policy.RouteOptions{
		{Name: "about", Paths: []string{"/about"}, Access: policy.Public},
		{Name: "staff", Paths: []string{"/staff"}, Require: policy.RuleOptions{AnyGroup: []string{"staff"}}},
	})
	if err != nil {
		return nil, err
	}
	g, err := gate.New(gate.Options{Table: table, Validator: validator})
	if err != nil {
		return nil, err
	}
	return middleware.New(middleware.Options{
		Gate: g, Canonicalizer: &policy.Canonicalizer{}, Manager: manager, Operations: operations, Keys: keys, Sources: sources, PublicURL: public,
	})
}

// ask asks for path with a key, and returns the status with what was said.
func ask(server *httptest.Server, path, key string) string {
	r, err := http.NewRequest(http.MethodGet, server.URL+path, nil)
	if err != nil {
		return err.Error()
	}
	if key != "" {
		r.Header.Set("X-Api-Key", key)
	}
	res, err := server.Client().Do(r)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return res.Status
	}
	body := make([]byte, 64)
	n, _ := res.Body.Read(body)
	return "200 " + string(body[:n])
}
