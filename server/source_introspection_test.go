package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/demo/provider"
	"github.com/sessionward/sessionward/cmd/peers/panel"
)

// authorizationServer makes opaque tokens and answers questions about them, under a panel.
type authorizationServer struct {
	*provider.Provider
	panel *panel.Panel
	t     *testing.T
	url   string
}

func newAuthorizationServer(t *testing.T) *authorizationServer {
	a := &authorizationServer{t: t, panel: panel.New()}
	srv := httptest.NewUnstartedServer(nil)
	a.url = "http://" + srv.Listener.Addr().String()
	p, err := provider.New(provider.Options{
		Issuer: a.url, AccessTokenTTL: time.Hour, Users: []provider.User{alice},
		Clients: []provider.Client{
			{ID: "app", Secret: "planted-app-secret", RedirectURIs: []string{"http://app.example/cb"}, Audiences: []string{"api"}},
			{ID: "api", Secret: "planted-api-secret", ResourceServer: true},
		},
	})
	require.NoError(t, err)
	a.Provider = p
	srv.Config.Handler = a.panel.Wrap(p)
	srv.Start()
	t.Cleanup(func() {
		a.panel.Set(panel.Up)
		srv.Close()
	})
	return a
}

func (a *authorizationServer) token(scopes ...string) string {
	token, err := a.AccessToken("app", alice.Subject, append([]string{"profile", "email", "groups"}, scopes...)...)
	require.NoError(a.t, err)
	return token
}

// source is the stanza of a gateway that asks a.
func (a *authorizationServer) source() string {
	return fmt.Sprintf("  - name: opaque\n    introspection: {issuer: %q, client_id: api, client_secret: planted-api-secret, audiences: [api], timeout: 1s}\n", a.url)
}

const oneSecondCache = "cache: {fresh_for: 1s, stale_for: -1s, rejected_for: 1s}\n"

// askBearer asks for path as a program does.
func (w *world) askBearer(path, token string) *http.Response {
	return w.do(w.browser(), http.MethodGet, path, nil, "Authorization", "Bearer "+token)
}

// answersAtLast waits until the token is answered with status: what the gateway remembers has to end first.
func (w *world) answersAtLast(status int, ask func() *http.Response) *http.Response {
	w.t.Helper()
	var res *http.Response
	require.Eventually(w.t, func() bool {
		res = ask()
		return res.StatusCode == status
	}, 10*time.Second, 50*time.Millisecond, "never answered %d\n%s", status, w.output)
	return res
}

// TestIntrospectionSource: opaque tokens of a real authorization server, through the built binary.
func TestIntrospectionSource(t *testing.T) {
	a := newAuthorizationServer(t)
	w := newWorld(t, worldOptions{sources: a.source(), extra: oneSecondCache})
	token := a.token()
	ask := func() *http.Response { return w.askBearer("/x", token) }
	s := w.seen(ask())
	require.Equal(t, alice.Subject, s.Header.Get("X-Forwarded-User"))
	require.Equal(t, alice.Username, s.Header.Get("X-Forwarded-Preferred-Username"))
	require.Equal(t, alice.Email, s.Header.Get("X-Forwarded-Email"))
	require.Equal(t, "staff", s.Header.Get("X-Forwarded-Groups"))
	require.Empty(t, s.Header.Get("Authorization"), "the token goes no further")

	questions := a.Calls(provider.IntrospectionPath)
	w.seen(ask())
	require.LessOrEqual(t, a.Calls(provider.IntrospectionPath), questions+1, "what was answered is remembered")

	for name, bad := range map[string]string{"unknown": "planted-unknown-token", "cut short": token[:len(token)-1]} {
		res := w.askBearer("/x", bad)
		require.Equal(t, http.StatusUnauthorized, res.StatusCode, name)
		require.Contains(t, res.Header.Get("WWW-Authenticate"), "invalid_token", name)
	}

	a.RevokeUser(alice.Subject)
	w.answersAtLast(http.StatusUnauthorized, ask)
	for _, planted := range []string{token, "planted-"} {
		require.NotContains(t, w.output.String(), planted)
	}
	for _, shown := range a.panel.Shown() {
		require.NotContains(t, shown, "Cookie:", "the authorization server is shown the token alone")
	}
}

// TestIntrospectionOutageLogsNobodyOut: 503 with Retry-After while it lasts, or the answer there was, and 200 with the
// same token behind it.
func TestIntrospectionOutageLogsNobodyOut(t *testing.T) {
	a := newAuthorizationServer(t)
	strict := newWorld(t, worldOptions{sources: a.source(), extra: oneSecondCache})
	lenient := newWorld(t, worldOptions{sources: a.source(), extra: "cache: {fresh_for: 1s, stale_for: -1s, stale_if_error: 1m, rejected_for: 1s}\n"})
	token := a.token()
	ask := func() *http.Response { return strict.askBearer("/x", token) }
	strict.seen(ask())
	lenient.seen(lenient.askBearer("/x", token))
	for _, mode := range []panel.Mode{panel.Down, panel.Failing, panel.Stall, panel.HTML} {
		a.panel.Set(mode)
		res := strict.answersAtLast(http.StatusServiceUnavailable, ask)
		require.NotEmpty(t, res.Header.Get("Retry-After"), mode)
		require.Equal(t, http.StatusOK, lenient.askBearer("/x", token).StatusCode, mode)
		require.Contains(t, strict.readyState(), `"status":"degraded"`, mode)
		a.panel.Set(panel.Up)
		strict.answersAtLast(http.StatusOK, ask)
	}
	require.NotContains(t, strict.output.String(), token)
}

// readyState returns how the gateway says it is.
func (w *world) readyState() string {
	w.t.Helper()
	res, err := http.Get(w.admin + "/readyz")
	require.NoError(w.t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	return string(body)
}

// TestIntrospectionClientSecretIsTheOperators: the endpoint refuses the gateway, and no user pays for it.
func TestIntrospectionClientSecretIsTheOperators(t *testing.T) {
	a := newAuthorizationServer(t)
	w := newWorld(t, worldOptions{sources: strings.Replace(a.source(), "planted-api-secret", "planted-old-secret", 1), extra: oneSecondCache})
	res := w.askBearer("/x", a.token())
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Contains(t, w.readyState(), "refuses the gateway's own credentials")
	require.NotContains(t, w.readyState(), "planted")
}

// TestScopesAreForTheRulesOfRoutes: each route is held against the answer anew, on a hit as well.
func TestScopesAreForTheRulesOfRoutes(t *testing.T) {
	a, app := newAuthorizationServer(t), newApplication(t)
	w := newWorld(t, worldOptions{sources: a.source(), routes: fmt.Sprintf(`
  - name: write
    paths: [/write]
    require: {expression: 'session.properties.scope.matches("(^| )write( |$)")'}
    upstream: {url: %[1]q}
  - name: app
    upstream: {url: %[1]q}
`, app.URL)})
	reader, writer := a.token("read", "writer"), a.token("read", "write")
	require.Equal(t, http.StatusOK, w.askBearer("/read", reader).StatusCode)
	questions := a.Calls(provider.IntrospectionPath)
	require.Equal(t, http.StatusForbidden, w.askBearer("/write", reader).StatusCode)
	require.Equal(t, questions, a.Calls(provider.IntrospectionPath), "a hit of another route satisfies no stricter one")
	require.Equal(t, http.StatusOK, w.askBearer("/write", writer).StatusCode)
}

// TestRequiredScopesAndAudiences: a token that is active and not for this gateway is refused.
func TestRequiredScopesAndAudiences(t *testing.T) {
	a := newAuthorizationServer(t)
	for option, want := range map[string]int{
		"audiences: [api], required_scopes: [read]": http.StatusOK,
		"audiences: [other]":                        http.StatusUnauthorized,
		"required_scopes: [read, write]":            http.StatusUnauthorized,
	} {
		w := newWorld(t, worldOptions{sources: strings.Replace(a.source(), "audiences: [api]", option, 1)})
		require.Equal(t, want, w.askBearer("/x", a.token("read")).StatusCode, option)
	}
}

// TestIntrospectionAsksOnce: two hundred requests with one new token at once are one question.
func TestIntrospectionAsksOnce(t *testing.T) {
	a := newAuthorizationServer(t)
	w := newWorld(t, worldOptions{sources: a.source(), logLevel: "error"})
	w.seen(w.askBearer("/x", a.token())) // discovery
	questions := a.Calls(provider.IntrospectionPath)
	a.Delay(provider.IntrospectionPath, 300*time.Millisecond)
	w.parallelBearer(w.browser(), 200, a.token())
	require.Equal(t, questions+1, a.Calls(provider.IntrospectionPath))
}

// TestJWTsGoToTheirOwnSource: beside a jwt source the catch-all is shown opaque tokens alone.
func TestJWTsGoToTheirOwnSource(t *testing.T) {
	a, issuer := newAuthorizationServer(t), newTokenIssuer(t)
	w := newWorld(t, worldOptions{sources: issuer.source() + a.source()})
	own, foreign := issuer.token("robot"), strings.Replace(issuer.token("robot"), ".", "x.", 1)
	require.Equal(t, http.StatusOK, w.askBearer("/x", own).StatusCode)
	require.Equal(t, http.StatusUnauthorized, w.askBearer("/x", foreign).StatusCode)
	require.Equal(t, http.StatusOK, w.askBearer("/x", a.token()).StatusCode)
	require.False(t, a.panel.Saw(url.QueryEscape(own)), "a JWT of another issuer is shown to nobody else")
	require.False(t, a.panel.Saw(url.QueryEscape(foreign)))
}
