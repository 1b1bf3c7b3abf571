package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	"github.com/sessionward/sessionward/cmd/peers/whoami"
)

// legacyApp is an application with sessions and a session endpoint of its own.
type legacyApp struct {
	*whoami.Peer
	t   *testing.T
	url string
}

func newLegacyApp(t *testing.T, o whoami.Options) *legacyApp {
	p, err := whoami.New(o)
	require.NoError(t, err)
	srv := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Panel().Set(panel.Up)
		srv.Close()
	})
	return &legacyApp{p, t, srv.URL}
}

func (l *legacyApp) login() string {
	token, err := l.Login("alice")
	require.NoError(l.t, err)
	return token
}

// source is the stanza of a gateway that asks l. more are further settings.
func (l *legacyApp) source(more string) string {
	return fmt.Sprintf(`  - name: legacy
    http:
      url: %q
      credentials: {cookie: app_session, header: X-App-Session, bearer: true, prefix: app_}
      fields:
        {subject: user.id, username: user.login, email: user.mail.address, email_verified: user.mail.verified, groups: user.roles, expires_at: session.expires_at}
      login_url: %q
      return_parameter: next
      timeout: 1s
%s`, l.url+whoami.MePath, l.url+whoami.LoginPath, more)
}

func (w *world) askCookie(path, cookie string) *http.Response {
	return w.do(w.browser(), http.MethodGet, path, nil, "Cookie", cookie)
}

// TestHTTPSource: the sessions of an application with an endpoint for that, through the built binary.
func TestHTTPSource(t *testing.T) {
	l := newLegacyApp(t, whoami.Options{ServiceKey: "planted-service-key"})
	w := newWorld(t, worldOptions{sources: l.source("      headers: [{name: X-Service-Key, value: planted-service-key}]\n"), extra: oneSecondCache})
	token := l.login()
	for name, headers := range map[string][]string{
		"cookie": {"Cookie", "theme=dark; app_session=" + token}, "header": {"X-App-Session", token}, "bearer": {"Authorization", "Bearer " + token},
	} {
		s := w.seen(w.do(w.browser(), http.MethodGet, "/x", nil, headers...))
		require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"), name)
		require.Equal(t, "1001", s.Header.Get("X-Forwarded-User"), name)
		require.Equal(t, "alice@example.com", s.Header.Get("X-Forwarded-Email"), name)
		require.Equal(t, "staff,readers", s.Header.Get("X-Forwarded-Groups"), name)
		for header, values := range s.Header {
			for _, v := range values {
				require.NotContains(t, v, token, "%s: the application is shown it in %s", name, header)
			}
		}
	}
	require.False(t, l.Panel().Saw("theme=dark"), "the endpoint is shown the one cookie")
	require.Equal(t, http.StatusUnauthorized, w.askCookie("/x", "app_session=app_wrong").StatusCode)
	require.Equal(t, http.StatusUnauthorized, w.do(w.browser(), http.MethodGet, "/x", nil).StatusCode)
	shown := l.Panel().Asked()
	require.Equal(t, http.StatusUnauthorized, w.askCookie("/x", "app_session=other_prefix").StatusCode)
	require.Equal(t, shown, l.Panel().Asked(), "what does not begin like one of its credentials is shown to nobody")

	l.End(token)
	w.answersAtLast(http.StatusUnauthorized, func() *http.Response { return w.askCookie("/x", "app_session="+token) })
	require.NotContains(t, w.output.String(), token)
	require.NotContains(t, w.output.String(), "planted-service-key")
}

// TestHTTPOutageLogsNobodyOut: as with every authority.
func TestHTTPOutageLogsNobodyOut(t *testing.T) {
	l := newLegacyApp(t, whoami.Options{})
	strict := newWorld(t, worldOptions{sources: l.source(""), extra: oneSecondCache})
	lenient := newWorld(t, worldOptions{sources: l.source(""), extra: "cache: {fresh_for: 1s, stale_for: -1s, stale_if_error: 1m, rejected_for: 1s}\n"})
	token := l.login()
	ask := func() *http.Response { return strict.askCookie("/x", "app_session="+token) }
	strict.seen(ask())
	lenient.seen(lenient.askCookie("/x", "app_session="+token))
	for _, mode := range []panel.Mode{panel.Down, panel.HTML, panel.Redirect} {
		l.Panel().Set(mode)
		res := strict.answersAtLast(http.StatusServiceUnavailable, ask)
		require.NotEmpty(t, res.Header.Get("Retry-After"), mode)
		require.Empty(t, res.Header.Values("Set-Cookie"), "no cookie is cleared")
		require.Equal(t, http.StatusOK, lenient.askCookie("/x", "app_session="+token).StatusCode, mode)
		require.Contains(t, strict.readyState(), `"status":"degraded"`, mode)
		l.Panel().Set(panel.Up)
		strict.answersAtLast(http.StatusOK, ask)
	}
}

// TestHTTPForbiddenIsNotALogout: 403 may be about the gateway; said to be about users, it is.
func TestHTTPForbiddenIsNotALogout(t *testing.T) {
	l := newLegacyApp(t, whoami.Options{})
	token := l.login()
	require.NoError(t, l.Change("alice", func(u *whoami.User) { u.Locked = true }))
	w := newWorld(t, worldOptions{sources: l.source("")})
	require.Equal(t, http.StatusServiceUnavailable, w.askCookie("/x", "app_session="+token).StatusCode)
	w = newWorld(t, worldOptions{sources: l.source("      rejected_statuses: [401, 403]\n")})
	require.Equal(t, http.StatusUnauthorized, w.askCookie("/x", "app_session="+token).StatusCode)
}

// TestHTTPLoginAndLogout: a browser is sent to the application's own page and comes back with its cookie; a logout ends
// the session there.
func TestHTTPLoginAndLogout(t *testing.T) {
	l := newLegacyApp(t, whoami.Options{})
	w := newWorld(t, worldOptions{sources: l.source("      logout_url: " + l.url + whoami.LogoutPath + "\n")})
	b := w.browser()
	res := w.get(b, "/x?y=1")
	require.Equal(t, http.StatusFound, res.StatusCode)
	require.Contains(t, res.Header.Get("Location"), "/_session/login?")
	res = w.get(b, "/_session/login?source=legacy&return_to="+url.QueryEscape("/x?y=1"))
	require.Equal(t, http.StatusFound, res.StatusCode)
	to, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, l.url+whoami.LoginPath, to.Scheme+"://"+to.Host+to.Path)
	require.Equal(t, url.Values{"next": {w.url + "/x?y=1"}}, to.Query())

	page, err := b.PostForm(l.url+whoami.LoginPath, url.Values{"username": {"alice"}, "password": {"wonderland"}})
	require.NoError(t, err)
	require.NoError(t, page.Body.Close())
	s := w.seen(w.get(b, "/x?y=1")) // the cookie is the host's, whatever the port
	require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
	require.Equal(t, 1, l.Sessions())

	res = w.do(b, http.MethodPost, "/_session/logout", nil, "Origin", w.url, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.Zero(t, l.Sessions(), "ended where it lives")
	require.Equal(t, http.StatusUnauthorized, w.do(b, http.MethodGet, "/x", nil).StatusCode)
}

// TestHTTPCompanionCookies: the cookie without which the application finds nothing comes along, and no other.
func TestHTTPCompanionCookies(t *testing.T) {
	l := newLegacyApp(t, whoami.Options{TenantCookie: "tenant"})
	w := newWorld(t, worldOptions{sources: l.source("      companion_cookies: [tenant]\n")})
	token := l.login()
	s := w.seen(w.askCookie("/x", "theme=dark; tenant=acme; app_session="+token))
	require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
	require.Equal(t, http.StatusUnauthorized, w.askCookie("/x", "app_session="+token).StatusCode, "a hit with the cookie is none without")
	require.Equal(t, http.StatusUnauthorized, w.askCookie("/x", "tenant=other; app_session="+token).StatusCode)
	require.True(t, l.Panel().Saw("Cookie: app_session="+token+"; tenant=acme\r\n"))
	require.False(t, l.Panel().Saw("theme"))
}
