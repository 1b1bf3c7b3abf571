package source

import (
	"net/http"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// What the token endpoint answers, and what it means for the session: only a definite no ends it.
func TestRefreshClassesByCode(t *testing.T) {
	huge := `{"access_token":"` + strings.Repeat("x", 2<<20) + `"}`
	tests := map[string]struct {
		status int
		body   string
		want   error
	}{
		"invalid_grant":                        {400, `{"error":"invalid_grant"}`, session.ErrRejected},
		"invalid_grant with 401":               {401, `{"error":"invalid_grant"}`, session.ErrRejected},
		"invalid_grant with 403":               {403, `{"error":"invalid_grant"}`, session.ErrRejected},
		"invalid_request for an unknown token": {400, `{"error":"invalid_request"}`, session.ErrRejected},
		"interaction_required":                 {400, `{"error":"interaction_required"}`, session.ErrRejected},
		"invalid_client":                       {401, `{"error":"invalid_client"}`, session.ErrUnavailable},
		"invalid_client with 400":              {400, `{"error":"invalid_client"}`, session.ErrUnavailable},
		"invalid_request with 401":             {401, `{"error":"invalid_request"}`, session.ErrUnavailable},
		"unauthorized_client":                  {400, `{"error":"unauthorized_client"}`, session.ErrUnavailable},
		"unsupported_grant_type":               {400, `{"error":"unsupported_grant_type"}`, session.ErrUnavailable},
		"invalid_scope":                        {400, `{"error":"invalid_scope"}`, session.ErrUnavailable},
		"unknown code":                         {400, `{"error":"planted"}`, session.ErrUnavailable},
		"code of another type":                 {400, `{"error":["invalid_grant"]}`, session.ErrUnavailable},
		"code twice":                           {400, `{"error":"x","error":"invalid_grant"}`, session.ErrUnavailable},
		"code in the description only":         {400, `{"error":"x","error_description":"invalid_grant"}`, session.ErrUnavailable},
		"html that speaks of invalid_grant":    {400, `<p>"error":"invalid_grant"</p>`, session.ErrUnavailable},
		"empty 400":                            {400, ``, session.ErrUnavailable},
		"invalid_grant with 200":               {200, `{"error":"invalid_grant"}`, session.ErrUnavailable},
		"invalid_grant with 500":               {500, `{"error":"invalid_grant"}`, session.ErrUnavailable},
		"invalid_grant with 429":               {429, `{"error":"invalid_grant"}`, session.ErrUnavailable},
		"invalid_grant with 408":               {408, `{"error":"invalid_grant"}`, session.ErrUnavailable},
		"500":                                  {500, `oops`, session.ErrUnavailable},
		"502 html":                             {502, `<html>`, session.ErrUnavailable},
		"200 html":                             {200, `<html>`, session.ErrUnavailable},
		"200 empty object":                     {200, `{}`, session.ErrUnavailable},
		"200 dpop token":                       {200, `{"access_token":"a","token_type":"DPoP"}`, session.ErrUnavailable},
		"oversized":                            {200, huge, session.ErrUnavailable},
		"redirect":                             {302, ``, session.ErrUnavailable},
		"temporary redirect":                   {307, ``, session.ErrUnavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := newTestProvider(t)
			s := a.oidc()
			alice := a.mustLogin(s)
			a.answer("/token", tt.status, tt.body, "Content-Type", "application/json", "Location", a.URL+"/trap")
			n, err := s.Refresh(t.Context(), alice)
			require.ErrorIs(t, err, tt.want)
			require.NotErrorIs(t, err, otherClass(tt.want))
			require.Nil(t, n)
			require.NotContains(t, err.Error(), "planted")
			a.noSecrets(err.Error())
			require.Zero(t, a.times("/trap"), "a redirect of a token call is never followed")
		})
	}
}

func otherClass(class error) error {
	if class == session.ErrRejected {
		return session.ErrUnavailable
	}
	return session.ErrRejected
}

func TestRefreshHonoursRetryAfter(t *testing.T) {
	for _, status := range []int{429, 503} {
		a := newTestProvider(t)
		s := a.oidc()
		alice := a.mustLogin(s)
		a.answer("/token", status, "", "Retry-After", "42")
		_, err := s.Refresh(t.Context(), alice)
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.Equal(t, 42*time.Second, session.RetryAfter(err))
	}
}

func TestRefreshTakesTokensAndClaims(t *testing.T) {
	a := newTestProvider(t)
	a.claims["clearance"] = "secret"
	s := a.oidc()
	alice := a.mustLogin(s)
	require.Equal(t, "secret", alice.Identity.Claims["clearance"])
	a.clock.Advance(time.Minute)
	a.set(func() {
		a.claims["groups"], a.claims["clearance"] = []string{"ops"}, nil
		a.claims["preferred_username"], a.claims["name"], a.claims["email"] = nil, nil, nil
		a.claims["auth_time"], a.claims["acr"], a.claims["amr"] = a.clock.Now().Unix(), "platinum", []string{"hwk"}
	})
	n, err := s.Refresh(t.Context(), alice)
	require.NoError(t, err)
	require.Equal(t, []string{"ops"}, n.Identity.Groups, "what the authority no longer says is gone")
	require.Nil(t, n.Identity.Claims["clearance"])
	require.Equal(t, []any{"alice", "Alice", "alice@example.com", true}, []any{n.Identity.Username, n.Identity.Name, n.Identity.Email, n.Identity.EmailVerified})
	require.NotEqual(t, alice.Tokens.Refresh.Reveal(), n.Tokens.Refresh.Reveal())
	require.NotEqual(t, alice.Tokens.ID.Reveal(), n.Tokens.ID.Reveal())
	require.Equal(t, a.clock.Now().Add(5*time.Minute), n.Tokens.ExpiresAt)
	require.Equal(t, alice.AuthenticatedAt, n.AuthenticatedAt, "a renewal proves nothing new")
	require.Equal(t, "gold", n.ACR)
	require.Equal(t, alice.AuthenticationMethods, n.AuthenticationMethods)
}

func TestRefreshWithoutNewRefreshTokenKeepsTheOld(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	alice := a.mustLogin(s)
	a.reply = func(m map[string]any) { delete(m, "refresh_token") }
	n, err := s.Refresh(t.Context(), alice)
	require.NoError(t, err)
	require.Equal(t, alice.Tokens.Refresh.Reveal(), n.Tokens.Refresh.Reveal())
}

func TestRefreshWithoutIDTokenKeepsTheClaims(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	alice := a.mustLogin(s)
	a.reply = func(m map[string]any) { delete(m, "id_token") }
	n, err := s.Refresh(t.Context(), alice)
	require.NoError(t, err)
	require.Equal(t, alice.Identity, n.Identity)
	require.Equal(t, alice.Tokens.ID.Reveal(), n.Tokens.ID.Reveal())
	require.NotEqual(t, alice.Tokens.Access.Reveal(), n.Tokens.Access.Reveal())
}

func TestRefreshAsksUserinfoForGroups(t *testing.T) {
	a := newTestProvider(t)
	a.userinfo = map[string]any{"sub": "alice-1", "groups": []string{"dev"}}
	s := a.oidc(func(o *OIDCOptions) { o.Userinfo = true })
	alice := a.mustLogin(s)
	a.set(func() {
		a.reply = func(m map[string]any) { delete(m, "id_token") }
		a.userinfo = map[string]any{"sub": "alice-1", "groups": []string{"fired"}}
	})
	n, err := s.Refresh(t.Context(), alice)
	require.NoError(t, err)
	require.Equal(t, []string{"fired"}, n.Identity.Groups)
	require.Equal(t, alice.Identity.Claims, n.Identity.Claims)

	a.set(func() { a.userinfo = map[string]any{"sub": "mallory"} })
	_, err = s.Refresh(t.Context(), n)
	require.ErrorIs(t, err, session.ErrUnavailable, "another user's tokens are not taken, and end nothing")
}

// A rotated refresh token is not lost because userinfo or the keys cannot be asked.
func TestRefreshOutlivesOutagesOfOtherEndpoints(t *testing.T) {
	t.Run("userinfo", func(t *testing.T) {
		a := newTestProvider(t)
		a.userinfo = map[string]any{"sub": "alice-1"}
		s := a.oidc(func(o *OIDCOptions) { o.Userinfo = true })
		alice := a.mustLogin(s)
		a.answer("/userinfo", 500, "")
		a.claims["groups"] = []string{"forged"}
		n, err := s.Refresh(t.Context(), alice)
		require.NoError(t, err)
		require.Equal(t, a.refresh, n.Tokens.Refresh.Reveal())
		require.Equal(t, alice.Identity, n.Identity)
		a.noSecrets(a.logs.String())
	})
	t.Run("keys", func(t *testing.T) {
		a := newTestProvider(t)
		s := a.oidc()
		alice := a.mustLogin(s)
		a.answer("/keys", 500, "")
		a.sign = func(c map[string]any) string {
			return signed(t, testKeys().other, jose.RS256, map[string]any{"kid": "new"}, overlay(c, map[string]any{"groups": []string{"forged"}}))
		}
		n, err := s.Refresh(t.Context(), alice)
		require.NoError(t, err)
		require.Equal(t, a.refresh, n.Tokens.Refresh.Reveal())
		require.Equal(t, alice.Identity, n.Identity, "what is not verified is not believed")
		require.Equal(t, alice.Tokens.ID.Reveal(), n.Tokens.ID.Reveal())

		a.claims["sub"] = "mallory"
		_, err = s.Refresh(t.Context(), n)
		require.ErrorIs(t, err, session.ErrUnavailable, "not even claimed to be alice's")
	})
}

// S-052: a refreshed ID token that fails a check is never believed, its tokens are not taken, and the session goes on
// with the old ones.
func TestRefreshRejectsIDToken(t *testing.T) {
	now := startOfTest().Unix()
	keys := testKeys()
	claim := func(name string, value any) func(*testProvider) {
		return func(a *testProvider) { a.claims[name] = value }
	}
	for name, spoil := range map[string]func(*testProvider){
		"wrong sub":   claim("sub", "mallory"),
		"wrong iss":   claim("iss", "https://evil.example"),
		"wrong aud":   claim("aud", "another-client"),
		"wrong azp":   claim("azp", "another-client"),
		"wrong nonce": claim("nonce", "another"),
		"expired":     claim("exp", now-61),
		"missing iat": claim("iat", nil),
		"wrong signature": func(a *testProvider) {
			a.sign = func(c map[string]any) string {
				return signed(t, keys.other, jose.RS256, map[string]any{"kid": "rsa"}, c)
			}
		},
		"wrong at_hash": claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"garbage":       func(a *testProvider) { a.sign = func(map[string]any) string { return "a.b.c" } },
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestProvider(t)
			s := a.oidc()
			alice := a.mustLogin(s)
			spoil(a)
			n, err := s.Refresh(t.Context(), alice)
			require.Nil(t, n)
			require.ErrorIs(t, err, session.ErrUnavailable)
			require.NotErrorIs(t, err, session.ErrRejected)
			a.noSecrets(err.Error())
		})
	}
}

func TestRefreshedNonceMayRepeatTheFirst(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	alice := a.mustLogin(s)
	a.claims["nonce"] = "nonce-1"
	_, err := s.Refresh(t.Context(), alice)
	require.NoError(t, err)
}

// A slow answer to a spent refresh token is waited for: it holds the only good one.
func TestRefreshWaitsLongerThanOtherCalls(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	alice := a.mustLogin(s)
	s.client.HTTP().Timeout = 20 * time.Millisecond
	a.set(func() {
		a.hostile["/token"] = func(w http.ResponseWriter, r *http.Request) {
			<-time.After(10 * s.client.Timeout())
			a.mu.Lock()
			defer a.mu.Unlock()
			a.serveToken(w, r)
		}
	})
	n, err := s.Refresh(t.Context(), alice)
	require.NoError(t, err)
	require.Equal(t, a.refresh, n.Tokens.Refresh.Reveal())
}

func TestRefreshNeedsARefreshToken(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	alice := a.mustLogin(s).Clone()
	alice.Tokens.Refresh = session.Secret{}
	_, err := s.Refresh(t.Context(), alice)
	require.ErrorIs(t, err, session.ErrUnsupported)
}

// S-015: a revoked refresh token ends the session on that very call.
func TestASpentRefreshTokenIsRejected(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	alice := a.mustLogin(s)
	_, err := s.Refresh(t.Context(), alice)
	require.NoError(t, err)
	_, err = s.Refresh(t.Context(), alice)
	require.ErrorIs(t, err, session.ErrRejected)
}

func FuzzTokenErrorBody(f *testing.F) {
	f.Add(400, []byte(`{"error":"invalid_grant"}`))
	f.Add(401, []byte(`{"error":"invalid_client","error_description":"x"}`))
	f.Add(400, []byte(`{"error":"a","error":"invalid_grant"}`))
	f.Add(429, []byte(`<html>`))
	f.Add(500, []byte(`{"error":{"a":[[[[]]]]}}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		err := tokenRefusal(authority.Reply{Status: status, Header: http.Header{}, Body: body}, startOfTest())
		isNo := strings.Contains(err.Error(), session.ErrRejected.Error())
		require.ErrorIs(t, err, map[bool]error{true: session.ErrRejected, false: session.ErrUnavailable}[isNo])
		if isNo {
			require.True(t, status >= 400 && status < 500 && status != 429, "only a 4xx is a no")
			require.Contains(t, string(body), "error")
		}
		require.Less(t, len(err.Error()), 200, "the body stays out of the text")
	})
}
