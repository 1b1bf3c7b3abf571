package provider_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/sessionward/sessionward/cmd/demo/provider"
)

func TestRejectsReusedRefreshTokenAndEndsItsFamily(t *testing.T) {
	w := start(t, nil)
	first := w.tokens(browser(t))
	second, err := w.renew(first.RefreshToken)
	require.NoError(t, err)
	_, err = w.renew(first.RefreshToken)
	requireOAuthError(t, err, "invalid_grant")
	_, err = w.renew(second.RefreshToken)
	requireOAuthError(t, err, "invalid_grant")
	_, err = w.oidc.UserInfo(t.Context(), oauth2.StaticTokenSource(second))
	require.Error(t, err)
	require.Zero(t, w.p.ActiveRefreshTokens("u-1"))
}

func TestRejectsConcurrentUseOfOneRefreshToken(t *testing.T) {
	w := start(t, nil)
	tok := w.tokens(browser(t))
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := w.renew(tok.RefreshToken); err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
	require.Zero(t, w.p.ActiveRefreshTokens("u-1"), "the losers ended the family")
}

func TestRejectsWrongPKCEVerifier(t *testing.T) {
	w := start(t, nil)
	q, verifier := w.signIn(browser(t))
	_, err := w.conf.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier()))
	requireOAuthError(t, err, "invalid_grant")
	_, err = w.conf.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
	requireOAuthError(t, err, "invalid_grant")
}

func TestRejectsAuthorizationRequests(t *testing.T) {
	w := start(t, nil)
	for name, tc := range map[string]struct {
		change func(url.Values)
		want   string // error code at the callback, "" when there is no redirect at all
	}{
		"WithoutPKCE":             {func(q url.Values) { q.Del("code_challenge") }, "invalid_request"},
		"PlainPKCE":               {func(q url.Values) { q.Set("code_challenge_method", "plain") }, "invalid_request"},
		"FragmentResponseMode":    {func(q url.Values) { q.Set("response_mode", "fragment") }, "invalid_request"},
		"FormPostResponseMode":    {func(q url.Values) { q.Set("response_mode", "form_post") }, "invalid_request"},
		"ImplicitFlow":            {func(q url.Values) { q.Set("response_type", "id_token token") }, ""},
		"UnregisteredRedirectURI": {func(q url.Values) { q.Set("redirect_uri", q.Get("redirect_uri")+"/more") }, ""},
		"UnknownClient":           {func(q url.Values) { q.Set("client_id", "nobody") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(w.conf.AuthCodeURL("st", oauth2.S256ChallengeOption("v")))
			require.NoError(t, err)
			q := u.Query()
			tc.change(q)
			u.RawQuery = q.Encode()
			c := browser(t)
			c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			res, err := c.Get(u.String())
			require.NoError(t, err)
			defer res.Body.Close()
			if tc.want == "" {
				require.Equal(t, http.StatusBadRequest, res.StatusCode)
				return
			}
			to, err := res.Location()
			require.NoError(t, err)
			params := to.Query()
			if to.Fragment != "" {
				params, err = url.ParseQuery(to.Fragment)
				require.NoError(t, err)
			}
			require.Equal(t, tc.want, params.Get("error"))
		})
	}
}

func TestRejectsReusedCodeAndEndsWhatItGave(t *testing.T) {
	w := start(t, nil)
	q, verifier := w.signIn(browser(t))
	tok, err := w.conf.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	_, err = w.conf.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
	requireOAuthError(t, err, "invalid_grant")
	_, err = w.renew(tok.RefreshToken)
	requireOAuthError(t, err, "invalid_grant")
}

func TestRejectsCodeOfEndedSession(t *testing.T) {
	w := start(t, nil)
	q, verifier := w.signIn(browser(t))
	w.p.RevokeUser("u-1")
	_, err := w.conf.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
	requireOAuthError(t, err, "invalid_grant")
}

func TestRejectsCodeWithWrongClientSecret(t *testing.T) {
	w := start(t, nil)
	q, verifier := w.signIn(browser(t))
	w.conf.ClientSecret = "guess"
	_, err := w.conf.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
	requireOAuthError(t, err, "invalid_client")
}

func TestRejectsLoginBegunInAnotherBrowser(t *testing.T) {
	w := start(t, nil)
	mallory, victim := browser(t), browser(t)
	res, err := mallory.Get(w.conf.AuthCodeURL("s", oauth2.S256ChallengeOption("v")))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	page := res.Request.URL
	require.Equal(t, provider.LoginPath, page.Path)

	w.tokens(victim) // the victim has a session that would answer at once
	res, err = victim.Get(page.String())
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
}

func TestRejectsCallbackOfAnotherBrowser(t *testing.T) {
	w := start(t, nil)
	c := browser(t)
	var callback string
	c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == provider.CallbackPath {
			callback = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	_, err := provider.Login(t.Context(), c, w.conf.AuthCodeURL("s", oauth2.S256ChallengeOption("v")), "alice", "wonderland")
	require.ErrorIs(t, err, provider.ErrLoginRefused) // the walk was stopped on its way
	require.NotEmpty(t, callback)
	res, err := browser(t).Get(callback)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
}

func TestRejectsPasswordInQuery(t *testing.T) {
	w := start(t, nil)
	c := browser(t)
	res, err := c.Get(w.conf.AuthCodeURL("s", oauth2.S256ChallengeOption("v")))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	res, err = c.PostForm(res.Request.URL.String()+"&username=alice&password=wonderland", nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
}

func TestRejectsEndSessionWithoutHint(t *testing.T) {
	w := start(t, nil)
	c := browser(t)
	w.tokens(c)
	for _, q := range []string{"", "?client_id=app", "?id_token_hint=e30.e30.e30"} {
		res, err := c.Get(w.issuer + provider.EndSessionPath + q)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusBadRequest, res.StatusCode, q)
	}
	require.Equal(t, 1, w.p.Sessions("u-1"))
}

func TestRejectsUnregisteredPostLogoutRedirect(t *testing.T) {
	w := start(t, nil)
	c := browser(t)
	raw, _ := w.tokens(c).Extra("id_token").(string)
	res, err := c.Get(w.issuer + provider.EndSessionPath + "?" + url.Values{
		"id_token_hint": {raw}, "post_logout_redirect_uri": {"https://evil.example/"},
	}.Encode())
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
}

func TestRejectsRevocationByAnotherClient(t *testing.T) {
	w := start(t, nil)
	tok := w.tokens(browser(t))
	for _, token := range []string{tok.RefreshToken, tok.AccessToken} {
		w.post(provider.RevocationPath, "jwt", "jwt-secret", url.Values{"token": {token}}, nil)
	}
	_, err := w.oidc.UserInfo(t.Context(), oauth2.StaticTokenSource(tok))
	require.NoError(t, err)
	_, err = w.renew(tok.RefreshToken)
	require.NoError(t, err)
}

func TestRejectsIntrospectionWithoutSecret(t *testing.T) {
	w := start(t, nil)
	tok := w.tokens(browser(t))
	require.Equal(t, http.StatusUnauthorized,
		w.post(provider.IntrospectionPath, "app", "guess", url.Values{"token": {tok.AccessToken}}, nil))
}

func TestRejectsCrossOriginReaders(t *testing.T) {
	w := start(t, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.issuer+provider.UserinfoPath, nil)
	require.NoError(t, err)
	req.Header.Set("Origin", "https://evil.example")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Empty(t, res.Header.Get("Access-Control-Allow-Origin"))
}

func TestRejectsLargeBody(t *testing.T) {
	w := start(t, nil)
	tok := w.tokens(browser(t))
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tok.RefreshToken}, "pad": {strings.Repeat("x", 128<<10)}}
	require.Equal(t, http.StatusBadRequest, w.post(provider.TokenPath, "app", "app-secret", form, nil))
	_, err := w.renew(tok.RefreshToken)
	require.NoError(t, err, "the token was not spent")
}

func TestRejectsExpiredAccessToken(t *testing.T) {
	clock := time.Now()
	w := start(t, func(o *provider.Options) { o.Now = func() time.Time { return clock } })
	tok := w.tokens(browser(t))
	clock = clock.Add(time.Minute)
	var c claims
	w.post(provider.IntrospectionPath, "app", "app-secret", url.Values{"token": {tok.AccessToken}}, &c)
	require.False(t, c.Active)
	_, err := w.oidc.UserInfo(t.Context(), oauth2.StaticTokenSource(tok))
	require.Error(t, err)
}

func TestPagesAreSafeAndEscaped(t *testing.T) {
	w := start(t, nil)
	u := w.conf.AuthCodeURL("s", oauth2.S256ChallengeOption("v"), oauth2.SetAuthURLParam("login_hint", `"><script>`))
	res, err := browser(t).Get(u)
	require.NoError(t, err)
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NotContains(t, string(page), "<script")
	require.Contains(t, string(page), `<label for="password">`)
	require.Contains(t, res.Header.Get("Content-Security-Policy"), "default-src 'none'")
	for _, c := range res.Request.Response.Cookies() {
		require.True(t, c.HttpOnly)
		require.Equal(t, http.SameSiteLaxMode, c.SameSite)
		require.Equal(t, provider.AuthorizePath, c.Path, "a gateway on the same host name never sees it")
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	client := []provider.Client{{ID: "a", RedirectURIs: []string{"http://localhost/cb"}}}
	users := []provider.User{alice()}
	for want, o := range map[string]provider.Options{
		"issuer":                   {Issuer: "localhost:4000", Clients: client, Users: users},
		"scheme and host only":     {Issuer: "http://localhost:4000/realm", Clients: client, Users: users},
		"clients: none":            {Issuer: "http://localhost:4000", Users: users},
		"clients[0].redirect_uris": {Issuer: "http://localhost:4000", Clients: []provider.Client{{ID: "a"}}, Users: users},
		"clients[1].id":            {Issuer: "http://localhost:4000", Clients: append(client, client...), Users: users},
		"users: none":              {Issuer: "http://localhost:4000", Clients: client},
		"users[0].subject":         {Issuer: "http://localhost:4000", Clients: client, Users: []provider.User{{Username: "x", Password: "x", Subject: "a:b"}}},
		"users[1]":                 {Issuer: "http://localhost:4000", Clients: client, Users: append(users, users...)},
		"access_token_ttl":         {Issuer: "http://localhost:4000", Clients: client, Users: users, AccessTokenTTL: 1},
	} {
		_, err := provider.New(o)
		require.ErrorContains(t, err, want)
	}
}

// FuzzRequests: whatever bytes arrive, no handler panics and none answers with a server error.
func FuzzRequests(f *testing.F) {
	p, err := provider.New(provider.Options{
		Issuer:  "http://localhost:4000",
		Clients: []provider.Client{{ID: "app", Secret: "s", RedirectURIs: []string{"http://localhost/cb"}}},
		Users:   []provider.User{alice()},
	})
	require.NoError(f, err)
	const auth = "client_id=app&redirect_uri=http://localhost/cb&response_type=code&scope=openid&code_challenge=x&code_challenge_method=S256"
	for _, s := range [][3]string{
		{provider.AuthorizePath, auth, ""},
		{provider.AuthorizePath, auth + "&max_age=-1&prompt=none+login", ""},
		{provider.LoginPath, "request=x", "username=alice&password=wonderland"},
		{provider.CallbackPath, "id=x", ""},
		{provider.TokenPath, "", "grant_type=authorization_code&code=x&client_id=app&client_secret=s"},
		{provider.TokenPath, "", "grant_type=refresh_token&refresh_token=x&client_id=app&client_secret=s"},
		{provider.EndSessionPath, "id_token_hint=a.b.c&state=%zz", ""},
		{provider.RevocationPath, "", "token=x&client_id=app&client_secret=s"},
		{provider.IntrospectionPath, "", "token=a.b.c.d.e"},
		{provider.UserinfoPath, "access_token=x", ""},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, path, query, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("app", "s")
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		require.Less(t, w.Code, http.StatusInternalServerError, "%s?%s\n%s\n%s", path, query, body, w.Body)
	})
}
