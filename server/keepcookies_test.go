package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/whoami"
)

// TestKeepCookies: the application that makes the sessions may set its cookie and is shown it, where its route says so;
// every other application is neither, and nobody touches the gateway's own.
func TestKeepCookies(t *testing.T) {
	l := newLegacyApp(t, whoami.Options{})
	var shown string
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = r.Header.Get("Cookie")
		for _, name := range []string{"app_session", "sessionward", "theme"} {
			http.SetCookie(w, &http.Cookie{Name: name, Value: "app_forged"})
		}
	}))
	t.Cleanup(app.Close)
	w := newWorld(t, worldOptions{sources: l.source(""), routes: fmt.Sprintf(`
  - {name: login, paths: [/login], access: public, upstream: {url: %[1]q, keep_cookies: [app_session]}}
  - {name: app, access: public, upstream: {url: %[1]q}}
`, app.URL)})
	set := func(path string) (names []string) {
		res := w.do(w.browser(), http.MethodGet, path, nil, "Cookie", "app_session=app_x; sessionward=own; theme=dark")
		for _, c := range res.Cookies() {
			names = append(names, c.Name)
		}
		return names
	}
	require.ElementsMatch(t, []string{"app_session", "theme"}, set("/login"))
	require.Equal(t, []string{"app_session=app_x", "theme=dark"}, strings.Split(shown, "; "))
	require.Equal(t, []string{"theme"}, set("/other"))
	require.Equal(t, "theme=dark", shown)
}
