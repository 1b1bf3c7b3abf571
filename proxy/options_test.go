package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/sessionward/sessionward/identity"
)

func testDeps(t testing.TB) Deps {
	t.Helper()
	h, err := identity.New(identity.Options{}, nil)
	require.NoError(t, err)
	return Deps{
		Headers: h,
		Strip:   identity.NewStripper(append(h.Names(), identity.ForwardingNames()...)...),
		Passage: func(context.Context) (Passage, bool) { return Passage{}, false },
		OnError: func(http.ResponseWriter, *http.Request, error) {},
	}
}

func TestRejectOptions(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"no url", Options{}, "upstream: url: is missing"},
		{"no scheme", Options{URL: "localhost:8080"}, "url: \"localhost:8080\" must begin with http:// or https://"},
		{"other scheme", Options{URL: "ftp://a"}, "must begin with http:// or https://"},
		{"no host", Options{URL: "http://:80"}, "and name a host"},
		{"password", Options{URL: "http://u:hunter2@a"}, "url: must not hold a user or password"},
		{"bad password", Options{URL: "http://u:hunter2@a:x"}, "url: cannot be parsed"},
		{"path", Options{URL: "http://a/b"}, "must end after host and port"},
		{"query", Options{URL: "http://a/?b"}, "must end after host and port"},
		{"fragment", Options{URL: "http://a#b"}, "must end after host and port"},
		{"timeout", Options{URL: "http://a", Timeout: -1}, "upstream a: timeout: must be positive"},
		{"dial timeout", Options{URL: "http://a", DialTimeout: -1}, "dial_timeout: must be positive"},
		{"idle timeout", Options{URL: "http://a", IdleConnTimeout: -1}, "idle_conn_timeout: must be positive"},
		{"idle connections", Options{URL: "http://a", MaxIdleConns: -1}, "max_idle_conns: must be positive"},
		{"header", Options{URL: "http://a", MaxResponseHeaderBytes: -1}, "max_response_header_bytes: must be positive"},
		{"tls without https", Options{URL: "http://a", CAFile: "x"}, "need an https:// url"},
		{"half a certificate", Options{URL: "https://a", CertFile: "x"}, "set both or neither"},
		{"insecure with ca", Options{URL: "https://a", CAFile: "x", InsecureSkipVerify: true}, "insecure_skip_verify: makes ca_file meaningless"},
		{"no such ca", Options{URL: "https://a", CAFile: filepath.Join(dir, "none")}, "ca_file: open"},
		{"empty ca", Options{URL: "https://a", CAFile: empty}, "holds no PEM certificate"},
		{"bad certificate", Options{URL: "https://a", CertFile: empty, KeyFile: empty}, "cert_file, key_file:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.o, testDeps(t))
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestRejectDeps(t *testing.T) {
	for name, edit := range map[string]func(*Deps){
		"no headers":  func(d *Deps) { d.Headers = nil },
		"no stripper": func(d *Deps) { d.Strip = nil },
		"no passage":  func(d *Deps) { d.Passage = nil },
		"no on error": func(d *Deps) { d.OnError = nil },
		"cookie name": func(d *Deps) { d.Cookies = []string{"a b"} },
		"all cookies": func(d *Deps) { d.Cookies = []string{"*"} },
		"no cookie":   func(d *Deps) { d.Cookies = []string{""} },
	} {
		t.Run(name, func(t *testing.T) {
			d := testDeps(t)
			edit(&d)
			_, err := New(Options{URL: "http://a"}, d)
			require.Error(t, err)
		})
	}
}

// A Stripper made without the names it is for would let clients speak for the gateway.
func TestRejectStripperThatMissesNames(t *testing.T) {
	d := testDeps(t)
	d.Strip = identity.NewStripper(d.Headers.Names()...)
	_, err := New(Options{URL: "http://a"}, d)
	require.ErrorContains(t, err, "Strip lets Forwarded of a client pass")

	h, err := identity.New(identity.Options{Headers: []identity.HeaderOptions{{Name: "Acme-Who", Value: "identity.subject"}}}, nil)
	require.NoError(t, err)
	d = testDeps(t)
	d.Headers = h
	_, err = New(Options{URL: "http://a"}, d)
	require.ErrorContains(t, err, "Strip lets Acme-Who of a client pass")
}

func TestOptionsFromYAML(t *testing.T) {
	var o Options
	require.NoError(t, yaml.Unmarshal([]byte("url: https://app:8443\npass_host_header: true\nkeep_authorization: true\ntimeout: 3s\n"+
		"dial_timeout: 1s\nidle_conn_timeout: 1m\nmax_idle_conns: 7\nmax_response_header_bytes: 1024\nca_file: a\ncert_file: b\n"+
		"key_file: c\nserver_name: d\ninsecure_skip_verify: true\n"), &o))
	require.Equal(t, Options{
		URL: "https://app:8443", PassHostHeader: true, KeepAuthorization: true, Timeout: 3 * time.Second, DialTimeout: time.Second,
		IdleConnTimeout: time.Minute, MaxIdleConns: 7, MaxResponseHeaderBytes: 1024, CAFile: "a", CertFile: "b", KeyFile: "c",
		ServerName: "d", InsecureSkipVerify: true,
	}, o)
}

func TestTransportIsTuned(t *testing.T) {
	p, err := New(Options{URL: "https://a"}, testDeps(t))
	require.NoError(t, err)
	tr := p.transport
	require.Equal(t, 256, tr.MaxIdleConnsPerHost)
	require.Equal(t, int64(256<<10), tr.MaxResponseHeaderBytes)
	require.Equal(t, 30*time.Second, tr.ResponseHeaderTimeout)
	require.True(t, tr.DisableCompression)
	require.True(t, tr.ForceAttemptHTTP2)
	require.Nil(t, tr.Proxy)
}

// tlsUpstream returns its URL and the files of the certificate its own leads to, and of its key.
func tlsUpstream(t *testing.T, h http.HandlerFunc, edit func(*tls.Config)) (url, certFile, keyFile string) {
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{}
	if edit != nil {
		edit(s.TLS)
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are meant to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(file, kind string, der []byte) {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	write(certFile, "CERTIFICATE", s.Certificate().Raw)
	write(keyFile, "PRIVATE KEY", key)
	return s.URL, certFile, keyFile
}

func TestHTTP2UpstreamWithTrailers(t *testing.T) {
	u, ca, _ := tlsUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "Grpc-Status")
		w.Header().Set("X-Proto", r.Proto)
		w.Header().Set("X-Checksum", r.Trailer.Get("X-Checksum"))
		_, _ = w.Write(body)
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", "fine")
	}, nil)
	g := newGateway(t, u, func(s *setup) { s.CAFile = ca })
	c := dial(t, g.addr)
	c.send("POST / HTTP/1.1\nHost: a\nTE: trailers\nTransfer-Encoding: chunked\nTrailer: X-Checksum\n\n2\nhi\n0\nX-Checksum: abc\n\n")
	res, body := c.reply()
	require.Equal(t, "hi", body)
	require.Equal(t, "HTTP/2.0", res.Header.Get("X-Proto"))
	require.Equal(t, "abc", res.Header.Get("X-Checksum"))
	require.Equal(t, http.Header{"Grpc-Status": {"0"}, "Grpc-Message": {"fine"}}, res.Trailer)
}

func TestHTTP2UpstreamTarget(t *testing.T) {
	u, ca, _ := tlsUpstream(t, echo, nil)
	g := newGateway(t, u, func(s *setup) { s.CAFile = ca })
	for _, target := range []string{"/a%2Fb?x;y", "//a/b", `/a"b|c`, "/a/../b?"} {
		require.Equal(t, target, g.ask("GET "+target+" HTTP/1.1\nHost: a\n\n").Target)
	}
}

func TestRejectUpstreamWithoutTrustedCertificate(t *testing.T) {
	u, ca, _ := tlsUpstream(t, echo, nil)
	for name, edit := range map[string]func(*setup){
		"unknown authority": func(*setup) {},
		"other name":        func(s *setup) { s.CAFile, s.ServerName = ca, "other.invalid" },
	} {
		t.Run(name, func(t *testing.T) { newGateway(t, u, edit).refused(get, UpstreamFailed) })
	}
	newGateway(t, u, func(s *setup) { s.CAFile, s.ServerName = ca, "example.com" }).ask2xx("/")
	newGateway(t, u, func(s *setup) { s.InsecureSkipVerify = true }).ask2xx("/")
}

func TestClientCertificate(t *testing.T) {
	u, ca, _ := tlsUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			w.WriteHeader(http.StatusForbidden)
		}
	}, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })
	_, cert, key := tlsUpstream(t, echo, nil)
	newGateway(t, u, func(s *setup) { s.CAFile = ca }).refused(get, UpstreamFailed)
	newGateway(t, u, func(s *setup) { s.CAFile, s.CertFile, s.KeyFile = ca, cert, key }).ask2xx("/")
}
