package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/session"
)

// signingCA signs client certificates.
type signingCA struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newSigningCA(t testing.TB) *signingCA {
	t.Helper()
	ca := &signingCA{t: t}
	var err error
	ca.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "operators"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ca.key.Public(), ca.key)
	require.NoError(t, err)
	ca.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return ca
}

// file writes the certificate of ca.
func (ca *signingCA) file() string {
	path := filepath.Join(ca.t.TempDir(), "ca.pem")
	require.NoError(ca.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), 0o600))
	return path
}

// client returns a certificate of that name, for that use.
func (ca *signingCA) client(name string, use x509.ExtKeyUsage) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(ca.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{use},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	require.NoError(ca.t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestRejectOperatorCertificates: over https, a certificate that is not signed by the configured authority, or not for clients, opens
// nothing; one of a known name what it may; and who has none may show a token.
func TestRejectOperatorCertificates(t *testing.T) {
	ca, other := newSigningCA(t), newSigningCA(t)
	w := newWorld(t, worldOptions{noStart: true, admin: "@"})
	certFile, keyFile := w.certificate()
	yaml, err := os.ReadFile(w.config)
	require.NoError(t, err)
	w.write(strings.Replace(string(yaml), "@", fmt.Sprintf(", tls: {cert_file: %q, key_file: %q, client_ca_file: %q}, clients: [{name: ops, scope: write}, {name: viewer}]", certFile, keyFile, ca.file()), 1))
	w.start()
	ask := func(cert *tls.Certificate, token session.Secret, method string) error {
		config := &tls.Config{InsecureSkipVerify: true} // whom we talk to is not what this is about
		if cert != nil {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
		}
		tr := &http.Transport{TLSClientConfig: config}
		defer tr.CloseIdleConnections()
		c, err := admin.NewClient(admin.ClientOptions{URL: "https" + strings.TrimPrefix(w.admin, "http"), Token: token, HTTP: &http.Client{Transport: tr}})
		require.NoError(t, err)
		if method == http.MethodGet {
			_, err = c.List(t.Context(), "true", "", 0)
			return err
		}
		_, err = c.Delete(t.Context(), "nobody")
		return err
	}
	none := session.Secret{}
	require.NoError(t, ask(ca.client("ops", x509.ExtKeyUsageClientAuth), none, http.MethodGet))
	require.ErrorContains(t, ask(ca.client("ops", x509.ExtKeyUsageClientAuth), none, http.MethodDelete), "not_found")
	require.NoError(t, ask(ca.client("viewer", x509.ExtKeyUsageClientAuth), none, http.MethodGet))
	require.ErrorContains(t, ask(ca.client("viewer", x509.ExtKeyUsageClientAuth), none, http.MethodDelete), "insufficient_scope")
	require.NoError(t, ask(nil, w.localToken(), http.MethodGet))

	require.ErrorContains(t, ask(nil, none, http.MethodGet), "unauthorized")
	require.ErrorContains(t, ask(ca.client("somebody", x509.ExtKeyUsageClientAuth), none, http.MethodGet), "unauthorized")
	require.ErrorIs(t, ask(other.client("ops", x509.ExtKeyUsageClientAuth), none, http.MethodGet), session.ErrUnavailable, "the handshake fails")
	require.ErrorIs(t, ask(ca.client("ops", x509.ExtKeyUsageServerAuth), none, http.MethodGet), session.ErrUnavailable, "the handshake fails")
}
