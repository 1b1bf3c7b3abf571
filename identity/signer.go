package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sessionward/sessionward/session"
)

// AssertionType is the typ header of assertions. It keeps them and other tokens from being taken for one another
// (RFC 8725 §3.11).
const AssertionType = "sessionward-assertion+jwt"

// scalarBytes is how much of the key ring makes one key: 64 bits more than the curve needs, and then some, so that
// the bias of the reduction cannot be noticed (FIPS 186-5 §A.2.1).
const scalarBytes = 48

// Signer makes signed assertions: JSON Web Tokens of about a kilobyte, signed with ES256 (RFC 7518 §3.4), that say
// who the user is, for one audience, for at most a minute. It is safe for concurrent use.
//
// Its keys come from the key ring, so that every replica has the same ones and none is stored. The newest signs, all
// are in the key set. To replace a key without a refused request, put the new one second in the ring, wait until the
// applications have fetched the key set again (KeySetMaxAge), then move it to the front.
type Signer struct {
	issuer string
	now    func() time.Time
	jws    jose.Signer
	keySet []byte
	issued *memo[*issuedTokens]
}

// KeySetMaxAge is how long caches may keep the key set that Handler serves.
const KeySetMaxAge = 5 * time.Minute

// NewSigner returns the Signer of ring. issuer (iss) is what applications expect there, usually the gateway's public
// URL. now may be nil for time.Now.
func NewSigner(ring *session.KeyRing, issuer string, now func() time.Time) (*Signer, error) {
	if ring == nil {
		return nil, fmt.Errorf("identity signer: no key ring; configure keys: %w", session.ErrMalformed)
	}
	if issuer == "" {
		return nil, fmt.Errorf("identity signer: no issuer; configure the public URL: %w", session.ErrMalformed)
	}
	if now == nil {
		now = time.Now
	}
	s := &Signer{issuer: issuer, now: now, issued: newMemo[*issuedTokens]()}
	var public jose.JSONWebKeySet
	for i, d := range ring.Derive("assertion", scalarBytes) {
		key, err := deriveKey(d.Bytes)
		if err != nil {
			return nil, fmt.Errorf("identity signer: key %q: %w", d.ID, err)
		}
		public.Keys = append(public.Keys, key.Public())
		if i > 0 {
			continue
		}
		options := (&jose.SignerOptions{}).WithType(AssertionType)
		if s.jws, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options); err != nil {
			return nil, fmt.Errorf("identity signer: key %q: %w", d.ID, err)
		}
	}
	var err error
	if s.keySet, err = json.Marshal(public); err != nil {
		return nil, fmt.Errorf("identity signer: key set: %w", err)
	}
	return s, nil
}

// deriveKey turns uniform bytes into a P-256 key: the number they make, modulo n-1, plus one (FIPS 186-5 §A.2.1).
// math/big takes a time that depends on the number; it happens once, at start.
func deriveKey(uniform []byte) (jose.JSONWebKey, error) {
	one := big.NewInt(1)
	d := new(big.Int).SetBytes(uniform)
	d.Mod(d, new(big.Int).Sub(elliptic.P256().Params().N, one)).Add(d, one)
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, 32)))
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	key := jose.JSONWebKey{Key: private, Algorithm: string(jose.ES256), Use: "sig"}
	sum, err := key.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return key, nil
}

// JWKS returns the public keys as a JSON Web Key Set (RFC 7517 §5), the one that signs first. The caller owns it.
func (s *Signer) JWKS() []byte { return slices.Clone(s.keySet) }

// Handler serves the key set to anybody, for GET and HEAD. It holds nothing secret.
func (s *Signer) Handler() http.Handler {
	cacheControl := "public, max-age=" + strconv.Itoa(int(KeySetMaxAge/time.Second))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		header.Set("Content-Type", "application/jwk-set+json")
		header.Set("Cache-Control", cacheControl)
		header.Set("Content-Length", strconv.Itoa(len(s.keySet)))
		_, _ = w.Write(s.keySet) // net/http drops it for HEAD
	})
}
