package server_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// converse sends bytes as they are and returns everything that comes back until the gateway closes the connection.
func (w *world) converse(text string) string {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	require.NoError(w.t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(w.t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(w.t, err)
	data, err := io.ReadAll(conn)
	require.NotErrorIs(w.t, err, os.ErrDeadlineExceeded, "the connection stays open behind %q", data) // a reset ends it as well
	return string(data)
}

// TestRejectSmuggledRequest (D17, S-136): bytes that are part of a request whose framing is odd are never served as a
// request of their own, so that a proxy in front that reads the framing in another way cannot be turned against the
// next user of its connection.
func TestRejectSmuggledRequest(t *testing.T) {
	w := newWorld(t, worldOptions{logLevel: "error"})
	host := "Host: " + w.addr + "\r\n"
	post := "POST /public/first HTTP/1.1\r\n" + host
	smuggled := "GET /public/smuggled HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n"
	for name, text := range map[string]string{
		"length and coding":                post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunk size that is none":          post + "Transfer-Encoding: chunked\r\n\r\nZ\r\n",
		"chunk size with a prefix":         post + "Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
		"chunk size with a sign":           post + "Transfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n",
		"chunk size beyond 64 bits":        post + "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\nx\r\n0\r\n\r\n",
		"line feed in a chunk extension":   post + "Transfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n",
		"chunk longer than its size":       post + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
		"trailer that is none":             post + "Transfer-Encoding: chunked\r\n\r\n0\r\n: x\r\n\r\n",
		"forbidden trailer":                post + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
		"unknown transfer coding":          post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"two transfer codings":             post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		"transfer coding behind a control": post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
		"two lengths":                      post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
		"list of lengths":                  post + "Content-Length: 3, 3\r\n\r\nabc",
		"length with a sign":               post + "Content-Length: +3\r\n\r\nabc",
		"space before a colon":             post + "Content-Length : 3\r\n\r\nabc",
		"carriage return in a value":       post + "X: a\rContent-Length: 3\r\n\r\nabc",
		"NUL in a value":                   post + "X: a\x00\r\nContent-Length: 3\r\n\r\nabc",
		"two hosts":                        post + "Host: other.example\r\nContent-Length: 0\r\n\r\n",
		"coding that HTTP/1.0 has not":     "POST /public/first HTTP/1.0\r\n" + host + "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"long body of a refused request":   "POST /admin HTTP/1.1\r\n" + host + "Content-Length: 9999999\r\n\r\n",
		"upgrade that is refused":          "GET /public/first HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"upgrade that is none":             "GET /public/first HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w.app.reset()
			reply := w.converse(text + smuggled)
			require.NotContains(t, reply, "smuggled")
			require.NotContains(t, w.app.lastURI(), "smuggled")
		})
	}
	for name, text := range map[string]string{ // and what is right is served, one after the other
		"a length":   post + "Content-Length: 3\r\n\r\nabc",
		"a refusal":  "POST /admin HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc",
		"asked 100":  post + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
		"GET a body": "GET /public/first HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc",
	} {
		t.Run(name, func(t *testing.T) {
			w.app.reset()
			reply := w.converse(text + smuggled)
			require.Equal(t, 1, strings.Count(reply, "/public/smuggled"), "%s", reply)
			require.Equal(t, "/public/smuggled", w.app.lastURI())
		})
	}
}

func (a *application) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = seen{}
}

func (a *application) lastURI() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last.URI
}

// certificate writes a certificate for this machine.
func (w *world) certificate() (certFile, keyFile string) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(w.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(w.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(w.t, err)
	certFile, keyFile = filepath.Join(w.dir, "cert.pem"), filepath.Join(w.dir, "key.pem")
	require.NoError(w.t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(w.t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return certFile, keyFile
}

// startTLS starts the gateway with https of its own.
func (w *world) startTLS() {
	w.t.Helper()
	certFile, keyFile := w.certificate()
	yaml, err := os.ReadFile(w.config)
	require.NoError(w.t, err)
	w.url = "https://" + w.addr
	text := strings.Replace(string(yaml), "public_url: \"http:", "public_url: \"https:", 1)
	w.write(text + "\ntls: {cert_file: " + certFile + ", key_file: " + keyFile + "}\n")
	w.gateway = w.launch()
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := tls.Dial("tcp", w.addr, &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			_ = conn.Close()
			return
		}
		require.True(w.t, time.Now().Before(deadline), "the gateway does not answer\n%s", w.output)
		<-time.After(10 * time.Millisecond)
	}
}

// http2 sends one request header as it is and returns the status of the reply, "" when the stream or connection was
// ended instead.
func (w *world) http2(fields ...string) string {
	w.t.Helper()
	conn, err := tls.Dial("tcp", w.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	require.NoError(w.t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(w.t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, http2.ClientPreface)
	require.NoError(w.t, err)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		require.NoError(w.t, encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	require.NoError(w.t, framer.WriteSettings())
	require.NoError(w.t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}))
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return ""
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return ""
		}
	}
}

// TestRejectHTTP2Tricks (S-212, A11): what HTTP/2 can say and HTTP/1 cannot never becomes a second request, another
// host, path or identity.
func TestRejectHTTP2Tricks(t *testing.T) {
	w := newWorld(t, worldOptions{noStart: true, logLevel: "error"})
	w.startTLS()
	plain := []string{":method", "GET", ":scheme", "https", ":authority", w.addr, ":path", "/public/x"}
	require.Equal(t, "200", w.http2(plain...), "%s", w.output)
	with := func(replace map[string]string, more ...string) []string {
		fields := append([]string{}, plain...)
		for i := 0; i < len(fields); i += 2 {
			if v, ok := replace[fields[i]]; ok {
				fields[i+1] = v
			}
		}
		return append(fields, more...)
	}
	calls := w.app.count()
	for name, fields := range map[string][]string{
		"host beside authority":        with(nil, "host", "other.example"),
		"two hosts":                    {":method", "GET", ":scheme", "https", ":path", "/public/x", "host", w.addr, "host", "other.example"},
		"no host":                      {":method", "GET", ":scheme", "https", ":path", "/public/x"},
		"two paths":                    with(nil, ":path", "/admin"),
		"path without a slash":         with(map[string]string{":path": "public/x"}),
		"path with a space":            with(map[string]string{":path": "/public/x HTTP/1.1"}),
		"path with a line break":       with(map[string]string{":path": "/public/x\r\nX: y"}),
		"absolute path":                with(map[string]string{":path": "http://evil.example/public/x"}),
		"dot segments":                 with(map[string]string{":path": "/public/../admin"}),
		"empty path":                   with(map[string]string{":path": ""}),
		"method with a space":          with(map[string]string{":method": "GET /admin HTTP/1.1\r\nX:"}),
		"CONNECT":                      {":method", "CONNECT", ":authority", w.addr},
		"extended CONNECT":             with(map[string]string{":method": "CONNECT"}, ":protocol", "websocket"),
		"authority with a user":        with(map[string]string{":authority": "a@" + w.addr}),
		"authority with a path":        with(map[string]string{":authority": w.addr + "/admin"}),
		"unknown pseudo header":        with(nil, ":user", "root"),
		"pseudo header behind others":  with(nil, "x-a", "b", ":path", "/admin"),
		"transfer coding":              with(nil, "transfer-encoding", "chunked"),
		"connection":                   with(nil, "connection", "x-forwarded-user"),
		"upgrade":                      with(nil, "upgrade", "websocket"),
		"upper case":                   with(nil, "X-Forwarded-User", "root"),
		"line break in a value":        with(nil, "x-a", "b\r\nx-forwarded-user: root"),
		"line break in a name":         with(nil, "x-a: b\r\nx-forwarded-user", "root"),
		"protected, and says https":    with(map[string]string{":path": "/secret", ":scheme": "http"}),
		"another host's own login url": with(map[string]string{":path": "/admin", ":authority": "evil.example"}),
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEqual(t, "200", w.http2(fields...))
		})
	}
	require.Equal(t, calls, w.app.count(), "the application saw one of them: %+v", w.app.last)
	require.Equal(t, "200", w.http2(with(nil, "x-forwarded-user", "root", "x_forwarded_user", "root", "x.forwarded.user", "root")...))
	for name := range w.app.last.Header {
		require.NotContains(t, strings.ToLower(name), "user")
	}
}

// TestTLSDefaults: https of our own is TLS 1.2 or newer and offers HTTP/2.
func TestTLSDefaults(t *testing.T) {
	w := newWorld(t, worldOptions{noStart: true, logLevel: "error"})
	w.startTLS()
	_, err := tls.Dial("tcp", w.addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	require.Error(t, err)
	conn, err := tls.Dial("tcp", w.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.Equal(t, "h2", conn.ConnectionState().NegotiatedProtocol)
	require.Equal(t, uint16(tls.VersionTLS13), conn.ConnectionState().Version)
}
