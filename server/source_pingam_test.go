package server_test

import (
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
	"github.com/sessionward/sessionward/cmd/peers/pingam"
)

const (
	amCookie   = "iPlanetDirectoryPro"
	amPassword = "planted-am-password"
	amAdmin    = "planted-administrator-password"
)

// amWorld is a gateway in front of an application, and a stand-in for PingAM.
type amWorld struct {
	*world
	am  *pingam.Peer
	url string // of the stand-in
}

// newAMWorld starts both. settings are further YAML of the source, cache of the section cache.
func newAMWorld(t *testing.T, o pingam.Options, settings, cache string) amWorld {
	t.Helper()
	o.Users = []pingam.User{
		{Username: "alice", Password: amPassword}, {Username: "bob", Password: amPassword, Realm: "/alpha"},
		{Username: "amAdmin", Password: amAdmin, Admin: true},
	}
	p, err := pingam.New(o)
	require.NoError(t, err)
	s := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Panel().Set(panel.Up)
		s.Close()
	})
	return amWorld{am: p, url: s.URL + "/am", world: newWorld(t, worldOptions{
		sources: fmt.Sprintf("  - name: am\n    pingam: {url: %q, timeout: 1s, display_name: Example AM%s}\n", s.URL+"/am", settings),
		extra:   "cache: {fresh_for: 1s, stale_for: -1s, rejected_for: 1s" + cache + "}\n",
	})}
}

const amAdministrator = ", administrator: {username: amAdmin, password: " + amAdmin + "}"

// login logs somebody in at the stand-in and returns the token.
func (w amWorld) login(user, realm string) string {
	w.t.Helper()
	token, err := w.am.Login(user, realm)
	require.NoError(w.t, err)
	return token
}

// show asks for / as a program does.
func (w amWorld) show(token string) *http.Response {
	w.t.Helper()
	return w.do(w.browser(), http.MethodGet, "/", nil, amCookie, token)
}

// becomes waits until a token is answered with status.
func (w amWorld) becomes(status int, token string) *http.Response {
	w.t.Helper()
	var res *http.Response
	require.Eventually(w.t, func() bool {
		res = w.show(token)
		return res.StatusCode == status
	}, 20*time.Second, 100*time.Millisecond, "never answered %d\n%s", status, w.output)
	return res
}

// keptSecret wants nothing of the secrets in what the gateway printed and in what the application was sent.
func (w amWorld) keptSecret(secrets ...string) {
	w.t.Helper()
	w.app.mu.Lock()
	last := fmt.Sprint(w.app.last)
	w.app.mu.Unlock()
	for _, secret := range append(secrets, amPassword, amAdmin) {
		require.NotContains(w.t, w.output.String(), secret)
		require.NotContains(w.t, last, secret)
	}
}

// TestPingAM_Browser: a person logs in on the authority's page, comes back to where they wanted to go, and logs out.
func TestPingAM_Browser(t *testing.T) {
	w := newAMWorld(t, pingam.Options{}, "", "")
	b := w.browser()
	res := w.get(b, "/deep/page?x=1&y=2")
	require.Equal(t, http.StatusFound, res.StatusCode)
	login := strings.TrimPrefix(res.Header.Get("Location"), w.world.url)
	page, err := io.ReadAll(w.get(b, login).Body)
	require.NoError(t, err)
	require.Contains(t, string(page), "Example AM", "people choose")
	res = w.get(b, login+"&source=am")
	require.Equal(t, http.StatusFound, res.StatusCode)
	to, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, w.url+"/XUI/", to.Scheme+"://"+to.Host+to.Path)
	require.Equal(t, url.Values{"realm": {"/"}, "goto": {w.world.url + "/deep/page?x=1&y=2"}}, to.Query())

	form := url.Values{"realm": {"/"}, "goto": {to.Query().Get("goto")}, "username": {"alice"}, "password": {amPassword}}
	res, err = b.PostForm(w.url+"/XUI/", form)
	require.NoError(t, err)
	s := w.seen(res)
	token := w.am.Sessions()[0]
	require.Equal(t, "/deep/page?x=1&y=2", s.URI, "the login came back to where it began")
	require.Equal(t, "id=alice,ou=user,dc=am,dc=example,dc=com", s.Header.Get("X-Forwarded-User"))
	require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
	require.NotContains(t, s.Header.Get("Cookie"), amCookie, "the credential stays here")

	res = w.do(b, http.MethodPost, "/_session/logout", nil, "Origin", w.world.url, "Sec-Fetch-Site", "same-origin", "Accept", "text/html")
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.Empty(t, w.am.Sessions(), "ended at the authority")
	require.Equal(t, http.StatusUnauthorized, w.do(b, http.MethodGet, "/", nil, "Accept", "application/json").StatusCode)
	require.Equal(t, http.StatusFound, w.get(b, "/").StatusCode, "a browser goes to the login")
	w.keptSecret(token)
}

// TestPingAM_Token: a program shows its token; the authority may be away, and may end the session.
func TestPingAM_Token(t *testing.T) {
	for name, settings := range map[string]string{"self-service": "", "administrator": amAdministrator} {
		t.Run(name, func(t *testing.T) {
			w := newAMWorld(t, pingam.Options{}, settings, "")
			token := w.login("alice", "")
			s := w.seen(w.show(token))
			require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
			require.Empty(t, s.Header.Get(amCookie))
			require.Equal(t, http.StatusUnauthorized, w.show("AQIC5planted-unknown").StatusCode)
			for _, mode := range []panel.Mode{panel.Down, panel.Failing, panel.HTML, panel.Redirect, panel.Stall} {
				w.am.Panel().Set(mode)
				require.NotEmpty(t, w.becomes(http.StatusServiceUnavailable, token).Header.Get("Retry-After"), mode)
				w.am.Panel().Set(panel.Up)
				w.seen(w.becomes(http.StatusOK, token))
			}
			require.True(t, w.am.End(token))
			w.becomes(http.StatusUnauthorized, token)
			w.keptSecret(token, "planted-unknown")
		})
	}
}

// TestPingAM_Administrator: when the administrator's session ends, or its password is changed, nobody is logged out.
func TestPingAM_Administrator(t *testing.T) {
	w := newAMWorld(t, pingam.Options{DeadSubjectUnauthorized: true}, amAdministrator, "")
	token := w.login("alice", "")
	w.seen(w.show(token))
	for range 2 {
		w.am.EndUser("amAdmin")
		before := w.am.Panel().Asked()
		require.Eventually(t, func() bool {
			w.seen(w.show(token))
			return w.am.Panel().Asked() > before
		}, 20*time.Second, 100*time.Millisecond)
	}
	require.True(t, w.am.End(token))
	w.becomes(http.StatusUnauthorized, token)

	w = newAMWorld(t, pingam.Options{}, strings.Replace(amAdministrator, amAdmin, "planted-changed", 1), "")
	token = w.login("alice", "")
	require.Equal(t, http.StatusServiceUnavailable, w.show(token).StatusCode)
	res, err := http.Get(w.admin + "/readyz")
	require.NoError(t, err)
	told, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Contains(t, string(told), "not accepted")
	w.keptSecret(token, "planted-changed")
}

// TestPingAM_OutageIsBridged: with stale_if_error a program goes on through an outage.
func TestPingAM_OutageIsBridged(t *testing.T) {
	w := newAMWorld(t, pingam.Options{}, "", ", stale_if_error: 1m")
	token := w.login("alice", "")
	require.Equal(t, http.StatusOK, w.show(token).StatusCode)
	w.am.Panel().Set(panel.Down)
	before := w.am.Panel().Asked()
	require.Eventually(t, func() bool {
		require.Equal(t, http.StatusOK, w.show(token).StatusCode)
		return w.am.Panel().Asked() > before
	}, 20*time.Second, 100*time.Millisecond)
	require.Equal(t, http.StatusOK, w.show(token).StatusCode, "asked in vain, and served all the same")
}

// TestPingAM_KeepAlive: use of the gateway keeps a session from idling out at the authority, with one call.
func TestPingAM_KeepAlive(t *testing.T) {
	w := newAMWorld(t, pingam.Options{}, "", "")
	w.am.Panel().Advance(-16 * time.Minute)
	token := w.login("alice", "")
	w.am.Panel().Advance(16 * time.Minute)
	const touch = "_action=getSessionInfoAndResetIdleTime"
	require.Eventually(t, func() bool {
		w.seen(w.show(token))
		return w.am.Panel().Saw(touch)
	}, 20*time.Second, 50*time.Millisecond)
	before := w.am.Panel().Asked()
	require.Eventually(t, func() bool { // two more looks
		w.seen(w.show(token))
		return w.am.Panel().Asked() > before+1
	}, 20*time.Second, 50*time.Millisecond)
	touches := 0
	for _, text := range w.am.Panel().Shown() {
		touches += strings.Count(text, touch)
	}
	require.Equal(t, 1, touches)
}

// TestPingAM_Realm: the cookie of another realm opens nothing.
func TestPingAM_Realm(t *testing.T) {
	w := newAMWorld(t, pingam.Options{}, ", realm: /alpha", "")
	require.Equal(t, "bob", w.seen(w.show(w.login("bob", "/alpha"))).Header.Get("X-Forwarded-Preferred-Username"))
	require.Equal(t, http.StatusUnauthorized, w.show(w.login("alice", "")).StatusCode)
}

// TestPingAM_ClientSideToken: tokens of more than 2000 bytes pass in the header and in the cookie.
func TestPingAM_ClientSideToken(t *testing.T) {
	w := newAMWorld(t, pingam.Options{ClientSide: true}, "", "")
	token := w.login("alice", "")
	w.seen(w.show(token))
	w.seen(w.do(w.browser(), http.MethodGet, "/", nil, "Cookie", amCookie+"="+token))
	w.keptSecret(token)
}

// TestPingAM_Form: a person logs in with our form; the session is ours, and ends when the authority's does.
func TestPingAM_Form(t *testing.T) {
	w := newAMWorld(t, pingam.Options{}, ", password_login: true, credentials: {header: X-AM-Token}", "")
	b := w.browser()
	w.get(b, "/_session/login?source=am&return_to=/x")
	send := func(password string) *http.Response {
		form := url.Values{"source": {"am"}, "username": {"alice"}, "password": {password}, "return_to": {"/x"}}
		return w.do(b, http.MethodPost, "/_session/login", strings.NewReader(form.Encode()),
			"Content-Type", "application/x-www-form-urlencoded", "Origin", w.world.url, "Sec-Fetch-Site", "same-origin", "Accept", "text/html")
	}
	require.NotEqual(t, http.StatusSeeOther, send("wrong").StatusCode)
	require.Equal(t, http.StatusSeeOther, send(amPassword).StatusCode)
	require.Equal(t, "alice", w.seen(w.get(b, "/x")).Header.Get("X-Forwarded-Preferred-Username"))
	token := w.am.Sessions()[0]
	require.True(t, w.am.End(token))
	require.Eventually(t, func() bool { return w.get(b, "/x").StatusCode == http.StatusFound }, 20*time.Second, 100*time.Millisecond)
	w.keptSecret(token)
}
