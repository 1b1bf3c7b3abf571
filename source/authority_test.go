package source

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
)

const (
	clientID     = "gate way" // a space, so that form encoding shows
	clientSecret = "planted:client+secret/%"
	callbackURL  = "https://gateway.example/_session/callback/corp"
)

// testKeys are made once: making RSA keys is slow.
var testKeys = sync.OnceValue(func() (k struct {
	rsa, other *rsa.PrivateKey
	ec, ec2    *ecdsa.PrivateKey
}) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.other, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.ec2, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return k
})

func startOfTest() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// testProvider is a small OpenID provider that does as it is told, also wrong.
type testProvider struct {
	*httptest.Server
	t     *testing.T
	clock *sessiontest.Clock
	logs  *syncBuffer

	mu       sync.Mutex
	asked    map[string]int              // path → requests
	hostile  map[string]http.HandlerFunc // path → what answers instead
	keys     []jose.JSONWebKey           // published
	metadata map[string]any              // laid over the discovery document; nil removes
	claims   map[string]any              // laid over the ID token's; nil removes
	userinfo map[string]any              // what userinfo answers
	sign     func(map[string]any) string // signs ID tokens
	reply    func(map[string]any)        // changes a token reply
	codes    map[string]url.Values       // code → authorization request
	refresh  string                      // the one good refresh token
	revoked  []string                    //
	issued   []string                    // every secret handed out
	count    int
}

func newTestProvider(t *testing.T) *testProvider {
	a := &testProvider{
		t: t, clock: sessiontest.NewClock(startOfTest()), logs: &syncBuffer{},
		asked: map[string]int{}, hostile: map[string]http.HandlerFunc{}, codes: map[string]url.Values{},
		metadata: map[string]any{}, claims: map[string]any{}, reply: func(map[string]any) {},
		keys:   []jose.JSONWebKey{publicKey(testKeys().rsa, "rsa"), publicKey(testKeys().ec, "ec")},
		issued: []string{clientSecret, url.QueryEscape(clientSecret)},
	}
	a.sign = func(claims map[string]any) string {
		return signed(t, testKeys().rsa, jose.RS256, map[string]any{"kid": "rsa"}, claims)
	}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func publicKey(key any, kid string) jose.JSONWebKey {
	k := jose.JSONWebKey{Key: key, KeyID: kid, Use: "sig"}
	return k.Public()
}

// signed makes a compact JWS.
func signed(t testing.TB, key any, alg jose.SignatureAlgorithm, header map[string]any, claims any) string {
	opts := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	for name, value := range header {
		opts.ExtraHeaders[jose.HeaderKey(name)] = value
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	require.NoError(t, err)
	payload, ok := claims.([]byte)
	if !ok {
		payload, err = json.Marshal(claims)
		require.NoError(t, err)
	}
	jws, err := signer.Sign(payload)
	require.NoError(t, err)
	text, err := jws.CompactSerialize()
	require.NoError(t, err)
	return text
}

// overlay lays changes over base; a nil value removes.
func overlay(base, changes map[string]any) map[string]any {
	out := maps.Clone(base)
	for name, value := range changes {
		if value == nil {
			delete(out, name)
			continue
		}
		out[name] = value
	}
	return out
}

func (a *testProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked[r.URL.Path]++
	hostile := a.hostile[r.URL.Path]
	if hostile == nil {
		hostile = a.hostile["*"]
	}
	a.mu.Unlock()
	if hostile != nil {
		hostile(w, r)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		writeJSON(w, 200, overlay(map[string]any{
			"issuer": a.URL, "authorization_endpoint": a.URL + "/authorize", "token_endpoint": a.URL + "/token",
			"jwks_uri": a.URL + "/keys", "userinfo_endpoint": a.URL + "/userinfo",
			"revocation_endpoint": a.URL + "/revoke", "end_session_endpoint": a.URL + "/end?tenant=1",
		}, a.metadata))
	case "/keys":
		writeJSON(w, 200, jose.JSONWebKeySet{Keys: a.keys})
	case "/token":
		a.serveToken(w, r)
	case "/userinfo":
		writeJSON(w, 200, a.userinfo)
	case "/revoke":
		a.revoked = append(a.revoked, r.FormValue("token_type_hint"))
		w.WriteHeader(200)
	default:
		http.NotFound(w, r)
	}
}

func (a *testProvider) serveToken(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if r.FormValue("client_id") != "" {
		id, secret = url.QueryEscape(r.FormValue("client_id")), url.QueryEscape(r.FormValue("client_secret"))
	}
	if id != url.QueryEscape(clientID) || secret != url.QueryEscape(clientSecret) {
		writeJSON(w, 401, map[string]any{"error": "invalid_client"})
		return
	}
	nonce := ""
	switch r.FormValue("grant_type") {
	case "authorization_code":
		request, ok := a.codes[r.FormValue("code")]
		delete(a.codes, r.FormValue("code"))
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != request.Get("code_challenge") || r.FormValue("redirect_uri") != request.Get("redirect_uri") {
			writeJSON(w, 400, map[string]any{"error": "invalid_grant"})
			return
		}
		nonce = request.Get("nonce")
	case "refresh_token":
		if r.FormValue("refresh_token") != a.refresh {
			writeJSON(w, 400, map[string]any{"error": "invalid_grant"})
			return
		}
	}
	a.count++
	a.refresh = a.secret("refresh")
	reply := map[string]any{
		"access_token": a.secret("access"), "refresh_token": a.refresh, "token_type": "bearer", "expires_in": 300,
		"id_token": a.sign(a.idClaims(nonce)),
	}
	a.issued = append(a.issued, reply["id_token"].(string))
	a.reply(reply)
	writeJSON(w, 200, reply)
}

func (a *testProvider) secret(kind string) string {
	s := fmt.Sprintf("planted-%s-%d-secret", kind, a.count)
	a.issued = append(a.issued, s)
	return s
}

func (a *testProvider) idClaims(nonce string) map[string]any {
	now := a.clock.Now().Unix()
	base := map[string]any{
		"iss": a.URL, "aud": clientID, "sub": "alice-1", "iat": now, "exp": now + 300, "auth_time": now - 10,
		"preferred_username": "alice", "email": "alice@example.com", "email_verified": true, "name": "Alice",
		"groups": []string{"dev", "ops"}, "sid": "sid-1", "acr": "gold", "amr": []string{"pwd", "otp"},
		"department": "r&d", "address": map[string]any{"country": "AT"},
	}
	if nonce != "" {
		base["nonce"] = nonce
	}
	return overlay(base, a.claims)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// set changes a under its lock.
func (a *testProvider) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func (a *testProvider) times(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[path]
}

func (a *testProvider) total() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, k := range a.asked {
		n += k
	}
	return n
}

func (a *testProvider) secrets() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.issued...)
}

// answer makes path answer status with body.
func (a *testProvider) answer(path string, status int, body string, header ...string) {
	a.set(func() {
		a.hostile[path] = func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	})
}

// down closes every connection without an answer.
func (a *testProvider) down(*testing.T) {
	a.set(func() {
		a.hostile["*"] = func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			}
		}
	})
}

// stall takes requests and answers none until the client goes away or the test ends.
func (a *testProvider) stall(t *testing.T) {
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	a.set(func() {
		a.hostile["*"] = func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-over:
			}
		}
	})
}

func (a *testProvider) up(*testing.T) {
	a.set(func() { clear(a.hostile) })
	a.clock.Advance(15 * time.Second)
}

func (a *testProvider) deps() Deps {
	return Deps{
		Now: a.clock.Now, CallbackURL: callbackURL,
		Log: slog.New(slog.NewJSONHandler(a.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// oidc opens an OIDC source at a.
func (a *testProvider) oidc(change ...func(*OIDCOptions)) *OIDC {
	o := &OIDCOptions{Issuer: a.URL, ClientID: clientID, ClientSecret: session.NewSecret(clientSecret), Timeout: 2 * time.Second}
	for _, c := range change {
		c(o)
	}
	s, err := Open(Options{Name: "corp", OIDC: o}, a.deps())
	require.NoError(a.t, err)
	return s.(*OIDC)
}

func transaction() session.Transaction {
	return session.Transaction{
		State: "state-1", Nonce: "nonce-1", RedirectURI: callbackURL,
		CodeVerifier: session.NewSecret("planted-verifier-planted-verifier-planted-verifier"),
	}
}

// authorize plays the browser: it takes the authorization request and returns a code for it.
func (a *testProvider) authorize(s *OIDC, t session.Transaction) session.Callback {
	raw, err := s.AuthorizationURL(a.t.Context(), t)
	require.NoError(a.t, err)
	u, err := url.Parse(raw)
	require.NoError(a.t, err)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
	code := a.secret("code")
	a.codes[code] = u.Query()
	return session.Callback{Code: code, State: u.Query().Get("state")}
}

// login logs alice in.
func (a *testProvider) login(s *OIDC) (*session.Session, error) {
	t := transaction()
	return s.Exchange(a.t.Context(), t, a.authorize(s, t))
}

func (a *testProvider) mustLogin(s *OIDC) *session.Session {
	got, err := a.login(s)
	require.NoError(a.t, err)
	return got
}

// noSecrets fails when text holds a secret.
func (a *testProvider) noSecrets(text string) {
	a.t.Helper()
	for _, secret := range append(a.secrets(), "planted-verifier") {
		require.NotContains(a.t, text, secret)
	}
}

// syncBuffer is a buffer for concurrent writers.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
