package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

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
	g.Advance(10 * time.Second)
	require.ErrorIs(t, g.try(sign(t, jose.ES256, jose.JSONWebKey{Key: key, KeyID: "x"}, AssertionType, goodClaims())), session.ErrRejected)
	require.EqualValues(t, 2, g.fetches.Load())
}

func TestVerifyFindsNewKey(t *testing.T) {
	g := newGateway(t)
	require.NoError(t, g.try(g.token(t)))
	g.signer = testSigner(t, g.Clock.Now, "b", "a")
	g.Advance(10 * time.Second)
	require.NoError(t, g.try(g.token(t)))
	require.EqualValues(t, 2, g.fetches.Load())
}

// TestVerifyRejectsWithdrawnKey: a key that left the set is believed for KeySetMaxAge at most.
func TestVerifyRejectsWithdrawnKey(t *testing.T) {
	g := newGateway(t)
	old := g.signer
	require.NoError(t, g.try(g.token(t)))
	g.signer = testSigner(t, g.Clock.Now, "b")
	g.Advance(KeySetMaxAge)
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
	for name, answer := range badAnswers(testSigner(t, nil).JWKS(), string(others)) {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			require.NoError(t, g.try(g.token(t)))
			g.answerWith(answer)
			g.Advance(KeySetMaxAge)
			require.NoError(t, g.try(g.token(t)))
			require.EqualValues(t, 2, g.fetches.Load())
		})
	}
}

func badAnswers(good []byte, others string) map[string]http.HandlerFunc {
	body := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
	}
	status := func(code int) http.HandlerFunc { // even around a good key set
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write(good)
		}
	}
	return map[string]http.HandlerFunc{
		"error":      status(http.StatusBadGateway),
		"not found":  status(http.StatusNotFound),
		"no JSON":    body("<html>"),
		"empty":      body(`{"keys":[]}`),
		"other keys": body(others),
		"cut":        body(`{"keys":[`),
	}
}

// TestVerifyRejectsBadKeySets: without a key there is no verdict, and it says when to come again.
func TestVerifyRejectsBadKeySets(t *testing.T) {
	for name, answer := range badAnswers(testSigner(t, nil).JWKS(), `{"keys":[{"kty":"oct","k":"AAAA","kid":"x"}]}`) {
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
			g.Advance(10 * time.Second)
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

	g := newGateway(t)
	g.JWKSURL = "http://gate.example/"
	g.HTTPClient = &http.Client{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
		t.Error("it was asked for in the clear")
		return nil, http.ErrAbortHandler
	})}
	require.ErrorIs(t, g.try(g.token(t)), session.ErrUnavailable)
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestParseKeySetRejects: keys for another purpose, of another kind or without a name are not among ours.
func TestParseKeySetRejects(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	good := jose.JSONWebKey{Key: &p256.PublicKey, KeyID: "good", Use: "sig", Algorithm: "ES256"}
	for name, key := range map[string]jose.JSONWebKey{
		"no name":           {Key: &p256.PublicKey},
		"for encryption":    {Key: &p256.PublicKey, KeyID: "x", Use: "enc"},
		"another algorithm": {Key: &p256.PublicKey, KeyID: "x", Algorithm: "ECDH-ES"},
		"another curve":     {Key: &p384.PublicKey, KeyID: "x"},
		"a shared secret":   {Key: []byte("secret"), KeyID: "x"},
		"a private key":     {Key: p256, KeyID: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key, good}})
			require.NoError(t, err)
			keys, err := parseKeySet(body)
			require.NoError(t, err)
			require.Len(t, keys, 1)
			require.Contains(t, keys, "good")
		})
	}
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
	g.Advance(fetchEvery) // not even a slow answer makes a second one ask
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
