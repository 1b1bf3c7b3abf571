package authority

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func start() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func testClient(t *testing.T, o ClientOptions) *Client {
	c, err := NewClient(o, start)
	require.NoError(t, err)
	return c
}

// S-142: a redirect to another origin is not followed, and the credentials do not travel there.
func TestRedirectToAnotherHostIsNotFollowed(t *testing.T) {
	visited := 0
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited++ }))
	defer evil.Close()
	srv := httptest.NewServer(http.RedirectHandler(evil.URL+"/?token=planted", http.StatusFound))
	defer srv.Close()
	_, err := testClient(t, ClientOptions{}).Get(t.Context(), srv.URL+"/x?secret=planted", http.Header{"Authorization": {"Bearer planted"}})
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotContains(t, err.Error(), "planted")
	require.Zero(t, visited)
}

func TestRedirectOnTheSameOriginIsFollowedThreeTimes(t *testing.T) {
	steps := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if steps--; steps >= 0 {
			http.Redirect(w, r, "/next", http.StatusFound)
		}
	}))
	defer srv.Close()
	c := testClient(t, ClientOptions{})
	steps = 3
	_, err := c.Get(t.Context(), srv.URL, nil)
	require.NoError(t, err)
	steps = 4
	_, err = c.Get(t.Context(), srv.URL, nil)
	require.ErrorIs(t, err, session.ErrUnavailable)
}

// S-102: a reply without an end is an error, not memory.
func TestReplyIsLimited(t *testing.T) {
	size := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("x", size)))
	}))
	defer srv.Close()
	c := testClient(t, ClientOptions{})
	size = maxReply
	r, err := c.Get(t.Context(), srv.URL, nil)
	require.NoError(t, err)
	require.Len(t, r.Body, maxReply)
	size++
	_, err = c.Get(t.Context(), srv.URL, nil)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.Error(t, c.Health())
}

func TestTotalTimeout(t *testing.T) {
	over := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush() // the header comes, the body never does
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(over)
	_, err := testClient(t, ClientOptions{Timeout: 50 * time.Millisecond}).Get(t.Context(), srv.URL, nil)
	require.ErrorIs(t, err, session.ErrUnavailable)
}

func TestPlainHTTPIsRefused(t *testing.T) {
	c := testClient(t, ClientOptions{})
	_, err := c.Get(t.Context(), "http://authority.example/", nil)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.ErrorContains(t, err, "plain http is refused")
	for url, fine := range map[string]bool{
		"https://a.example":      true,
		"http://127.0.0.1:8080":  true,
		"http://[::1]:8080":      true,
		"http://localhost":       true,
		"http://a.example":       false,
		"http://localhost.evil":  false,
		"ftp://a.example":        false,
		"https://u:p@a.example":  false,
		"https://a.example#frag": false,
		"https://a.example#":     false,
		"//a.example":            false,
		"a.example":              false,
		"https://a.example/?q":   false,
		"":                       false,
	} {
		require.Equal(t, fine, CheckURL(url, false, false) == nil, url)
	}
	require.NoError(t, CheckURL("http://a.example", true, false))
	require.NoError(t, CheckURL("https://a.example?tenant=1", false, true))
}

func TestCAFile(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != userAgent {
			panic(http.ErrAbortHandler)
		}
	}))
	defer srv.Close()
	srv.Config.ErrorLog = nil
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600))
	_, err := testClient(t, ClientOptions{CAFile: file}).Get(t.Context(), srv.URL, nil)
	require.NoError(t, err)

	empty := filepath.Join(dir, "empty.pem")
	require.NoError(t, os.WriteFile(empty, []byte("no certificate"), 0o600))
	for _, bad := range []string{empty, filepath.Join(dir, "missing.pem")} {
		_, err = NewClient(ClientOptions{CAFile: bad}, start)
		require.ErrorContains(t, err, "ca_file")
	}
}

func TestUntrustedCertificateIsUnavailable(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	_, err := testClient(t, ClientOptions{}).Get(t.Context(), srv.URL, nil)
	require.ErrorIs(t, err, session.ErrUnavailable)
}

func TestRetryAfter(t *testing.T) {
	now := start()
	for value, want := range map[string]time.Duration{
		"":                     0,
		"7":                    7 * time.Second,
		" 7 ":                  7 * time.Second,
		"0":                    0,
		"-5":                   0,
		"7.5":                  0,
		"99999999":             time.Hour,
		"99999999999999999999": 0,
		"soon":                 0,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):       0,
		now.AddDate(1, 0, 0).Format(http.TimeFormat):      time.Hour,
	} {
		require.Equal(t, want, RetryAfter(http.Header{"Retry-After": {value}}, now), "%q", value)
	}
}
