package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
)

// gateway is a key set to fetch and a Verifier that fetches it.
type gateway struct {
	*sessiontest.Clock
	*Verifier
	signer  *Signer
	fetches atomic.Int64
	answer  atomic.Pointer[http.HandlerFunc] // nil: the signer's key set
}

func newGateway(t testing.TB) *gateway {
	t.Helper()
	g := &gateway{Clock: sessiontest.NewClock(testNow)}
	g.signer = testSigner(t, g.Clock.Now)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.fetches.Add(1)
		if answer := g.answer.Load(); answer != nil {
			(*answer)(w, r)
			return
		}
		g.signer.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	g.Verifier = &Verifier{
		JWKSURL: server.URL + "/jwks.json", Issuer: testIssuer, Audience: "app", HTTPClient: server.Client(), Now: g.Clock.Now,
	}
	return g
}

func (g *gateway) answerWith(h http.HandlerFunc) { g.answer.Store(&h) }

func (g *gateway) token(t testing.TB) string {
	t.Helper()
	token, err := g.signer.Sign(testSession(), "app", 0)
	require.NoError(t, err)
	return token
}

func requestWith(tokens ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if len(tokens) > 0 {
		r.Header[DefaultAssertionHeader] = tokens
	}
	return r
}

func (g *gateway) try(token string) error {
	_, err := g.Verify(requestWith(token))
	return err
}

// goodClaims and goodHeader make a token that passes; each rejection test spoils one thing.
func goodClaims() map[string]any {
	now := testNow.Unix()
	return map[string]any{"iss": testIssuer, "sub": "alice", "aud": "app", "iat": now, "nbf": now, "exp": now + 60, "jti": "1"}
}

// forge signs claims with the gateway's own key, under a header of the test's choice.
func (g *gateway) forge(t testing.TB, typ string, claims map[string]any) string {
	t.Helper()
	ring, err := session.NewKeyRing(testKey("a"))
	require.NoError(t, err)
	key, err := deriveKey(ring.Derive("assertion", scalarBytes)[0].Bytes)
	require.NoError(t, err)
	return sign(t, jose.ES256, key, typ, claims)
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, typ string, claims any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	require.NoError(t, err)
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	jws, err := signer.Sign(payload)
	require.NoError(t, err)
	compact, err := jws.CompactSerialize()
	require.NoError(t, err)
	return compact
}

func TestVerify(t *testing.T) {
	g := newGateway(t)
	a, err := g.Verify(requestWith(g.token(t)))
	require.NoError(t, err)
	require.Len(t, a.ID, 26)
	a.ID = ""
	want := testSession()
	want.Identity.Claims = nil
	require.Equal(t, Assertion{
		Identity: want.Identity, Issuer: testIssuer, Audience: "app", Handle: "h-1", AAL: "aal2", ACR: "urn:mfa",
		AuthenticationMethods: []string{"pwd", "otp"},
		IssuedAt:              testNow, ExpiresAt: testNow.Add(time.Minute), AuthenticatedAt: testNow.Add(-time.Hour),
	}, a)
	require.NoError(t, g.try(g.forge(t, AssertionType, goodClaims())))
	require.EqualValues(t, 1, g.fetches.Load())
}

func TestVerifyReadsConfiguredHeader(t *testing.T) {
	g := newGateway(t)
	g.Header = "x-proof"
	r := requestWith()
	r.Header.Set("X-Proof", g.token(t))
	_, err := g.Verify(r)
	require.NoError(t, err)
}

func TestVerifyRejectsClaims(t *testing.T) {
	for _, c := range []struct {
		name  string
		claim string
		value any // nil removes it
	}{
		{"wrong audience", "aud", "other"}, {"no audience", "aud", nil}, {"audience among others", "aud", []string{"app", "other"}},
		{"wrong issuer", "iss", "https://evil.example"}, {"no issuer", "iss", nil},
		{"expired", "exp", testNow.Unix() - 30}, {"no expiry", "exp", nil}, {"expiry in words", "exp", "never"},
		{"negative expiry", "exp", -1}, {"expiry beyond numbers", "exp", 1e300},
		{"not yet", "nbf", testNow.Unix() + 31}, {"no nbf", "nbf", nil}, {"no iat", "iat", nil},
		{"long life", "exp", testNow.Unix() + 61}, {"life beyond numbers", "iat", math.MinInt64},
		{"issued in the future", "iat", testNow.Unix() + 31}, {"no subject", "sub", nil}, {"empty subject", "sub", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t)
			claims := goodClaims()
			claims[c.claim] = c.value
			if c.value == nil {
				delete(claims, c.claim)
			}
			require.ErrorIs(t, g.try(g.forge(t, AssertionType, claims)), session.ErrRejected)
		})
	}
}

func TestVerifyLeeway(t *testing.T) {
	g := newGateway(t)
	token := g.token(t)
	g.Advance(89 * time.Second)
	require.NoError(t, g.try(token))
	g.Advance(time.Second)
	require.ErrorIs(t, g.try(token), session.ErrRejected)
	g.Advance(-120 * time.Second)
	require.NoError(t, g.try(token))
	g.Advance(-time.Second)
	require.ErrorIs(t, g.try(token), session.ErrRejected)
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func (g *gateway) kid(t testing.TB) string { return keySetOf(t, g.signer).Keys[0].KeyID }

// TestVerifyRejectsAlgNone: an unsigned token is no token (RFC 8725 §3.1).
func TestVerifyRejectsAlgNone(t *testing.T) {
	g := newGateway(t)
	payload, err := json.Marshal(goodClaims())
	require.NoError(t, err)
	for _, alg := range []string{"none", "None", "NONE", ""} {
		header := fmt.Sprintf(`{"alg":%q,"typ":%q,"kid":%q}`, alg, AssertionType, g.kid(t))
		for _, signature := range []string{"", b64("x")} {
			require.ErrorIs(t, g.try(b64(header)+"."+b64(string(payload))+"."+signature), session.ErrRejected)
		}
	}
}

// TestVerifyRejectsHS256WithPublicKey: the public key is no shared secret (RFC 8725 §2.1).
func TestVerifyRejectsHS256WithPublicKey(t *testing.T) {
	g := newGateway(t)
	jwk := keySetOf(t, g.signer).Keys[0]
	der, err := x509.MarshalPKIXPublicKey(jwk.Key)
	require.NoError(t, err)
	raw, err := jwk.Key.(*ecdsa.PublicKey).Bytes()
	require.NoError(t, err)
	for _, secret := range [][]byte{der, raw, g.signer.JWKS()} {
		token := sign(t, jose.HS256, jose.JSONWebKey{Key: secret, KeyID: jwk.KeyID}, AssertionType, goodClaims())
		require.ErrorIs(t, g.try(token), session.ErrRejected)
	}
	require.Zero(t, g.fetches.Load(), "the algorithm is refused before a key is looked for")
}

// TestVerifyRejectsOtherKey: neither an unknown key, nor one under a known key's name, nor one the token brings along.
func TestVerifyRejectsOtherKey(t *testing.T) {
	g := newGateway(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for _, kid := range []string{"", "unknown", g.kid(t)} {
		token := sign(t, jose.ES256, jose.JSONWebKey{Key: key, KeyID: kid}, AssertionType, goodClaims())
		require.ErrorIs(t, g.try(token), session.ErrRejected, kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{EmbedJWK: true}).WithType(AssertionType).WithHeader("kid", g.kid(t)))
	require.NoError(t, err)
	payload, err := json.Marshal(goodClaims())
	require.NoError(t, err)
	jws, err := signer.Sign(payload)
	require.NoError(t, err)
	compact, err := jws.CompactSerialize()
	require.NoError(t, err)
	require.ErrorIs(t, g.try(compact), session.ErrRejected)
}

// TestVerifyRejectsOtherType: another kind of token by the same key does not pass (RFC 8725 §3.11).
func TestVerifyRejectsOtherType(t *testing.T) {
	g := newGateway(t)
	for _, typ := range []string{"", "JWT", "at+jwt", "logout+jwt", strings.ToUpper(AssertionType)} {
		require.ErrorIs(t, g.try(g.forge(t, typ, goodClaims())), session.ErrRejected, typ)
	}
}

func TestVerifyRejectsChangedToken(t *testing.T) {
	g := newGateway(t)
	parts := strings.Split(g.token(t), ".")
	claims := goodClaims()
	claims["sub"] = "root"
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	for _, token := range []string{
		parts[0] + "." + b64(string(payload)) + "." + parts[2], parts[0] + "." + parts[1] + ".", parts[0] + "." + parts[1],
		"", ".", "..", "...", "x", `{"payload":"e30"}`, strings.Join(parts, ".") + ".x",
	} {
		require.ErrorIs(t, g.try(token), session.ErrRejected, token)
	}
}

// TestVerifyRejectsSecondHeader: two assertions are none.
func TestVerifyRejectsSecondHeader(t *testing.T) {
	g := newGateway(t)
	_, err := g.Verify(requestWith(g.token(t), g.token(t)))
	require.ErrorIs(t, err, session.ErrRejected)
}

func TestVerifyRejectsOversize(t *testing.T) {
	g := newGateway(t)
	claims := goodClaims()
	claims["name"] = strings.Repeat("a", maxAssertion)
	require.ErrorIs(t, g.try(g.forge(t, AssertionType, claims)), session.ErrRejected)
	require.Zero(t, g.fetches.Load(), "nothing is asked for it")
}

func TestVerifyWithoutAssertion(t *testing.T) {
	_, err := newGateway(t).Verify(requestWith())
	require.ErrorIs(t, err, session.ErrNotFound)
}

func TestVerifyRejectsUnsetFields(t *testing.T) {
	for _, unset := range []func(*Verifier){
		func(v *Verifier) { v.JWKSURL = "" }, func(v *Verifier) { v.Issuer = "" }, func(v *Verifier) { v.Audience = "" },
	} {
		g := newGateway(t)
		unset(g.Verifier)
		require.ErrorIs(t, g.try(g.token(t)), session.ErrMalformed)
	}
}

func FuzzVerify(f *testing.F) {
	g := newGateway(f)
	f.Add(g.token(f))
	f.Add(g.forge(f, "JWT", goodClaims()))
	f.Add("e30.e30.e30")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		a, err := g.Verify(requestWith(token))
		if err != nil {
			require.ErrorIs(t, err, session.ErrRejected)
			return
		}
		require.Equal(t, "248289761001", a.Identity.Subject, "no other user was ever signed for")
	})
}

func BenchmarkVerify(b *testing.B) {
	g := newGateway(b)
	r := requestWith(g.token(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Verify(r); err != nil {
			b.Fatal(err)
		}
	}
}
