//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/config"
	"github.com/sessionward/sessionward/session"
)

// fake answers /api/v1/sessions by answer, and runs a command line against it.
func fake(t *testing.T, answer http.HandlerFunc, args ...string) result {
	t.Helper()
	s := httptest.NewServer(answer)
	defer s.Close()
	return run(t, t.TempDir(), "", []string{config.EnvAdminURL + "=" + s.URL, config.EnvAdminToken + "=t"}, append([]string{"sessions"}, args...)...)
}

func entries(handles ...string) []admin.Entry {
	list := []admin.Entry{}
	for _, h := range handles {
		list = append(list, admin.Entry{Document: session.Document{Handle: h, Active: true}})
	}
	return list
}

// pages serves three pages, one of them empty, and then what last says.
func pages(last http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("cursor") {
		case "":
			_ = json.NewEncoder(w).Encode(admin.List{Sessions: entries("a", "b"), Next: "1"})
		case "1":
			_ = json.NewEncoder(w).Encode(admin.List{Sessions: entries(), Next: "2"})
		default:
			last(w, r)
		}
	}
}

// TestListFollowsCursors also past a page that is empty, and no further than it must.
func TestListFollowsCursors(t *testing.T) {
	last := func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(admin.List{Sessions: entries("c")})
	}
	handles := func(r result) (list []string) {
		t.Helper()
		require.Zero(t, r.code, r.stderr)
		var found []admin.Entry
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &found))
		for _, e := range found {
			list = append(list, e.Handle)
		}
		return list
	}
	require.Equal(t, []string{"a", "b", "c"}, handles(fake(t, pages(last), "list", "-o", "json")))
	require.Equal(t, []string{"a", "b", "c"}, handles(fake(t, pages(last), "list", "--all", "-o", "json")))
	never := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
	require.Equal(t, []string{"a", "b"}, handles(fake(t, pages(never), "list", "--limit", "2", "-o", "json")))
	require.Equal(t, []string{"a", "b", "c"}, handles(fake(t, pages(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "1", r.URL.Query().Get("limit"), "no more is asked for than is left")
		_ = json.NewEncoder(w).Encode(admin.List{Sessions: entries("c")})
	}), "list", "--limit", "3", "-o", "json")))
	table := fake(t, pages(last), "list")
	require.Equal(t, 1, strings.Count(table.stdout, "HANDLE"), "one header for all pages")
}

// TestListThatBreaksOffIsNoWholeList: no program takes the half for all.
func TestListThatBreaksOffIsNoWholeList(t *testing.T) {
	r := fake(t, pages(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(admin.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Detail: "the store\x1b[2J does not answer"})
	}), "list", "-o", "json")
	require.Equal(t, 1, r.code)
	require.False(t, json.Valid([]byte(r.stdout)), r.stdout)
	require.Equal(t, "sessionward: the store\uFFFD[2J does not answer\n", r.stderr)
}

// TestRevokeTellsOfWhatDidNotEnd: a revocation in which one did not end, or that broke off, has not been done.
func TestRevokeTellsOfWhatDidNotEnd(t *testing.T) {
	serve := func(end func(w http.ResponseWriter)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_ = json.NewEncoder(w).Encode(admin.List{Sessions: entries("a", "b")})
				return
			}
			_, _ = io.WriteString(w, `{"handle":"a","here":true,"at_authority":"the\u001b[2J directory"}`+"\n")
			end(w)
		}
	}
	r := fake(t, serve(func(w http.ResponseWriter) {
		_, _ = io.WriteString(w, `{"handle":"b","here":false,"error":"no\u009b"}`+"\n"+`{"handle":"c","here":true,"at_authority":"asked"}`+"\n")
	}), "revoke", "--user", "x", "--yes")
	require.Equal(t, 1, r.code)
	require.Equal(t, "a                     ended here; its authority: the\uFFFD[2J directory\nb                     not ended: no\uFFFD\nc                     ended here; its authority is being asked\n", r.stdout)
	require.Equal(t, "ended 2 sessions; 1 did not end\nsessionward: 1 session did not end\n", r.stderr)

	r = fake(t, serve(func(w http.ResponseWriter) {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}), "revoke", "--user", "x", "--yes", "-o", "json")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "ended 1 session\n")
	require.Contains(t, r.stderr, "the rest may not have ended")
	require.False(t, json.Valid([]byte(r.stdout)), "what broke off is no whole list")
}

// TestRevokeEndsNoMoreThanItCanTellOf: when its output cannot be written it stops, and says so.
func TestRevokeEndsNoMoreThanItCanTellOf(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here")
	}
	defer func() { _ = full.Close() }()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"handle":"a","here":true}`+"\n"+`{"handle":"b","here":true}`+"\n")
	}))
	defer s.Close()
	var stderr strings.Builder
	cmd := exec.Command(binary, "sessions", "revoke", "a", "b", "--yes", "--admin-url", s.URL, "--admin-token", "t")
	cmd.Stdout, cmd.Stderr = full, &stderr
	require.Error(t, cmd.Run())
	require.Equal(t, 1, cmd.ProcessState.ExitCode())
	require.Regexp(t, `^ended 1 session\nsessionward: the rest was not ended: .*no space left`, stderr.String())
}

// TestRevokeAtAuthority asks for what only the authority knows once the rest has ended, and also when there is no rest.
func TestRevokeAtAuthority(t *testing.T) {
	s := newSite(t, "")
	_, known := s.carol()
	unknown := s.vcenter.Login(vcenterUser)
	for _, id := range []string{known, unknown} {
		require.Contains(t, s.vcenter.Sessions(), id)
	}
	s.run("sessions", "revoke", "--source", "vcenter", "--user", "carol", "--yes")
	require.NotContains(t, s.vcenter.Sessions(), known)
	require.Contains(t, s.vcenter.Sessions(), unknown, "nobody showed it here")
	r := run(t, s.dir, "", nil, "sessions", "revoke", "--source", "vcenter", "--user", "carol", "--at-authority", "--yes")
	require.NotContains(t, r.stderr, "no active session fits")
	require.Equal(t, 1, r.code, "this vCenter has no account of its own to end sessions with")
	require.Contains(t, r.stderr, "at the authority: ")

	asked := map[string]string{}
	r = fake(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet:
			_ = json.NewEncoder(w).Encode(admin.List{Sessions: entries()})
		case strings.HasSuffix(r.URL.Path, "/revoke-user"):
			_ = json.NewDecoder(r.Body).Decode(&asked)
			asked["path"] = r.URL.Path
			_ = json.NewEncoder(w).Encode(admin.UserRevoked{Ended: 2})
		}
	}, "revoke", "--source", "corp", "--subject", "u-1", "--realm", "/alpha", "--at-authority", "--yes")
	require.Zero(t, r.code, r.stderr)
	require.Equal(t, map[string]string{"path": "/api/v1/sources/corp/revoke-user", "subject": "u-1", "realm": "/alpha"}, asked)
	require.Contains(t, r.stderr, "the authority ended 2 sessions of the user\n")
}

// TestRedirectIsNotFollowed: a token is for the address it was meant for.
func TestRedirectIsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	r := fake(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}, "list")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "is this the admin listener?")
}

// certificate makes a certificate for a name, signed by itself, and writes it and its key into dir.
func certificate(t *testing.T, dir, file string, template x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.BasicConstraintsValid, template.IsCA = true, true
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, file+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, file+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

// TestCertificatesOfTheListener: the configured one is believed without a flag, others are not; a client certificate
// stands for a token and may do what its scope says.
func TestCertificatesOfTheListener(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir, "server", x509.Certificate{DNSNames: []string{"admin.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	certificate(t, dir, "client", x509.Certificate{Subject: pkix.Name{CommonName: "ops"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	in := func(name string) string { return filepath.Join(dir, name) }
	s := newSite(t, fmt.Sprintf("  tls: {cert_file: %q, key_file: %q, client_ca_file: %q}\n  clients: [{name: ops, scope: read}]\n", in("server.pem"), in("server.key"), in("client.pem")))
	handle, _ := s.login("alice")
	require.Contains(t, s.run("sessions", "list").stdout, handle)

	url := "https://" + s.admin
	remote := func(code int, args ...string) result {
		r := run(t, t.TempDir(), "", nil, append(args, "--admin-url", url)...)
		require.Equal(t, code, r.code, r.stderr)
		return r
	}
	shown := []string{"--admin-cert-file", in("client.pem"), "--admin-key-file", in("client.key")}
	require.Contains(t, remote(1, append(shown, "sessions", "list")...).stderr, "--admin-ca-file")
	known := append(shown, "--admin-ca-file", in("server.pem"))
	require.Contains(t, remote(0, append([]string{"sessions", "list"}, known...)...).stdout, handle)
	require.Contains(t, remote(1, append([]string{"sessions", "logout", handle}, known...)...).stderr, "may only read; this needs the scope write")
	require.Contains(t, remote(1, "sessions", "list", "--admin-cert-file", in("client.pem")).stderr, "go together")
}
