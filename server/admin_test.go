package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/config"
	"github.com/sessionward/sessionward/session"
)

const readToken = "swa_planted-read-token-0123456789abcdef"

// tokens are settings of the listener for operators: one token that may only read, and one application that may be named.
func tokens() string {
	return fmt.Sprintf(", tokens: [{name: dashboard, hash: %q}], token_audiences: [app]", admin.HashToken(readToken))
}

// operator is the client of whoever can read the key file.
func (w *world) operator() *admin.Client {
	w.t.Helper()
	c, err := admin.NewClient(admin.ClientOptions{URL: w.admin, Token: w.localToken()})
	require.NoError(w.t, err)
	return c
}

func (w *world) localToken() session.Secret {
	w.t.Helper()
	f, err := config.ReadKeyFile(filepath.Join(w.dir, "keys"))
	require.NoError(w.t, err)
	ring, err := f.Ring()
	require.NoError(w.t, err)
	return admin.LocalTokens(ring)[0]
}

// ask sends one request to the listener for operators and returns the answer and its body.
func (w *world) ask(method, path, token, body string, headers ...string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequest(method, w.admin+path, strings.NewReader(body))
	require.NoError(w.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	return res, string(data)
}

// only waits until the filter chooses one session, and returns it.
func (w *world) only(c *admin.Client, filter string) admin.Entry {
	w.t.Helper()
	var list admin.List
	require.Eventually(w.t, func() bool { // foreign ones are noted in the background
		var err error
		list, err = c.List(w.t.Context(), filter, "", 0)
		return err == nil && len(list.Sessions) == 1
	}, 5*time.Second, 10*time.Millisecond, "%+v", list)
	return list.Sessions[0]
}

// TestAdminEndsASession: it is seen, and ended on the very next request; the user's other session goes on.
func TestAdminEndsASession(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b, _ := w.login("/")
	c := w.operator()
	e := w.only(c, `username eq "alice" and source eq "corp"`)
	require.True(t, e.Active)
	require.False(t, e.Foreign)
	require.Equal(t, "127.0.0.1", e.Devices[0].IP)
	other, _ := w.login("/")
	require.Equal(t, http.StatusOK, w.get(b, "/x").StatusCode)
	ended, err := c.Delete(t.Context(), e.Handle)
	require.NoError(t, err)
	require.Equal(t, admin.Ended{Handle: e.Handle, Here: true, AtAuthority: "asked"}, ended)
	require.Equal(t, http.StatusFound, w.get(b, "/x").StatusCode, "on the very next request")
	require.Equal(t, http.StatusOK, w.get(other, "/x").StatusCode)
	_, err = c.Get(t.Context(), e.Handle)
	require.ErrorContains(t, err, "not_found")
	require.Contains(t, w.output.String(), `"msg":"an operator acted","operator":"local","method":"DELETE"`)

	require.NoError(t, c.Revoke(t.Context(), admin.Revocation{Filter: "true"}, func(admin.Ended) bool { return true }))
	require.Equal(t, http.StatusFound, w.get(other, "/x").StatusCode)
}

// TestAdminEndsAForeignSession: the token would hold for an hour; here it is refused at once, and after a restart.
func TestAdminEndsAForeignSession(t *testing.T) {
	issuer := newTokenIssuer(t)
	w := newWorld(t, worldOptions{sources: issuer.source()})
	token := "Authorization: Bearer " + issuer.token("robot") + "\r\n"
	require.Equal(t, http.StatusOK, w.rawGet("/", token).StatusCode)
	c := w.operator()
	e := w.only(c, `foreign eq true and subject eq "robot"`)
	ended, err := c.Delete(t.Context(), e.Handle)
	require.NoError(t, err)
	require.True(t, ended.Here)
	require.Contains(t, ended.AtAuthority, "unsupported", "its issuer has no such call, and that is said")
	require.Equal(t, http.StatusUnauthorized, w.rawGet("/", token).StatusCode, "on the very next request")
	w.stop()
	w.start()
	require.Equal(t, http.StatusUnauthorized, w.rawGet("/", token).StatusCode)
	require.Equal(t, http.StatusOK, w.rawGet("/", "Authorization: Bearer "+issuer.token("other")+"\r\n").StatusCode)
	e, err = w.operator().Get(t.Context(), e.Handle)
	require.NoError(t, err)
	require.False(t, e.Active)
	require.False(t, e.RefusedAt.IsZero())
}

// TestAdminClosesStreams: an answer that would go on for ever ends with its session, within two seconds.
func TestAdminClosesStreams(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/events" {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: begun\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(app.Close)
	issuer := newTokenIssuer(t)
	w := newWorld(t, worldOptions{sources: issuer.source(), routes: fmt.Sprintf("\n  - {name: app, upstream: {url: %q}}\n", app.URL)})
	b, _ := w.loginAnywhere("/")
	token := issuer.token("robot")
	c := w.operator()
	for filter, request := range map[string]func() *http.Request{
		`source eq "corp"`: func() *http.Request { return w.request("/events") },
		`source eq "services"`: func() *http.Request {
			r := w.request("/events")
			r.Header.Set("Authorization", "Bearer "+token)
			return r
		},
	} {
		client := b
		if strings.Contains(filter, "services") {
			client = w.browser()
		}
		client.Timeout = 0
		res, err := client.Do(request())
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode, filter)
		stream := bufio.NewReader(res.Body)
		line, err := stream.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "data: begun\n", line)
		e := w.only(c, filter)
		began := time.Now()
		_, err = c.Delete(t.Context(), e.Handle)
		require.NoError(t, err)
		over := make(chan struct{})
		go func() { defer close(over); _, _ = io.Copy(io.Discard, stream) }()
		select {
		case <-over:
		case <-time.After(2 * time.Second):
			t.Fatalf("%s: the stream goes on", filter)
		}
		require.Less(t, time.Since(began), 2*time.Second)
		_ = res.Body.Close()
	}
}

func (w *world) request(path string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.url+path, nil)
	require.NoError(w.t, err)
	return r
}

// TestRejectOperators: over the wire, from the built binary.
func TestRejectOperators(t *testing.T) {
	w := newWorld(t, worldOptions{admin: tokens()})
	b, _ := w.login("/")
	e := w.only(w.operator(), "true")
	path := "/api/v1/sessions/" + e.Handle
	local := w.localToken().Reveal()
	for name, c := range map[string]struct {
		method, token string
		headers       []string
		want          int
	}{
		"nobody":         {"DELETE", "", nil, http.StatusUnauthorized},
		"made up":        {"DELETE", "swa_local_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", nil, http.StatusUnauthorized},
		"session cookie": {"DELETE", "", []string{"Cookie", cookieHeader(b, w.url)}, http.StatusUnauthorized},
		"reader":         {"DELETE", readToken, nil, http.StatusForbidden},
		"rebound name":   {"DELETE", local, []string{"Host", "evil.example"}, http.StatusMisdirectedRequest},
		"other site":     {"DELETE", local, []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		"form":           {"DELETE", local, []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
	} {
		res, body := w.ask(c.method, path, c.token, "", c.headers...)
		require.Equal(t, c.want, res.StatusCode, "%s: %s", name, body)
		require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"), name)
	}
	require.Equal(t, http.StatusOK, w.get(b, "/x").StatusCode, "it still holds")
	res, _ := w.ask("GET", path, readToken, "")
	require.Equal(t, http.StatusOK, res.StatusCode)

	for _, path := range []string{"/api/v1/sessions", "/readyz", "/livez"} { // not at the door of the public
		require.NotEqual(t, http.StatusOK, w.get(w.browser(), path, "Authorization", "Bearer "+local).StatusCode, path)
	}
}

// TestAdminMakesAssertions: for a listed application, signed with the keys the gateway publishes.
func TestAdminMakesAssertions(t *testing.T) {
	w := newWorld(t, worldOptions{admin: tokens()})
	w.login("/")
	c := w.operator()
	e := w.only(c, "true")
	made, err := c.Tokenize(t.Context(), e.Handle, "app")
	require.NoError(t, err)
	res := w.get(w.browser(), "/_session/jwks.json")
	var keys jose.JSONWebKeySet
	require.NoError(t, json.NewDecoder(res.Body).Decode(&keys))
	token, err := jwt.ParseSigned(made.Token, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	var claims jwt.Claims
	require.NoError(t, token.Claims(keys, &claims))
	require.NoError(t, claims.ValidateWithLeeway(jwt.Expected{Issuer: w.url, Subject: "alice-sub", AnyAudience: jwt.Audience{"app"}, Time: time.Now()}, time.Minute))
	require.Equal(t, claims.Expiry.Time().UTC(), made.ExpiresAt)
	require.LessOrEqual(t, time.Until(made.ExpiresAt), time.Minute)
	_, err = c.Tokenize(t.Context(), e.Handle, "payroll")
	require.ErrorContains(t, err, "admin.token_audiences")
}

// TestAdminStats: what happens at the gate is counted, each thing once and nothing else.
func TestAdminStats(t *testing.T) {
	const logins, views, refreshes, forbidden, forged, asked = 3, 4, 2, 2, 3, 5
	w := newWorld(t, worldOptions{admin: tokens(), tokenTTL: time.Hour})
	c := w.operator()
	var browsers []*http.Client
	for range logins { // the request a login comes back to is asked about: nothing is remembered yet
		b, _ := w.login("/")
		browsers = append(browsers, b)
	}
	for _, e := range w.listed(c, "true")[:refreshes] {
		_, err := c.Refresh(t.Context(), e.Handle)
		require.NoError(t, err)
	}
	for _, b := range browsers {
		for range views {
			require.Equal(t, http.StatusOK, w.get(b, "/x").StatusCode)
		}
	}
	for range forbidden {
		require.Equal(t, http.StatusForbidden, w.get(browsers[0], "/admin").StatusCode)
	}
	for range forged { // nobody knows it, and from the second time on that is remembered
		require.Equal(t, http.StatusUnauthorized, w.rawGet("/", "Cookie: sessionward=forged\r\nAccept: application/json\r\n").StatusCode)
	}
	for range asked { // to log in: no credential, no denial
		require.Equal(t, http.StatusFound, w.get(w.browser(), "/").StatusCode)
	}
	require.Equal(t, http.StatusOK, w.get(w.browser(), "/public").StatusCode)

	_, body := w.ask("GET", "/api/v1/stats", readToken, "")
	var s admin.Stats
	require.NoError(t, json.Unmarshal([]byte(body), &s), body)
	require.Equal(t, logins, s.Sessions.Own)
	require.Zero(t, s.Sessions.Foreign)
	require.True(t, s.Sessions.Complete)
	require.Equal(t, map[string]int{"corp": logins}, s.Sessions.Sources)
	require.Len(t, s.Minutes, 60)
	var sum session.Minute
	for _, m := range s.Minutes {
		sum.Logins, sum.Refreshes, sum.Denials, sum.Hits, sum.Misses = sum.Logins+m.Logins, sum.Refreshes+m.Refreshes, sum.Denials+m.Denials, sum.Hits+m.Hits, sum.Misses+m.Misses
	}
	require.EqualValues(t, logins, sum.Logins)
	require.EqualValues(t, refreshes, sum.Refreshes)
	require.EqualValues(t, forbidden+forged, sum.Denials)
	require.EqualValues(t, logins*views+forbidden+forged-1, sum.Hits)
	require.EqualValues(t, logins+1, sum.Misses)
	require.Equal(t, logins, w.provider.TokenCalls("authorization_code"), "as the provider counts")
	require.Equal(t, refreshes, w.provider.TokenCalls("refresh_token"))
}

// listed are the sessions a filter chooses.
func (w *world) listed(c *admin.Client, filter string) []admin.Entry {
	w.t.Helper()
	list, err := c.List(w.t.Context(), filter, "", 0)
	require.NoError(w.t, err)
	return list.Sessions
}

// tapped keeps what the provider answers at its token endpoint.
type tapped struct {
	http.Handler
	mu    sync.Mutex
	given []string
}

func (p *tapped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.URL.Path, "token") {
		p.Handler.ServeHTTP(w, r)
		return
	}
	rec := httptest.NewRecorder()
	p.Handler.ServeHTTP(rec, r)
	var reply map[string]any
	if json.Unmarshal(rec.Body.Bytes(), &reply) == nil {
		p.mu.Lock()
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			if v, ok := reply[name].(string); ok {
				p.given = append(p.given, v)
			}
		}
		p.mu.Unlock()
	}
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// TestRejectSecretsAtTheAdminDoor: after everything that can be asked was asked, of sessions of two kinds, with authorities up and
// down, no answer and no line of the log holds a token, cookie, password or key.
func TestRejectSecretsAtTheAdminDoor(t *testing.T) {
	issuer := newTokenIssuer(t)
	tap := &tapped{}
	w := newWorld(t, worldOptions{tap: tap, sources: issuer.source(), admin: tokens(), extra: "session_properties: [theme]\n"})
	b, _ := w.login("/")
	bearer := issuer.token("robot")
	require.Equal(t, http.StatusOK, w.rawGet("/", "Authorization: Bearer "+bearer+"\r\n").StatusCode)
	c := w.operator()
	own, foreign := w.only(c, `source eq "corp"`).Handle, w.only(c, `source eq "services"`).Handle
	local := w.localToken().Reveal()
	_, cookie, _ := strings.Cut(cookieHeader(b, w.url), "=")
	require.Greater(t, len(cookie), 40)

	var answers bytes.Buffer
	var asked []string
	ask := func(method, path, body string, headers ...string) string {
		t.Helper()
		_, answer := w.ask(method, path, local, body, headers...)
		path, _, _ = strings.Cut(path, "?")
		asked = append(asked, method+" "+path)
		return answer + "\n"
	}
	everything := func() {
		for _, handle := range []string{own, foreign, "nobody", cookie, bearer} {
			path := "/api/v1/sessions/" + handle
			for _, q := range [][3]string{
				{"GET", path, ""}, {"POST", path + "/validate", ""}, {"POST", path + "/touch", ""}, {"GET", path + "/ttl?within=1h", ""}, {"POST", path + "/refresh", ""},
				{"POST", path + "/extend", ""}, {"GET", path + "/devices", ""}, {"GET", path + "/properties", ""}, {"PATCH", path + "/properties", `{"properties":{"theme":"dark"}}`},
				{"POST", path + "/tokenize", `{"template":"payroll"}`},
			} {
				answer := ask(q[0], q[1], q[2])
				if handle != cookie && handle != bearer { // who asks by it is told what was asked by
					answers.WriteString(answer)
				}
			}
		}
		for _, q := range [][3]string{
			{"GET", "/api/v1/sessions", ""}, {"GET", "/api/v1/sources", ""}, {"GET", "/api/v1/stats", ""}, {"GET", "/api/v1/whoami", ""},
			{"GET", "/readyz", ""}, {"GET", "/livez", ""}, {"GET", "/", ""}, {"GET", "/nothing", ""},
			{"POST", "/api/v1/sessions/" + cookie[:20] + "/logout", ""}, {"DELETE", "/api/v1/sessions/nobody", ""}, {"PUT", "/api/v1/sessions/" + own, ""},
			{"POST", "/api/v1/sessions/revoke", `{"filter":"username eq \"nobody\""}`},
			{"POST", "/api/v1/sessions", fmt.Sprintf(`{"source":"services","token":%q,"cookie":"x"}`, bearer)},
			{"POST", "/api/v1/sessions", fmt.Sprintf(`{"source":"corp","token":%q}`, bearer)},
			{"POST", "/api/v1/sessions", fmt.Sprintf(`{"source":"services","token":%q}`, bearer+"x")},
			{"POST", "/api/v1/sessions", fmt.Sprintf(`{"source":"corp","username":"alice","password":%q}`, alice.Password)},
			{"POST", "/api/v1/sources/corp/revoke-user", `{"subject":"alice-sub"}`},
			{"POST", "/api/v1/sessions/device", `{"source":"corp"}`},
			{"POST", "/api/v1/sessions/loopback", `{"source":"corp","redirect_uri":"http://127.0.0.1:9/"}`},
			{"POST", "/api/v1/sessions/loopback/finish", `{"attempt":"planted-attempt","query":"code=planted-code&state=x"}`},
		} {
			answers.WriteString(ask(q[0], q[1], q[2]))
		}
		answers.WriteString(ask("POST", "/api/v1/introspect", "token="+cookie, "Content-Type", "application/x-www-form-urlencoded"))
	}
	everything()
	w.idp.Close()
	issuer.server.Close()
	everything()
	answers.WriteString(ask("POST", "/api/v1/sessions/"+own+"/logout", ""))
	body := ask("POST", "/api/v1/sessions/revoke", `{"filter":"true"}`)
	answers.WriteString(body)
	require.Contains(t, body, `"here":true`)
	w.ask("GET", "/api/v1/sessions", "planted-wrong-token", "")
	requireAllRoutes(t, ask("GET", "/api/v1/openapi.json", ""), asked)
	w.stop()

	tap.mu.Lock()
	secrets := append([]string{clientSecret, alice.Password, cookie, bearer, local, readToken, "planted-wrong-token", "planted-attempt", "planted-code", `"id":"`}, tap.given...)
	tap.mu.Unlock()
	require.Greater(t, len(secrets), 10, "tokens were given")
	require.Greater(t, len(asked), 100)
	for _, secret := range secrets {
		require.NotContains(t, answers.String(), secret)
		require.NotContains(t, w.output.String(), secret)
	}
}

// requireAllRoutes wants each operation of an OpenAPI description among what was asked.
func requireAllRoutes(t *testing.T, description string, asked []string) {
	t.Helper()
	var d struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	require.NoError(t, json.Unmarshal([]byte(description), &d))
	require.Greater(t, len(d.Paths), 15)
	for path, item := range d.Paths {
		for method := range item {
			if method == "parameters" {
				continue
			}
			route := regexp.MustCompile("^" + strings.ToUpper(method) + " " + regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(path, "[^/]+") + "$")
			require.True(t, slices.ContainsFunc(asked, route.MatchString), "nobody asked %s %s", method, path)
		}
	}
}
