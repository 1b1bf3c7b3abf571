package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/proxy"
	"github.com/sessionward/sessionward/session"
)

func Example() {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "hello %s, your cookies: %q", r.Header.Get("X-Forwarded-User"), r.Header.Get("Cookie"))
	}))
	defer app.Close()

	headers, err := identity.New(identity.Options{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := proxy.New(proxy.Options{URL: app.URL}, proxy.Deps{
		Headers: headers,
		Strip:   identity.NewStripper(append(headers.Names(), identity.ForwardingNames()...)...),
		Cookies: []string{"__Host-session"},
		Passage: func(ctx context.Context) (proxy.Passage, bool) {
			passage, ok := ctx.Value(passageKey{}).(proxy.Passage)
			return passage, ok
		},
		OnError: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()

	// In earnest the gate puts the passage there.
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		passage := proxy.Passage{
			Session: &session.Session{Active: true, Identity: session.Identity{Subject: "alice"}},
			Status:  identity.StatusValid, Route: "app",
			RawPath: "/", Scheme: "http", Host: r.Host, ClientIP: netip.MustParseAddr("192.0.2.1"),
		}
		p.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passageKey{}, passage)))
	}))
	defer front.Close()

	req, _ := http.NewRequest(http.MethodGet, front.URL, nil)
	req.Header.Set("X-Forwarded-User", "root")
	req.Header.Set("Cookie", "__Host-session=secret; theme=dark")
	res, err := front.Client().Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	fmt.Println(string(body))
	// Output: hello alice, your cookies: "theme=dark"
}

type passageKey struct{}
