package provider_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/sessionward/sessionward/cmd/demo/provider"
)

// devices is a provider with a client that may sign people in on another device, and a clock that is turned by hand.
type devices struct {
	*world
	ahead atomic.Int64
}

func startDevices(t *testing.T) *devices {
	d := &devices{}
	began := time.Now()
	d.world = start(t, func(o *provider.Options) {
		o.DeviceInterval = 5 * time.Second
		o.Now = func() time.Time { return began.Add(time.Duration(d.ahead.Load())) }
		o.Clients[0].DeviceLogin, o.Clients[1].DeviceLogin = true, true
		o.Clients[0].LoopbackRedirects = true
	})
	return d
}

// post sends a form as a client with that id and secret.
func (d *devices) post(path, id, secret string, form url.Values) (status int, answer map[string]any) {
	d.t.Helper()
	req, err := http.NewRequest(http.MethodPost, d.issuer+path, strings.NewReader(form.Encode()))
	require.NoError(d.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		req.SetBasicAuth(id, secret)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(d.t, err)
	defer func() { _ = res.Body.Close() }()
	require.NoError(d.t, json.NewDecoder(res.Body).Decode(&answer))
	return res.StatusCode, answer
}

// begin returns a device code and the page with its user code.
func (d *devices) begin() (code, page string) {
	d.t.Helper()
	status, answer := d.post(provider.DeviceAuthorizationPath, "app", "app-secret", url.Values{"scope": {"openid profile offline_access"}})
	require.Equal(d.t, 200, status, answer)
	require.EqualValues(d.t, 5, answer["interval"])
	return answer["device_code"].(string), answer["verification_uri_complete"].(string)
}

// tokens asks for tokens after d as client id.
func (d *devices) tokens(after time.Duration, id, code string) map[string]any {
	d.t.Helper()
	d.ahead.Add(int64(after))
	_, answer := d.post(provider.TokenPath, id, id+"-secret", url.Values{"grant_type": {provider.DeviceGrant}, "device_code": {code}})
	return answer
}

func (d *devices) answer(client *http.Client, page, password string, allow bool) (status int, text string) {
	d.t.Helper()
	res, err := provider.AnswerDevice(d.t.Context(), client, page, "alice", password, allow)
	require.NoError(d.t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(d.t, err)
	require.NotContains(d.t, string(body), "<script")
	return res.StatusCode, string(body)
}

func TestDevice(t *testing.T) {
	d := startDevices(t)
	code, page := d.begin()
	require.Equal(t, "authorization_pending", d.tokens(5*time.Second, "app", code)["error"])
	require.Equal(t, "slow_down", d.tokens(time.Second, "app", code)["error"])
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	status, text := d.answer(browser, page, "wrong", true)
	require.Equal(t, 401, status)
	require.Contains(t, text, "not right")
	require.Equal(t, "authorization_pending", d.tokens(5*time.Second, "app", code)["error"])
	status, text = d.answer(browser, page, "wonderland", true)
	require.Equal(t, 200, status, text)
	tokens := d.tokens(5*time.Second, "app", code)
	id, err := d.verifier.Verify(t.Context(), tokens["id_token"].(string))
	require.NoError(t, err)
	require.Equal(t, "u-1", id.Subject)
	require.Empty(t, id.Nonce)
	require.NotEmpty(t, tokens["refresh_token"])
	require.Equal(t, 1, d.p.ActiveRefreshTokens("u-1"))
	require.Equal(t, "access_denied", d.tokens(5*time.Second, "app", code)["error"], "a device code is good for tokens once")
	require.Equal(t, 5, d.p.TokenCalls(provider.DeviceGrant))

	code, page = d.begin()
	_, typed, _ := strings.Cut(page, "user_code=")
	small := strings.Replace(page, typed, strings.ToLower(strings.ReplaceAll(typed, "-", " ")), 1)
	status, _ = d.answer(browser, strings.ReplaceAll(small, " ", "%20"), "", true)
	require.Equal(t, 200, status, "who is signed in needs no password, and codes are typed as people type")
	require.NotEmpty(t, d.tokens(5*time.Second, "app", code)["access_token"])
}

func TestRejectsDevice(t *testing.T) {
	d := startDevices(t)
	browser := &http.Client{}
	code, page := d.begin()
	status, _ := d.answer(browser, page, "", false)
	require.Equal(t, 200, status)
	require.Equal(t, "access_denied", d.tokens(5*time.Second, "app", code)["error"])
	status, _ = d.answer(browser, page, "wonderland", true)
	require.Equal(t, 404, status, "a code is answered once")

	code, _ = d.begin()
	require.Equal(t, "access_denied", d.tokens(5*time.Second, "jwt", code)["error"], "another client's code")
	require.Equal(t, "expired_token", d.tokens(11*time.Minute, "app", code)["error"])

	for id, secret := range map[string]string{"app": "", "jwt": "wrong", "nobody": "x"} {
		_, answer := d.post(provider.DeviceAuthorizationPath, id, secret, url.Values{"client_id": {id}, "scope": {"openid"}})
		require.Equal(t, "invalid_client", answer["error"], id)
	}
	_, answer := d.post(provider.DeviceAuthorizationPath, "public", "", url.Values{"client_id": {"public"}, "scope": {"openid"}})
	require.Equal(t, "unauthorized_client", answer["error"])
}

// TestRejectsDeviceAnswerOfAnotherSite: no page elsewhere makes a signed-in user agree.
func TestRejectsDeviceAnswerOfAnotherSite(t *testing.T) {
	d := startDevices(t)
	code, page := d.begin()
	_, typed, _ := strings.Cut(page, "user_code=")
	form := url.Values{"user_code": {typed}, "username": {"alice"}, "password": {"wonderland"}, "answer": {"allow"}}
	req, err := http.NewRequest(http.MethodPost, d.issuer+provider.DevicePath, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, 403, res.StatusCode)
	require.Equal(t, "authorization_pending", d.tokens(5*time.Second, "app", code)["error"])
}

// TestLoopbackRedirects: to any port of this machine, to nothing else, and not for every client.
func TestLoopbackRedirects(t *testing.T) {
	d := startDevices(t)
	begin := func(client, redirect string) int {
		u := d.conf.AuthCodeURL("s", oauth2.S256ChallengeOption("v"))
		q, err := url.Parse(u)
		require.NoError(t, err)
		values := q.Query()
		values.Set("client_id", client)
		values.Set("redirect_uri", redirect)
		q.RawQuery = values.Encode()
		res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get(q.String())
		require.NoError(t, err)
		_ = res.Body.Close()
		return res.StatusCode
	}
	for _, good := range []string{"http://127.0.0.1:1/callback", "http://127.0.0.1:65535/callback", "http://[::1]:4000/callback"} {
		require.Equal(t, http.StatusFound, begin("app", good), good)
		require.Equal(t, http.StatusBadRequest, begin("jwt", good), good)
	}
	for _, bad := range []string{
		"http://localhost:4000/callback", "http://127.0.0.1:4000/other", "https://127.0.0.1:4000/callback", "http://127.0.0.1/callback",
		"http://127.0.0.1:80@evil.example/callback", "http://127.0.0.1:80/callback?x=y", "http://127.0.0.1:80/callback#", "http://u@127.0.0.1:80/callback",
	} {
		require.Equal(t, http.StatusBadRequest, begin("app", bad), bad)
	}
}
