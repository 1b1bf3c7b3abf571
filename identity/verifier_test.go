package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// gateway is a key set to fetch and a Verifier that fetches it.
type gateway struct {
	*clock
	*Verifier
	signer  *Signer
	fetches atomic.Int64
	answer  atomic.Pointer[http.HandlerFunc] // nil: the signer's key set
}

func newGateway(t testing.TB) *gateway {
	t.Helper()
	g := &gateway{clock: newClock()}
	g.signer = testSigner(t, g.clock.Now)
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
		JWKSURL: server.URL + "/jwks.json", Issuer: testIssuer, Audience: "app", HTTPClient: server.Client(), Now: g.clock.Now,
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
		{"long life", "exp", testNow.Unix() + 61}, {"no subject", "sub", nil}, {"empty subject", "sub", ""},
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
	g.Add(89 * time.Second)
	require.NoError(t, g.try(token))
	g.Add(time.Second)
	require.ErrorIs(t, g.try(token), session.ErrRejected)
	g.Add(-120 * time.Second)
	require.NoError(t, g.try(token))
	g.Add(-time.Second)
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

// TestVerifyFetchesSeldom: made-up key ids cost the gateway one fetch per ten seconds.
func TestVerifyFetchesSeldom(t *testing.T) {
	g := newGateway(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for i := range 20 {
		token := sign(t, jose.ES256, jose.JSONWebKey{Key: key, KeyID: fmt.Sprint("made-up-", i)}, AssertionType, goodClaims())
		require.ErrorIs(t, g.try(token), session.ErrRejected)
	}
	require.EqualValues(t, 1, g.fetches.Load())
	g.Add(10 * time.Second)
	require.ErrorIs(t, g.try(sign(t, jose.ES256, jose.JSONWebKey{Key: key, KeyID: "x"}, AssertionType, goodClaims())), session.ErrRejected)
	require.EqualValues(t, 2, g.fetches.Load())
}

func TestVerifyFindsNewKey(t *testing.T) {
	g := newGateway(t)
	require.NoError(t, g.try(g.token(t)))
	g.signer = testSigner(t, g.clock.Now, "b", "a")
	g.Add(10 * time.Second)
	require.NoError(t, g.try(g.token(t)))
	require.EqualValues(t, 2, g.fetches.Load())
}

// TestVerifyRejectsWithdrawnKey: a key that left the set is believed for KeySetMaxAge at most.
func TestVerifyRejectsWithdrawnKey(t *testing.T) {
	g := newGateway(t)
	old := g.signer
	require.NoError(t, g.try(g.token(t)))
	g.signer = testSigner(t, g.clock.Now, "b")
	g.Add(KeySetMaxAge)
	token, err := old.Sign(testSession(), "app", 0)
	require.NoError(t, err)
	require.ErrorIs(t, g.try(token), session.ErrRejected)
}

// TestVerifyKeepsLastGoodKeys: no answer of whatever kind replaces keys that worked.
func TestVerifyKeepsLastGoodKeys(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	others, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: &p384.PublicKey, KeyID: "x"}, {Key: []byte("secret"), KeyID: "y"},
	}})
	require.NoError(t, err)
	for name, answer := range badAnswers(string(others)) {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			require.NoError(t, g.try(g.token(t)))
			g.answerWith(answer)
			g.Add(KeySetMaxAge)
			require.NoError(t, g.try(g.token(t)))
			require.EqualValues(t, 2, g.fetches.Load())
		})
	}
}

func badAnswers(others string) map[string]http.HandlerFunc {
	body := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
	}
	return map[string]http.HandlerFunc{
		"error":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"no JSON":    body("<html>"),
		"empty":      body(`{"keys":[]}`),
		"other keys": body(others),
		"cut":        body(`{"keys":[`),
	}
}

// TestVerifyRejectsBadKeySets: without a key there is no verdict, and it says when to come again.
func TestVerifyRejectsBadKeySets(t *testing.T) {
	for name, answer := range badAnswers(`{"keys":[{"kty":"oct","k":"AAAA","kid":"x"}]}`) {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.answerWith(answer)
			for range 3 {
				err := g.try(g.token(t))
				require.ErrorIs(t, err, session.ErrUnavailable)
				require.NotErrorIs(t, err, session.ErrRejected)
				require.Equal(t, 10*time.Second, session.RetryAfter(err))
			}
			require.EqualValues(t, 1, g.fetches.Load())
			g.answer.Store(nil)
			g.Add(10 * time.Second)
			require.NoError(t, g.try(g.token(t)))
		})
	}
}

// TestVerifyRejectsRedirect: who can redirect must not choose the keys.
func TestVerifyRejectsRedirect(t *testing.T) {
	g := newGateway(t)
	g.answerWith(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			g.signer.Handler().ServeHTTP(w, r)
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	require.ErrorIs(t, g.try(g.token(t)), session.ErrUnavailable)
	require.EqualValues(t, 1, g.fetches.Load())
}

// TestVerifyRejectsHugeKeySet: a good key set with a megabyte around it is not read to its end.
func TestVerifyRejectsHugeKeySet(t *testing.T) {
	g := newGateway(t)
	g.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(g.signer.JWKS())
		_, _ = w.Write([]byte(strings.Repeat(" ", maxKeySet)))
	})
	require.ErrorIs(t, g.try(g.token(t)), session.ErrUnavailable)
}

// TestVerifyRejectsPlainHTTP: keys do not come in the clear from another host unless that is asked for by name.
func TestVerifyRejectsPlainHTTP(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://gate.example/jwks.json": true, "http://localhost:1/": true, "http://127.0.0.1/": true, "http://[::1]:8080/": true,
		"http://gate.example/": false, "http://127.0.0.1.evil.example/": false, "ftp://gate.example/": false, "gate.example": false, "://": false,
	} {
		err := (&Verifier{JWKSURL: address}).checkURL()
		require.Equal(t, ok, err == nil, address)
	}
	require.NoError(t, (&Verifier{JWKSURL: "http://gate.example/", InsecureJWKSOverHTTP: true}).checkURL())
}

// TestVerifyFetchesOnceForMany: requests that come together share one fetch, which the first one's end does not stop.
func TestVerifyFetchesOnceForMany(t *testing.T) {
	g := newGateway(t)
	token := g.token(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	g.answerWith(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		g.signer.Handler().ServeHTTP(w, r)
	})
	ctx, leave := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := g.Verify(requestWith(token).WithContext(ctx))
		first <- err
	}()
	<-arrived
	leave()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := g.Verify(requestWith(token).WithContext(gone))
	require.ErrorIs(t, err, session.ErrUnavailable, "who waits can leave")
	require.ErrorIs(t, err, context.Canceled)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := g.try(token); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	wg.Wait()
	require.NoError(t, <-first)
	require.EqualValues(t, 1, g.fetches.Load())
}

func FuzzVerify(f *testing.F) {
	g := newGateway(f)
	f.Add(g.token(f))
	f.Add(g.forge(f, "JWT", goodClaims()))
	f.Add("e30.e30.e30")
	f.Add("..")
	genuine := g.token(f)
	f.Fuzz(func(t *testing.T, token string) {
		if err := g.try(token); err == nil && strings.Split(token, ".")[1] != strings.Split(genuine, ".")[1] {
			a, _ := g.Verify(requestWith(token))
			require.Equal(t, "248289761001", a.Identity.Subject)
		}
	})
}

func FuzzKeySet(f *testing.F) {
	f.Add(testSigner(f, nil).JWKS())
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"a"}]}`))
	f.Add([]byte(`{"keys":[null,1,{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := parseKeySet(body)
		require.Equal(t, err != nil, len(keys) == 0)
		for kid, key := range keys {
			require.NotEmpty(t, kid)
			require.True(t, key.Curve == elliptic.P256())
		}
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
