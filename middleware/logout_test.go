package middleware

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func TestLogout(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.login("alice", "/")
	old := b.jar[sessionCookie]
	page := b.get("/_session/logout?return_to=/app/x")
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.Contains(t, text(page), "signed in as <strong>alice</strong>")
	require.Contains(t, text(page), `name="return_to" value="/app/x"`)
	require.NotContains(t, text(b.get("/_session/logout")), "return_to", "to the signed-out page, not to one that logs in again")
	require.Equal(t, "strict-origin", page.Header.Get("Referrer-Policy"))
	require.Equal(t, "alice", b.who())
	res := b.post("/_session/logout", url.Values{})
	require.Equal(t, "/_session/signed-out", res.Header.Get("Location"))
	require.NotContains(t, b.jar, sessionCookie)
	b.jar[sessionCookie] = old
	require.Equal(t, "302", b.who(), "the old value is refused by the server, whatever the browser keeps (S-083)")
	require.Contains(t, text(b.get("/_session/signed-out")), "You are signed out")
	require.Equal(t, http.StatusSeeOther, h.browser().post("/_session/logout", url.Values{}).StatusCode, "nobody to log out")
}

// TestLogoutClearsWithTheSameAttributes (S-083): browsers keep a prefixed cookie that is cleared in another way.
func TestLogoutClearsWithTheSameAttributes(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	state := b.begin("/").Get("state")
	set := map[string]*http.Cookie{}
	for _, ck := range b.get(callback(state, "alice")).Cookies() {
		set[ck.Name] = ck
	}
	cleared := b.post("/_session/logout", url.Values{}).Cookies()
	require.Len(t, cleared, 2)
	for _, ck := range cleared {
		was := set[ck.Name]
		require.NotNil(t, was, ck.Name)
		require.Empty(t, ck.Value)
		require.Negative(t, ck.MaxAge)
		require.Equal(t, []any{was.Path, was.Domain, was.Secure, was.HttpOnly, was.SameSite}, []any{ck.Path, ck.Domain, ck.Secure, ck.HttpOnly, ck.SameSite})
	}
}

// TestRejectLogoutWithoutStore: nobody is told they are signed out while their session lives. The cookie stays, and so
// does the session.
func TestRejectLogoutWithoutStore(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.login("alice", "/")
	h.store.down.Store(true)
	for _, res := range []*http.Response{
		b.post("/_session/logout", url.Values{}), b.get("/_session/logout"), b.get("/_session/logout", "Sec-Fetch-Site", "same-origin"),
	} {
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.NotEmpty(t, res.Header.Get("Retry-After"))
		require.Empty(t, res.Cookies())
		require.NotContains(t, text(res), "You are signed out")
	}
	h.store.down.Store(false)
	require.Equal(t, "alice", b.who())
	require.Equal(t, http.StatusSeeOther, b.post("/_session/logout", url.Values{}).StatusCode)
}

// TestRejectLogoutOfTwoCookies: which of the two would end is not for us to guess, and "signed out" would be half a lie.
func TestRejectLogoutOfTwoCookies(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.login("alice", "/")
	res := b.post("/_session/logout", url.Values{}, "Cookie", sessionCookie+"=other")
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.Contains(t, text(res), "clear this site")
	require.Equal(t, "alice", b.who())
}

// TestRejectCrossSiteLogoutForm (S-204, S-146, S-161).
func TestRejectCrossSiteLogoutForm(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.login("alice", "/")
	for _, headers := range crossSiteCases {
		require.Equal(t, http.StatusForbidden, b.post("/_session/logout", url.Values{}, headers...).StatusCode, headers)
	}
	require.Equal(t, "alice", b.who())
}

// TestRejectLogoutByPicture (S-204): a picture in a page, even in one of ours, and what a browser fetches ahead end no
// session; a link that a person follows does.
func TestRejectLogoutByPicture(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.login("alice", "/")
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Site", ""},
		{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors"}, {"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"},
		{"Sec-Fetch-Site", "same-origin", "Sec-Purpose", "prefetch"}, {"Sec-Fetch-Site", "same-origin", "Sec-Purpose", "prefetch;prerender"},
	} {
		require.Equal(t, http.StatusOK, b.get("/_session/logout", headers...).StatusCode, headers)
	}
	require.Equal(t, http.StatusMethodNotAllowed, b.do("HEAD", "/_session/logout", nil, "Sec-Fetch-Site", "same-origin").StatusCode)
	require.Equal(t, "alice", b.who())
	require.Equal(t, http.StatusSeeOther, b.get("/_session/logout", "Sec-Fetch-Site", "same-origin").StatusCode)
	require.Equal(t, "302", b.who())
}

// TestLogoutAtTheAuthority: the browser goes on to the authority and comes back to where it was to go.
func TestLogoutAtTheAuthority(t *testing.T) {
	h := newHouse(t, houseOptions{})
	h.corp.logoutURL = "https://idp.example/logout"
	b := h.browser()
	b.login("alice", "/")
	require.Contains(t, b.get("/_session/logout").Header.Get("Content-Security-Policy"), "form-action 'self' https://spa.example https://idp.example")
	to := location(t, b.post("/_session/logout", url.Values{"return_to": {"/bye?x=1"}}))
	require.Equal(t, "idp.example", to.Host)
	require.Equal(t, "https://gw.example/_session/signed-out", to.Query().Get("post_logout_redirect_uri"))
	state := to.Query().Get("state")
	require.NotContains(t, state, "bye")
	res := b.get("/_session/signed-out?state=" + state)
	require.Equal(t, "/bye?x=1", res.Header.Get("Location"))

	b.login("alice", "/")
	to = location(t, b.post("/_session/logout", url.Values{}))
	require.Equal(t, http.StatusOK, b.get("/_session/signed-out?state="+to.Query().Get("state")).StatusCode)
}

// TestRejectForeignLogoutState: only what we sealed for this purpose leads anywhere.
func TestRejectForeignLogoutState(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	ours := b.begin("/app").Get("state")
	foreign := newHouse(t, houseOptions{change: func(o *Options) { o.Keys = testRing(t, "k9") }}).site.sealTarget("/elsewhere")
	for _, state := range []string{"", "x", "https://evil.example", ours, foreign, strings.Repeat("A", 4000), h.site.sealTarget("/x") + "A"} {
		res := b.get("/_session/signed-out?state=" + url.QueryEscape(state))
		require.Equal(t, http.StatusOK, res.StatusCode, state)
		require.Empty(t, res.Header.Get("Location"))
	}
	state := h.site.sealTarget("https://evil.example/") // even if it were ours
	require.Equal(t, "/", b.get("/_session/signed-out?state="+state).Header.Get("Location"))
}

// TestMe: the session of whoever asks, without secrets.
func TestMe(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	res := b.do("GET", "/_session/me", nil)
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Equal(t, "Bearer", res.Header.Get("WWW-Authenticate"))
	b.login("alice", "/")
	res = b.do("GET", "/_session/me", nil, "Origin", "https://spa.example")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "application/json", res.Header.Get("Content-Type"))
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	require.Equal(t, "https://spa.example", res.Header.Get("Access-Control-Allow-Origin"))
	var me map[string]any
	require.NoError(t, json.Unmarshal([]byte(text(res)), &me))
	require.Equal(t, "alice", me["identity"].(map[string]any)["subject"])
	require.NotContains(t, text(res), "planted-access")
	require.NotContains(t, text(res), b.jar[sessionCookie])
	own, err := h.manager.Resolve(t.Context(), session.Credential{Place: session.Place{Kind: session.KindCookie, Name: sessionCookie}, Value: session.NewSecret(b.jar[sessionCookie])})
	require.NoError(t, err)
	require.NotContains(t, text(res), own.ID)

	for header, want := range map[string]int{"Bearer good": 200, "Bearer stolen": 401, "Bearer down": 503, "Bearer a b": 400} {
		res = h.browser().do("GET", "/_session/me", nil, "Authorization", header)
		require.Equal(t, want, res.StatusCode, header)
	}
	require.NotEmpty(t, h.browser().do("GET", "/_session/me", nil, "Authorization", "Bearer down").Header.Get("Retry-After"))
}
