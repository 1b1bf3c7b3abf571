package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/demo/provider"
)

// rawGet writes a request byte for byte: no client in between makes it nicer.
func (w *world) rawGet(target, headers string) *http.Response {
	w.t.Helper()
	return w.raw(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n", target, w.addr, headers))
}

// TestRejectSpoofedIdentity (S-009, S-017, S-041, S-076, S-094, S-098, S-099, S-111, S-132): whatever a client calls
// itself, in whatever spelling, the application hears the gateway alone.
func TestRejectSpoofedIdentity(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b, _ := w.login("/")
	cookie := "Cookie: " + cookieHeader(b, w.url) + "\r\n"
	spoofs := []string{
		"X-Forwarded-User: root\r\n", "x-forwarded-user: root\r\n", "X_Forwarded_User: root\r\n", "X.Forwarded.User: root\r\n", "XForwardedUser: root\r\n",
		"X-Forwarded-User: root\r\nX-Forwarded-User: root\r\n", "X-Forwarded_User: root\r\n", "X-FORWARDED-USER: root\r\n", "X~Forwarded~User: root\r\n",
		"X-Forwarded-Groups: root\r\n", "X_Forwarded_Groups: root\r\n", "X-Forwarded-Email: root@root\r\n", "Remote-User: root\r\n", "Remote_User: root\r\n",
		"X-Auth-Request-User: root\r\n", "X-Auth-Request-Groups: root\r\n", "X-Sessionward-Subject: root\r\n", "X-Sessionward-Assertion: root\r\n", "X.Sessionward.Groups: root\r\n",
		"X-Forwarded-Preferred-Username: root\r\n", "X-Forwarded-Access-Token: root\r\n",
	}
	hops := []string{"", "Connection: X-Forwarded-User\r\n", "Connection: x-forwarded-user, X-Forwarded-Groups\r\n", "Connection:\r\nConnection: X-Forwarded-User\r\n", "Connection: close, X-Sessionward-Assertion\r\n"}
	for _, spoof := range spoofs {
		for _, hop := range hops {
			for _, path := range []string{"/", "/public/x", "/optional/x"} {
				res := w.rawGet(path, cookie+spoof+hop)
				s := w.seen(res)
				for name, values := range s.Header {
					require.NotContains(t, strings.ToLower(strings.Join(values, ",")), "root", "%s%s reached %s as %s", spoof, hop, path, name)
				}
				if path == "/" {
					require.Equal(t, []string{"alice-sub"}, s.Header.Values("X-Forwarded-User"), "%q %q", spoof, hop)
					require.Equal(t, []string{"staff"}, s.Header.Values("X-Forwarded-Groups"))
				}
			}
		}
	}
}

// TestRejectIdentityInTrailers (S-211).
func TestRejectIdentityInTrailers(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b, _ := w.login("/")
	res := w.raw("POST / HTTP/1.1\r\nHost: " + w.addr + "\r\nCookie: " + cookieHeader(b, w.url) + "\r\nTransfer-Encoding: chunked\r\nTrailer: X-Forwarded-User, X-Checksum\r\nConnection: close\r\n\r\n1\r\na\r\n0\r\nX-Forwarded-User: root\r\nX-Checksum: ok\r\n\r\n")
	s := w.seen(res)
	require.Empty(t, s.Trailer.Get("X-Forwarded-User"))
	require.Equal(t, "alice-sub", s.Header.Get("X-Forwarded-User"))
}

// TestRejectPathTricks (D1, D2, D3): no spelling of a path that is not public gets to the application without a
// session, and none that needs a group without the group.
func TestRejectPathTricks(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b, _ := w.login("/")
	calls := w.app.count()
	for _, target := range []string{
		"/public/../admin", "/public/%2e%2e/admin", "/public/%2E%2E/admin", "/public/.%2e/admin", "/public/..;/admin", "/public/..;x=1/admin", "/public;/../admin",
		"/public%2f..%2fadmin", "/public%2F..%2Fadmin", "/public/..%2fadmin", "/public%5c..%5cadmin", "/public/..\\admin", "/public\\..\\admin", "/public/%5c../admin",
		"//admin", "/./admin", "/public//../admin", "//public/../admin", "/public/%252e%252e/admin", "/public/%c0%ae%c0%ae/admin", "/public/%00/../admin", "/public%00", "/public/%0a", "/public%23/../admin", "/admin#/public/", "/public/%zz",
		"http://evil.example/public/x", "http://" + "evil.example" + "/admin", "/publicx/../admin", "/publi%63/../admin", "/public/\xff", "*",
	} {
		res := w.rawGet(target, "")
		require.GreaterOrEqual(t, res.StatusCode, 300, target)
		require.Less(t, res.StatusCode, 500, target)
	}
	require.Equal(t, calls, w.app.count(), "the application saw one of them")

	cookie := "Cookie: " + cookieHeader(b, w.url) + "\r\n"
	for _, target := range []string{"/admin", "/admin/", "/admin/x", "/%61dmin", "/adm%69n/x", "/admin?path=/public", "/admin/x?/public/"} {
		require.Equal(t, http.StatusForbidden, w.rawGet(target, cookie).StatusCode, target)
	}
	for _, target := range []string{"/publicx", "/Public/x", "/PUBLIC", "/x/public", "/?/public", "/x?path=/public/x"} {
		require.Equal(t, http.StatusUnauthorized, w.rawGet(target, "").StatusCode, target)
	}
	require.Equal(t, calls, w.app.count(), "the application saw one of them")
	require.Equal(t, http.StatusOK, w.rawGet("/%70ublic/x", "").StatusCode)
}

// TestDefaultDeny (D1): what no route names is nobody's, with a session and without.
func TestDefaultDeny(t *testing.T) {
	w := newWorld(t, worldOptions{routes: "\n  - {name: only, paths: [/app], methods: [GET], upstream: {url: \"http://127.0.0.1:1\"}}\n"})
	for _, target := range []string{"/", "/other", "/appx", "/App"} {
		require.Equal(t, http.StatusNotFound, w.rawGet(target, "").StatusCode, target)
	}
	for _, method := range []string{"POST", "DELETE", "OPTIONS", "PROPFIND", "MADEUP"} {
		res := w.raw(method + " /app HTTP/1.1\r\nHost: " + w.addr + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		require.Equal(t, http.StatusNotFound, res.StatusCode, method)
	}
}

// TestOwnPrefixReachesNoApplication: below the prefix only the gateway answers, whatever the method and spelling.
func TestOwnPrefixReachesNoApplication(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b, _ := w.login("/")
	calls := w.app.count()
	cookie := "Cookie: " + cookieHeader(b, w.url) + "\r\n"
	for _, target := range []string{"/_session", "/_session/", "/_session/nothing", "/%5fsession/nothing", "/_session/login/x", "/_session/callback/corp/x"} {
		for _, method := range []string{"GET", "POST", "DELETE", "PROPFIND", "OPTIONS", "MADEUP"} {
			res := w.raw(method + " " + target + " HTTP/1.1\r\nHost: " + w.addr + "\r\n" + cookie + "Content-Length: 0\r\nConnection: close\r\n\r\n")
			if method != "GET" || strings.Trim(target, "/") != "_session" { // the page of one's own sessions
				require.NotEqual(t, http.StatusOK, res.StatusCode, "%s %s", method, target)
			}
			require.Less(t, res.StatusCode, 500, "%s %s", method, target)
		}
	}
	require.Equal(t, calls, w.app.count())
}

// TestRejectForwardedMetadata (S-011, S-024, S-095, S-096, S-120): a client that is not a listed proxy changes nothing
// by what it claims.
func TestRejectForwardedMetadata(t *testing.T) {
	w := newWorld(t, worldOptions{})
	for _, claim := range []string{
		"X-Forwarded-Uri: /public/ok\r\n", "X-Original-Url: /public/ok\r\n", "X-Rewrite-Url: /public/ok\r\n", "X-Envoy-Original-Path: /public/ok\r\n",
		"X-Forwarded-Host: evil.example\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Prefix: //evil.example\r\n", "Forwarded: host=evil.example;proto=https\r\n", "X-Forwarded-For: 127.0.0.1\r\n",
	} {
		res := w.rawGet("/secret", "Accept: text/html\r\n"+claim)
		require.Equal(t, http.StatusFound, res.StatusCode, claim)
		require.Equal(t, w.url+"/_session/login?return_to=%2Fsecret", res.Header.Get("Location"), claim)
		s := w.seen(w.rawGet("/public/x", claim))
		require.Equal(t, []string{"127.0.0.1"}, s.Header.Values("X-Forwarded-For"), claim)
		require.Equal(t, []string{"http"}, s.Header.Values("X-Forwarded-Proto"), claim)
		require.Equal(t, []string{w.addr}, s.Header.Values("X-Forwarded-Host"), claim)
		require.Empty(t, s.Header.Values("X-Original-Url"))
		require.Empty(t, s.Header.Values("Forwarded"))
	}
}

// authorizeURL begins a login in b and returns the provider's address with our parameters.
func (w *world) authorizeURL(b *http.Client) *url.URL {
	w.t.Helper()
	res := w.get(b, "/_session/login?return_to=/target")
	require.Equal(w.t, http.StatusFound, res.StatusCode)
	u, err := url.Parse(res.Header.Get("Location"))
	require.NoError(w.t, err)
	return u
}

// callbackURL signs in at the provider and stops at the callback.
func (w *world) callbackURL(b *http.Client) string {
	w.t.Helper()
	start := w.authorizeURL(b).String()
	stopping := *b
	var callback string
	stopping.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), w.url+"/_session/callback/") {
			callback = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	res, err := provider.Login(context.Background(), &stopping, start, alice.Username, alice.Password)
	require.NoError(w.t, err)
	_ = res.Body.Close()
	require.NotEmpty(w.t, callback)
	return strings.TrimPrefix(callback, w.url)
}

// TestLoginParameters (D8): state, nonce and PKCE S256 are on without being asked for, and fresh for each attempt.
func TestLoginParameters(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b := w.browser()
	first, second := w.authorizeURL(b).Query(), w.authorizeURL(b).Query()
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		require.GreaterOrEqual(t, len(first.Get(name)), 43, name)
		require.NotEqual(t, first.Get(name), second.Get(name), name)
	}
	require.Equal(t, "S256", first.Get("code_challenge_method"))
	res := w.get(b, "/_session/login?scope=admin&redirect_uri=https://evil.example/&client_id=other&state=x&prompt=none&target_link_uri=https://evil.example")
	q, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, []string{w.url + "/_session/callback/corp"}, q.Query()["redirect_uri"])
	require.Equal(t, []string{clientID}, q.Query()["client_id"])
	require.NotContains(t, q.Query().Get("scope"), "admin")
	require.Empty(t, q.Query().Get("prompt"))
}

// TestRejectCallbackInAnotherBrowser (S-001, S-207).
func TestRejectCallbackInAnotherBrowser(t *testing.T) {
	w := newWorld(t, worldOptions{})
	callback := w.callbackURL(w.browser())
	victims := map[string]*http.Client{"no login": w.browser(), "a login of its own": w.browser()}
	w.authorizeURL(victims["a login of its own"])
	for name, victim := range victims {
		res := w.get(victim, callback)
		require.Equal(t, http.StatusBadRequest, res.StatusCode, name)
		require.NotContains(t, cookieHeader(victim, w.url), "sessionward=", name)
	}
	require.Zero(t, w.provider.TokenCalls("authorization_code"))
}

// TestRejectWrongState (S-019): the code is not redeemed before the state is known to be ours.
func TestRejectWrongState(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b := w.browser()
	u, err := url.Parse(w.callbackURL(b))
	require.NoError(t, err)
	q := u.Query()
	for _, state := range []string{"", "x", q.Get("state")[1:], q.Get("state") + "A", strings.ToLower(q.Get("state"))} {
		q.Set("state", state)
		w.get(b, u.Path+"?"+q.Encode())
	}
	require.Zero(t, w.provider.TokenCalls("authorization_code"))
	require.NotContains(t, cookieHeader(b, w.url), "sessionward=")
}

// TestRejectDuplicateParameters (S-053).
func TestRejectDuplicateParameters(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b := w.browser()
	callback := w.callbackURL(b)
	for _, extra := range []string{"&state=x", "&code=x", "&iss=x&iss=y", "&error=a&error=b"} {
		require.Equal(t, http.StatusBadRequest, w.get(b, callback+extra).StatusCode, extra)
	}
	require.Zero(t, w.provider.TokenCalls("authorization_code"))
}

// TestRejectForeignIssuer (S-206): the mix-up of two providers.
func TestRejectForeignIssuer(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b := w.browser()
	u, err := url.Parse(w.callbackURL(b))
	require.NoError(t, err)
	q := u.Query()
	q.Set("iss", "https://evil.example")
	require.Equal(t, http.StatusForbidden, w.get(b, u.Path+"?"+q.Encode()).StatusCode)
	require.Zero(t, w.provider.TokenCalls("authorization_code"))
}

// TestRejectCallbackReplay: an attempt is good for one answer.
func TestRejectCallbackReplay(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b := w.browser()
	callback := w.callbackURL(b)
	require.Equal(t, http.StatusSeeOther, w.get(b, callback).StatusCode)
	require.Equal(t, 1, w.provider.TokenCalls("authorization_code"))
	res := w.get(b, callback)
	require.Equal(t, "/target", res.Header.Get("Location"), "the back button leads on, not to an error")
	require.Equal(t, 1, w.provider.TokenCalls("authorization_code"))
}

// TestMissingStateRestartsOnce: a browser that has begun a login gets one fresh start, then an explanation.
func TestMissingStateRestartsOnce(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b := w.browser()
	w.authorizeURL(b)
	require.Equal(t, http.StatusFound, w.get(b, "/_session/callback/corp?code=x").StatusCode)
	res := w.get(b, "/_session/callback/corp?code=x")
	body, _ := io.ReadAll(res.Body)
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.Contains(t, string(body), "begin again")
}

// TestLoginFixation (S-014, S-016, D9): a login is a new session, and the one the browser had before is over.
func TestLoginFixation(t *testing.T) {
	w := newWorld(t, worldOptions{})
	attacker, _ := w.login("/")
	planted := cookieHeader(attacker, w.url)
	victim := w.browser()
	u, err := url.Parse(w.url)
	require.NoError(t, err)
	victim.Jar.SetCookies(u, attacker.Jar.Cookies(u))
	res, err := provider.Login(context.Background(), victim, w.url+"/_session/login?prompt=login&return_to=/mine", alice.Username, alice.Password)
	require.NoError(t, err)
	w.seen(res)
	require.NotEqual(t, planted, cookieHeader(victim, w.url))
	require.Equal(t, http.StatusUnauthorized, w.do(w.browser(), http.MethodGet, "/", nil, "Cookie", planted).StatusCode, "the planted session is over")
}

// TestRejectCrossSiteLogout (S-204, S-146, S-161).
func TestRejectCrossSiteLogout(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b, _ := w.login("/")
	for _, h := range [][]string{
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", strings.Replace(w.url, "http:", "https:", 1)}, {"Origin", w.url + ".evil.example"},
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "none"},
	} {
		require.Equal(t, http.StatusForbidden, w.do(b, http.MethodPost, "/_session/logout", nil, h...).StatusCode, h)
	}
	for _, site := range []string{"cross-site", "same-site", "none", ""} {
		res := w.get(b, "/_session/logout", "Sec-Fetch-Site", site)
		body, _ := io.ReadAll(res.Body)
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Contains(t, string(body), "<form", "a GET from elsewhere asks first")
	}
	require.Equal(t, http.StatusOK, w.get(b, "/").StatusCode, "still logged in")
	require.Equal(t, http.StatusSeeOther, w.get(b, "/_session/logout", "Sec-Fetch-Site", "same-origin").StatusCode)
	require.Equal(t, http.StatusFound, w.get(b, "/").StatusCode)
}

// TestOwnRepliesAreSealed (S-205, S-209): never cached, framed, sniffed, nor do they leak where they came from.
func TestOwnRepliesAreSealed(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b := w.browser()
	for _, path := range []string{"/", "/_session/login", "/_session/me", "/_session/logout", "/_session/signed-out", "/_session/nothing", "/_session/callback/corp", "/public/../x"} {
		h := w.rawGet(path, "Accept: text/html\r\n").Header
		require.Equal(t, "no-store", h.Get("Cache-Control"), path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), path)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), path)
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'", path)
		require.NotContains(t, h.Get("Content-Security-Policy"), "unsafe", path)
		require.NotEmpty(t, h.Get("X-Request-Id"), path)
	}
	res := w.get(b, "/_session/callback/corp?error=access_denied&error_description=<script>alert(1)</script>&state=<script>")
	body, _ := io.ReadAll(res.Body)
	require.NotContains(t, string(body), "<script>")
}

// TestCredentialsStayHere (D16): neither our cookie nor a token that was the credential goes to the application.
func TestCredentialsStayHere(t *testing.T) {
	issuer := newTokenIssuer(t)
	w := newWorld(t, worldOptions{sources: issuer.source()})
	b, _ := w.login("/")
	s := w.seen(w.do(b, http.MethodGet, "/", nil, "Cookie", "theirs=kept"))
	require.Equal(t, "theirs=kept", s.Header.Get("Cookie"))
	s = w.seen(w.do(w.browser(), http.MethodGet, "/", nil, "Authorization", "Bearer "+issuer.token("svc")))
	require.Empty(t, s.Header.Values("Authorization"))
	require.Equal(t, "svc", s.Header.Get("X-Forwarded-User"))
	s = w.seen(w.do(b, http.MethodGet, "/", nil, "Authorization", "Basic YTpi"))
	require.Equal(t, "Basic YTpi", s.Header.Get("Authorization"), "what was not the credential is the application's")
}

// TestRejectBadTokenOnOptionalRoute (S-077): a program with a bad token is told so and not served as a stranger.
func TestRejectBadTokenOnOptionalRoute(t *testing.T) {
	issuer := newTokenIssuer(t)
	w := newWorld(t, worldOptions{sources: issuer.source()})
	anyone := w.browser()
	require.Equal(t, http.StatusOK, w.get(anyone, "/optional/x").StatusCode)
	res := w.get(anyone, "/optional/x", "Authorization", "Bearer "+issuer.token("svc")+"x")
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Contains(t, res.Header.Get("WWW-Authenticate"), "invalid_token")
}

// TestColdBearer: a thousand requests at once with a token nobody has seen are one question to its issuer.
func TestColdBearer(t *testing.T) {
	issuer := newTokenIssuer(t)
	w := newWorld(t, worldOptions{sources: issuer.source()})
	b := w.browser()
	before := issuer.fetches()
	w.parallelBearer(b, 1000, issuer.token("svc"))
	require.LessOrEqual(t, issuer.fetches()-before, int64(1))
}

// TestMalformedCredentials: whatever is in a cookie or header, it is a 4xx or the login, and never a 5xx.
func TestMalformedCredentials(t *testing.T) {
	issuer := newTokenIssuer(t)
	w := newWorld(t, worldOptions{sources: issuer.source()})
	calls := w.app.count()
	long := strings.Repeat("a", 20_000)
	for _, h := range []string{
		"Cookie: sessionward=x\r\n", "Cookie: sessionward=\xff\xfe\r\n", "Cookie: sessionward=%s%n%x\r\n", "Cookie: sessionward=" + long + "\r\n", "Cookie: sessionward=a; sessionward=b\r\n",
		"Cookie: " + strings.Repeat("a=1; ", 12_000) + "sessionward=x\r\n", "Cookie: =sessionward=x\r\n", "Cookie: ;;;;\r\n", "Cookie: sessionward\r\n",
		"Authorization: Bearer x\r\n", "Authorization: Bearer\r\n", "Authorization: Bearer a.b.c\r\n", "Authorization: Bearer " + long + "\r\n", "Authorization: Bearer " + strings.Repeat(".", 10_000) + "\r\n",
		"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", "Authorization: \xff\r\n", "Authorization: Bearer " + strings.Repeat("eyJ", 3000) + ".x.y\r\n",
	} {
		res := w.rawGet("/", h)
		require.GreaterOrEqual(t, res.StatusCode, 400, "%.60q", h)
		require.Less(t, res.StatusCode, 500, "%.60q", h)
	}
	res := w.rawGet("/", "X-Big: "+strings.Repeat("a", 80_000)+"\r\n")
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode)
	require.Equal(t, calls, w.app.count())
}

// TestRejectForeignWebSocket (S-202, S-089): another site cannot open a WebSocket on the user's cookie.
func TestRejectForeignWebSocket(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b, _ := w.login("/")
	calls := w.app.count()
	handshake := "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, origin := range []string{"https://evil.example", "null", w.url + ".evil.example"} {
		res := w.raw("GET /ws HTTP/1.1\r\nHost: " + w.addr + "\r\nCookie: " + cookieHeader(b, w.url) + "\r\n" + handshake + "Origin: " + origin + "\r\n\r\n")
		require.Equal(t, http.StatusForbidden, res.StatusCode, origin)
	}
	require.Equal(t, calls, w.app.count())
}

// TestRejectMadeUpCodes (S-123): an anonymous client cannot turn callbacks into token calls without end.
func TestRejectMadeUpCodes(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b := w.browser()
	last := 0
	for range 50 {
		state := w.authorizeURL(b).Query().Get("state")
		last = w.get(b, "/_session/callback/corp?code=made-up&state="+url.QueryEscape(state)).StatusCode
	}
	require.Equal(t, http.StatusTooManyRequests, last)
	require.LessOrEqual(t, w.provider.TokenCalls("authorization_code"), 30)
}

// TestRequestID: the id of a request is ours, the same for client, application and log.
func TestRequestID(t *testing.T) {
	w := newWorld(t, worldOptions{})
	res := w.rawGet("/public/x", "X-Request-Id: made-up\r\n")
	id := res.Header.Get("X-Request-Id")
	require.Equal(t, []string{id}, w.seen(res).Header.Values("X-Request-Id"))
	require.NotEqual(t, "made-up", id)
	require.Eventually(t, func() bool { return strings.Contains(w.output.String(), id) }, 5*time.Second, 10*time.Millisecond, "the log line closes after the answer")
}

// TestKeysAloneAreNoLogin: a local source without passwords is not offered to people.
func TestKeysAloneAreNoLogin(t *testing.T) {
	w := newWorld(t, worldOptions{sources: "  - name: robots\n    local: {api_keys: [{id: ci, hash: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\", username: robot}]}\n"})
	require.Equal(t, http.StatusFound, w.get(w.browser(), "/_session/login").StatusCode, "straight to the one login there is")
}

// TestRejectOpenRedirects (S-002 to S-006, S-034, S-042): followed through the binary, login and logout lead nowhere else.
func TestRejectOpenRedirects(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b, _ := w.login("/")
	anyone := w.browser()
	data, err := os.ReadFile("../testdata/open-redirects.txt")
	require.NoError(t, err)
	tried := 0
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		raw, err := strconv.Unquote(strings.TrimSpace(line))
		require.NoError(t, err, line)
		q := url.QueryEscape(raw)
		require.Equal(t, "/", w.get(b, "/_session/login?return_to="+q).Header.Get("Location"), "%q", raw)
		require.Equal(t, "/", w.get(anyone, "/_session/logout?return_to="+q).Header.Get("Location"), "%q", raw)
		tried++
	}
	require.Greater(t, tried, 80)
}

// TestRejectCustomHeaderOfAnotherRoute (D4): a header that one route sets is the gateway's alone on every route, in every
// spelling; otherwise a public route would be the way to forge it.
func TestRejectCustomHeaderOfAnotherRoute(t *testing.T) {
	app := newApplication(t)
	w := newWorld(t, worldOptions{routes: fmt.Sprintf(`
  - {name: public, paths: [/public], access: public, upstream: {url: %[1]q}}
  - name: app
    upstream: {url: %[1]q}
    identity: {headers: [{name: X-Shop-Customer, value: identity.subject}]}
`, app.URL)})
	_, s := w.login("/")
	require.Equal(t, "alice-sub", s.Header.Get("X-Shop-Customer"))
	for _, name := range []string{"X-Shop-Customer", "x-shop-customer", "X_Shop_Customer", "X.Shop.Customer", "XShopCustomer"} {
		s := w.seen(w.rawGet("/public/x", name+": root\r\n"))
		for header, values := range s.Header {
			require.NotContains(t, values, "root", "%s reached the application as %s", name, header)
		}
	}
}
