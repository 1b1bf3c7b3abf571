package secretserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
)

// client talks to a stand-in as a program would.
type client struct {
	t    *testing.T
	peer *Peer
	base string
}

func start(t *testing.T, o Options) client {
	t.Helper()
	p, err := New(o)
	require.NoError(t, err)
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return client{t: t, peer: p, base: s.URL + o.Path}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (c client) do(method, path, bearer, kind, body string, header ...string) answer {
	c.t.Helper()
	req, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	require.NoError(c.t, err)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return answer{res.StatusCode, res.Header, strings.TrimSpace(string(data))}
}

func (c client) get(path, bearer string) answer {
	c.t.Helper()
	return c.do(http.MethodGet, path, bearer, "", "")
}

func (c client) form(values url.Values, header ...string) answer {
	c.t.Helper()
	return c.do(http.MethodPost, "/oauth2/token", "", "application/x-www-form-urlencoded", values.Encode(), header...)
}

func (c client) refresh(token string) answer {
	c.t.Helper()
	return c.form(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func password(username, secret string, more ...string) url.Values {
	v := url.Values{"grant_type": {"password"}, "username": {username}, "password": {secret}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

// tokens reads the answer of a token call that worked.
func (c client) tokens(a answer) tokenReply {
	c.t.Helper()
	require.Equal(c.t, http.StatusOK, a.status, a.body)
	var r tokenReply
	require.NoError(c.t, json.Unmarshal([]byte(a.body), &r))
	return r
}

func TestLogin(t *testing.T) {
	c := start(t, Options{})
	a := c.form(password("alice", "wonderland"))
	r := c.tokens(a)
	require.Equal(t, fmt.Sprintf(`{"access_token":%q,"token_type":"bearer","expires_in":1199,"refresh_token":%q}`, r.AccessToken, r.RefreshToken), a.body)
	require.NotEqual(t, r.AccessToken, r.RefreshToken)
	require.Contains(t, a.header.Get("Content-Type"), "application/json")
	a = c.get("/api/v1/users/current", r.AccessToken)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, `{"id":12,"userName":"alice","displayName":"Alice Liddell","emailAddress":"alice@example.com","dateOptionId":1,`+
		`"timeOptionId":1,"userLcid":1033,"userTheme":"","permissions":[],"platformIntegrationType":"None"}`, a.body)
	a = c.get("/api/v1/users/current-summary", r.AccessToken)
	require.Equal(t, `{"id":12}`, a.body)
}

func TestLoginRefused(t *testing.T) {
	c := start(t, Options{Users: []User{
		{Username: "bob", Password: "builder", Domain: "CORP"},
		{Username: "carol", Password: "p%+&=", OTP: "256380"},
	}})
	for name, values := range map[string]url.Values{
		"wrong password":     password("bob", "bilder", "domain", "CORP"),
		"unknown user":       password("nobody", "builder", "domain", "CORP"),
		"no domain":          password("bob", "builder"),
		"another domain":     password("bob", "builder", "domain", "EAST"),
		"no OTP":             password("carol", "p%+&="),
		"domain of no user":  password("carol", "p%+&=", "domain", "CORP"),
		"empty password":     password("bob", "", "domain", "CORP"),
		"password elsewhere": {"grant_type": {"password"}, "username": {"bob"}, "domain": {"CORP"}},
	} {
		a := c.form(values)
		require.Equal(t, http.StatusBadRequest, a.status, name)
		require.Equal(t, `{"error":"Login failed."}`, a.body, name)
	}
	require.Equal(t, http.StatusBadRequest, c.form(password("carol", "p%+&="), "OTP", "000000").status)
	c.tokens(c.form(password("carol", "p%+&="), "otp", "256380")) // header names have no case
	c.tokens(c.form(password("BOB", "builder", "domain", "corp", "organization", "1")))
	require.Equal(t, `{"error":"unsupported_grant_type"}`, c.form(url.Values{"grant_type": {"client_credentials"}}).body)
	a := c.do(http.MethodPost, "/oauth2/token", "", "application/json", `{"grant_type":"password"}`)
	require.Equal(t, http.StatusBadRequest, a.status)
	require.Equal(t, http.StatusMethodNotAllowed, c.get("/oauth2/token", "").status)
}

// TestRefusalsAreToldApart: unknown is 401, expired and ended are 403 with one sentence, a missing right is 403 with
// another.
func TestRefusalsAreToldApart(t *testing.T) {
	c := start(t, Options{})
	expired := `{"message":"Authentication failed or expired token."}`
	for _, bearer := range []string{"", "unknown", "a b", strings.Repeat("x", 4096)} {
		a := c.get("/api/v1/users/current", bearer)
		require.Equal(t, http.StatusUnauthorized, a.status)
		require.Empty(t, a.header.Values("WWW-Authenticate"))
	}
	pair := c.peer.Login("alice")
	require.Equal(t, http.StatusUnauthorized, c.get("/api/v1/users/current", pair.Refresh).status, "a refresh token is no bearer")
	require.Equal(t, http.StatusUnauthorized, c.do(http.MethodGet, "/api/v1/users/current", "", "", "", "Authorization", "Basic "+pair.Access).status)

	c.peer.Forbid("alice", true)
	a := c.get("/api/v1/users/current", pair.Access)
	require.Equal(t, http.StatusForbidden, a.status)
	require.Equal(t, `{"errorCode":"API_AccessDenied","message":"Access Denied"}`, a.body)
	require.True(t, c.peer.Alive(pair.Access), "a missing right ends no token")
	c.peer.Forbid("alice", false)

	c.peer.Panel().Advance(DefaultTimeout - time.Second)
	require.Equal(t, http.StatusOK, c.get("/api/v1/users/current", pair.Access).status)
	c.peer.Panel().Advance(time.Second)
	a = c.get("/api/v1/users/current", pair.Access)
	require.Equal(t, http.StatusForbidden, a.status)
	require.Equal(t, expired, a.body)

	pair = c.peer.Login("alice")
	a = c.do(http.MethodPost, "/api/v1/oauth-expiration", pair.Access, "", "")
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "true", a.body)
	for _, again := range []answer{
		c.get("/api/v1/users/current", pair.Access),
		c.do(http.MethodPost, "/api/v1/oauth-expiration", pair.Access, "", ""),
		c.get("/api/v1/users/sessions", pair.Access),
	} {
		require.Equal(t, http.StatusForbidden, again.status)
		require.Equal(t, expired, again.body)
	}
}

func TestRefresh(t *testing.T) {
	c := start(t, Options{})
	first := c.tokens(c.form(password("alice", "wonderland")))
	current := first
	for range DefaultMaxRefreshes {
		used := current.RefreshToken
		current = c.tokens(c.refresh(used))
		require.NotEqual(t, used, current.RefreshToken)
		require.Equal(t, http.StatusOK, c.get("/api/v1/users/current", current.AccessToken).status)
		a := c.refresh(used)
		require.Equal(t, http.StatusBadRequest, a.status, "a refresh token works once")
		require.Equal(t, `{"error":"invalid_grant"}`, a.body)
	}
	a := c.refresh(current.RefreshToken)
	require.Equal(t, http.StatusBadRequest, a.status, "three refreshes after the login")
	require.Equal(t, `{"error":"invalid_request"}`, a.body)
	require.Equal(t, http.StatusBadRequest, c.refresh("unknown").status)
	require.Equal(t, http.StatusBadRequest, c.refresh("").status)
	require.Equal(t, http.StatusBadRequest, c.refresh(current.AccessToken).status)
}

// TestRefreshTokenOutlivesTheSessionByAQuarter: the access token has ended by then.
func TestRefreshTokenOutlivesTheSessionByAQuarter(t *testing.T) {
	c := start(t, Options{Timeout: time.Minute})
	pair := c.peer.Login("alice")
	c.peer.Panel().Advance(16*time.Minute - time.Second)
	require.False(t, c.peer.Alive(pair.Access))
	next := c.tokens(c.refresh(pair.Refresh))
	require.Equal(t, 59, next.ExpiresIn)
	c.peer.Panel().Advance(16 * time.Minute)
	require.Equal(t, http.StatusBadRequest, c.refresh(next.RefreshToken).status)
}

func TestNoRefreshTokens(t *testing.T) {
	for name, o := range map[string]Options{"switched off": {RefreshTokensOff: true}, "unlimited": {Unlimited: true}} {
		c := start(t, o)
		a := c.form(password("alice", "wonderland"))
		require.Empty(t, c.tokens(a).RefreshToken, name)
		require.NotContains(t, a.body, "refresh_token", name)
		require.Empty(t, c.peer.Login("alice").Refresh, name)
	}
	c := start(t, Options{Unlimited: true})
	pair := c.peer.Login("alice")
	c.peer.Panel().Advance(24 * time.Hour)
	require.True(t, c.peer.Alive(pair.Access))
}

func TestSDKToken(t *testing.T) {
	c := start(t, Options{})
	token := c.peer.SDKToken("alice")
	require.Equal(t, http.StatusOK, c.get("/api/v1/users/current", token).status)
	require.Empty(t, c.peer.refresh, "it cannot be refreshed")
	c.peer.End(token)
	require.Equal(t, http.StatusForbidden, c.get("/api/v1/users/current", token).status)
}

func TestLostAnswerSpendsTheRefreshToken(t *testing.T) {
	c := start(t, Options{})
	pair := c.peer.Login("alice")
	c.peer.LoseAnswer()
	res, err := http.PostForm(c.base+"/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {pair.Refresh}})
	if err == nil {
		_ = res.Body.Close()
	}
	require.Error(t, err)
	require.Equal(t, http.StatusBadRequest, c.refresh(pair.Refresh).status)
}

func TestListing(t *testing.T) {
	c := start(t, Options{Users: []User{{Username: "alice", Password: "x"}, {Username: "bob", Password: "y"}}})
	first := c.peer.Login("alice")
	c.peer.Panel().Advance(time.Minute)
	second := c.tokens(c.form(password("alice", "x"), "User-Agent", "Chrome"))
	c.peer.Login("bob")
	a := c.get("/api/v1/users/sessions?skip=0&take=1&sortBy[0].name=loginDate&sortBy[0].direction=desc", second.AccessToken)
	require.Equal(t, http.StatusOK, a.status)
	at := c.peer.sessions[92].loginAt.Format("2006-01-02T15:04:05.000")
	require.Equal(t, `{"records":[{"userSessionId":92,"browser":"Chrome","ipAddress":"127.0.0.1","loginDate":"`+at+`","current":true}],`+
		`"total":2,"skip":0,"take":1,"hasNext":true,"hasPrev":false,"nextSkip":1,"prevSkip":0,"pageCount":2,"currentPage":1,"batchCount":1,`+
		`"success":true,"severity":"None","sortBy":[]}`, a.body)
	a = c.get("/api/v1/users/sessions?skip=1&take=1", second.AccessToken)
	require.Contains(t, a.body, `"hasNext":false,"hasPrev":true,"nextSkip":0,"prevSkip":0,"pageCount":2,"currentPage":2,"batchCount":1`)
	for _, odd := range []string{"take=0", "take=x", "skip=-1"} {
		a = c.get("/api/v1/users/sessions?"+odd, second.AccessToken)
		require.Equal(t, http.StatusBadRequest, a.status, odd)
		require.Equal(t, `{"errorCode":"API_InvalidRequest","message":"The request is invalid.","messageDetail":"skip and take must be numbers","modelState":{}}`, a.body)
	}
	c.tokens(c.refresh(second.RefreshToken))
	require.Equal(t, 2, c.peer.Sessions("alice"), "a refresh begins no session")
	require.True(t, c.peer.Alive(first.Access))
}

func TestTerminate(t *testing.T) {
	c := start(t, Options{Users: []User{{Username: "alice", Password: "x"}, {Username: "bob", Password: "y"}}})
	first, second, others := c.peer.Login("alice"), c.peer.Login("alice"), c.peer.Login("bob")
	end := func(bearer, body string) answer {
		return c.do(http.MethodPost, "/api/v1/users/sessions/terminate", bearer, "application/json", body)
	}
	require.Equal(t, http.StatusBadRequest, end(first.Access, `{"data":{}}`).status)
	require.Equal(t, http.StatusBadRequest, end(first.Access, `{"data":{"userSessionIds":[92,93]}}`).status, "another user's session")
	require.True(t, c.peer.Alive(second.Access))
	a := end(first.Access, `{"data":{"userSessionIds":[92]}}`)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, `{"success":true}`, a.body)
	require.False(t, c.peer.Alive(second.Access))
	require.Equal(t, http.StatusBadRequest, c.refresh(second.Refresh).status, "its refresh token has ended too")
	require.True(t, c.peer.Alive(first.Access))
	require.True(t, c.peer.Alive(others.Access))
	require.Equal(t, 1, c.peer.Sessions("alice"))
	require.Equal(t, http.StatusOK, end(first.Access, `{"data":{"userSessionIds":[91]}}`).status, "the calling one")
	require.Equal(t, http.StatusForbidden, end(first.Access, `{"data":{"userSessionIds":[91]}}`).status)
}

func TestOlderServer(t *testing.T) {
	c := start(t, Options{NoSessionList: true, WrappedVersion: true, Version: "10.9.000002", Path: "/SecretServer"})
	require.Equal(t, `{"model":{"version":"10.9.000002"},"success":true}`, c.get("/api/v1/version", "").body)
	pair := c.peer.Login("alice")
	require.Equal(t, http.StatusNotFound, c.get("/api/v1/users/sessions", pair.Access).status)
	require.Equal(t, http.StatusNotFound, c.do(http.MethodPost, "/api/v1/users/sessions/terminate", pair.Access, "", "{}").status)
	require.Equal(t, http.StatusOK, c.get("/api/v1/users/current", pair.Access).status)
	require.Equal(t, `{"version":"11.7.000049"}`, start(t, Options{}).get("/api/v1/version", "").body)
}

func TestWindowsAuthentication(t *testing.T) {
	c := start(t, Options{})
	for _, bearer := range []string{"", c.peer.Login("alice").Access} {
		a := c.get("/winauthwebservices/api/v1/users/current", bearer)
		require.Equal(t, http.StatusUnauthorized, a.status)
		require.Equal(t, []string{"Negotiate", "NTLM"}, a.header.Values("WWW-Authenticate"))
		require.Contains(t, a.header.Get("Content-Type"), "text/html")
	}
}

func TestTroubles(t *testing.T) {
	c := start(t, Options{})
	pair := c.peer.Login("alice")
	c.peer.Fault(true)
	a := c.get("/api/v1/users/current", pair.Access)
	require.Equal(t, http.StatusInternalServerError, a.status)
	for _, field := range []string{"message", "exceptionMessage", "exceptionType", "stackTrace"} {
		require.Contains(t, a.body, `"`+field+`":"`)
	}
	c.peer.Fault(false)
	c.peer.Throttle(30 * time.Second)
	a = c.get("/api/v1/users/current", pair.Access)
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "30", a.header.Get("Retry-After"))
	c.peer.Throttle(0)
	c.peer.Panel().Set(panel.Failing)
	a = c.refresh(pair.Refresh)
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "7", a.header.Get("Retry-After"))
	c.peer.Panel().Set(panel.Up)
	c.tokens(c.refresh(pair.Refresh))
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"path without slash":    {Path: "SecretServer"},
		"path that ends in one": {Path: "/SecretServer/"},
		"negative timeout":      {Timeout: -1},
		"negative refreshes":    {MaxRefreshes: -1},
		"user without name":     {Users: []User{{Password: "x"}}},
		"user without password": {Users: []User{{Username: "x"}}},
		"user twice":            {Users: []User{{Username: "a", Password: "x"}, {Username: "A", Password: "y"}}},
	} {
		_, err := New(o)
		require.Error(t, err, name)
	}
	_, err := New(Options{Users: []User{{Username: "a", Password: "x"}, {Username: "a", Password: "x", Domain: "CORP"}}})
	require.NoError(t, err, "one name in two domains is two users")
}
