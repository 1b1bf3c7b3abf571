package source

import (
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
)

const audience = "https://api.example"

// jwt opens a JWT source that trusts a.
func (a *testProvider) jwt(change ...func(*JWTIssuer)) *JWT {
	iss := JWTIssuer{Issuer: a.URL, Audiences: []string{audience, "second"}, Timeout: 2 * time.Second}
	for _, c := range change {
		c(&iss)
	}
	s, err := Open(Options{Name: "api", JWT: &JWTOptions{Issuers: []JWTIssuer{iss}}}, a.deps())
	require.NoError(a.t, err)
	return s.(*JWT)
}

func (a *testProvider) accessClaims() map[string]any {
	now := a.clock.Now().Unix()
	return map[string]any{
		"iss": a.URL, "aud": audience, "sub": "alice-1", "iat": now, "nbf": now, "exp": now + 300, "jti": "token-1",
		"client_id": "cli", "scope": "read write", "preferred_username": "alice",
		"realm_access": map[string]any{"roles": []string{"dev"}},
	}
}

// accessToken signs the claims of a good access token with changes laid over them.
func (a *testProvider) accessToken(changes map[string]any) string {
	return signed(a.t, testKeys().rsa, jose.RS256, map[string]any{"kid": "rsa", "typ": "at+jwt"}, overlay(a.accessClaims(), changes))
}

func bearer(token string) session.Credential {
	return session.Credential{Place: session.Place{Kind: session.KindBearer}, Value: session.NewSecret(token)}
}

func TestJWTConforms(t *testing.T) {
	sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture {
		a := newTestProvider(t)
		good, bad := a.accessToken(nil), a.accessToken(map[string]any{"aud": "other"})
		elsewhere := a.accessToken(map[string]any{"iss": "https://other.example"})
		return sessiontest.SourceFixture{
			Source: a.jwt(),
			Good:   func(*testing.T) session.Credential { return bearer(good) },
			Bad:    func(*testing.T) session.Credential { return bearer(bad) },
			Foreign: func(*testing.T) []session.Credential {
				cookie := bearer(good)
				cookie.Place = session.Place{Kind: session.KindCookie, Name: "token"}
				return []session.Credential{bearer(""), bearer("opaque"), bearer("swk_a_b"), bearer(elsewhere), bearer("a.b.c"), cookie}
			},
			Asked: a.total, Down: a.down, Stall: a.stall, Up: a.up,
			Secrets: func() []string { return []string{good, bad} }, Logs: a.logs.String,
		}
	})
}

func TestJWTMapsTheSession(t *testing.T) {
	a := newTestProvider(t)
	s := a.jwt(func(i *JWTIssuer) { i.Claims.Groups = "realm_access.roles" })
	raw := a.accessToken(map[string]any{"auth_time": a.clock.Now().Unix() - 60, "amr": []string{"pwd"}})
	got, err := s.Resolve(t.Context(), bearer(raw))
	require.NoError(t, err)
	now := startOfTest()
	want := &session.Session{
		ID: got.ID, Handle: got.Handle, Source: "api", Active: true,
		Identity: session.Identity{
			Subject: "alice-1", Username: "alice", Groups: []string{"dev"},
			Claims: map[string]any{"realm_access": map[string]any{"roles": []any{"dev"}}},
		},
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "pwd"}},
		IssuedAt:              now, AuthenticatedAt: now.Add(-time.Minute), ExpiresAt: now.Add(5 * time.Minute),
		Tokens:     session.Tokens{Type: "Bearer", Access: session.NewSecret(raw), ExpiresAt: now.Add(5 * time.Minute)},
		Properties: map[string]string{"scope": "read write", "client_id": "cli"},
	}
	require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreUnexported(session.Session{})))
	require.Len(t, got.ID, 64)
	require.Regexp(t, "^jwt-[0-9a-f]{16}$", got.Handle)
}

func TestJWTIDFollowsJtiThenToken(t *testing.T) {
	a := newTestProvider(t)
	s := a.jwt()
	id := func(changes map[string]any) string {
		got, err := s.Resolve(t.Context(), bearer(a.accessToken(changes)))
		require.NoError(t, err)
		return got.ID
	}
	require.Equal(t, id(nil), id(map[string]any{"scope": "less"}), "the same jti")
	require.NotEqual(t, id(nil), id(map[string]any{"jti": "token-2"}))
	require.NotEqual(t, id(map[string]any{"jti": nil}), id(map[string]any{"jti": nil, "scope": "less"}))
}

func TestJWTAccepts(t *testing.T) {
	now := startOfTest().Unix()
	keys := testKeys()
	for name, make := range map[string]func(a *testProvider) string{
		"at+jwt":         func(a *testProvider) string { return a.accessToken(nil) },
		"aud array":      func(a *testProvider) string { return a.accessToken(map[string]any{"aud": []string{"x", "second"}}) },
		"fractional exp": func(a *testProvider) string { return a.accessToken(map[string]any{"exp": float64(now) + 0.5}) },
		"no iat":         func(a *testProvider) string { return a.accessToken(map[string]any{"iat": nil, "nbf": nil}) },
		"iat 59s ahead":  func(a *testProvider) string { return a.accessToken(map[string]any{"iat": now + 59, "nbf": now + 59}) },
		"no typ": func(a *testProvider) string {
			return signed(t, keys.rsa, jose.RS256, map[string]any{"kid": "rsa"}, a.accessClaims())
		},
		"typ JWT": func(a *testProvider) string {
			return signed(t, keys.rsa, jose.RS256, map[string]any{"kid": "rsa", "typ": "JWT"}, a.accessClaims())
		},
		"application/AT+JWT": func(a *testProvider) string {
			return signed(t, keys.rsa, jose.RS256, map[string]any{"kid": "rsa", "typ": "application/AT+JWT"}, a.accessClaims())
		},
		"x5t in the header": func(a *testProvider) string {
			return signed(t, keys.rsa, jose.RS256, map[string]any{"kid": "rsa", "x5t": "AAAA"}, a.accessClaims())
		},
		"es256": func(a *testProvider) string {
			return signed(t, keys.ec, jose.ES256, map[string]any{"kid": "ec"}, a.accessClaims())
		},
		"typ claim Bearer": func(a *testProvider) string { return a.accessToken(map[string]any{"typ": "Bearer"}) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestProvider(t)
			_, err := a.jwt().Resolve(t.Context(), bearer(make(a)))
			require.NoError(t, err)
		})
	}
}

func TestJWTProfileRFC9068(t *testing.T) {
	a := newTestProvider(t)
	s := a.jwt(func(i *JWTIssuer) { i.Profile = profileRFC9068 })
	_, err := s.Resolve(t.Context(), bearer(a.accessToken(nil)))
	require.NoError(t, err)
	for _, missing := range []string{"client_id", "iat", "jti"} {
		_, err = s.Resolve(t.Context(), bearer(a.accessToken(map[string]any{missing: nil})))
		require.ErrorIs(t, err, session.ErrRejected, missing)
	}
	plain := signed(t, testKeys().rsa, jose.RS256, map[string]any{"kid": "rsa", "typ": "JWT"}, a.accessClaims())
	_, err = s.Resolve(t.Context(), bearer(plain))
	require.ErrorIs(t, err, session.ErrRejected)
}

func TestJWTRequiredScopes(t *testing.T) {
	a := newTestProvider(t)
	s := a.jwt(func(i *JWTIssuer) { i.RequiredScopes = []string{"write"} })
	for name, tt := range map[string]struct {
		claims map[string]any
		want   error
	}{
		"scope":           {nil, nil},
		"scp array":       {map[string]any{"scope": nil, "scp": []string{"read", "write"}}, nil},
		"scp text":        {map[string]any{"scope": nil, "scp": "write"}, nil},
		"missing":         {map[string]any{"scope": "read"}, session.ErrRejected},
		"prefix":          {map[string]any{"scope": "writes"}, session.ErrRejected},
		"no scope at all": {map[string]any{"scope": nil}, session.ErrRejected},
	} {
		_, err := s.Resolve(t.Context(), bearer(a.accessToken(tt.claims)))
		require.ErrorIs(t, err, tt.want, name)
	}
}

func TestJWTMaxTokenAge(t *testing.T) {
	a := newTestProvider(t)
	s := a.jwt(func(i *JWTIssuer) { i.MaxTokenAge = 10 * time.Minute })
	now := a.clock.Now().Unix()
	for name, tt := range map[string]struct {
		iat  any
		want error
	}{"young": {now - 600, nil}, "old": {now - 661, session.ErrRejected}, "ageless": {nil, session.ErrRejected}} {
		_, err := s.Resolve(t.Context(), bearer(a.accessToken(map[string]any{"iat": tt.iat})))
		require.ErrorIs(t, err, tt.want, name)
	}
}

func TestIDTokensAreBearersOnlyWhenConfigured(t *testing.T) {
	a := newTestProvider(t)
	id := a.accessToken(map[string]any{"nonce": "n", "at_hash": "h"})
	_, err := a.jwt().Resolve(t.Context(), bearer(id))
	require.ErrorIs(t, err, session.ErrRejected)
	_, err = a.jwt(func(i *JWTIssuer) { i.InsecureIDTokens = true }).Resolve(t.Context(), bearer(id))
	require.NoError(t, err)
}

// A token of one issuer is never checked with another's keys or rules (RFC 8725 §3.8).
func TestIssuersDoNotMix(t *testing.T) {
	a, b := newTestProvider(t), newTestProvider(t)
	b.keys = []jose.JSONWebKey{publicKey(testKeys().other, "rsa")}
	s, err := Open(Options{Name: "api", JWT: &JWTOptions{Issuers: []JWTIssuer{
		{Issuer: a.URL, Audiences: []string{audience}}, {Issuer: b.URL, Audiences: []string{"b-only"}},
	}}}, a.deps())
	require.NoError(t, err)
	resolve := func(token string) error {
		_, err := s.(*JWT).Resolve(t.Context(), bearer(token))
		return err
	}
	fromB := func(key any, aud string) string {
		return signed(t, key, jose.RS256, map[string]any{"kid": "rsa"}, overlay(a.accessClaims(), map[string]any{"iss": b.URL, "aud": aud}))
	}
	require.NoError(t, resolve(a.accessToken(nil)))
	require.NoError(t, resolve(fromB(testKeys().other, "b-only")))
	require.ErrorIs(t, resolve(fromB(testKeys().rsa, "b-only")), session.ErrRejected, "a's key does not sign for b")
	require.ErrorIs(t, resolve(fromB(testKeys().other, audience)), session.ErrRejected, "a's audience is not b's")
}

func TestJWTDiscoversItsKeys(t *testing.T) {
	a := newTestProvider(t)
	s := a.jwt()
	_, err := s.Resolve(t.Context(), bearer(a.accessToken(nil)))
	require.NoError(t, err)
	require.Equal(t, 1, a.times("/.well-known/openid-configuration"))
	direct := newTestProvider(t)
	_, err = direct.jwt(func(i *JWTIssuer) { i.JWKSURL = direct.URL + "/keys" }).Resolve(t.Context(), bearer(direct.accessToken(nil)))
	require.NoError(t, err)
	require.Zero(t, direct.times("/.well-known/openid-configuration"))
}

// What fails without keys asks for none.
func TestRejectionsBeforeKeysAskNobody(t *testing.T) {
	a := newTestProvider(t)
	s := a.jwt()
	for _, token := range []string{
		a.accessToken(map[string]any{"aud": "other"}),
		a.accessToken(map[string]any{"exp": 1}),
		segment(`{"alg":"none"}`) + "." + segmentJSON(t, a.accessClaims()) + ".",
	} {
		_, err := s.Resolve(t.Context(), bearer(token))
		require.ErrorIs(t, err, session.ErrRejected)
	}
	require.Zero(t, a.total())
}

func TestJWTRunWarmsUp(t *testing.T) {
	a := newTestProvider(t)
	s := a.jwt()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(t, func() bool { return a.times("/keys") == 1 }, 5*time.Second, time.Millisecond)
	_, err := s.Resolve(t.Context(), bearer(a.accessToken(nil)))
	require.NoError(t, err)
	require.Equal(t, 1, a.times("/keys"))
	cancel()
	require.NoError(t, <-ended)
}

// S-165: 100,000 dots cost no memory and no time.
func TestDotsAllocateNothing(t *testing.T) {
	a := newTestProvider(t)
	s := a.jwt()
	dots := strings.Repeat(".", 100_000)
	header, payload, _ := strings.Cut(a.accessToken(nil), ".")
	for _, token := range []string{dots, header + dots, header + "." + payload + dots, "a." + dots} {
		c := bearer(token)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := s.Resolve(t.Context(), c)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, session.ErrNotMine)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10))
	}
}

func FuzzJWTPreParse(f *testing.F) {
	claims := map[string]any{"iss": "https://issuer.example", "aud": audience, "sub": "a", "exp": 2e9}
	good := signed(f, testKeys().ec, jose.ES256, map[string]any{"kid": "ec"}, claims)
	f.Add(good)
	f.Add(good + ".")
	f.Add(strings.Repeat(".", 1000))
	f.Add(segment(`{"alg":"none"}`) + "." + segment(`{"iss":"https://issuer.example","iss":"x"}`) + ".")
	f.Add(segment(`{"alg":"ES256","crit":["exp"],"zip":"DEF"}`) + "." + segment(strings.Repeat(`[`, 50)) + ".AA")
	f.Fuzz(func(t *testing.T, raw string) {
		tok, err := parseCompact(raw, asymmetric())
		if err != nil {
			require.ErrorIs(t, err, session.ErrRejected)
			return
		}
		require.LessOrEqual(t, len(raw), maxToken)
		require.Equal(t, 2, strings.Count(raw, "."))
		require.NotNil(t, tok.claims)
		_, err = jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"})
		require.NoError(t, err, "what passes here is a JWS to the library as well")
		var loose map[string]any
		payload, _ := decodePart(strings.Split(raw, ".")[1])
		require.NoError(t, json.Unmarshal(payload, &loose))
		require.Empty(t, cmp.Diff(loose, tok.claims), "two readers see the same claims")
		_, _ = readTimes(tok.claims)
		_ = ClaimsOptions{}.withDefaults().identity(tok.claims)
	})
}

func BenchmarkJWTResolve(b *testing.B) {
	now := time.Now
	set := newStaticKeys(b)
	for _, alg := range []struct {
		name string
		key  any
		alg  jose.SignatureAlgorithm
		kid  string
	}{{"RS256", testKeys().rsa, jose.RS256, "rsa"}, {"ES256", testKeys().ec, jose.ES256, "ec"}} {
		b.Run(alg.name, func(b *testing.B) {
			s, err := Open(Options{Name: "api", JWT: &JWTOptions{Issuers: []JWTIssuer{{Issuer: "https://issuer.example", Audiences: []string{audience}, JWKSURL: set}}}}, Deps{Now: now})
			require.NoError(b, err)
			token := signed(b, alg.key, alg.alg, map[string]any{"kid": alg.kid}, map[string]any{
				"iss": "https://issuer.example", "aud": audience, "sub": "alice", "exp": now().Add(time.Hour).Unix(),
				"groups": []string{"dev", "ops"}, "scope": "read write",
			})
			c := bearer(token)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.(*JWT).Resolve(b.Context(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
