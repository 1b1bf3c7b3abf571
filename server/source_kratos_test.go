package server_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/kratos"
	"github.com/sessionward/sessionward/cmd/peers/panel"
)

// kratosWorld is a gateway before a real Kratos, which knows that people may return to it.
func kratosWorld(t *testing.T, o peer.Options, settings, cache string) (*world, *peer.Peer) {
	t.Helper()
	o.Listen, o.AdminListen = freeAddr(t), freeAddr(t)
	w := newWorld(t, worldOptions{noStart: true, sources: fmt.Sprintf(`  - name: ory
    kratos:
      url: "http://%s"
      admin_url: "http://%s"
      timeout: 1s
      %s
`, o.Listen, o.AdminListen, settings), extra: "cache: {fresh_for: 1s, stale_for: -1s, rejected_for: 1s" + cache + "}\n"})
	o.ReturnURLs = []string{w.url}
	p, err := peer.Start(t.Context(), o)
	skipWithoutKratos(t, err)
	t.Cleanup(p.Stop)
	w.start()
	return w, p
}

// skipWithoutKratos skips, and says so, where there is no Kratos; every other error is one.
func skipWithoutKratos(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, peer.ErrNotBuilt) {
		t.Skip("SKIPPED: " + err.Error())
	}
	require.NoError(t, err)
}

// walk opens path as a browser without a session and returns the page of Kratos' it arrives at.
func (w *world) walk(b *http.Client, path string) *url.URL {
	w.t.Helper()
	res := w.get(b, path)
	require.Equal(w.t, http.StatusFound, res.StatusCode)
	login := strings.TrimPrefix(res.Header.Get("Location"), w.url)
	page, err := io.ReadAll(w.get(b, login).Body)
	require.NoError(w.t, err)
	require.Contains(w.t, string(page), "source=ory", "people choose")
	return w.follow(b, login+"&source=ory")
}

// follow goes where path leads, and returns the last address.
func (w *world) follow(b *http.Client, path string) *url.URL {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+path, nil)
	require.NoError(w.t, err)
	req.Header.Set("Accept", "text/html")
	res, err := b.Do(req)
	require.NoError(w.t, err)
	_ = res.Body.Close()
	require.Equal(w.t, http.StatusOK, res.StatusCode, "%s", w.output)
	return res.Request.URL
}

// TestKratos_Browser: a person logs in at Kratos, comes back to where they wanted to go, is kept in, and logs out.
func TestKratos_Browser(t *testing.T) {
	w, p := kratosWorld(t, peer.Options{Lifespan: time.Hour}, "extend_before: 2h", "")
	b := w.browser()
	page := w.walk(b, "/deep/page?x=1&y=2")
	require.Equal(t, "/pages/login", page.Path, "a page of Kratos'")
	res, err := p.FillIn(t.Context(), b, page, url.Values{"method": {"password"}, "identifier": {"alice"}, "password": {"wonderland"}})
	require.NoError(t, err)
	s := w.seen(res)
	require.Equal(t, "/deep/page?x=1&y=2", s.URI, "the login came back to where it began")
	require.Equal(t, p.IdentityID("alice"), s.Header.Get("X-Forwarded-User"))
	require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
	require.Equal(t, "alice@corp.example", s.Header.Get("X-Forwarded-Email"))
	require.Equal(t, "staff,admins", s.Header.Get("X-Forwarded-Groups"))
	first := p.Cookie(b)
	for _, values := range s.Header {
		require.NotContains(t, strings.Join(values, "\n"), first, "the credential stays here")
	}
	require.False(t, p.Panel().Saw("sessionward="), "cookies of the gateway's are not for Kratos")

	extended := func() bool {
		w.seen(w.get(b, "/"))
		return p.Cookie(b) != first
	}
	require.Eventually(t, extended, 10*time.Second, 100*time.Millisecond, "the cookie Kratos wrote anew reaches the browser")
	sessions, err := p.Sessions(t.Context(), "alice")
	require.NoError(t, err)
	require.Len(t, sessions, 1)
	w.seen(w.get(b, "/"))

	old := cookieHeader(b, w.url)
	res = w.do(b, http.MethodPost, "/_session/logout", nil, "Origin", w.url, "Sec-Fetch-Site", "same-origin", "Accept", "text/html")
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	sessions, err = p.Sessions(t.Context(), "alice")
	require.NoError(t, err)
	require.Empty(t, sessions, "ended at Kratos")
	require.Equal(t, http.StatusFound, w.get(b, "/").StatusCode, "a browser goes to the login")
	require.Equal(t, http.StatusUnauthorized, w.do(w.browser(), http.MethodGet, "/", nil, "Cookie", old).StatusCode)
	for _, secret := range []string{first, p.Cookie(b), "wonderland"} {
		require.False(t, secret != "" && strings.Contains(w.output.String(), secret), "a secret stands in the log")
	}
}

// TestKratos_Token: a program shows its session token; Kratos may be away, and may end the session.
func TestKratos_Token(t *testing.T) {
	for name, tt := range map[string]struct {
		cache string
		down  int
		modes []panel.Mode
	}{
		"strict":         {"", http.StatusServiceUnavailable, append(panel.Nonsense(), panel.Down, panel.Failing, panel.Stall)},
		"stale if error": {", stale_if_error: 1m", http.StatusOK, []panel.Mode{panel.Down}},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := kratosWorld(t, peer.Options{}, "", tt.cache)
			token, err := p.Login(t.Context(), "alice", "wonderland")
			require.NoError(t, err)
			b := w.browser()
			ask := func() *http.Response { return w.do(b, http.MethodGet, "/x", nil, "X-Session-Token", token) }
			becomes := func(status int, why string) {
				t.Helper()
				require.Eventually(t, func() bool { return ask().StatusCode == status }, 15*time.Second, 50*time.Millisecond, why)
			}
			s := w.seen(ask())
			require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
			require.Empty(t, s.Header.Get("X-Session-Token"))
			s = w.seen(w.do(b, http.MethodGet, "/x", nil, "Authorization", "Bearer "+token))
			require.Empty(t, s.Header.Get("Authorization"))
			require.Equal(t, http.StatusUnauthorized, w.do(b, http.MethodGet, "/x", nil, "X-Session-Token", token+"x").StatusCode)
			require.Equal(t, http.StatusUnauthorized, w.do(b, http.MethodGet, "/x", nil).StatusCode, "programs are told")

			for _, mode := range tt.modes {
				p.Panel().Set(mode)
				asked := p.Panel().Asked()
				require.Eventually(t, func() bool {
					res := ask()
					return res.StatusCode == tt.down && p.Panel().Asked() > asked && (tt.down == http.StatusOK || res.Header.Get("Retry-After") != "")
				}, 15*time.Second, 50*time.Millisecond, "%s", mode)
				p.Panel().Set(panel.Up)
				becomes(http.StatusOK, "nobody was logged out")
			}
			sessions, err := p.Sessions(t.Context(), "alice")
			require.NoError(t, err)
			require.NoError(t, p.Revoke(t.Context(), sessions[0].ID))
			becomes(http.StatusUnauthorized, "ended at Kratos")
			require.NotContains(t, w.output.String(), token)
		})
	}
}

// TestKratos_StepUp: whoever has a second factor shows it before the application is reached, and stays logged in.
func TestKratos_StepUp(t *testing.T) {
	w, p := kratosWorld(t, peer.Options{}, "", "")
	token, err := p.Login(t.Context(), "alice", "wonderland")
	require.NoError(t, err)
	codes, err := p.AddSecondFactor(t.Context(), token)
	require.NoError(t, err)

	b := w.browser()
	page := w.walk(b, "/deep?x=1")
	res, err := p.FillIn(t.Context(), b, page, url.Values{"method": {"password"}, "identifier": {"alice"}, "password": {"wonderland"}})
	require.NoError(t, err)
	_ = res.Body.Close()
	page = res.Request.URL
	require.Equal(t, "/pages/login", page.Path, "back from Kratos, and sent there again for the second factor")
	require.Zero(t, w.app.count())
	calls := w.do(b, http.MethodGet, "/deep", nil, "Accept", "application/json")
	require.Equal(t, http.StatusForbidden, calls.StatusCode)
	problem, err := io.ReadAll(calls.Body)
	require.NoError(t, err)
	require.Contains(t, string(problem), "insufficient_session")
	res, err = p.FillIn(t.Context(), b, page, url.Values{"method": {"lookup_secret"}, "lookup_secret": {codes[0]}})
	require.NoError(t, err)
	s := w.seen(res)
	require.Equal(t, "/deep?x=1", s.URI)
	require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
	require.Equal(t, "aal2", s.Header.Get("X-Sessionward-Aal"))
}
