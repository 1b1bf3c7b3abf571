package vsphere

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/vsphere"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	user     = "alice@vsphere.local"
	password = "wonderland"
)

// world is a vCenter and a source that asks it. Both go by the vCenter's clock.
type world struct {
	*Source
	t    *testing.T
	peer *peer.Peer
	url  string
	logs *buffer
}

func newWorld(t *testing.T, po peer.Options, change ...func(*Options)) *world {
	t.Helper()
	p, err := peer.New(po)
	require.NoError(t, err)
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Panel().Set(panel.Up)
		server.Close()
	})
	w := &world{t: t, peer: p, url: server.URL, logs: &buffer{}}
	w.Source = w.open(change...)
	return w
}

func (w *world) open(change ...func(*Options)) *Source {
	w.t.Helper()
	o := Options{URL: w.url}
	for _, c := range change {
		c(&o)
	}
	problems := authority.NewProblems("test")
	o.Check(problems)
	require.NoError(w.t, problems.Err())
	s, err := Open("vc", o, authority.Deps{Now: w.peer.Panel().Now, Log: slog.New(slog.NewTextHandler(w.logs, nil))})
	require.NoError(w.t, err)
	return s
}

func (w *world) header(id string) session.Credential {
	return session.Credential{Place: session.Place{Kind: session.KindHeader, Name: "Vmware-Api-Session-Id"}, Value: session.NewSecret(id)}
}

func (w *world) resolve(id string) (*session.Session, error) {
	return w.Resolve(w.t.Context(), w.header(id))
}

func (w *world) login() (*session.Session, error) {
	return w.VerifyPassword(w.t.Context(), user, session.NewSecret(password), "203.0.113.9")
}

func (w *world) mustLogin() *session.Session {
	w.t.Helper()
	s, err := w.login()
	require.NoError(w.t, err)
	return s
}

// withKey lets the source log in with tokens that hold for a key.
func withKey(t *testing.T) func(*Options) {
	t.Helper()
	certificate, key := writeKey(t)
	return func(o *Options) { o.Login, o.CertificateFile, o.KeyFile = loginSAML, certificate, key }
}

func writeKey(t *testing.T) (certificateFile, keyFile string) {
	t.Helper()
	pair := newPair(t)
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	return write("certificate.pem", "CERTIFICATE", pair.Certificate[0]), write("key.pem", "PRIVATE KEY", der)
}

func newPair(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	require.NoError(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// buffer is safe for the goroutines that log.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*buffer)(nil)

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
