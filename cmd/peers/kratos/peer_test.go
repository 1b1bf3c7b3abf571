package kratos

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
)

func start(t *testing.T, o Options) *Peer {
	t.Helper()
	p, err := Start(t.Context(), o)
	if errors.Is(err, ErrNotBuilt) {
		t.Skip("SKIPPED: " + err.Error())
	}
	require.NoError(t, err)
	t.Cleanup(p.Stop)
	return p
}

// ask asks as a client does, through the panels.
func ask(t *testing.T, method, rawURL string, headers ...string) (*http.Response, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, rawURL, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	var v map[string]any
	if len(body) > 0 {
		require.NoError(t, json.Unmarshal(body, &v), "%s", body)
	}
	return res, v
}

func (p *Peer) whoami() string { return p.url + "/sessions/whoami" }

func TestLoginByTokenRevokeAndDisable(t *testing.T) {
	p := start(t, Options{Lifespan: time.Hour})
	token, err := p.Login(t.Context(), "alice@corp.example", "wonderland")
	require.NoError(t, err)
	require.Regexp(t, `^ory_st_[A-Za-z0-9]{32}$`, token)
	_, err = p.Login(t.Context(), "alice", "wrong password")
	require.Error(t, err)

	for _, header := range [][]string{{"X-Session-Token", token}, {"Authorization", "Bearer " + token}} {
		res, s := ask(t, http.MethodGet, p.whoami(), header...)
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Equal(t, true, s["active"])
		require.Equal(t, p.IdentityID("alice"), s["identity"].(map[string]any)["id"])
		require.NotContains(t, s["identity"], "metadata_admin")
		require.NotContains(t, s["identity"], "credentials")
	}
	require.True(t, p.Panel().Saw(token))
	require.False(t, p.AdminPanel().Saw(token))

	list, err := p.Sessions(t.Context(), "alice")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.WithinDuration(t, time.Now().Add(time.Hour), list[0].ExpiresAt, time.Minute)
	require.NoError(t, p.Disable(t.Context(), "alice"))
	res, _ := ask(t, http.MethodGet, p.whoami(), "X-Session-Token", token)
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.NoError(t, p.Enable(t.Context(), "alice"))
	res, _ = ask(t, http.MethodGet, p.whoami(), "X-Session-Token", token)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.NoError(t, p.Revoke(t.Context(), list[0].ID))
	res, answer := ask(t, http.MethodGet, p.whoami(), "X-Session-Token", token)
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Equal(t, map[string]any{"error": map[string]any{
		"code": 401.0, "status": "Unauthorized", "reason": "No valid session credentials found in the request.",
		"message": "The request could not be authorized",
	}}, answer)
	s, err := p.Session(t.Context(), list[0].ID)
	require.NoError(t, err)
	require.False(t, s.Active, "the record is kept")
}

// TestLoginThroughThePage walks as a browser without JavaScript does and comes back to where it wanted to go.
func TestLoginThroughThePage(t *testing.T) {
	p := start(t, Options{ReturnURLs: []string{"http://127.0.0.1:1/"}, CookieName: "ory_session_peer"})
	browser := NewBrowser()
	browser.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Port() == "1" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	page, err := p.open(t.Context(), browser, p.URL()+"/self-service/login/browser?return_to="+url.QueryEscape("http://127.0.0.1:1/deep?a=b"))
	require.NoError(t, err)
	require.Equal(t, "/pages/login", page.Path)
	res, err := browser.Get(page.String())
	require.NoError(t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	for _, part := range []string{`method="POST"`, `name="csrf_token"`, `name="identifier"`, `type="password" name="password"`, `<button type="submit" name="method" value="password">`} {
		require.Contains(t, string(text), part)
	}
	res, err = p.FillIn(t.Context(), browser, page, url.Values{"method": {"password"}, "identifier": {"alice"}, "password": {"not her password"}})
	require.NoError(t, err)
	text, _ = io.ReadAll(res.Body)
	_ = res.Body.Close()
	require.Contains(t, string(text), "credentials are invalid", "back at the page, which says why")
	require.Empty(t, p.Cookie(browser))
	res, err = p.FillIn(t.Context(), browser, page, url.Values{"method": {"password"}, "identifier": {"alice"}, "password": {"wonderland"}})
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, "http://127.0.0.1:1/deep?a=b", res.Header.Get("Location"))
	cookie := p.Cookie(browser)
	require.NotEmpty(t, cookie)
	answer, s := ask(t, http.MethodGet, p.whoami(), "Cookie", "other=1; ory_session_peer="+cookie)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "aal1", s["authenticator_assurance_level"])
}

func TestSecondFactorAndStepUp(t *testing.T) {
	p := start(t, Options{})
	first, err := p.Login(t.Context(), "alice", "wonderland")
	require.NoError(t, err)
	codes, err := p.AddSecondFactor(t.Context(), first)
	require.NoError(t, err)
	require.NotEmpty(t, codes)
	token, err := p.Login(t.Context(), "alice", "wonderland")
	require.NoError(t, err)
	res, answer := ask(t, http.MethodGet, p.whoami(), "X-Session-Token", token)
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Equal(t, "session_aal2_required", answer["error"].(map[string]any)["id"])
	require.Equal(t, p.URL()+"/self-service/login/browser?aal=aal2", answer["redirect_browser_to"])
	require.NoError(t, p.StepUp(t.Context(), token, codes[0]))
	res, answer = ask(t, http.MethodGet, p.whoami(), "X-Session-Token", token)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "aal2", answer["authenticator_assurance_level"])
}

func TestExtendHintAndTokens(t *testing.T) {
	p := start(t, Options{Lifespan: time.Hour, FasterExtend: true, CacheFor: 20 * time.Second})
	browser, err := p.LoginWithBrowser(t.Context(), "alice", "wonderland")
	require.NoError(t, err)
	cookie := "ory_kratos_session=" + p.Cookie(browser)
	res, s := ask(t, http.MethodGet, p.whoami(), "Cookie", cookie)
	require.Equal(t, "20", res.Header.Get("Ory-Session-Cache-For"))
	require.Empty(t, res.Header.Values("Set-Cookie"))
	require.NoError(t, p.Extend(t.Context(), s["id"].(string)))
	res, after := ask(t, http.MethodGet, p.whoami()+"?tokenize_as=gateway", "Cookie", cookie)
	require.Greater(t, after["expires_at"], s["expires_at"])
	require.True(t, strings.HasPrefix(res.Header.Get("Set-Cookie"), "ory_kratos_session="))
	require.Regexp(t, `^ey[^.]+\.[^.]+\.[^.]+$`, after["tokenized"])
	require.NotNil(t, p.TokenKey())
}

func TestPanelsAndStop(t *testing.T) {
	p := start(t, Options{})
	p.Panel().Set(panel.Failing)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.whoami(), nil)
	require.NoError(t, err)
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, 1, p.Panel().Asked(), "what the peer itself asks is not counted")
	_, err = p.Login(t.Context(), "alice", "wonderland")
	require.NoError(t, err, "the peer itself goes past the panel")
	res, _ = ask(t, http.MethodGet, p.AdminURL()+"/admin/health/ready")
	require.Equal(t, http.StatusOK, res.StatusCode, "one door, one panel")
	p.Stop()
	p.Stop()
	require.NoDirExists(t, p.dir)
	_, err = p.Login(context.WithoutCancel(t.Context()), "alice", "wonderland")
	require.Error(t, err)
}

func TestStartFailsAloud(t *testing.T) {
	if _, err := Binary(t.Context()); err != nil {
		t.Skip("SKIPPED: " + err.Error())
	}
	_, err := Start(t.Context(), Options{Lifespan: -time.Hour})
	require.ErrorContains(t, err, "lifespan", "what Kratos printed is in the error")
	_, err = Start(t.Context(), Options{Binary: "/nowhere/kratos"})
	require.ErrorContains(t, err, "/nowhere/kratos")
	_, err = Start(t.Context(), Options{Users: []User{{Username: "bob", Password: "long enough", Email: "no address"}}})
	require.ErrorContains(t, err, `add user "bob"`)
}
