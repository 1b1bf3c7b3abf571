package source

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// keySetAt returns the key set of a, and a way to verify a token of the given key with it.
func keySetAt(t *testing.T, a *testProvider) (*keySet, func(key any, alg jose.SignatureAlgorithm, kid string) error) {
	c, err := authority.NewClient(authority.ClientOptions{Timeout: 2 * time.Second}, a.clock.Now)
	require.NoError(t, err)
	k := newKeySet(c, func(context.Context) (string, error) { return a.URL + "/keys", nil }, asymmetric())
	return k, func(key any, alg jose.SignatureAlgorithm, kid string) error {
		head := map[string]any{"kid": kid}
		if kid == "" {
			head = nil
		}
		payload, err := k.VerifySignature(t.Context(), signed(t, key, alg, head, map[string]any{"a": 1}))
		if err == nil {
			require.JSONEq(t, `{"a":1}`, string(payload))
		}
		return err
	}
}

func TestKeySetVerifies(t *testing.T) {
	_, verify := keySetAt(t, newTestProvider(t))
	require.NoError(t, verify(testKeys().rsa, jose.RS256, "rsa"))
	require.NoError(t, verify(testKeys().rsa, jose.PS512, "rsa"))
	require.NoError(t, verify(testKeys().ec, jose.ES256, "ec"))
	require.NoError(t, verify(testKeys().ec, jose.ES256, ""))
	require.ErrorIs(t, verify(testKeys().ec, jose.ES256, "rsa"), session.ErrRejected)
	require.ErrorIs(t, verify(testKeys().other, jose.RS256, "rsa"), session.ErrRejected)
}

// S-168: a bad signature of a known key asks nobody.
func TestABadSignatureFetchesNothing(t *testing.T) {
	a := newTestProvider(t)
	_, verify := keySetAt(t, a)
	require.NoError(t, verify(testKeys().rsa, jose.RS256, "rsa"))
	for range 100 {
		require.ErrorIs(t, verify(testKeys().other, jose.RS256, "rsa"), session.ErrRejected)
	}
	require.Equal(t, 1, a.times("/keys"))
}

// a flood of unknown key ids costs at most one fetch in ten seconds, and valid tokens pass all the while.
func TestAFloodOfUnknownKeysIsBounded(t *testing.T) {
	a := newTestProvider(t)
	_, verify := keySetAt(t, a)
	for i := range 600 {
		require.ErrorIs(t, verify(testKeys().ec2, jose.ES256, fmt.Sprint("random-", i)), session.ErrRejected)
		if i%100 == 0 {
			require.NoError(t, verify(testKeys().ec, jose.ES256, "ec"))
		}
		a.clock.Advance(100 * time.Millisecond)
	}
	require.LessOrEqual(t, a.times("/keys"), 7)
}

func TestAFloodAtOnceIsOneFetch(t *testing.T) {
	a := newTestProvider(t)
	_, verify := keySetAt(t, a)
	require.NoError(t, verify(testKeys().ec, jose.ES256, "ec"))
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() { _ = verify(testKeys().ec2, jose.ES256, "unknown") })
	}
	wg.Wait()
	require.Equal(t, 2, a.times("/keys"))
}

func TestANewKeyIsFoundWithOneFetch(t *testing.T) {
	a := newTestProvider(t)
	_, verify := keySetAt(t, a)
	require.NoError(t, verify(testKeys().rsa, jose.RS256, "rsa"))
	a.set(func() { a.keys = append(a.keys, publicKey(testKeys().other, "new")) })
	for range 10 {
		require.NoError(t, verify(testKeys().other, jose.RS256, "new"))
	}
	require.Equal(t, 2, a.times("/keys"))
}

// S-169: a key its issuer took back is refused once the set has outlived its time.
func TestARemovedKeyIsRefusedAfterMaxAge(t *testing.T) {
	a := newTestProvider(t)
	_, verify := keySetAt(t, a)
	require.NoError(t, verify(testKeys().rsa, jose.RS256, "rsa"))
	a.set(func() { a.keys = []jose.JSONWebKey{publicKey(testKeys().ec, "ec")} })
	a.clock.Advance(maxKeyAge)
	require.ErrorIs(t, verify(testKeys().rsa, jose.RS256, "rsa"), session.ErrRejected)
}

// documents that make no sense leave the last good set in force.
func TestPoisonedKeySetsKeepTheLastGoodOne(t *testing.T) {
	one, err := json.Marshal(publicKey(testKeys().other, "twin"))
	require.NoError(t, err)
	two, err := json.Marshal(publicKey(testKeys().rsa, "twin"))
	require.NoError(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	small, err := json.Marshal(publicKey(weak, "rsa"))
	require.NoError(t, err)
	for name, body := range map[string]string{
		"empty set":       `{"keys":[]}`,
		"no set":          `{}`,
		"null":            `null`,
		"html":            `<html>maintenance</html>`,
		"10 MB":           `{"keys":[` + strings.Repeat(" ", 10<<20) + `]}`,
		"duplicate kid":   `{"keys":[` + string(one) + `,` + string(two) + `]}`,
		"weak rsa only":   `{"keys":[` + string(small) + `]}`,
		"symmetric only":  `{"keys":[{"kty":"oct","kid":"rsa","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}]}`,
		"encryption only": `{"keys":[` + strings.Replace(string(two), `"sig"`, `"enc"`, 1) + `]}`,
		"too many":        `{"keys":[` + strings.Repeat(`{},`, maxKeys) + string(two) + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestProvider(t)
			k, verify := keySetAt(t, a)
			require.NoError(t, verify(testKeys().rsa, jose.RS256, "rsa"))
			a.answer("/keys", 200, body)
			for range 3 {
				a.clock.Advance(maxKeyAge)
				require.NoError(t, verify(testKeys().rsa, jose.RS256, "rsa"))
			}
			require.ErrorIs(t, k.set.health(), session.ErrUnavailable)
			require.ErrorIs(t, verify(testKeys().other, jose.RS256, "twin"), session.ErrUnavailable, "nobody knows")
		})
	}
}

func TestKeysNeverFetchedIsUnavailable(t *testing.T) {
	a := newTestProvider(t)
	_, verify := keySetAt(t, a)
	a.down(t)
	for range 5 {
		require.ErrorIs(t, verify(testKeys().rsa, jose.RS256, "rsa"), session.ErrUnavailable)
	}
	require.LessOrEqual(t, a.times("/keys"), 2, "one try, which the transport may repeat")
	a.up(t)
	require.NoError(t, verify(testKeys().rsa, jose.RS256, "rsa"))
}

func TestKeyIsBoundToItsAlgorithmAndUse(t *testing.T) {
	bound := publicKey(testKeys().rsa, "rsa")
	bound.Algorithm = "RS256"
	a := newTestProvider(t)
	a.keys = []jose.JSONWebKey{bound}
	_, verify := keySetAt(t, a)
	require.NoError(t, verify(testKeys().rsa, jose.RS256, "rsa"))
	require.ErrorIs(t, verify(testKeys().rsa, jose.PS256, "rsa"), session.ErrRejected)
}

func TestPrivateKeysInASetAreNotUsed(t *testing.T) {
	private, err := json.Marshal(jose.JSONWebKey{Key: testKeys().rsa, KeyID: "rsa"})
	require.NoError(t, err)
	_, err = parseKeys([]byte(`{"keys":[` + string(private) + `]}`))
	require.Error(t, err)
}

func TestBelieveKeys(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"":                      maxKeyAge,
		"no-store":              maxKeyAge,
		"public, max-age=300":   5 * time.Minute,
		"max-age=0":             minKeyAge,
		"MAX-AGE=86400":         maxKeyAge,
		"max-age=nonsense":      maxKeyAge,
		"s-maxage=5, max-age=-": maxKeyAge,
	} {
		require.Equal(t, want, believeKeys(http.Header{"Cache-Control": {value}}), value)
	}
}

func FuzzJWKS(f *testing.F) {
	good, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{publicKey(testKeys().rsa, "rsa"), publicKey(testKeys().ec, "ec")}})
	f.Add(good)
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"X25519","x":"AA"},{"kty":"AKP"}]}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := parseKeys(body)
		require.Equal(t, err != nil, len(keys) == 0)
		for _, k := range keys {
			require.True(t, k.IsPublic() && k.Valid())
			couldSign(&k, jose.Header{Algorithm: "RS256"})
		}
	})
}
