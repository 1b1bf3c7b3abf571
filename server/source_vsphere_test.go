package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	"github.com/sessionward/sessionward/cmd/peers/vsphere"
)

const vcenterUser, vcenterPassword = "alice@vsphere.local", "planted-vcenter-password-4711"

// newVCenter starts a vCenter and a gateway that knows its sessions. stale is the cache's stale_if_error.
func newVCenter(t *testing.T, o vsphere.Options, settings, cache string) (*world, *vsphere.Peer) {
	t.Helper()
	o.Users = []vsphere.User{{Name: vcenterUser, Password: vcenterPassword}}
	p, err := vsphere.New(o)
	require.NoError(t, err)
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Panel().Set(panel.Up)
		server.Close()
	})
	return newWorld(t, worldOptions{
		sources: fmt.Sprintf("  - name: vcenter\n    vsphere: {url: %q, timeout: 1s%s}\n", server.URL, settings),
		extra:   "cache: {fresh_for: 1s, rejected_for: 1s, " + cache + "}\n",
	}), p
}

const vcenterHeader = "vmware-api-session-id"

func TestVSphereSessionOfAClient(t *testing.T) {
	for name, o := range map[string]vsphere.Options{"api": {Envelopes: true}, "rest": {Old: true}} {
		t.Run(name, func(t *testing.T) {
			w, p := newVCenter(t, o, "", "stale_for: -1s")
			id := p.Login(vcenterUser)
			client := w.browser()
			ask := func() *http.Response { return w.do(client, http.MethodGet, "/x", nil, vcenterHeader, id) }
			s := w.seen(ask())
			require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
			require.Equal(t, vcenterUser, s.Header.Get("X-Forwarded-User"))
			require.Empty(t, s.Header.Get(vcenterHeader), "the id stays here")

			p.Unavailable(true)
			require.Eventually(t, func() bool { return ask().StatusCode == http.StatusServiceUnavailable }, 10*time.Second, 50*time.Millisecond)
			require.NotEmpty(t, ask().Header.Get("Retry-After"))
			require.Contains(t, vcenterReadiness(t, w), `"source vcenter"`)
			p.Unavailable(false)
			require.Eventually(t, func() bool { return ask().StatusCode == http.StatusOK }, 10*time.Second, 50*time.Millisecond, "nobody was logged out")

			p.End(id)
			require.Eventually(t, func() bool { return ask().StatusCode == http.StatusUnauthorized }, 10*time.Second, 50*time.Millisecond)
			require.Equal(t, http.StatusUnauthorized, w.do(client, http.MethodGet, "/x", nil, vcenterHeader, "never-was").StatusCode)
			require.NotContains(t, w.output.String(), id)
		})
	}
}

// vcenterReadiness is what operators are told.
func vcenterReadiness(t *testing.T, w *world) string {
	t.Helper()
	res, err := http.Get(w.admin + "/readyz")
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

func TestVSphereOutageIsServedStaleWhereThatIsAllowed(t *testing.T) {
	w, p := newVCenter(t, vsphere.Options{}, "", "stale_for: -1s, stale_if_error: 1m")
	id := p.Login(vcenterUser)
	client := w.browser()
	ask := func() int { return w.do(client, http.MethodGet, "/x", nil, vcenterHeader, id).StatusCode }
	require.Equal(t, http.StatusOK, ask())
	p.Panel().Set(panel.Down)
	asked := p.Panel().Asked()
	require.Eventually(t, func() bool {
		require.Equal(t, http.StatusOK, ask())
		return p.Panel().Asked() > asked
	}, 10*time.Second, 50*time.Millisecond)
	require.Equal(t, http.StatusOK, ask())
	p.Panel().Set(panel.Up)
	require.Equal(t, http.StatusOK, ask())
}

// vcenterLogin sends the form as a browser does.
func vcenterLogin(w *world, b *http.Client, password string) *http.Response {
	form := url.Values{"source": {"vcenter"}, "username": {vcenterUser}, "password": {password}, "return_to": {"/x"}}
	return w.do(b, http.MethodPost, "/_session/login", strings.NewReader(form.Encode()),
		"Content-Type", "application/x-www-form-urlencoded", "Origin", w.url, "Sec-Fetch-Site", "same-origin", "Accept", "text/html")
}

func TestVSphereFormLogin(t *testing.T) {
	for name, login := range map[string]string{"basic": "", "saml": ", login: saml"} {
		t.Run(name, func(t *testing.T) {
			w, p := newVCenter(t, vsphere.Options{}, login+", display_name: Data centre", "stale_for: -1s")
			b := w.browser()
			res := w.get(b, "/_session/login?return_to=/x")
			page, _ := io.ReadAll(res.Body)
			require.Contains(t, string(page), `name="password"`)
			require.Equal(t, http.StatusUnauthorized, vcenterLogin(w, b, "wrong").StatusCode)
			p.Panel().Set(panel.Down)
			require.Equal(t, http.StatusServiceUnavailable, vcenterLogin(w, b, vcenterPassword).StatusCode)
			p.Panel().Set(panel.Up)
			res = vcenterLogin(w, b, vcenterPassword)
			require.Equal(t, http.StatusSeeOther, res.StatusCode, w.output)
			require.Equal(t, "/x", res.Header.Get("Location"))
			require.Equal(t, vcenterUser, w.seen(w.get(b, "/x")).Header.Get("X-Forwarded-User"))
			require.Len(t, p.Sessions(), 1)
			id := p.Sessions()[0]

			p.Unavailable(true)
			require.Eventually(t, func() bool { return w.get(b, "/x").StatusCode == http.StatusServiceUnavailable }, 10*time.Second, 50*time.Millisecond)
			p.Unavailable(false)
			require.Eventually(t, func() bool { return w.get(b, "/x").StatusCode == http.StatusOK }, 10*time.Second, 50*time.Millisecond, "nobody was logged out")

			p.End(id)
			require.Eventually(t, func() bool { return w.get(b, "/x").StatusCode == http.StatusFound }, 10*time.Second, 50*time.Millisecond, "to the login")
			require.NotContains(t, w.output.String(), id)
			require.NotContains(t, w.output.String(), vcenterPassword)
		})
	}
}

func TestVSphereLogoutEndsTheSessionThere(t *testing.T) {
	w, p := newVCenter(t, vsphere.Options{}, "", "stale_for: -1s")
	b := w.browser()
	require.Equal(t, http.StatusSeeOther, vcenterLogin(w, b, vcenterPassword).StatusCode)
	require.Len(t, p.Sessions(), 1)
	res := w.do(b, http.MethodPost, "/_session/logout", nil, "Origin", w.url, "Sec-Fetch-Site", "same-origin", "Accept", "text/html")
	require.Less(t, res.StatusCode, 400)
	require.Eventually(t, func() bool { return len(p.Sessions()) == 0 }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, http.StatusFound, w.get(b, "/x").StatusCode)
}

// A session of a vCenter ends when its time is over; with a token that holds for a key the user stays logged in.
func TestVSphereRenewalWithAKey(t *testing.T) {
	certificate, key := vcenterKey(t)
	o := vsphere.Options{MaxLifetime: 4 * time.Second}
	w, p := newVCenter(t, o, fmt.Sprintf(", login: saml, max_lifetime: 4s, certificate_file: %q, key_file: %q", certificate, key), "stale_for: -1s")
	b := w.browser()
	require.Equal(t, http.StatusSeeOther, vcenterLogin(w, b, vcenterPassword).StatusCode, w.output)
	first := p.Sessions()[0]
	require.Eventually(t, func() bool {
		require.Equal(t, http.StatusOK, w.get(b, "/x").StatusCode, w.output)
		return p.Logins() >= 3 && !slices.Contains(p.Sessions(), first)
	}, 30*time.Second, 50*time.Millisecond, "two renewals, and the first session is over")
}

func vcenterKey(t *testing.T) (certificateFile, keyFile string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	require.NoError(t, err)
	dir := t.TempDir()
	certificateFile, keyFile = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	require.NoError(t, os.WriteFile(keyFile, private, 0o600))
	return certificateFile, keyFile
}

// A session nobody uses is left to its idle clock: the gateway does not keep it alive by looking.
func TestVSphereIdleSessionsAreNotKeptAlive(t *testing.T) {
	w, p := newVCenter(t, vsphere.Options{}, "", "stale_for: -1s")
	id := p.Login(vcenterUser)
	require.Equal(t, http.StatusOK, w.do(w.browser(), http.MethodGet, "/x", nil, vcenterHeader, id).StatusCode)
	at, asked := p.Accessed(id), p.Panel().Asked()
	require.Never(t, func() bool { return p.Panel().Asked() > asked || !p.Accessed(id).Equal(at) }, 3*time.Second, 100*time.Millisecond)
}
