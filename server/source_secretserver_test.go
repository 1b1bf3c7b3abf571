package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	"github.com/sessionward/sessionward/cmd/peers/secretserver"
)

const vaultPassword = "planted-vault-password"

// vaultWorld is a gateway in front of an application, and a stand-in for Secret Server.
type vaultWorld struct {
	*world
	vault *secretserver.Peer
}

// noVaultMemory has the gateway ask again after a second.
const noVaultMemory = "cache: {fresh_for: 1s, stale_for: -1s, rejected_for: 1s}\n"

func newVaultWorld(t *testing.T, o secretserver.Options, extra string) vaultWorld {
	t.Helper()
	o.Users = []secretserver.User{{Username: "alice", Password: vaultPassword, Domain: "CORP", DisplayName: "Alice Liddell", Email: "alice@example.com"}}
	p, err := secretserver.New(o)
	require.NoError(t, err)
	s := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Panel().Set(panel.Up)
		s.Close()
	})
	return vaultWorld{vault: p, world: newWorld(t, worldOptions{extra: extra, sources: fmt.Sprintf(
		"  - name: vault\n    secretserver: {url: %q, domain: CORP, display_name: The Vault, timeout: 1s, token_timeout: 2s}\n", s.URL)})}
}

// bearer asks for / with a token as a program does.
func (w vaultWorld) bearer(token string) *http.Response {
	w.t.Helper()
	return w.do(w.browser(), http.MethodGet, "/", nil, "Authorization", "Bearer "+token)
}

// form sends the form of the sign-in page.
func (w vaultWorld) form(b *http.Client, username, password string) *http.Response {
	w.t.Helper()
	form := url.Values{"source": {"vault"}, "username": {username}, "password": {password}, "return_to": {"/x"}}
	return w.do(b, http.MethodPost, "/_session/login", strings.NewReader(form.Encode()),
		"Content-Type", "application/x-www-form-urlencoded", "Origin", w.url, "Sec-Fetch-Site", "same-origin", "Accept", "text/html")
}

// becomes waits until ask is answered with status.
func (w vaultWorld) becomes(status int, ask func() *http.Response) *http.Response {
	w.t.Helper()
	var res *http.Response
	require.Eventually(w.t, func() bool {
		res = ask()
		return res.StatusCode == status
	}, 20*time.Second, 100*time.Millisecond, "never answered %d\n%s", status, w.output)
	return res
}

// keptSecret wants nothing of the secrets in what the gateway printed and in what the application was sent.
func (w vaultWorld) keptSecret(secrets ...string) {
	w.t.Helper()
	w.app.mu.Lock()
	last := fmt.Sprint(w.app.last)
	w.app.mu.Unlock()
	for _, secret := range append(secrets, vaultPassword) {
		require.NotContains(w.t, w.output.String(), secret)
		require.NotContains(w.t, last, secret)
	}
}

// ready returns what /readyz says of the source.
func (w vaultWorld) ready() (status, reason string) {
	w.t.Helper()
	res, err := http.Get(w.admin + "/readyz")
	require.NoError(w.t, err)
	defer func() { _ = res.Body.Close() }()
	var told struct {
		Parts []struct{ Name, Status, Reason string }
	}
	require.NoError(w.t, json.NewDecoder(res.Body).Decode(&told))
	for _, part := range told.Parts {
		if part.Name == "source vault" {
			return part.Status, part.Reason
		}
	}
	require.Fail(w.t, "readyz does not know the source")
	return "", ""
}

// TestSecretServerBearer: a program with a token of Secret Server.
func TestSecretServerBearer(t *testing.T) {
	w := newVaultWorld(t, secretserver.Options{}, noVaultMemory)
	token := w.vault.Login("alice").Access
	s := w.seen(w.bearer(token))
	require.Equal(t, "12", s.Header.Get("X-Forwarded-User"))
	require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
	require.Empty(t, s.Header.Get("Authorization"))
	require.Equal(t, http.StatusUnauthorized, w.bearer("planted-unknown").StatusCode)

	for _, mode := range []panel.Mode{panel.Failing, panel.HTML, panel.Redirect} {
		w.vault.Panel().Set(mode)
		res := w.becomes(http.StatusServiceUnavailable, func() *http.Response { return w.bearer(token) })
		require.NotEmpty(t, res.Header.Get("Retry-After"), mode)
		status, reason := w.ready()
		require.NotEqual(t, "ok", status, mode)
		require.NotEmpty(t, reason, mode)
		w.vault.Panel().Set(panel.Up)
		w.becomes(http.StatusOK, func() *http.Response { return w.bearer(token) })
		status, _ = w.ready()
		require.Equal(t, "ok", status, mode)
	}
	w.vault.End(token)
	w.becomes(http.StatusUnauthorized, func() *http.Response { return w.bearer(token) })
	w.keptSecret(token, "planted-unknown")
}

// TestSecretServerOutageIsBridged: with stale_if_error a program goes on through an outage.
func TestSecretServerOutageIsBridged(t *testing.T) {
	w := newVaultWorld(t, secretserver.Options{}, "cache: {fresh_for: 1s, stale_for: -1s, stale_if_error: 1m}\n")
	token := w.vault.Login("alice").Access
	require.Equal(t, http.StatusOK, w.bearer(token).StatusCode)
	w.vault.Panel().Set(panel.Failing)
	before := w.vault.Panel().Asked()
	require.Eventually(t, func() bool {
		require.Equal(t, http.StatusOK, w.bearer(token).StatusCode)
		return w.vault.Panel().Asked() > before
	}, 20*time.Second, 100*time.Millisecond)
	require.Equal(t, http.StatusOK, w.bearer(token).StatusCode, "asked in vain, and served all the same")
}

// TestSecretServerForm: a person logs in by our form, is noticed to have been ended there, and logs out.
func TestSecretServerForm(t *testing.T) {
	w := newVaultWorld(t, secretserver.Options{}, noVaultMemory)
	require.Equal(t, http.StatusUnauthorized, w.do(w.browser(), http.MethodGet, "/x", nil, "Accept", "application/json").StatusCode)
	b := w.browser()
	res := w.get(b, "/x")
	require.Equal(t, http.StatusFound, res.StatusCode)
	res = w.get(b, strings.TrimPrefix(res.Header.Get("Location"), w.url))
	page, _ := io.ReadAll(res.Body)
	require.Contains(t, string(page), "The Vault")
	require.Contains(t, string(page), `name="password"`)

	require.Equal(t, http.StatusUnauthorized, w.form(b, "alice", "wrong").StatusCode)
	w.vault.Panel().Set(panel.Down)
	require.Equal(t, http.StatusServiceUnavailable, w.form(b, "alice", vaultPassword).StatusCode)
	w.vault.Panel().Set(panel.Up)
	require.Equal(t, http.StatusSeeOther, w.form(b, "alice", vaultPassword).StatusCode)
	s := w.seen(w.get(b, "/x"))
	require.Equal(t, "12", s.Header.Get("X-Forwarded-User"))
	require.Equal(t, 1, w.vault.Sessions("alice"))

	w.vault.Panel().Set(panel.Failing)
	w.becomes(http.StatusServiceUnavailable, func() *http.Response { return w.get(b, "/x") })
	w.vault.Panel().Set(panel.Up)
	w.becomes(http.StatusOK, func() *http.Response { return w.get(b, "/x") })

	w.vault.EndAll("alice")
	w.becomes(http.StatusFound, func() *http.Response { return w.get(b, "/x") })

	require.Equal(t, http.StatusSeeOther, w.form(b, "alice", vaultPassword).StatusCode)
	require.Equal(t, 1, w.vault.Sessions("alice"))
	res = w.do(b, http.MethodPost, "/_session/logout", nil, "Origin", w.url, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.Eventually(t, func() bool { return w.vault.Sessions("alice") == 0 }, 10*time.Second, 20*time.Millisecond, "the token is ended there too")
	require.Equal(t, http.StatusFound, w.get(b, "/x").StatusCode)
	w.keptSecret()
}

// TestSecretServerRenewal: the tokens of a person are renewed, each refresh token once, as often as the server takes it,
// and the session ends with the last.
func TestSecretServerRenewal(t *testing.T) {
	w := newVaultWorld(t, secretserver.Options{Timeout: 4 * time.Second, MaxRefreshes: 3}, noVaultMemory)
	b := w.browser()
	require.Equal(t, http.StatusSeeOther, w.form(b, "alice", vaultPassword).StatusCode)
	refreshes := func() (n int) {
		for _, shown := range w.vault.Panel().Shown() {
			n += strings.Count(shown, "grant_type=refresh_token")
		}
		return n
	}
	require.Eventually(t, func() bool {
		require.Equal(t, http.StatusOK, w.get(b, "/x").StatusCode)
		return refreshes() == 3
	}, 60*time.Second, 100*time.Millisecond)
	w.becomes(http.StatusFound, func() *http.Response { return w.get(b, "/x") })
	require.Equal(t, 3, refreshes(), "and none too many")
}
