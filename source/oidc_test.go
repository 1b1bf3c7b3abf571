package source

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
)

func TestOIDCConforms(t *testing.T) {
	sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture {
		a := newTestProvider(t)
		s := a.oidc()
		return sessiontest.SourceFixture{
			Source: s, Asked: a.total, Down: a.down, Stall: a.stall, Up: a.up,
			Login:   func(*testing.T) *session.Session { return a.mustLogin(s) },
			Secrets: a.secrets, Logs: a.logs.String,
		}
	})
}

func TestOIDCMapsTheSession(t *testing.T) {
	a := newTestProvider(t)
	got := a.mustLogin(a.oidc())
	now := startOfTest()
	want := &session.Session{
		Source: "corp", SourceSessionID: "sid-1", Active: true, ACR: "gold", AuthenticatedAt: now.Add(-10 * time.Second),
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "pwd"}, {Method: "otp"}},
		Identity: session.Identity{
			Subject: "alice-1", Username: "alice", Email: "alice@example.com", EmailVerified: true, Name: "Alice",
			Groups: []string{"dev", "ops"},
			Claims: map[string]any{"department": "r&d", "address": map[string]any{"country": "AT"}},
		},
		Tokens: got.Tokens,
	}
	require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreUnexported(session.Session{})))
	require.Equal(t, "Bearer", got.Tokens.Type)
	require.Equal(t, now.Add(5*time.Minute), got.Tokens.ExpiresAt)
	require.True(t, got.Tokens.Renewable())
}

func TestOIDCAbsentTimesStayAbsent(t *testing.T) {
	a := newTestProvider(t)
	a.claims["auth_time"] = nil
	a.reply = func(m map[string]any) { delete(m, "expires_in") }
	got := a.mustLogin(a.oidc())
	require.Zero(t, got.AuthenticatedAt)
	require.Zero(t, got.Tokens.ExpiresAt)
}

func TestAuthorizationURL(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc(func(o *OIDCOptions) {
		o.Prompt, o.ACRValues = "consent", []string{"silver"}
		o.AuthorizationParameters = map[string]string{"hd": "example.com"}
		o.Scopes = []string{"email"}
	})
	tx := transaction()
	query := func() url.Values {
		raw, err := s.AuthorizationURL(t.Context(), tx)
		require.NoError(t, err)
		u, err := url.Parse(raw)
		require.NoError(t, err)
		require.Equal(t, a.URL+"/authorize", u.Scheme+"://"+u.Host+u.Path)
		return u.Query()
	}
	want := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {callbackURL}, "scope": {"openid email"},
		"state": {"state-1"}, "nonce": {"nonce-1"}, "code_challenge_method": {"S256"},
		"code_challenge": query()["code_challenge"], "prompt": {"consent"}, "acr_values": {"silver"}, "hd": {"example.com"},
	}
	require.Empty(t, cmp.Diff(want, query()))
	require.Len(t, want.Get("code_challenge"), 43)

	tx.Prompt, tx.ACRValues, tx.MaxAge, tx.RedirectURI = "login", []string{"gold", "silver"}, 90*time.Second, ""
	q := query()
	require.Equal(t, "login", q.Get("prompt"))
	require.Equal(t, "gold silver", q.Get("acr_values"))
	require.Equal(t, "90", q.Get("max_age"))
	require.Equal(t, callbackURL, q.Get("redirect_uri"), "the source's own when the transaction has none")
}

// A provider that does not say it supports PKCE gets the S256 challenge and the nonce all the same (S-175).
func TestPKCEIsNeverDowngraded(t *testing.T) {
	a := newTestProvider(t)
	a.metadata["code_challenge_methods_supported"] = []string{"plain"}
	s := a.oidc()
	tx := transaction()
	cb := a.authorize(s, tx)
	require.Equal(t, "S256", a.codes[cb.Code].Get("code_challenge_method"))
	tx.CodeVerifier = session.NewSecret("another-verifier-another-verifier-another-verifier")
	_, err := s.Exchange(t.Context(), tx, cb)
	require.ErrorIs(t, err, session.ErrRejected)
}

func TestATransactionWithoutSecretsIsRefused(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	for name, spoil := range map[string]func(*session.Transaction){
		"state":    func(tx *session.Transaction) { tx.State = "" },
		"nonce":    func(tx *session.Transaction) { tx.Nonce = "" },
		"verifier": func(tx *session.Transaction) { tx.CodeVerifier = session.Secret{} },
	} {
		t.Run(name, func(t *testing.T) {
			tx := transaction()
			spoil(&tx)
			_, err := s.AuthorizationURL(t.Context(), tx)
			require.ErrorIs(t, err, session.ErrMalformed)
		})
	}
}

// Each row is an ID token a relying party has to refuse (OIDC Core §3.1.3.7, and the relying-party conformance
// modules of the same names).
func TestExchangeRejectsIDToken(t *testing.T) {
	now := startOfTest().Unix()
	keys := testKeys()
	forge := func(key any, alg jose.SignatureAlgorithm, header map[string]any) func(*testProvider) {
		return func(a *testProvider) {
			a.sign = func(c map[string]any) string { return signed(t, key, alg, header, c) }
		}
	}
	claim := func(name string, value any) func(*testProvider) {
		return func(a *testProvider) { a.claims[name] = value }
	}
	for name, spoil := range map[string]func(*testProvider){
		"invalid iss":                         claim("iss", "https://evil.example"),
		"missing iss":                         claim("iss", nil),
		"missing sub":                         claim("sub", nil),
		"empty sub":                           claim("sub", ""),
		"invalid aud":                         claim("aud", "another-client"),
		"missing aud":                         claim("aud", nil),
		"empty aud array":                     claim("aud", []string{}),
		"secondary aud":                       claim("aud", []string{clientID, "another-client"}),
		"aud of odd types":                    claim("aud", []any{clientID, 7}),
		"azp is another client":               claim("azp", "another-client"),
		"missing iat":                         claim("iat", nil),
		"iat in the future":                   claim("iat", now+120),
		"nbf in the future":                   claim("nbf", now+120),
		"missing exp":                         claim("exp", nil),
		"expired":                             claim("exp", now-61),
		"exp 1e300":                           claim("exp", 1e300),
		"exp as text":                         claim("exp", "2000000000"),
		"invalid nonce":                       claim("nonce", "another-nonce"),
		"missing nonce":                       claim("nonce", nil),
		"at_hash of other token":              claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"logout token":                        claim("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}),
		"signed by another key":               forge(keys.other, jose.RS256, map[string]any{"kid": "rsa"}),
		"signed hs256 with the client secret": forge([]byte(clientSecret+clientSecret), jose.HS256, map[string]any{"kid": "rsa"}),
		"typ at+jwt":                          forge(keys.rsa, jose.RS256, map[string]any{"kid": "rsa", "typ": "at+jwt"}),
		"typ logout+jwt":                      forge(keys.rsa, jose.RS256, map[string]any{"kid": "rsa", "typ": "logout+jwt"}),
		"unknown kid":                         forge(keys.rsa, jose.RS256, map[string]any{"kid": "nowhere"}),
		"alg none": func(a *testProvider) {
			a.sign = func(c map[string]any) string { return segment(`{"alg":"none"}`) + "." + segmentJSON(t, c) + "." }
		},
		"not a token": func(a *testProvider) { a.sign = func(map[string]any) string { return "garbage" } },
		"absent":      func(a *testProvider) { a.reply = func(m map[string]any) { delete(m, "id_token") } },
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestProvider(t)
			spoil(a)
			s, err := a.login(a.oidc())
			require.ErrorIs(t, err, session.ErrRejected)
			require.Nil(t, s)
			a.noSecrets(err.Error())
		})
	}
}

func TestExchangeAcceptsIDToken(t *testing.T) {
	keys := testKeys()
	now := startOfTest().Unix()
	for name, prepare := range map[string]func(*testProvider){
		"kid absent, one key of the kind": func(a *testProvider) {
			a.sign = func(c map[string]any) string { return signed(t, keys.rsa, jose.RS256, nil, c) }
		},
		"kid absent, several keys of the kind": func(a *testProvider) {
			a.keys = []jose.JSONWebKey{publicKey(keys.other, "other"), publicKey(keys.rsa, "rsa")}
			a.sign = func(c map[string]any) string { return signed(t, keys.rsa, jose.RS256, nil, c) }
		},
		"es256": func(a *testProvider) {
			a.sign = func(c map[string]any) string { return signed(t, keys.ec, jose.ES256, map[string]any{"kid": "ec"}, c) }
		},
		"typ JWT": func(a *testProvider) {
			a.sign = func(c map[string]any) string {
				return signed(t, keys.rsa, jose.RS256, map[string]any{"kid": "rsa", "typ": "JWT"}, c)
			}
		},
		"aud array":         func(a *testProvider) { a.claims["aud"] = []string{clientID} },
		"azp is us":         func(a *testProvider) { a.claims["azp"] = clientID },
		"clock 59s behind":  func(a *testProvider) { a.claims["exp"] = now - 59 },
		"clock 59s ahead":   func(a *testProvider) { a.claims["iat"], a.claims["nbf"] = now+59, now+59 },
		"token_type BEARER": func(a *testProvider) { a.reply = func(m map[string]any) { m["token_type"] = "BEARER" } },
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestProvider(t)
			prepare(a)
			a.mustLogin(a.oidc())
		})
	}
}

func TestConfiguredAudiencesMayStandBesideUs(t *testing.T) {
	a := newTestProvider(t)
	a.claims["aud"] = []string{clientID, "api"}
	a.mustLogin(a.oidc(func(o *OIDCOptions) { o.Audience = []string{"api"} }))
}

// Mix-up: the answer of another provider is refused before any call (RFC 9207, S-206).
func TestCallbackIssuer(t *testing.T) {
	tests := map[string]struct {
		promised bool
		iss      func(*testProvider) string
		want     error
	}{
		"another issuer":          {false, func(*testProvider) string { return "https://evil.example" }, session.ErrRejected},
		"missing though promised": {true, func(*testProvider) string { return "" }, session.ErrRejected},
		"missing, not promised":   {false, func(*testProvider) string { return "" }, nil},
		"right":                   {true, func(a *testProvider) string { return a.URL }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := newTestProvider(t)
			a.metadata["authorization_response_iss_parameter_supported"] = tt.promised
			s := a.oidc()
			cb := a.authorize(s, transaction())
			cb.Issuer = tt.iss(a)
			_, err := s.Exchange(t.Context(), transaction(), cb)
			require.ErrorIs(t, err, tt.want)
			if tt.want != nil {
				require.Zero(t, a.times("/token"))
			}
		})
	}
}

func TestCallbackErrors(t *testing.T) {
	for code, want := range map[string]error{
		"access_denied":           session.ErrRejected,
		"login_required":          session.ErrRejected,
		"something <odd>":         session.ErrRejected,
		"temporarily_unavailable": session.ErrUnavailable,
		"server_error":            session.ErrUnavailable,
	} {
		t.Run(code, func(t *testing.T) {
			a := newTestProvider(t)
			s := a.oidc()
			_, err := s.Exchange(t.Context(), transaction(), session.Callback{Code: "code", State: "state-1", Error: code, ErrorDescription: "planted"})
			require.ErrorIs(t, err, want)
			require.NotContains(t, err.Error(), "planted")
			require.NotContains(t, err.Error(), "<odd>")
			require.Zero(t, a.times("/token"))
		})
	}
}

func TestACodeWorksOnce(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	cb := a.authorize(s, transaction())
	_, err := s.Exchange(t.Context(), transaction(), cb)
	require.NoError(t, err)
	_, err = s.Exchange(t.Context(), transaction(), cb)
	require.ErrorIs(t, err, session.ErrRejected)
}

func TestMaxAgeIsChecked(t *testing.T) {
	login := func(a *testProvider, maxAge time.Duration) error {
		s := a.oidc()
		tx := transaction()
		tx.MaxAge = maxAge
		_, err := s.Exchange(t.Context(), tx, a.authorize(s, tx))
		return err
	}
	a := newTestProvider(t)
	require.NoError(t, login(a, 5*time.Second), "10 s ago, within the tolerated skew")
	a.claims["auth_time"] = startOfTest().Unix() - 100
	require.ErrorIs(t, login(a, 30*time.Second), session.ErrRejected)
	a.claims["auth_time"] = nil
	require.ErrorIs(t, login(a, time.Hour), session.ErrRejected, "auth_time is mandatory when max_age was asked for")
}

func TestUserinfo(t *testing.T) {
	with := func(o *OIDCOptions) { o.Userinfo = true }
	t.Run("lays its claims over the ID token's", func(t *testing.T) {
		a := newTestProvider(t)
		a.userinfo = map[string]any{"sub": "alice-1", "email": "new@example.com", "groups": []string{"admins"}, "acr": "forged", "iss": "forged"}
		s := a.mustLogin(a.oidc(with))
		require.Equal(t, []string{"admins"}, s.Identity.Groups)
		require.Equal(t, "new@example.com", s.Identity.Email)
		require.False(t, s.Identity.EmailVerified, "the ID token's email_verified spoke of another address")
		require.Equal(t, "gold", s.ACR)
	})
	t.Run("of another user is rejected", func(t *testing.T) {
		a := newTestProvider(t)
		a.userinfo = map[string]any{"sub": "mallory"}
		_, err := a.login(a.oidc(with))
		require.ErrorIs(t, err, session.ErrRejected)
	})
	t.Run("down is unavailable", func(t *testing.T) {
		a := newTestProvider(t)
		a.answer("/userinfo", 503, "", "Retry-After", "7")
		_, err := a.login(a.oidc(with))
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.Equal(t, 7*time.Second, session.RetryAfter(err))
	})
}

// No URL found in a token or in userinfo is ever fetched (S-177).
func TestNoURLFromClaimsIsFetched(t *testing.T) {
	a := newTestProvider(t)
	for _, name := range []string{"picture", "profile", "website"} {
		a.claims[name] = a.URL + "/trap"
	}
	a.claims["_claim_names"] = map[string]any{"groups": "src"}
	a.claims["_claim_sources"] = map[string]any{"src": map[string]any{"endpoint": a.URL + "/trap"}}
	a.claims["groups"] = nil
	s := a.mustLogin(a.oidc())
	require.Zero(t, a.times("/trap"))
	require.Empty(t, s.Identity.Groups)
	require.NotContains(t, s.Identity.Claims, "_claim_sources")
}

// A key that appeared just before it signed is found with one fetch.
func TestSigningKeyRotatedJustBeforeSigning(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	a.mustLogin(s)
	a.set(func() {
		a.keys = []jose.JSONWebKey{publicKey(testKeys().other, "new")}
		a.sign = func(c map[string]any) string {
			return signed(t, testKeys().other, jose.RS256, map[string]any{"kid": "new"}, c)
		}
	})
	a.mustLogin(s)
	require.Equal(t, 2, a.times("/keys"))
}

func TestClientAuthentication(t *testing.T) {
	t.Run("client_secret_post", func(t *testing.T) {
		a := newTestProvider(t)
		a.mustLogin(a.oidc(func(o *OIDCOptions) { o.AuthMethod = authPost }))
	})
	t.Run("client_secret_basic is form-encoded first", func(t *testing.T) {
		a := newTestProvider(t)
		a.mustLogin(a.oidc()) // the authority compares the encoded form
	})
	t.Run("none sends no secret", func(t *testing.T) {
		a := newTestProvider(t)
		s := a.oidc(func(o *OIDCOptions) { o.AuthMethod, o.ClientSecret = authNone, session.Secret{} })
		var form url.Values
		var authorization string
		cb := a.authorize(s, transaction())
		a.set(func() {
			a.hostile["/token"] = func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				form, authorization = r.PostForm, r.Header.Get("Authorization")
				w.WriteHeader(500)
			}
		})
		_, err := s.Exchange(t.Context(), transaction(), cb)
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.Equal(t, clientID, form.Get("client_id"))
		require.NotContains(t, form, "client_secret")
		require.Empty(t, authorization)
	})
}

func TestRevoke(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	alice := a.mustLogin(s)
	require.NoError(t, s.Revoke(t.Context(), alice))
	require.Equal(t, []string{"refresh_token", "access_token"}, a.revoked)

	a.answer("/revoke", 400, `{"error":"unsupported_token_type"}`)
	require.NoError(t, s.Revoke(t.Context(), alice))
	a.answer("/revoke", 503, "", "Retry-After", "3")
	err := s.Revoke(t.Context(), alice)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.Equal(t, 3*time.Second, session.RetryAfter(err))

	without := newTestProvider(t)
	without.metadata["revocation_endpoint"] = nil
	require.ErrorIs(t, without.oidc().Revoke(t.Context(), alice), session.ErrUnsupported)
}

func TestEndSessionURL(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	alice := a.mustLogin(s)
	raw, err := s.EndSessionURL(t.Context(), alice, "https://gateway.example/bye", "state-2")
	require.NoError(t, err)
	u, err := url.Parse(raw)
	require.NoError(t, err)
	require.Equal(t, "/end", u.Path)
	require.Empty(t, cmp.Diff(url.Values{
		"tenant": {"1"}, "client_id": {clientID}, "id_token_hint": {alice.Tokens.ID.Reveal()},
		"post_logout_redirect_uri": {"https://gateway.example/bye"}, "state": {"state-2"},
	}, u.Query()))

	without := newTestProvider(t)
	without.metadata["end_session_endpoint"] = nil
	raw, err = without.oidc().EndSessionURL(t.Context(), alice, "", "")
	require.NoError(t, err)
	require.Empty(t, raw)
}

func TestChooserNames(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	require.Equal(t, "corp", s.DisplayName())
	s = a.oidc(func(o *OIDCOptions) { o.DisplayName, o.EmailDomains = "Corporation", []string{"Example.COM"} })
	require.Equal(t, "Corporation", s.DisplayName())
	require.Equal(t, []string{"example.com"}, s.EmailDomains())
}
