package source

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	jose "github.com/go-jose/go-jose/v4"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	maxKeyAge  = 10 * time.Minute // a key its issuer took back is refused after this
	minKeyAge  = time.Minute      // whatever the reply's Cache-Control says
	maxKeys    = 256              // in one set
	minRSABits = 2048
	maxRSABits = 8192
	maxTryKeys = 8 // tried for a token that does not say which key signed it
	acceptJWKS = "application/jwk-set+json, application/json"
	useSign    = "sig"
)

// errUnknownKey: the set holds no key that could have signed the token. A newer set might.
var errUnknownKey = authority.Rejected("signed with a key its issuer does not publish")

// keySet verifies signatures with the keys an issuer publishes (RFC 7517). A key id it has not seen makes it ask
// again, at most once in ten seconds; a bad signature of a known key never does. The last good set outlives outages
// and documents that make no sense.
type keySet struct {
	set  latest[[]jose.JSONWebKey]
	algs []jose.SignatureAlgorithm
}

// newKeySet makes a set for the document at the URL that address returns.
func newKeySet(c *authority.Client, address func(context.Context) (string, error), algs []string) *keySet {
	k := &keySet{}
	for _, a := range algs {
		k.algs = append(k.algs, jose.SignatureAlgorithm(a))
	}
	k.set.now, k.set.timeout = c.Now, 2*c.Timeout()
	k.set.fetch = func(ctx context.Context) ([]jose.JSONWebKey, time.Duration, error) {
		url, err := address(ctx)
		if err != nil {
			return nil, 0, err
		}
		return fetchKeys(ctx, c, url)
	}
	return k
}

func fetchKeys(ctx context.Context, c *authority.Client, url string) ([]jose.JSONWebKey, time.Duration, error) {
	r, err := c.Get(ctx, url, http.Header{"Accept": {acceptJWKS}})
	if err != nil {
		return nil, 0, fmt.Errorf("key set: %w", err)
	}
	keys, err := parseKeys(r.Body)
	if err != nil {
		return nil, 0, fmt.Errorf("key set: %w: %w", session.ErrUnavailable, err)
	}
	return keys, believeKeys(r.Header), nil
}

// VerifySignature implements oidc.KeySet: it returns the payload of a compact JWS signed with one of the keys.
func (k *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(jwt, k.algs)
	if err != nil {
		return nil, authority.Rejected("not a signed token of an accepted algorithm")
	}
	keys, err := k.set.get(ctx)
	if err != nil {
		return nil, err
	}
	payload, err := verifyWith(keys, jws)
	if !errors.Is(err, errUnknownKey) {
		return payload, err
	}
	if keys, err = k.set.force(ctx); err != nil {
		return nil, err
	}
	return verifyWith(keys, jws)
}

// verifyWith tries the keys that could have signed jws.
func verifyWith(keys []jose.JSONWebKey, jws *jose.JSONWebSignature) ([]byte, error) {
	head := jws.Signatures[0].Protected
	tried := 0
	for i := range keys {
		key := &keys[i]
		if !couldSign(key, head) {
			continue
		}
		if payload, err := jws.Verify(key.Key); err == nil {
			return payload, nil
		}
		if tried++; tried == maxTryKeys {
			break
		}
	}
	if tried == 0 || head.KeyID == "" {
		return nil, errUnknownKey
	}
	return nil, authority.Rejected("the signature does not verify")
}

// couldSign binds a key to its id, its algorithm and its kind (RFC 8725 §3.1).
func couldSign(key *jose.JSONWebKey, head jose.Header) bool {
	if head.KeyID != "" && key.KeyID != head.KeyID {
		return false
	}
	if key.Algorithm != "" && key.Algorithm != head.Algorithm {
		return false
	}
	switch key.Key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(head.Algorithm, "RS") || strings.HasPrefix(head.Algorithm, "PS")
	case *ecdsa.PublicKey:
		return strings.HasPrefix(head.Algorithm, "ES")
	case ed25519.PublicKey:
		return head.Algorithm == string(jose.EdDSA)
	default:
		return false
	}
}

// parseKeys reads a key set. Keys of no use here are left out; a set without any, or with one id for two keys, is an
// error, because such a document says nothing that could be relied on.
func parseKeys(body []byte) ([]jose.JSONWebKey, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, errors.New("not a JSON key set")
	}
	if len(doc.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys are too many", len(doc.Keys))
	}
	var keys []jose.JSONWebKey
	seen := map[string]bool{}
	for _, raw := range doc.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil || !usable(&key) {
			continue
		}
		if key.KeyID != "" && seen[key.KeyID] {
			return nil, errors.New("two keys share an id")
		}
		seen[key.KeyID] = true
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("no key to verify signatures with")
	}
	return keys, nil
}

// usable reports whether key is a public key of sufficient strength that is meant for signatures. Private and
// symmetric keys are of other types.
func usable(key *jose.JSONWebKey) bool {
	if (key.Use != "" && key.Use != useSign) || !key.Valid() {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits && k.N.BitLen() <= maxRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	default:
		return false
	}
}

// believeKeys reads max-age of Cache-Control (RFC 9111 §5.2.2.1) within our own bounds.
func believeKeys(h http.Header) time.Duration {
	for _, directive := range strings.Split(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
			return min(max(time.Duration(seconds)*time.Second, minKeyAge), maxKeyAge)
		}
	}
	return maxKeyAge
}

// asymmetric lists the signature algorithms that may be accepted at all: with none of them a verification key can
// sign.
func asymmetric() []string {
	return []string{
		oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512,
		oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
	}
}

var _ oidc.KeySet = (*keySet)(nil)
