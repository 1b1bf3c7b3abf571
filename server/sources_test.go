package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// run runs a command of the built binary and returns what it printed.
func run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Run(), "%s", &out)
	return out.String()
}

// TestLocalSource: people with a password and programs with a key, made by the very commands the documents name.
func TestLocalSource(t *testing.T) {
	dir := t.TempDir()
	htpasswd := filepath.Join(dir, "users")
	require.NoError(t, os.WriteFile(htpasswd, []byte(run(t, "wonder land\n", "hash-password", "carol")), 0o600))
	made := run(t, "", "keys", "api-key", "ci")
	key := regexp.MustCompile(`swk_ci_\S+`).FindString(made)
	hash := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(made)
	require.NotEmpty(t, key)
	require.NotEmpty(t, hash)
	w := newWorld(t, worldOptions{sources: fmt.Sprintf(`  - name: local
    local:
      htpasswd_file: %q
      users: [{username: carol, name: Carol, groups: [staff, admins]}]
      api_keys: [{id: ci, hash: %q, username: robot, groups: [robots]}]
`, htpasswd, hash)})

	b := w.browser()
	res := w.get(b, "/_session/login?return_to=/admin/x")
	page, _ := io.ReadAll(res.Body)
	require.Contains(t, string(page), `name="password"`, "the chooser offers the form")
	require.Contains(t, string(page), "Sign in with corp", "and the provider")
	require.Equal(t, http.StatusUnauthorized, w.postLogin(b, "carol", "wrong").StatusCode)
	require.Equal(t, http.StatusUnauthorized, w.postLogin(b, "nobody", "wonder land").StatusCode)
	res = w.postLogin(b, "carol", "wonder land")
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.Equal(t, "/admin/x", res.Header.Get("Location"))
	s := w.seen(w.get(b, "/admin/x"))
	require.Equal(t, "carol", s.Header.Get("X-Forwarded-User"))
	require.Equal(t, "staff,admins", s.Header.Get("X-Forwarded-Groups"))

	for name, headers := range map[string][]string{"its header": {"X-Api-Key", key}, "bearer": {"Authorization", "Bearer " + key}} {
		s = w.seen(w.do(w.browser(), http.MethodGet, "/", nil, headers...))
		require.Equal(t, "robot", s.Header.Get("X-Forwarded-User"), name)
		require.Empty(t, s.Header.Get(headers[0]), "a key that was the credential stays here")
		headers[1] = headers[1][:len(headers[1])-1]
		require.Equal(t, http.StatusUnauthorized, w.do(w.browser(), http.MethodGet, "/", nil, headers...).StatusCode, "%s, cut short", name)
	}
	require.NotContains(t, w.output.String(), key)
	require.NotContains(t, w.output.String(), "wonder land")

	for range 10 {
		res = w.postLogin(b, "carol", "wrong")
	}
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode, "a guesser has to wait")
	require.NotEmpty(t, res.Header.Get("Retry-After"))
}

// postLogin sends the form of the sign-in page as a browser does.
func (w *world) postLogin(b *http.Client, username, password string) *http.Response {
	w.t.Helper()
	form := url.Values{"source": {"local"}, "username": {username}, "password": {password}, "return_to": {"/admin/x"}}
	return w.do(b, http.MethodPost, "/_session/login", strings.NewReader(form.Encode()),
		"Content-Type", "application/x-www-form-urlencoded", "Origin", w.url, "Sec-Fetch-Site", "same-origin", "Accept", "text/html")
}

// TestProviderDownLeavesTheOthers: one of two providers is down from the start; logins at the other work.
func TestProviderDownLeavesTheOthers(t *testing.T) {
	w := newWorld(t, worldOptions{sources: "  - name: partner\n    oidc: {issuer: \"http://127.0.0.1:1\", client_id: x, client_secret: y, display_name: Partner}\n"})
	b := w.browser()
	res := w.get(b, "/_session/login?return_to=/x")
	page, _ := io.ReadAll(res.Body)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Contains(t, string(page), "Sign in with Partner")
	res = w.get(b, "/_session/login?return_to=/x&source=partner")
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.NotEmpty(t, res.Header.Get("Retry-After"))
	_, s := w.login("/_session/login?return_to=/x&source=corp")
	require.Equal(t, "/x", s.URI)
}

// TestConfigurationErrors: whatever is wrong is named with its place, and nothing starts.
func TestConfigurationErrors(t *testing.T) {
	path, err := binary()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "sessionward.yaml")
	require.NoError(t, os.WriteFile(file, []byte("public_url: http://localhost:1\nsession:\n  idle_timeuot: 1h\n"), 0o600))
	for _, command := range []string{"check", "serve"} {
		out, err := exec.Command(path, command, "--config", file).CombinedOutput()
		require.Error(t, err, command)
		require.Contains(t, string(out), `sessionward.yaml:3:3: unknown key "idle_timeuot" in session; did you mean "idle_timeout"?`, command)
	}
}
