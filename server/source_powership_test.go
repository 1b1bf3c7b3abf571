package server_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/powership"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
	"github.com/sessionward/sessionward/source/powership"
)

const (
	powershipAgent = "Mozilla/5.0 (X11; Linux x86_64)"
	gatewayToken   = "planted-token-of-the-gateway"
	quickCache     = "cache: {fresh_for: 1s, stale_for: -1s, rejected_for: 1s}\n"
)

// bridged is a gateway in front of an application that keeps Powership sessions.
type bridged struct {
	*world
	peer *peer.Peer
}

func newBridged(t *testing.T, settings, extra string) *bridged {
	t.Helper()
	p, err := peer.New(peer.Options{Bearer: gatewayToken})
	require.NoError(t, err)
	app := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Panel().Set(panel.Up)
		app.Close()
	})
	return &bridged{peer: p, world: newWorld(t, worldOptions{extra: extra, sources: fmt.Sprintf(`  - name: accounts
    powership:
      bridge: {url: %q, token: %s, timeout: 2s}
      reissue: {insecure_cookie: true}
%s`, app.URL, gatewayToken, settings)})}
}

// enter logs alice in at the application and gives its cookie to a new browser.
func (w *bridged) enter(t *testing.T) (b *http.Client, token string) {
	t.Helper()
	token, err := w.peer.Login("alice", "127.0.0.1", powershipAgent)
	require.NoError(t, err)
	b = w.browser()
	at, err := url.Parse(w.url)
	require.NoError(t, err)
	b.Jar.SetCookies(at, []*http.Cookie{{Name: "authToken", Value: token, Path: "/"}})
	return b, token
}

func (w *bridged) ask(b *http.Client, headers ...string) *http.Response {
	w.t.Helper()
	return w.do(b, http.MethodGet, "/", nil, append([]string{"User-Agent", powershipAgent, "Accept", "application/json"}, headers...)...)
}

// nothingLeaked wants no part of a token in the gateway's output or at the application behind it.
func (w *world) nothingLeaked(tokens ...string) {
	w.t.Helper()
	w.app.mu.Lock()
	header := fmt.Sprint(w.app.last.Header)
	w.app.mu.Unlock()
	for _, token := range tokens {
		signature := token[strings.LastIndexByte(token, '.')+1:]
		require.NotContains(w.t, w.output.String(), signature)
		require.NotContains(w.t, header, signature)
	}
}

func TestPowershipBridge(t *testing.T) {
	w := newBridged(t, "", quickCache)
	b, token := w.enter(t)
	s := w.seen(w.ask(b))
	require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
	require.Equal(t, "alice@example.com", s.Header.Get("X-Forwarded-Email"))
	require.Contains(t, s.Header.Get("X-Forwarded-Groups"), "staff")
	stolen := w.do(b, http.MethodGet, "/", nil, "User-Agent", "curl/8.5.0", "Accept", "application/json")
	require.Equal(t, http.StatusUnauthorized, stolen.StatusCode, "what is remembered holds for one user agent")

	var res *http.Response
	w.peer.Panel().Set(panel.Failing)
	require.Eventually(t, func() bool {
		res = w.ask(b)
		return res.StatusCode == http.StatusServiceUnavailable
	}, 20*time.Second, 50*time.Millisecond, "%s", w.output)
	require.NotEmpty(t, res.Header.Get("Retry-After"))
	require.Empty(t, res.Cookies(), "nobody is logged out")
	ready, err := http.Get(w.admin + "/readyz")
	require.NoError(t, err)
	reason, err := io.ReadAll(ready.Body)
	require.NoError(t, err)
	require.NoError(t, ready.Body.Close())
	require.Contains(t, string(reason), "source accounts")
	require.Contains(t, string(reason), "503")
	w.peer.Panel().Set(panel.HTML)
	require.Equal(t, http.StatusServiceUnavailable, w.ask(b).StatusCode)
	w.peer.Panel().Set(panel.Up)
	require.Equal(t, http.StatusOK, w.ask(b).StatusCode, "the same token, as if nothing had been")

	require.True(t, w.peer.End(token))
	require.Eventually(t, func() bool { return w.ask(b).StatusCode == http.StatusUnauthorized }, 20*time.Second, 50*time.Millisecond)
	w.nothingLeaked(token, "."+gatewayToken)
}

func TestPowershipOutageServedFromMemory(t *testing.T) {
	w := newBridged(t, "", "cache: {fresh_for: 1s, stale_for: -1s, stale_if_error: 10m}\n")
	b, _ := w.enter(t)
	w.seen(w.ask(b))
	before := w.peer.Panel().Asked()
	w.peer.Panel().Set(panel.Down)
	require.Eventually(t, func() bool {
		require.Equal(t, http.StatusOK, w.ask(b).StatusCode)
		return w.peer.Panel().Asked() > before
	}, 20*time.Second, 50*time.Millisecond, "asked in vain, and served all the same")
}

// TestPowershipNewTokens: the token of every answer reaches the client, in its cookie or in a header.
func TestPowershipNewTokens(t *testing.T) {
	w := newBridged(t, "      rotate_after: -1s\n", quickCache)
	b, token := w.enter(t)
	at, err := url.Parse(w.url)
	require.NoError(t, err)
	for range 3 {
		res := w.ask(b)
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Len(t, res.Cookies(), 1)
		set := res.Cookies()[0]
		require.Equal(t, "authToken", set.Name)
		require.True(t, set.HttpOnly)
		require.NotEqual(t, token, set.Value)
		require.Equal(t, "private", res.Header.Get("Cache-Control"))
		require.Len(t, b.Jar.Cookies(at), 1, "in the place of the old one")
		token = b.Jar.Cookies(at)[0].Value
	}
	require.Len(t, w.peer.Sessions(), 1)

	res := w.ask(w.browser(), "Authorization", "Bearer "+token)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Empty(t, res.Cookies())
	fresh := res.Header.Get("X-Auth-Token")
	require.NotEmpty(t, fresh)
	res = w.ask(w.browser(), "Authorization", "Bearer "+fresh)
	require.Equal(t, http.StatusOK, res.StatusCode)
	w.nothingLeaked(token, fresh, res.Header.Get("X-Auth-Token"))
}

func (w *world) signInAt(b *http.Client, source, username, password string) *http.Response {
	w.t.Helper()
	form := url.Values{"source": {source}, "username": {username}, "password": {password}, "return_to": {"/x"}}
	return w.do(b, http.MethodPost, "/_session/login", strings.NewReader(form.Encode()), "User-Agent", powershipAgent,
		"Content-Type", "application/x-www-form-urlencoded", "Origin", w.url, "Sec-Fetch-Site", "same-origin", "Accept", "text/html")
}

func (w *world) signOut(b *http.Client) *http.Response {
	w.t.Helper()
	return w.do(b, http.MethodPost, "/_session/logout", nil, "User-Agent", powershipAgent, "Origin", w.url, "Sec-Fetch-Site", "same-origin", "Accept", "text/html")
}

func TestPowershipBridgeForm(t *testing.T) {
	w := newBridged(t, "      display_name: Accounts of the company\n", quickCache)
	b := w.browser()
	res := w.get(b, "/x")
	require.Equal(t, http.StatusFound, res.StatusCode)
	page, err := io.ReadAll(w.get(b, strings.TrimPrefix(res.Header.Get("Location"), w.url)).Body)
	require.NoError(t, err)
	require.Contains(t, string(page), `name="password"`)
	require.Equal(t, http.StatusUnauthorized, w.do(b, http.MethodGet, "/x", nil, "Accept", "application/json").StatusCode, "programs are told")
	require.Equal(t, http.StatusUnauthorized, w.signInAt(b, "accounts", "alice", "wrong").StatusCode)
	require.Equal(t, http.StatusSeeOther, w.signInAt(b, "accounts", "alice", "wonderland").StatusCode)
	s := w.seen(w.ask(b))
	require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))

	sessions := w.peer.Sessions()
	require.Len(t, sessions, 1)
	require.Equal(t, "sessionward", sessions[0].From.UserAgent, "the gateway is the client")
	require.Equal(t, http.StatusSeeOther, w.signOut(b).StatusCode)
	require.Eventually(t, func() bool { return !w.peer.Sessions()[0].Valid }, 20*time.Second, 20*time.Millisecond, "ended at the application")
	require.Equal(t, http.StatusUnauthorized, w.ask(b).StatusCode)

	require.Equal(t, http.StatusSeeOther, w.signInAt(b, "accounts", "alice", "wonderland").StatusCode)
	require.Equal(t, http.StatusOK, w.ask(b).StatusCode)
	for _, d := range w.peer.Sessions() {
		w.peer.EndDocument(d.Cursor)
	}
	require.Eventually(t, func() bool { return w.ask(b).StatusCode == http.StatusUnauthorized }, 20*time.Second, 50*time.Millisecond, "ended elsewhere")
	require.NotContains(t, w.output.String(), "wonderland")
}

// TestPowershipLogoutOfAForeignSession: who came with the application's own cookie can log out here as well.
func TestPowershipLogoutOfAForeignSession(t *testing.T) {
	w := newBridged(t, "", quickCache)
	b, token := w.enter(t)
	_, other := w.enter(t)
	w.seen(w.ask(b))
	require.Equal(t, http.StatusSeeOther, w.signOut(b).StatusCode)
	d, _ := w.peer.Session(token)
	require.False(t, d.Valid)
	d, _ = w.peer.Session(other)
	require.True(t, d.Valid, "and no other session")
	require.Equal(t, http.StatusUnauthorized, w.ask(b).StatusCode)
}

const nativeSecret = "planted-secret-of-at-least-thirty-two-bytes"

// native is a gateway that keeps Powership sessions itself.
func newNative(t *testing.T) (w *world, accounts string, o powership.Options) {
	t.Helper()
	dir := t.TempDir()
	line := strings.TrimSpace(run(t, "wonder land\n", "hash-password", "alice"))
	hash := line[strings.LastIndexByte(line, ':')+1:]
	accounts = filepath.Join(dir, "accounts.yaml")
	require.NoError(t, os.WriteFile(accounts, []byte(fmt.Sprintf(`accounts:
  - {id: 01GM7285ZR7MX76PNMF3G2MD3P, username: alice, password_hash: %q, email: alice@example.com, groups: [staff]}
`, hash)), 0o600))
	o = powership.Options{Native: &powership.NativeOptions{
		Secret: session.NewSecret(nativeSecret), AccountsFile: accounts, StoreFile: filepath.Join(dir, "powership.db"),
	}}
	w = newWorld(t, worldOptions{noStart: true, extra: quickCache, sources: fmt.Sprintf(`  - name: accounts
    powership:
      native: {secret: %s, accounts_file: %q, store_file: %q}
`, nativeSecret, accounts, o.Native.StoreFile)})
	return w, accounts, o
}

// issue makes a token for alice, as a program that shares secret, accounts and store would.
func issue(t *testing.T, o powership.Options) string {
	t.Helper()
	src, err := powership.Open("issuer", o, authority.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	r := &powership.Request{RequestIP: "127.0.0.1", UserAgent: powershipAgent}
	_, err = src.Login(t.Context(), r, "alice", session.NewSecret("wonder land"))
	require.NoError(t, err)
	require.NoError(t, src.Close())
	return r.AuthToken.Reveal()
}

func TestPowershipNative(t *testing.T) {
	w, accounts, o := newNative(t)
	token := issue(t, o)
	w.start()
	ask := func() *http.Response {
		return w.do(w.browser(), http.MethodGet, "/", nil, "Authorization", "Bearer "+token, "User-Agent", powershipAgent, "Accept", "application/json")
	}
	s := w.seen(ask())
	require.Contains(t, run(t, "", "check", "--config", w.config), "is fine", "while another process has the file")
	require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
	require.Equal(t, "staff", s.Header.Get("X-Forwarded-Groups"))

	b := w.browser()
	require.Equal(t, http.StatusUnauthorized, w.signInAt(b, "accounts", "alice", "wrong").StatusCode)
	require.Equal(t, http.StatusSeeOther, w.signInAt(b, "accounts", "alice", "wonder land").StatusCode)
	require.Equal(t, "alice", w.seen(w.do(b, http.MethodGet, "/", nil)).Header.Get("X-Forwarded-Preferred-Username"))

	text, err := os.ReadFile(accounts)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(accounts, []byte(strings.Replace(string(text), "groups:", "deactivated: true, groups:", 1)), 0o600))
	for name, look := range map[string]func() *http.Response{"bearer": ask, "form": func() *http.Response { return w.do(b, http.MethodGet, "/", nil, "Accept", "application/json") }} {
		require.Eventually(t, func() bool { return look().StatusCode == http.StatusForbidden }, 20*time.Second, 50*time.Millisecond, "%s: deactivated\n%s", name, w.output)
	}
	require.NoError(t, os.WriteFile(accounts, text, 0o600))
	require.Eventually(t, func() bool { return ask().StatusCode == http.StatusOK }, 20*time.Second, 50*time.Millisecond, "nothing was ended")
	require.Eventually(t, func() bool { return w.do(b, http.MethodGet, "/", nil).StatusCode == http.StatusOK }, 20*time.Second, 50*time.Millisecond)

	w.stop()
	w.start()
	require.Equal(t, http.StatusOK, ask().StatusCode, "sessions are in the file")
	require.Equal(t, http.StatusOK, w.do(b, http.MethodGet, "/", nil).StatusCode)
	require.Equal(t, http.StatusSeeOther, w.signOut(b).StatusCode)
	require.Equal(t, http.StatusOK, ask().StatusCode, "that was another session")
	w.nothingLeaked(token, "."+nativeSecret)
}
