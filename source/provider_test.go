package source_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/demo/provider"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source"
)

// realProvider runs the demonstration's OpenID provider, which rotates refresh tokens and detects their reuse.
func realProvider(t *testing.T, callback string) (*provider.Provider, string) {
	var p *provider.Provider
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	p, err := provider.New(provider.Options{
		Issuer: srv.URL,
		Clients: []provider.Client{{
			ID: "gateway", Secret: "planted-secret", RedirectURIs: []string{callback}, JWTAccessTokens: true,
		}},
		Users: []provider.User{{
			Username: "alice", Password: "wonder", Subject: "alice-1", Name: "Alice", Email: "alice@example.com",
			EmailVerified: true, Groups: []string{"dev", "ops"},
		}},
	})
	require.NoError(t, err)
	return p, srv.URL
}

// TestRealProvider walks through a whole session at a real provider: discovery, login, renewal with rotation, the
// access token as a bearer token, reuse detection, logout, revocation.
func TestRealProvider(t *testing.T) {
	answers := make(chan session.Callback, 1)
	callback := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		answers <- session.Callback{Code: q.Get("code"), State: q.Get("state"), Issuer: q.Get("iss"), Error: q.Get("error")}
	}))
	defer callback.Close()
	p, issuer := realProvider(t, callback.URL+"/callback")

	opened, err := source.Open(source.Options{Name: "corp", OIDC: &source.OIDCOptions{
		Issuer: issuer, ClientID: "gateway", ClientSecret: session.NewSecret("planted-secret"), Userinfo: true,
		Scopes: []string{"openid", "profile", "email", "groups", "offline_access"},
	}}, source.Deps{CallbackURL: callback.URL + "/callback"})
	require.NoError(t, err)
	oidc := opened.(*source.OIDC)
	alice := logIn(t, oidc, answers)
	require.Equal(t, "alice-1", alice.Identity.Subject)
	require.Equal(t, "alice", alice.Identity.Username)
	require.Equal(t, "alice@example.com", alice.Identity.Email)
	require.True(t, alice.Identity.EmailVerified)
	require.Equal(t, []string{"dev", "ops"}, alice.Identity.Groups)
	require.True(t, alice.Tokens.Renewable())

	renewed, err := oidc.Refresh(t.Context(), alice)
	require.NoError(t, err)
	require.Equal(t, alice.Identity, renewed.Identity)
	require.NotEqual(t, alice.Tokens.Refresh.Reveal(), renewed.Tokens.Refresh.Reveal())

	api, err := source.Open(source.Options{Name: "api", JWT: &source.JWTOptions{
		Issuers: []source.JWTIssuer{{Issuer: issuer, Audiences: []string{"gateway"}}},
	}}, source.Deps{})
	require.NoError(t, err)
	bearer := func(s session.Secret) (*session.Session, error) {
		return api.(session.Resolver).Resolve(t.Context(), session.Credential{Place: session.Place{Kind: session.KindBearer}, Value: s})
	}
	got, err := bearer(renewed.Tokens.Access)
	require.NoError(t, err)
	require.Equal(t, "alice-1", got.Identity.Subject)
	_, err = bearer(renewed.Tokens.ID)
	require.ErrorIs(t, err, session.ErrRejected, "an ID token is no access token")

	_, err = oidc.Refresh(t.Context(), alice)
	require.ErrorIs(t, err, session.ErrRejected, "a refresh token works once")
	_, err = oidc.Refresh(t.Context(), renewed)
	require.ErrorIs(t, err, session.ErrRejected, "and its reuse ends the family")

	again := logIn(t, oidc, answers)
	require.NoError(t, oidc.Revoke(t.Context(), again))
	_, err = oidc.Refresh(t.Context(), again)
	require.ErrorIs(t, err, session.ErrRejected)
	url, err := oidc.EndSessionURL(t.Context(), again, "", "")
	require.NoError(t, err)
	require.Contains(t, url, issuer)
	require.NoError(t, oidc.Health())
	require.Equal(t, 2, p.Calls(provider.DiscoveryPath), "once for each source")
	require.NotZero(t, p.Calls(provider.KeysPath))
}

// logIn signs alice in with a browser that keeps cookies.
func logIn(t *testing.T, oidc *source.OIDC, answers <-chan session.Callback) *session.Session {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	tx := session.Transaction{
		State: "state", Nonce: "nonce", CodeVerifier: session.NewSecret("verifier-verifier-verifier-verifier-verifier"),
	}
	start, err := oidc.AuthorizationURL(t.Context(), tx)
	require.NoError(t, err)
	resp, err := provider.Login(context.WithoutCancel(t.Context()), &http.Client{Jar: jar}, start, "alice", "wonder")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	s, err := oidc.Exchange(t.Context(), tx, <-answers)
	require.NoError(t, err)
	return s
}
