package source

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// mutation makes a hostile token out of what an attacker has: the public keys, keys of their own, a good token.
type mutation struct {
	name string
	make func(a *testProvider) string
	want error // session.ErrRejected unless the token is not even of our shape
}

// TestTokenMutations is the list of tokens that must never pass (RFC 8725, RFC 7519, RFC 9068 §4, and the advisories
// of the widespread libraries). The same source accepts the token they are all made from.
func TestTokenMutations(t *testing.T) {
	seen := map[string]bool{}
	for _, group := range [][]mutation{algorithmMutations(t), headerMutations(t), shapeMutations(t), signatureMutations(t), claimMutations(), kindMutations(t)} {
		for _, m := range group {
			require.False(t, seen[m.name], m.name)
			seen[m.name] = true
			t.Run(m.name, func(t *testing.T) {
				a := newTestProvider(t)
				s := a.jwt()
				token := m.make(a)
				begun := time.Now()
				got, err := s.Resolve(t.Context(), bearer(token))
				require.Less(t, time.Since(begun), 500*time.Millisecond)
				require.Nil(t, got)
				want := m.want
				if want == nil {
					want = session.ErrRejected
				}
				require.ErrorIs(t, err, want)
				require.LessOrEqual(t, a.times("/keys"), 2)
				require.Zero(t, a.times("/trap"), "nothing a token points to is fetched")
				_, err = s.Resolve(t.Context(), bearer(a.accessToken(nil)))
				require.NoError(t, err, "and the good token still passes")
			})
		}
	}
	require.GreaterOrEqual(t, len(seen), 73)
}

// goodHeader is the header of the good token with changes.
func goodHeader(changes map[string]any) map[string]any {
	return overlay(map[string]any{"alg": "RS256", "kid": "rsa", "typ": "at+jwt"}, changes)
}

// withHeader signs the good claims under any header, as RS256 with the right key.
func withHeader(t *testing.T, a *testProvider, header any) string {
	h, ok := header.(string)
	if !ok {
		b, err := json.Marshal(header)
		require.NoError(t, err)
		h = string(b)
	}
	return rs256(t, segment(h)+"."+segmentJSON(t, a.accessClaims()))
}

// withPayload signs any payload with the right key.
func withPayload(t *testing.T, payload string) string {
	return rs256(t, segmentJSON(t, goodHeader(nil))+"."+segment(payload))
}

// payloadWith is the good payload with text put in front of its members.
func payloadWith(t *testing.T, a *testProvider, members string) string {
	b, err := json.Marshal(a.accessClaims())
	require.NoError(t, err)
	return "{" + members + "," + string(b[1:])
}

func algorithmMutations(t *testing.T) []mutation {
	none := func(alg string) func(*testProvider) string {
		return func(a *testProvider) string {
			return segment(`{"alg":"`+alg+`","kid":"rsa"}`) + "." + segmentJSON(t, a.accessClaims()) + "."
		}
	}
	hmac := func(alg jose.SignatureAlgorithm, secret func() []byte) func(*testProvider) string {
		return func(a *testProvider) string {
			return signed(t, secret(), alg, map[string]any{"kid": "rsa"}, a.accessClaims())
		}
	}
	der := func() []byte {
		b, err := x509.MarshalPKIXPublicKey(&testKeys().rsa.PublicKey)
		require.NoError(t, err)
		return b
	}
	asPEM := func() []byte { return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der()}) }
	asJWK := func() []byte {
		b, err := publicKey(testKeys().rsa, "rsa").MarshalJSON()
		require.NoError(t, err)
		return b
	}
	return []mutation{
		{name: "alg none", make: none("none")},
		{name: "alg None", make: none("None")},
		{name: "alg NONE", make: none("NONE")},
		{name: "alg nOnE", make: none("nOnE")},
		{name: "alg none with the good signature", make: func(a *testProvider) string {
			good := a.accessToken(nil)
			return segment(`{"alg":"none"}`) + good[strings.IndexByte(good, '.'):]
		}},
		{name: "alg empty", make: none("")},
		{name: "alg missing", make: func(a *testProvider) string { return withHeader(t, a, goodHeader(map[string]any{"alg": nil})) }},
		{name: "alg lower case", make: func(a *testProvider) string { return withHeader(t, a, goodHeader(map[string]any{"alg": "rs256"})) }},
		{name: "alg unknown", make: func(a *testProvider) string { return withHeader(t, a, goodHeader(map[string]any{"alg": "RS1"})) }},
		{name: "alg a number", make: func(a *testProvider) string { return withHeader(t, a, goodHeader(map[string]any{"alg": 256})) }},
		{name: "alg an array", make: func(a *testProvider) string {
			return withHeader(t, a, goodHeader(map[string]any{"alg": []string{"RS256"}}))
		}},
		{name: "alg null", make: func(a *testProvider) string { return withHeader(t, a, `{"alg":null,"kid":"rsa"}`) }},
		{name: "alg ES256 over an RSA signature", make: func(a *testProvider) string { return withHeader(t, a, goodHeader(map[string]any{"alg": "ES256"})) }},
		{name: "alg RS384 over an RS256 signature", make: func(a *testProvider) string { return withHeader(t, a, goodHeader(map[string]any{"alg": "RS384"})) }},
		{name: "alg PS256 over an RS256 signature", make: func(a *testProvider) string { return withHeader(t, a, goodHeader(map[string]any{"alg": "PS256"})) }},
		{name: "HS256 with the public key as PEM", make: hmac(jose.HS256, asPEM)},
		{name: "HS256 with the public key as DER", make: hmac(jose.HS256, der)},
		{name: "HS256 with the public key as JWK", make: hmac(jose.HS256, asJWK)},
		{name: "HS384 with the public key as PEM", make: hmac(jose.HS384, asPEM)},
		{name: "HS512 with the public key as PEM", make: hmac(jose.HS512, asPEM)},
		{name: "HS256 with a weak secret", make: hmac(jose.HS256, func() []byte { return []byte(strings.Repeat("secret", 6)) })},
	}
}

func headerMutations(t *testing.T) []mutation {
	with := func(name string, value any) func(*testProvider) string {
		return func(a *testProvider) string { return withHeader(t, a, goodHeader(map[string]any{name: value})) }
	}
	kid := func(kid string) func(*testProvider) string { return with("kid", kid) }
	return []mutation{
		{name: "embedded jwk that signed it", make: func(a *testProvider) string {
			own, err := publicKey(testKeys().other, "own").MarshalJSON()
			require.NoError(t, err)
			return signed(t, testKeys().other, jose.RS256, map[string]any{"jwk": json.RawMessage(own)}, a.accessClaims())
		}},
		{name: "embedded jwk beside a good kid", make: func(a *testProvider) string {
			own, err := publicKey(testKeys().rsa, "rsa").MarshalJSON()
			require.NoError(t, err)
			return withHeader(t, a, goodHeader(map[string]any{"jwk": json.RawMessage(own)}))
		}},
		{name: "jku", make: func(a *testProvider) string {
			return withHeader(t, a, goodHeader(map[string]any{"jku": a.URL + "/trap"}))
		}},
		{name: "jku and another's signature", make: func(a *testProvider) string {
			return signed(t, testKeys().other, jose.RS256, map[string]any{"kid": "own", "jku": a.URL + "/trap"}, a.accessClaims())
		}},
		{name: "x5u", make: func(a *testProvider) string {
			return withHeader(t, a, goodHeader(map[string]any{"x5u": a.URL + "/trap"}))
		}},
		{name: "x5c", make: with("x5c", []string{"AAAA"})},
		{name: "crit unknown extension", make: with("crit", []string{"exp"})},
		{name: "crit empty", make: with("crit", []string{})},
		{name: "b64 false", make: func(a *testProvider) string {
			return withHeader(t, a, goodHeader(map[string]any{"b64": false, "crit": []string{"b64"}}))
		}},
		{name: "b64 without crit", make: with("b64", false)},
		{name: "zip", make: with("zip", "DEF")},
		{name: "enc of a JWE", make: with("enc", "A256GCM")},
		{name: "cty JWT", make: with("cty", "JWT")},
		{name: "kid path traversal", make: kid("../../../../dev/null")},
		{name: "kid SQL", make: kid("x' UNION SELECT 'key' --")},
		{name: "kid shell", make: kid("|id")},
		{name: "kid a URL", make: func(a *testProvider) string {
			return withHeader(t, a, goodHeader(map[string]any{"kid": a.URL + "/trap"}))
		}},
		{name: "kid of another key of the set", make: kid("ec")},
		{name: "kid with a NUL", make: kid("rsa\x00")},
		{name: "kid in another case", make: kid("RSA")},
		{name: "kid a number", make: with("kid", 1)},
		{name: "kid null", make: func(a *testProvider) string { return withHeader(t, a, `{"alg":"RS256","kid":null}`) }},
		{name: "kid of 10,000 bytes", make: kid(strings.Repeat("k", 1000))},
		{name: "header twice alg", make: func(a *testProvider) string { return withHeader(t, a, `{"alg":"none","alg":"RS256","kid":"rsa"}`) }},
		{name: "header not an object", make: func(a *testProvider) string { return withHeader(t, a, `["RS256"]`) }},
		{name: "header with trailing data", make: func(a *testProvider) string { return withHeader(t, a, `{"alg":"RS256","kid":"rsa"}{}`) }},
		{name: "header nested 1,000 deep", make: func(a *testProvider) string {
			return withHeader(t, a, `{"alg":"RS256","kid":"rsa","x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`}`)
		}},
		{name: "header with a BOM", make: func(a *testProvider) string { return withHeader(t, a, "\ufeff"+`{"alg":"RS256","kid":"rsa"}`) }},
		{name: "header not UTF-8", make: func(a *testProvider) string {
			return withHeader(t, a, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x\":\"\xff\"}")
		}},
	}
}

func shapeMutations(t *testing.T) []mutation {
	good := func(change func(string) string) func(*testProvider) string {
		return func(a *testProvider) string { return change(a.accessToken(nil)) }
	}
	return []mutation{
		{name: "100,000 dots", make: func(*testProvider) string { return strings.Repeat(".", 100_000) }, want: session.ErrNotMine},
		{name: "a fourth part", make: good(func(s string) string { return s + ".AA" }), want: session.ErrNotMine},
		{name: "a trailing dot", make: good(func(s string) string { return s + "." }), want: session.ErrNotMine},
		{name: "a leading dot", make: good(func(s string) string { return "." + s }), want: session.ErrNotMine},
		{name: "without the signature part", make: good(func(s string) string { return s[:strings.LastIndexByte(s, '.')] }), want: session.ErrNotMine},
		{name: "empty payload", make: good(func(s string) string { return s[:strings.IndexByte(s, '.')] + "..AA" }), want: session.ErrNotMine},
		{name: "empty signature", make: good(func(s string) string { return s[:strings.LastIndexByte(s, '.')+1] })},
		{name: "trailing space", make: good(func(s string) string { return s + " " })},
		{name: "leading space", make: good(func(s string) string { return " " + s })},
		{name: "a line break in the signature", make: good(func(s string) string { return s[:len(s)-4] + "\n" + s[len(s)-4:] })},
		{name: "a line break in the header", make: good(func(s string) string { return s[:4] + "\r\n" + s[4:] })},
		{name: "padding", make: good(func(s string) string { return s + "==" })},
		{name: "standard base64 alphabet", make: good(func(s string) string { return strings.Replace(s, s[len(s)-8:], "+/+/+/+/", 1) })},
		{name: "trailing data after the token", make: good(func(s string) string { return s + ",x" })},
		{name: "longer than 16 KiB", make: func(a *testProvider) string {
			return a.accessToken(map[string]any{"pad": strings.Repeat("x", 17<<10)})
		}, want: session.ErrNotMine},
		{name: "JWS JSON serialization", make: good(func(s string) string {
			p := strings.Split(s, ".")
			return fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, p[1], p[0], p[2])
		}), want: session.ErrNotMine},
		{name: "JWE of five parts", make: func(*testProvider) string {
			return segment(`{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}`) + ".AA.AA.AA.AA"
		}, want: session.ErrNotMine},
		{name: "JWE with PBES2 and a huge count", make: func(*testProvider) string {
			return segment(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AA"}`) + ".AA.AA.AA.AA"
		}, want: session.ErrNotMine},
		{name: "payload not JSON", make: func(*testProvider) string { return withPayload(t, "hello") }, want: session.ErrNotMine},
		{name: "payload not an object", make: func(*testProvider) string { return withPayload(t, `"text"`) }, want: session.ErrNotMine},
		{name: "payload with trailing data", make: func(a *testProvider) string { return withPayload(t, payloadWith(t, a, `"x":1`)+"{}") }, want: session.ErrNotMine},
		{name: "payload twice sub", make: func(a *testProvider) string { return withPayload(t, payloadWith(t, a, `"sub":"root"`)) }},
		{name: "payload twice iss", make: func(a *testProvider) string {
			return withPayload(t, payloadWith(t, a, `"iss":"https://other.example"`))
		}},
		{name: "payload twice deep inside", make: func(a *testProvider) string { return withPayload(t, payloadWith(t, a, `"x":{"y":1,"y":2}`)) }},
		{name: "payload nested 1,000 deep", make: func(a *testProvider) string {
			return withPayload(t, payloadWith(t, a, `"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)))
		}},
		{name: "payload not UTF-8", make: func(a *testProvider) string { return withPayload(t, payloadWith(t, a, "\"x\":\"\xff\"")) }},
		{name: "payload with a number beyond float64", make: func(a *testProvider) string { return withPayload(t, payloadWith(t, a, `"x":1e999`)) }},
	}
}

func signatureMutations(t *testing.T) []mutation {
	es256 := func(change func(sig []byte) []byte) func(*testProvider) string {
		return func(a *testProvider) string {
			token := signed(t, testKeys().ec, jose.ES256, map[string]any{"kid": "ec"}, a.accessClaims())
			at := strings.LastIndexByte(token, '.') + 1
			sig, err := base64.RawURLEncoding.DecodeString(token[at:])
			require.NoError(t, err)
			return token[:at] + base64.RawURLEncoding.EncodeToString(change(sig))
		}
	}
	order := testKeys().ec.Params().N.Bytes()
	return []mutation{
		{name: "es256 r=s=0", make: es256(func(s []byte) []byte { return make([]byte, len(s)) })},
		{name: "es256 r=0", make: es256(func(s []byte) []byte { return append(make([]byte, 32), s[32:]...) })},
		{name: "es256 s=0", make: es256(func(s []byte) []byte { return append(s[:32], make([]byte, 32)...) })},
		{name: "es256 r=s=order", make: es256(func([]byte) []byte { return append(append([]byte{}, order...), order...) })},
		{name: "es256 truncated", make: es256(func(s []byte) []byte { return s[:63] })},
		{name: "es256 longer", make: es256(func(s []byte) []byte { return append(s, 0) })},
		{name: "es256 another curve point's key", make: func(a *testProvider) string {
			return signed(t, testKeys().ec2, jose.ES256, map[string]any{"kid": "ec"}, a.accessClaims())
		}},
		{name: "rs256 truncated by a byte", make: func(a *testProvider) string { s := a.accessToken(nil); return s[:len(s)-2] }},
		{name: "rs256 empty but for zero", make: func(a *testProvider) string {
			s := a.accessToken(nil)
			return s[:strings.LastIndexByte(s, '.')+1] + base64.RawURLEncoding.EncodeToString(make([]byte, 256))
		}},
		{name: "rs256 with other unused bits in the last character", make: func(a *testProvider) string {
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			s := a.accessToken(nil)
			return s[:len(s)-1] + string(alphabet[strings.IndexByte(alphabet, s[len(s)-1])|1])
		}},
		{name: "signed by another key", make: func(a *testProvider) string {
			return signed(t, testKeys().other, jose.RS256, map[string]any{"kid": "rsa"}, a.accessClaims())
		}},
		{name: "signed by another key without a kid", make: func(a *testProvider) string {
			return signed(t, testKeys().other, jose.RS256, nil, a.accessClaims())
		}},
		{name: "payload swapped under a good signature", make: func(a *testProvider) string {
			p := strings.Split(a.accessToken(nil), ".")
			return p[0] + "." + segmentJSON(t, overlay(a.accessClaims(), map[string]any{"sub": "root"})) + "." + p[2]
		}},
		{name: "header swapped under a good signature", make: func(a *testProvider) string {
			p := strings.Split(a.accessToken(nil), ".")
			return segment(`{"alg":"RS256","kid":"rsa"}`) + "." + p[1] + "." + p[2]
		}},
		{name: "expired and badly signed", make: func(a *testProvider) string {
			return signed(t, testKeys().other, jose.RS256, map[string]any{"kid": "rsa"}, overlay(a.accessClaims(), map[string]any{"exp": 1}))
		}},
	}
}

func claimMutations() []mutation {
	now := startOfTest().Unix()
	var out []mutation
	add := func(name string, changes map[string]any, want ...error) {
		m := mutation{name: name, make: func(a *testProvider) string { return a.accessToken(changes) }}
		if len(want) > 0 {
			m.want = want[0]
		}
		out = append(out, m)
	}
	add("iss of another", map[string]any{"iss": "https://other.example"}, session.ErrNotMine)
	add("iss missing", map[string]any{"iss": nil}, session.ErrNotMine)
	add("iss an array", map[string]any{"iss": []string{"https://other.example"}}, session.ErrNotMine)
	add("aud another", map[string]any{"aud": "https://other.example"})
	add("aud missing", map[string]any{"aud": nil})
	add("aud empty", map[string]any{"aud": ""})
	add("aud empty array", map[string]any{"aud": []string{}})
	add("aud array of others", map[string]any{"aud": []string{"a", "b"}})
	add("aud array with a number", map[string]any{"aud": []any{audience, 1}})
	add("aud an object", map[string]any{"aud": map[string]any{audience: true}})
	add("aud true", map[string]any{"aud": true})
	add("aud a prefix of ours", map[string]any{"aud": audience[:len(audience)-1]})
	add("aud ours with a suffix", map[string]any{"aud": audience + ".evil.example"})
	add("aud ours within a list in text", map[string]any{"aud": "x " + audience})
	add("aud in another case", map[string]any{"aud": strings.ToUpper(audience)})
	add("aud nested array", map[string]any{"aud": []any{[]any{audience}}})
	add("exp missing", map[string]any{"exp": nil})
	add("exp past", map[string]any{"exp": now - 1})
	add("exp now", map[string]any{"exp": now})
	add("exp zero", map[string]any{"exp": 0})
	add("exp negative", map[string]any{"exp": -1})
	add("exp 1e300", map[string]any{"exp": 1e300})
	add("exp beyond the year 9999", map[string]any{"exp": int64(253402300800)})
	add("exp in milliseconds", map[string]any{"exp": (now + 300) * 1000})
	add("exp as text", map[string]any{"exp": fmt.Sprint(now + 300)})
	add("exp true", map[string]any{"exp": true})
	add("exp an array", map[string]any{"exp": []int64{now + 300}})
	add("nbf in the future", map[string]any{"nbf": now + 61})
	add("nbf as text", map[string]any{"nbf": "0"})
	add("nbf negative", map[string]any{"nbf": -1})
	add("iat in the future", map[string]any{"iat": now + 61})
	add("iat as text", map[string]any{"iat": "0"})
	add("iat 1e300", map[string]any{"iat": 1e300})
	add("auth_time as text", map[string]any{"auth_time": "0"})
	add("sub missing", map[string]any{"sub": nil})
	add("sub empty", map[string]any{"sub": ""})
	add("sub a number", map[string]any{"sub": 1})
	add("jti a number", map[string]any{"jti": 1})
	return out
}

func kindMutations(t *testing.T) []mutation {
	var out []mutation
	for _, typ := range []string{"logout+jwt", "application/logout+jwt", "dpop+jwt", "secevent+jwt", "id_token+jwt", "JWE", ""} {
		out = append(out, mutation{name: fmt.Sprintf("typ %q", typ), make: func(a *testProvider) string {
			return withHeader(t, a, goodHeader(map[string]any{"typ": typ}))
		}})
	}
	for name, changes := range map[string]map[string]any{
		"typ a number":                 nil,
		"logout token by its events":   {"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}},
		"ID token by its nonce":        {"nonce": "n"},
		"ID token by its at_hash":      {"at_hash": "h"},
		"ID token by its c_hash":       {"c_hash": "h"},
		"ID token by its token_use":    {"token_use": "id"},
		"ID token by its typ claim":    {"typ": "ID"},
		"refresh token by its typ":     {"typ": "Refresh"},
		"bound to a DPoP key":          {"cnf": map[string]any{"jkt": "AAAA"}},
		"bound to a certificate":       {"cnf": map[string]any{"x5t#S256": "AAAA"}},
		"bound to something not named": {"cnf": map[string]any{}},
	} {
		out = append(out, mutation{name: name, make: func(a *testProvider) string {
			if changes == nil {
				return withHeader(t, a, goodHeader(map[string]any{"typ": 1}))
			}
			return a.accessToken(changes)
		}})
	}
	return out
}

// rs256 appends the RS256 signature of the published key to input.
func rs256(t *testing.T, input string) string {
	sum := sha256.Sum256([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(signPKCS1v15(t, sum[:]))
}
