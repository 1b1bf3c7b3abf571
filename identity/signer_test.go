package identity

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
)

func keySetOf(t testing.TB, s *Signer) jose.JSONWebKeySet {
	t.Helper()
	var set jose.JSONWebKeySet
	require.NoError(t, json.Unmarshal(s.JWKS(), &set))
	return set
}

// claimsOf reads an assertion with a JWT library rather than with our own reading side.
func claimsOf(t testing.TB, s *Signer, token string) map[string]any {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	require.Equal(t, AssertionType, parsed.Headers[0].ExtraHeaders[jose.HeaderType])
	var claims map[string]any
	require.NoError(t, parsed.Claims(keySetOf(t, s), &claims))
	return claims
}

func TestSignClaims(t *testing.T) {
	s := testSigner(t, testClock)
	token, err := s.Sign(testSession(), "app", 0)
	require.NoError(t, err)
	claims := claimsOf(t, s, token)
	require.Len(t, claims["jti"], 26)
	delete(claims, "jti")
	now := float64(testNow.Unix())
	require.Equal(t, map[string]any{
		"iss": testIssuer, "sub": "248289761001", "aud": "app", "iat": now, "nbf": now, "exp": now + 60,
		"email": "jane@corp.example", "email_verified": true, "name": "Jane Doe", "preferred_username": "jané",
		"groups": []any{"staff", "users,admins"}, "acr": "urn:mfa", "amr": []any{"pwd", "otp"},
		"auth_time": now - 3600, "sid": "h-1", "aal": "aal2",
	}, claims)
}

func TestSignIsReusedUntilHalfLife(t *testing.T) {
	c := sessiontest.NewClock(testNow)
	s := testSigner(t, c.Now)
	sess := testSession()
	sign := func(audience string, ttl time.Duration) string {
		token, err := s.Sign(sess, audience, ttl)
		require.NoError(t, err)
		return token
	}
	first := sign("app", 0)
	c.Advance(29 * time.Second)
	require.Equal(t, first, sign("app", 0))
	require.Equal(t, first, sign("app", time.Hour), "a longer life than the greatest is the greatest")
	require.NotEqual(t, first, sign("other", 0))
	require.NotEqual(t, first, sign("app", 10*time.Second))
	c.Advance(time.Second)
	second := sign("app", 0)
	require.NotEqual(t, first, second)
	c.Advance(-20 * time.Second)
	require.NotEqual(t, second, sign("app", 0), "a clock that was set back makes a new one")
	other, err := s.Sign(testSession(), "app", 0)
	require.NoError(t, err)
	require.NotEqual(t, second, other, "another session, even an equal one")
}

func TestSignForgetsOldAudiences(t *testing.T) {
	c := sessiontest.NewClock(testNow)
	s := testSigner(t, c.Now)
	sess := testSession()
	for _, audience := range []string{"a", "b", "c", "d"} {
		_, err := s.Sign(sess, audience, 0)
		require.NoError(t, err)
		c.Advance(20 * time.Second)
	}
	issued, ok := s.issued.load(sess)
	require.True(t, ok)
	require.Len(t, issued.tokens, 2)
}

// TestSignRejectsLifeBeyondSession: no assertion outlives what it asserts.
func TestSignRejectsLifeBeyondSession(t *testing.T) {
	c := sessiontest.NewClock(testNow)
	s := testSigner(t, c.Now)
	for _, end := range []string{"absolute", "idle"} {
		sess := testSession()
		soon := c.Now().Add(10 * time.Second)
		if end == "idle" {
			sess.IdleExpiresAt = soon
		} else {
			sess.ExpiresAt = soon
		}
		token, err := s.Sign(sess, "app", 0)
		require.NoError(t, err)
		require.Equal(t, float64(soon.Unix()), claimsOf(t, s, token)["exp"])
		c.Advance(9 * time.Second)
		again, err := s.Sign(sess, "app", 0)
		require.NoError(t, err)
		require.Equal(t, token, again, "the next one would not live longer")
		c.Advance(time.Second)
		_, err = s.Sign(sess, "app", 0)
		require.ErrorIs(t, err, session.ErrRejected)
	}
}

// TestSignRejectsDeadSession: an inactive session is not asserted, nor written at all.
func TestSignRejectsDeadSession(t *testing.T) {
	sess := testSession()
	sess.Active = false
	_, err := testSigner(t, testClock).Sign(sess, "app", 0)
	require.ErrorIs(t, err, session.ErrRejected)
	out := http.Header{"X-Forwarded-User": {"root"}}
	require.ErrorIs(t, newHeaders(t, Options{Assertion: &AssertionOptions{}}).Write(out, sess, StatusValid, "app"), session.ErrRejected)
	require.Empty(t, out)
}

func TestSignRejectsNobodyAndNowhere(t *testing.T) {
	s := testSigner(t, testClock)
	sess := testSession()
	_, err := s.Sign(sess, "", 0)
	require.ErrorIs(t, err, session.ErrMalformed)
	sess = testSession()
	sess.Identity.Subject = ""
	_, err = s.Sign(sess, "app", 0)
	require.ErrorIs(t, err, session.ErrMalformed)
}

// TestSignRejectsTextThatIsNotUTF8: JSON would make two such users one.
func TestSignRejectsTextThatIsNotUTF8(t *testing.T) {
	s := testSigner(t, testClock)
	for _, change := range []func(*session.Session){
		func(s *session.Session) { s.Identity.Subject = "\xff" },
		func(s *session.Session) { s.Identity.Email = "\xff@corp.example" },
		func(s *session.Session) { s.Identity.Groups = []string{"staff", "\xfe"} },
	} {
		sess := testSession()
		change(sess)
		_, err := s.Sign(sess, "app", 0)
		require.ErrorIs(t, err, ErrValue)
	}
}

func TestSignerKeys(t *testing.T) {
	one, again := testSigner(t, nil, "a"), testSigner(t, nil, "a")
	require.Equal(t, one.JWKS(), again.JWKS(), "every replica has the same keys")
	rotated := keySetOf(t, testSigner(t, nil, "b", "a"))
	require.Len(t, rotated.Keys, 2)
	require.Equal(t, keySetOf(t, one).Keys[0].KeyID, rotated.Keys[1].KeyID)
	require.NotEqual(t, rotated.Keys[0].KeyID, rotated.Keys[1].KeyID)
	for _, k := range rotated.Keys {
		require.True(t, k.IsPublic())
		require.Equal(t, "ES256", k.Algorithm)
		require.Equal(t, "sig", k.Use)
	}
	one.JWKS()[0] = 'x'
	require.Equal(t, again.JWKS(), one.JWKS())

	s := testSigner(t, testClock, "b", "a")
	token, err := s.Sign(testSession(), "app", 0)
	require.NoError(t, err)
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	require.Equal(t, rotated.Keys[0].KeyID, parsed.Headers[0].KeyID, "the newest signs")
}

// TestSignerKeySetHoldsNoPrivatePart: what is served to anybody has no d (RFC 7518 §6.2.2.1).
func TestSignerKeySetHoldsNoPrivatePart(t *testing.T) {
	var set struct{ Keys []map[string]any }
	require.NoError(t, json.Unmarshal(testSigner(t, nil, "a", "b").JWKS(), &set))
	for _, k := range set.Keys {
		require.NotContains(t, k, "d")
		require.Equal(t, "P-256", k["crv"])
	}
}

func TestNewSignerRejects(t *testing.T) {
	_, err := NewSigner(nil, testIssuer, nil)
	require.ErrorIs(t, err, session.ErrMalformed)
	ring, err := session.NewKeyRing(testKey("a"))
	require.NoError(t, err)
	_, err = NewSigner(ring, "", nil)
	require.ErrorIs(t, err, session.ErrMalformed)
}

func TestHandler(t *testing.T) {
	s := testSigner(t, nil)
	get := httptest.NewRecorder()
	s.Handler().ServeHTTP(get, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusOK, get.Code)
	require.Equal(t, s.JWKS(), get.Body.Bytes())
	require.Equal(t, "public, max-age=300", get.Header().Get("Cache-Control"))
	require.Equal(t, "nosniff", get.Header().Get("X-Content-Type-Options"))
	require.Equal(t, "application/jwk-set+json", get.Header().Get("Content-Type"))
	post := httptest.NewRecorder()
	s.Handler().ServeHTTP(post, httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(t, http.StatusMethodNotAllowed, post.Code)
	require.Equal(t, "GET, HEAD", post.Header().Get("Allow"))
}

// BenchmarkSign is one signature; BenchmarkSignAmortised is what a request pays at 100 requests per second.
func BenchmarkSign(b *testing.B) {
	s := testSigner(b, testClock)
	sess := testSession()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.sign(sess, "app", MaxAssertionTTL, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignAmortised(b *testing.B) {
	c := sessiontest.NewClock(testNow)
	s := testSigner(b, c.Now)
	sess := testSession()
	sess.ExpiresAt, sess.IdleExpiresAt = time.Time{}, time.Time{}
	b.ReportAllocs()
	for b.Loop() {
		c.Advance(10 * time.Millisecond)
		if _, err := s.Sign(sess, "app", 0); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTokenSaysWhenItEnds: what is told is what the assertion says, also for one that is used again, and never beyond the session.
func TestTokenSaysWhenItEnds(t *testing.T) {
	s := testSigner(t, testClock)
	sess := testSession()
	first, end, err := s.Token(sess, "app", 0)
	require.NoError(t, err)
	again, sameEnd, err := s.Token(sess, "app", 0)
	require.NoError(t, err)
	require.Equal(t, first.Reveal(), again.Reveal())
	require.Equal(t, end, sameEnd)
	require.EqualValues(t, claimsOf(t, s, first.Reveal())["exp"], end.Unix())
	short := sess.Clone()
	short.ExpiresAt = end.Add(-10 * time.Second)
	_, end, err = s.Token(short, "app", 0)
	require.NoError(t, err)
	require.Equal(t, short.ExpiresAt, end)
	_, _, err = s.Token(sess, "", 0)
	require.ErrorIs(t, err, session.ErrMalformed)
}
