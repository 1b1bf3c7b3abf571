package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
)

// tokenIssuer signs bearer tokens and serves its keys, counting how often it is asked.
type tokenIssuer struct {
	t      testing.TB
	server *httptest.Server
	key    *ecdsa.PrivateKey
	asked  atomic.Int64
}

func newTokenIssuer(t testing.TB) *tokenIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := &tokenIssuer{t: t, key: key}
	i.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	}))
	t.Cleanup(i.server.Close)
	return i
}

// source is the stanza of a gateway that accepts the issuer's tokens.
func (i *tokenIssuer) source() string {
	return fmt.Sprintf("  - name: services\n    jwt:\n      issuers:\n        - {issuer: %q, jwks_url: %q, audiences: [gateway]}\n", i.server.URL, i.server.URL+"/keys")
}

func (i *tokenIssuer) fetches() int64 { return i.asked.Load() }

func (i *tokenIssuer) token(subject string) string {
	i.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: "k1"}}, nil)
	require.NoError(i.t, err)
	now := time.Now()
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: i.server.URL, Subject: subject, Audience: jwt.Audience{"gateway"}, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Hour)),
	}).Serialize()
	require.NoError(i.t, err)
	return token
}

// parallelBearer sends n requests with one token at once; all must pass.
func (w *world) parallelBearer(b *http.Client, n int, token string) {
	w.t.Helper()
	start := make(chan struct{})
	statuses := make([]int, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			statuses[i] = w.do(b, http.MethodGet, "/", nil, "Authorization", "Bearer "+token).StatusCode
		})
	}
	close(start)
	wg.Wait()
	for _, code := range statuses {
		require.Equal(w.t, http.StatusOK, code)
	}
}
