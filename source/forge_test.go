package source

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// segment encodes one part of a compact token.
func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func segmentJSON(t testing.TB, v any) string {
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(b)
}

func signPKCS1v15(t *testing.T, sum []byte) []byte {
	sig, err := rsa.SignPKCS1v15(rand.Reader, testKeys().rsa, crypto.SHA256, sum)
	require.NoError(t, err)
	return sig
}

// newStaticKeys serves the published test keys and returns their URL.
func newStaticKeys(t testing.TB) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{publicKey(testKeys().rsa, "rsa"), publicKey(testKeys().ec, "ec")}})
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}
