package provider_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/sessionward/sessionward/cmd/demo/provider"
)

// world is a provider on a real port, a client of it and that client's callback.
type world struct {
	t        *testing.T
	p        *provider.Provider
	issuer   string
	conf     oauth2.Config
	verifier *oidc.IDTokenVerifier
	oidc     *oidc.Provider
}

func alice() provider.User {
	return provider.User{
		Username: "alice", Password: "wonderland", Subject: "u-1", Name: "Alice Liddell", Email: "alice@example.com",
		EmailVerified: true, Groups: []string{"admins", "staff"},
	}
}

func start(t *testing.T, change func(*provider.Options)) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	landing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "landed") }))
	t.Cleanup(landing.Close)
	o := provider.Options{
		Issuer: "http://" + l.Addr().String(),
		Clients: []provider.Client{
			{ID: "app", Secret: "app-secret", RedirectURIs: []string{landing.URL + "/cb"}, PostLogoutRedirectURIs: []string{landing.URL + "/bye"}},
			{ID: "jwt", Secret: "jwt-secret", RedirectURIs: []string{landing.URL + "/cb"}, JWTAccessTokens: true},
			{ID: "public", RedirectURIs: []string{landing.URL + "/cb"}},
		},
		Users: []provider.User{alice(), {Username: "bob", Password: "builder", Subject: "u-2", Groups: []string{"staff"}}},
	}
	if change != nil {
		change(&o)
	}
	p, err := provider.New(o)
	require.NoError(t, err)
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: p}}
	s.Start()
	t.Cleanup(s.Close)
	return newWorld(t, p, o.Issuer, landing.URL)
}

func newWorld(t *testing.T, p *provider.Provider, issuer, landing string) *world {
	t.Helper()
	op, err := oidc.NewProvider(t.Context(), issuer)
	require.NoError(t, err)
	endpoint := op.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // guessing would spend a code
	return &world{
		t: t, p: p, issuer: issuer, oidc: op,
		verifier: op.Verifier(&oidc.Config{ClientID: "app"}),
		conf: oauth2.Config{
			ClientID: "app", ClientSecret: "app-secret", Endpoint: endpoint, RedirectURL: landing + "/cb",
			Scopes: []string{"openid", "profile", "email", "groups", "offline_access"},
		},
	}
}

func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar}
}

// signIn walks the flow up to the callback and returns its parameters and the PKCE verifier.
func (w *world) signIn(c *http.Client, opts ...oauth2.AuthCodeOption) (url.Values, string) {
	w.t.Helper()
	verifier := oauth2.GenerateVerifier()
	opts = append([]oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", "n-1")}, opts...)
	res, err := provider.Login(w.t.Context(), c, w.conf.AuthCodeURL("st-1", opts...), "alice", "wonderland")
	require.NoError(w.t, err)
	defer res.Body.Close()
	require.Equal(w.t, http.StatusOK, res.StatusCode)
	require.Equal(w.t, "/cb", res.Request.URL.Path)
	return res.Request.URL.Query(), verifier
}

func (w *world) tokens(c *http.Client) *oauth2.Token {
	w.t.Helper()
	q, verifier := w.signIn(c)
	tok, err := w.conf.Exchange(w.t.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
	require.NoError(w.t, err)
	return tok
}

// renew uses a refresh token once.
func (w *world) renew(refresh string) (*oauth2.Token, error) {
	return w.conf.TokenSource(w.t.Context(), &oauth2.Token{RefreshToken: refresh}).Token()
}

type claims struct {
	Subject  string   `json:"sub"`
	Issuer   string   `json:"iss"`
	Username string   `json:"preferred_username"`
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	Verified bool     `json:"email_verified"`
	Groups   []string `json:"groups"`
	SID      string   `json:"sid"`
	AuthTime int64    `json:"auth_time"`
	AMR      []string `json:"amr"`
	Nonce    string   `json:"nonce"`
	Active   bool     `json:"active"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope"`
	Exp      int64    `json:"exp"`
}

func (w *world) idClaims(tok *oauth2.Token) claims {
	w.t.Helper()
	raw, _ := tok.Extra("id_token").(string)
	id, err := w.verifier.Verify(w.t.Context(), raw)
	require.NoError(w.t, err)
	var c claims
	require.NoError(w.t, id.Claims(&c))
	return c
}

func requireOAuthError(t *testing.T, err error, code string) {
	t.Helper()
	var re *oauth2.RetrieveError
	require.ErrorAs(t, err, &re)
	require.Equal(t, code, re.ErrorCode)
}

// post sends a form with client_secret_basic and decodes the JSON answer.
func (w *world) post(path, id, secret string, form url.Values, out any) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.issuer+path, strings.NewReader(form.Encode()))
	require.NoError(w.t, err)
	req.SetBasicAuth(id, secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	if out != nil {
		require.NoError(w.t, json.NewDecoder(res.Body).Decode(out))
	}
	return res.StatusCode
}

func TestCodeFlow(t *testing.T) {
	w := start(t, nil)
	before := time.Now().Unix()
	q, verifier := w.signIn(browser(t))
	require.Equal(t, "st-1", q.Get("state"))
	require.Equal(t, w.issuer, q.Get("iss"), "RFC 9207")

	tok, err := w.conf.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	require.NotEmpty(t, tok.RefreshToken)
	require.InDelta(t, 60, time.Until(tok.Expiry).Seconds(), 5)

	c := w.idClaims(tok)
	require.GreaterOrEqual(t, c.AuthTime, before)
	require.NotEmpty(t, c.SID)
	c.SID, c.AuthTime, c.Exp = "", 0, 0
	require.Equal(t, claims{
		Subject: "u-1", Issuer: w.issuer, Username: "alice", Name: "Alice Liddell", Email: "alice@example.com", Verified: true,
		Groups: []string{"admins", "staff"}, AMR: []string{"pwd"}, Nonce: "n-1", ClientID: "app",
	}, c)
	require.Equal(t, 1, w.p.TokenCalls("authorization_code"))
	require.Equal(t, 1, w.p.Sessions("u-1"))
	require.Equal(t, 1, w.p.ActiveRefreshTokens("u-1"))

	info, err := w.oidc.UserInfo(t.Context(), oauth2.StaticTokenSource(tok))
	require.NoError(t, err)
	var u claims
	require.NoError(t, info.Claims(&u))
	require.Equal(t, []string{"admins", "staff"}, u.Groups)
	require.Equal(t, "alice", u.Username)
}

func TestDiscovery(t *testing.T) {
	w := start(t, nil)
	var d struct {
		Iss    bool     `json:"authorization_response_iss_parameter_supported"`
		PKCE   []string `json:"code_challenge_methods_supported"`
		Types  []string `json:"response_types_supported"`
		Grants []string `json:"grant_types_supported"`
		Algs   []string `json:"id_token_signing_alg_values_supported"`
		Scopes []string `json:"scopes_supported"`
		Device string   `json:"device_authorization_endpoint"`
		End    string   `json:"end_session_endpoint"`
	}
	require.NoError(t, w.oidc.Claims(&d))
	require.True(t, d.Iss)
	require.Equal(t, []string{"S256"}, d.PKCE)
	require.Equal(t, []string{"code"}, d.Types)
	require.Equal(t, []string{"authorization_code", "refresh_token", provider.DeviceGrant}, d.Grants)
	require.Equal(t, []string{"RS256"}, d.Algs)
	require.Contains(t, d.Scopes, "groups")
	require.Equal(t, w.issuer+provider.DeviceAuthorizationPath, d.Device)
	require.Equal(t, w.issuer+provider.EndSessionPath, d.End)
}

func TestIssuerWithTrailingSlash(t *testing.T) {
	w := start(t, func(o *provider.Options) { o.Issuer += "/" })
	require.Equal(t, w.issuer, w.idClaims(w.tokens(browser(t))).Issuer)
}

func TestRefreshRotates(t *testing.T) {
	w := start(t, nil)
	first := w.tokens(browser(t))
	second, err := w.renew(first.RefreshToken)
	require.NoError(t, err)
	require.NotEqual(t, first.RefreshToken, second.RefreshToken)
	require.Equal(t, w.idClaims(first).SID, w.idClaims(second).SID)
	require.Equal(t, w.idClaims(first).AuthTime, w.idClaims(second).AuthTime)
	require.Equal(t, 1, w.p.TokenCalls("refresh_token"))
	require.Equal(t, 1, w.p.ActiveRefreshTokens("u-1"))
}

func TestRefreshTokenExpires(t *testing.T) {
	clock := time.Now()
	w := start(t, func(o *provider.Options) {
		o.Now = func() time.Time { return clock }
		o.RefreshTokenTTL = time.Hour
	})
	tok := w.tokens(browser(t))
	clock = clock.Add(time.Hour)
	_, err := w.renew(tok.RefreshToken)
	requireOAuthError(t, err, "invalid_grant")
	require.Zero(t, w.p.ActiveRefreshTokens("u-1"))
}

func TestClaimsFollowSetUser(t *testing.T) {
	w := start(t, nil)
	tok := w.tokens(browser(t))
	u := alice()
	u.Groups, u.Email = []string{"guests"}, "al@example.com"
	require.NoError(t, w.p.SetUser(u))
	u.Groups[0] = "changed after the call"

	info, err := w.oidc.UserInfo(t.Context(), oauth2.StaticTokenSource(tok))
	require.NoError(t, err)
	require.Equal(t, "al@example.com", info.Email)
	tok, err = w.renew(tok.RefreshToken)
	require.NoError(t, err)
	require.Equal(t, []string{"guests"}, w.idClaims(tok).Groups)
	require.ErrorContains(t, w.p.SetUser(provider.User{Username: "alice", Password: "x", Subject: "u-9"}), "taken")
}

func TestScopesLimitClaims(t *testing.T) {
	w := start(t, nil)
	w.conf.Scopes = []string{"openid"}
	tok := w.tokens(browser(t))
	require.Empty(t, tok.RefreshToken, "no offline_access, no refresh token")
	c := w.idClaims(tok)
	require.Empty(t, c.Groups)
	require.Empty(t, c.Email)
	require.Empty(t, c.Username)
}

func TestIntrospection(t *testing.T) {
	w := start(t, nil)
	tok := w.tokens(browser(t))
	var c claims
	require.Equal(t, http.StatusOK, w.post(provider.IntrospectionPath, "app", "app-secret", url.Values{"token": {tok.AccessToken}}, &c))
	require.True(t, c.Active)
	require.Equal(t, "u-1", c.Subject)
	require.Equal(t, "app", c.ClientID)
	require.Equal(t, []string{"admins", "staff"}, c.Groups)
	require.Contains(t, c.Scope, "groups")
	require.NotZero(t, c.Exp)

	c = claims{}
	w.post(provider.IntrospectionPath, "app", "app-secret", url.Values{"token": {"nonsense"}}, &c)
	require.False(t, c.Active)
}

func TestJWTAccessTokens(t *testing.T) {
	w := start(t, nil)
	w.conf.ClientID, w.conf.ClientSecret = "jwt", "jwt-secret"
	tok := w.tokens(browser(t))
	at, err := w.oidc.Verifier(&oidc.Config{ClientID: "jwt"}).Verify(t.Context(), tok.AccessToken)
	require.NoError(t, err)
	var c claims
	require.NoError(t, at.Claims(&c))
	require.Equal(t, []string{"admins", "staff"}, c.Groups)
	_, err = w.oidc.UserInfo(t.Context(), oauth2.StaticTokenSource(tok))
	require.NoError(t, err)
}

func TestRevocation(t *testing.T) {
	w := start(t, nil)
	tok := w.tokens(browser(t))
	require.Equal(t, http.StatusOK, w.post(provider.RevocationPath, "app", "app-secret", url.Values{"token": {tok.RefreshToken}}, nil))
	_, err := w.renew(tok.RefreshToken)
	requireOAuthError(t, err, "invalid_grant")
	_, err = w.oidc.UserInfo(t.Context(), oauth2.StaticTokenSource(tok))
	require.Error(t, err, "the access token of the family has ended too")
	require.Equal(t, 1, w.p.Sessions("u-1"), "the browser session goes on")
}

func TestEndSession(t *testing.T) {
	w := start(t, nil)
	c := browser(t)
	tok := w.tokens(c)
	elsewhere := w.tokens(browser(t))
	raw, _ := tok.Extra("id_token").(string)
	bye := strings.Replace(w.conf.RedirectURL, "/cb", "/bye", 1)
	res, err := c.Get(w.issuer + provider.EndSessionPath + "?" + url.Values{
		"id_token_hint": {raw}, "post_logout_redirect_uri": {bye}, "state": {"s-9"},
	}.Encode())
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, bye+"?state=s-9", res.Request.URL.String())

	require.Equal(t, 1, w.p.Sessions("u-1"), "the other browser's session goes on")
	_, err = w.renew(tok.RefreshToken)
	requireOAuthError(t, err, "invalid_grant")
	_, err = w.renew(elsewhere.RefreshToken)
	require.NoError(t, err)
	q := w.silent(c)
	require.Equal(t, "login_required", q.Get("error"), "the browser session has ended")
}

// silent asks with prompt=none and returns the callback's parameters.
func (w *world) silent(c *http.Client) url.Values {
	w.t.Helper()
	u := w.conf.AuthCodeURL("st-2", oauth2.S256ChallengeOption("v"), oauth2.SetAuthURLParam("prompt", "none"))
	res, err := c.Get(u)
	require.NoError(w.t, err)
	defer res.Body.Close()
	return res.Request.URL.Query()
}

func TestSingleSignOn(t *testing.T) {
	w := start(t, nil)
	c := browser(t)
	q := w.silent(c)
	require.Equal(t, "login_required", q.Get("error"))
	require.Equal(t, w.issuer, q.Get("iss"), "errors carry iss too (RFC 9207 §2)")
	w.tokens(c)
	require.NotEmpty(t, w.silent(c).Get("code"))
	logins := w.p.Calls(provider.LoginPath)
	w.tokens(c)
	require.Equal(t, logins+1, w.p.Calls(provider.LoginPath), "GET only: no password is asked for")
	require.Equal(t, 1, w.p.Sessions("u-1"))
}

func TestPromptAndMaxAge(t *testing.T) {
	clock := time.Now()
	w := start(t, func(o *provider.Options) { o.Now = func() time.Time { return clock } })
	c := browser(t)
	sid := w.idClaims(w.tokens(c)).SID
	asked := func(name, value string) bool {
		before := w.p.Calls(provider.LoginPath)
		w.signIn(c, oauth2.SetAuthURLParam(name, value))
		return w.p.Calls(provider.LoginPath) == before+2
	}
	require.False(t, asked("max_age", "60"))
	clock = clock.Add(2 * time.Minute)
	require.True(t, asked("max_age", "60"))
	require.True(t, asked("prompt", "login"))
	require.Equal(t, sid, w.idClaims(w.tokens(c)).SID, "signing in again keeps the session")
}

func TestRevokeUser(t *testing.T) {
	w := start(t, nil)
	c := browser(t)
	tok := w.tokens(c)
	w.p.RevokeUser("u-1")
	require.Zero(t, w.p.Sessions("u-1"))
	require.Zero(t, w.p.ActiveRefreshTokens("u-1"))
	_, err := w.renew(tok.RefreshToken)
	requireOAuthError(t, err, "invalid_grant")
	require.NotEmpty(t, w.tokens(c).AccessToken, "the user can sign in again")
}

func TestFaults(t *testing.T) {
	w := start(t, nil)
	tok := w.tokens(browser(t))
	w.p.Fail(provider.TokenPath, http.StatusServiceUnavailable, `{"error":"temporarily_unavailable"}`)
	_, err := w.renew(tok.RefreshToken)
	requireOAuthError(t, err, "temporarily_unavailable")
	w.p.Heal()
	w.p.Delay(provider.TokenPath, time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = w.conf.TokenSource(ctx, &oauth2.Token{RefreshToken: tok.RefreshToken}).Token()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	w.p.Heal()
	_, err = w.renew(tok.RefreshToken)
	require.NoError(t, err, "a request that never came through spends no token")
	require.Equal(t, 3, w.p.TokenCalls("refresh_token"))
}

func TestLoginHelper(t *testing.T) {
	w := start(t, nil)
	u := w.conf.AuthCodeURL("s", oauth2.S256ChallengeOption("v"))
	_, err := provider.Login(t.Context(), browser(t), u, "alice", "wrong")
	require.ErrorIs(t, err, provider.ErrLoginRefused)
	_, err = provider.Login(t.Context(), &http.Client{}, u, "alice", "wonderland")
	require.ErrorContains(t, err, "cookie jar")
}
