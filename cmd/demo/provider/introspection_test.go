package provider_test

import (
	"encoding/json"
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

// questioner asks a provider about tokens, as a resource server does.
type questioner struct {
	t     *testing.T
	p     *provider.Provider
	base  string
	clock time.Time
}

func startQuestions(t *testing.T) *questioner {
	q := &questioner{t: t, clock: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	p, err := provider.New(provider.Options{
		Issuer: "http://id.example",
		Clients: []provider.Client{
			{ID: "app", Secret: "app-secret", RedirectURIs: []string{"http://app.example/cb"}, Audiences: []string{"api"}},
			{ID: "jwt", Secret: "jwt-secret", RedirectURIs: []string{"http://jwt.example/cb"}, JWTAccessTokens: true, Audiences: []string{"api"}},
			{ID: "api", Secret: "api:secret /%", ResourceServer: true, BearerToken: "api-bearer"},
			{ID: "stranger", Secret: "stranger-secret", ResourceServer: true},
		},
		Users: []provider.User{alice()},
		Now:   func() time.Time { return q.clock },
	})
	require.NoError(t, err)
	q.p = p
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	q.base = s.URL
	return q
}

func (q *questioner) token(client string, scopes ...string) string {
	tok, err := q.p.AccessToken(client, "u-1", scopes...)
	require.NoError(q.t, err)
	return tok
}

// post sends a form and returns status and body. prove adds what proves who asks.
func (q *questioner) post(path string, form url.Values, prove func(*http.Request)) (int, string) {
	q.t.Helper()
	req, err := http.NewRequestWithContext(q.t.Context(), http.MethodPost, q.base+path, strings.NewReader(form.Encode()))
	require.NoError(q.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	prove(req)
	res, err := http.DefaultClient.Do(req)
	require.NoError(q.t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(q.t, err)
	return res.StatusCode, string(body)
}

func basic(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

func nothing(*http.Request) {}

func (q *questioner) ask(token string) string {
	status, body := q.post(provider.IntrospectionPath, url.Values{"token": {token}}, basic("api", "api:secret /%"))
	require.Equal(q.t, http.StatusOK, status)
	return strings.TrimSpace(body)
}

const inactive = `{"active":false}`

func TestIntrospectionOfAnOpaqueToken(t *testing.T) {
	q := startQuestions(t)
	token := q.token("app", "openid", "profile", "email", "groups", "read")
	require.Equal(t, 4, strings.Count(token, "."), "an encrypted JWT: opaque to everybody else, and not of a signed one's shape")
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(q.ask(token)), &got))
	require.NotEmpty(t, got["jti"])
	delete(got, "jti")
	begin := float64(q.clock.Unix())
	require.Equal(t, map[string]any{
		"active": true, "sub": "u-1", "client_id": "app", "iss": "http://id.example", "token_type": "Bearer",
		"aud": []any{"app", "api"}, "scope": "openid profile email groups read",
		"iat": begin, "exp": begin + 60, "auth_time": begin, "amr": []any{"pwd"},
		"username": "alice", "preferred_username": "alice", "name": "Alice Liddell",
		"email": "alice@example.com", "email_verified": true, "groups": []any{"admins", "staff"},
	}, got)
}

func TestIntrospectionOfAJWT(t *testing.T) {
	q := startQuestions(t)
	token := q.token("jwt", "read")
	require.Equal(t, 2, strings.Count(token, "."))
	require.Contains(t, q.ask(token), `"active":true`)
}

func TestIntrospectionClientAuthentication(t *testing.T) {
	q := startQuestions(t)
	token := q.token("app")
	bearer := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+value) }
	}
	for _, c := range []struct {
		name   string
		form   url.Values
		prove  func(*http.Request)
		status int
	}{
		{"basic", url.Values{}, basic("api", "api:secret /%"), 200},
		{"post", url.Values{"client_id": {"api"}, "client_secret": {"api:secret /%"}}, nothing, 200},
		{"bearer", url.Values{}, bearer("api-bearer"), 200},
		{"basic wrong", url.Values{}, basic("api", "wrong"), 401},
		{"basic unescaped", url.Values{}, func(r *http.Request) { r.SetBasicAuth("api", "api:secret /%") }, 401},
		{"post wrong", url.Values{"client_id": {"api"}, "client_secret": {"wrong"}}, nothing, 401},
		{"post without a secret", url.Values{"client_id": {"api"}}, nothing, 401},
		{"bearer wrong", url.Values{}, bearer("api-bearer-2"), 401},
		{"bearer empty", url.Values{}, bearer(""), 401},
		{"the token itself", url.Values{}, bearer(token), 401},
		{"nothing", url.Values{}, nothing, 401},
		{"two proofs", url.Values{"client_id": {"api"}, "client_secret": {"api:secret /%"}}, basic("api", "wrong"), 401},
	} {
		c.form.Set("token", token)
		status, body := q.post(provider.IntrospectionPath, c.form, c.prove)
		require.Equal(t, c.status, status, c.name)
		require.Equal(t, c.status == 200, strings.Contains(body, `"active":true`), c.name)
	}
	// An empty token, as no HTTP client sends it: whoever has none configured is not proved by it.
	r := httptest.NewRequest(http.MethodPost, provider.IntrospectionPath, strings.NewReader(url.Values{"token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	q.p.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code)
}

func TestIntrospectionTellsOnlyTheAudience(t *testing.T) {
	q := startQuestions(t)
	form := url.Values{"token": {q.token("app")}}
	status, body := q.post(provider.IntrospectionPath, form, basic("stranger", "stranger-secret"))
	require.Equal(t, 200, status)
	require.JSONEq(t, inactive, body)
	_, body = q.post(provider.IntrospectionPath, form, basic("app", "app-secret"))
	require.Contains(t, body, `"active":true`)
}

func TestIntrospectionOfEndedTokens(t *testing.T) {
	q := startQuestions(t)
	ends := map[string]func(token string){
		"expired": func(string) { q.clock = q.clock.Add(time.Minute) },
		"revoked": func(token string) {
			status, _ := q.post(provider.RevocationPath, url.Values{"token": {token}, "token_type_hint": {"access_token"}}, basic("app", "app-secret"))
			require.Equal(t, 200, status)
		},
		"user revoked": func(string) { q.p.RevokeUser("u-1") },
	}
	for name, end := range ends {
		token := q.token("app")
		require.Contains(t, q.ask(token), `"active":true`, name)
		end(token)
		require.JSONEq(t, inactive, q.ask(token), name)
	}
	require.JSONEq(t, inactive, q.ask("nonsense"))
	require.JSONEq(t, inactive, q.ask(""))
}

// TestRevocationIsForTheTokensClient: RFC 7009 §2.1 lets an authority refuse everybody else, a resource server too.
func TestRevocationIsForTheTokensClient(t *testing.T) {
	q := startQuestions(t)
	token := q.token("app")
	status, body := q.post(provider.RevocationPath, url.Values{"token": {token}}, basic("api", "api:secret /%"))
	require.Equal(t, 400, status)
	require.Contains(t, body, `"unauthorized_client"`)
	require.Contains(t, q.ask(token), `"active":true`)
}

func TestRejectsIntrospectionByURL(t *testing.T) {
	q := startQuestions(t)
	token := q.token("app")
	query := "?token=" + url.QueryEscape(token)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, q.base+provider.IntrospectionPath+query, nil)
	require.NoError(t, err)
	basic("api", "api:secret /%")(req)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
	_, body := q.post(provider.IntrospectionPath+query, url.Values{}, basic("api", "api:secret /%"))
	require.JSONEq(t, inactive, body, "what stands in the URL is not looked at")
}

func TestIntrospectionUnderAPanel(t *testing.T) {
	q := startQuestions(t)
	authority := panel.New()
	s := httptest.NewServer(authority.Wrap(q.p))
	t.Cleanup(s.Close)
	q.base = s.URL
	token := q.token("app")
	require.Contains(t, q.ask(token), `"active":true`)
	require.True(t, authority.Saw("token="+url.QueryEscape(token)))
	authority.Set(panel.Failing)
	status, _ := q.post(provider.IntrospectionPath, url.Values{"token": {token}}, basic("api", "api:secret /%"))
	require.Equal(t, 503, status)
	require.Equal(t, 1, q.p.Calls(provider.IntrospectionPath))
}

func TestRejectsImpossibleClients(t *testing.T) {
	for name, c := range map[string]provider.Client{
		"resource server without a secret":    {ID: "api", ResourceServer: true},
		"resource server people sign in at":   {ID: "api", Secret: "s", ResourceServer: true, RedirectURIs: []string{"http://a/cb"}},
		"client without a way back from here": {ID: "api", Secret: "s"},
	} {
		_, err := provider.New(provider.Options{Issuer: "http://id.example", Clients: []provider.Client{c}, Users: []provider.User{alice()}})
		require.ErrorContains(t, err, "clients[0]", name)
	}
	q := startQuestions(t)
	_, err := q.p.AccessToken("nobody", "u-1")
	require.ErrorContains(t, err, "client")
	_, err = q.p.AccessToken("app", "nobody")
	require.ErrorContains(t, err, "subject")
}
