package middleware

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// TestRejectAnswerInAnotherBrowser (S-001, S-207).
func TestRejectAnswerInAnotherBrowser(t *testing.T) {
	h := newHouse(t, houseOptions{})
	attacker := h.browser()
	answer := callback(attacker.begin("/app").Get("state"), "mallory")
	bystander, busy := h.browser(), h.browser()
	busy.begin("/app")
	for _, victim := range []*browser{bystander, busy} {
		res := victim.get(answer)
		require.Equal(t, http.StatusBadRequest, res.StatusCode)
		require.Contains(t, text(res), "other_browser")
		require.NotContains(t, victim.jar, sessionCookie)
	}
	require.Zero(t, h.corp.asked(), "the code is not redeemed (S-019)")
}

// TestRejectAmbiguousAnswers (S-053): a parameter that came twice, in the query and in a form.
func TestRejectAmbiguousAnswers(t *testing.T) {
	h := newHouse(t, houseOptions{})
	for _, name := range []string{"state", "code", "iss", "error", "error_description", "session_state"} {
		b := h.browser()
		answer := callback(b.begin("/app").Get("state"), "alice") + "&iss=i&error=&error_description=&session_state="
		res := b.get(answer + "&" + name + "=again")
		require.Equal(t, http.StatusBadRequest, res.StatusCode, name)
		require.NotContains(t, b.jar, sessionCookie)
		_, query, _ := strings.Cut(answer, "?")
		res = b.do("POST", "/_session/callback/corp", strings.NewReader(query+"&"+name+"=again"), "Content-Type", "application/x-www-form-urlencoded")
		require.Equal(t, http.StatusBadRequest, res.StatusCode, name)
	}
	for _, query := range []string{"state=%zz", "state=a;code=b"} {
		require.Equal(t, http.StatusBadRequest, h.browser().get("/_session/callback/corp?"+query).StatusCode, query)
	}
	require.Zero(t, h.corp.asked())
}

func TestCallbackByPost(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	form := url.Values{"state": {b.begin("/app").Get("state")}, "code": {"alice"}}
	res := b.do("POST", "/_session/callback/corp?state=of-the-query", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusSeeOther, res.StatusCode, "the form alone counts")
	require.Equal(t, "alice", b.who())
}

// TestRejectEmptyPost (S-049).
func TestRejectEmptyPost(t *testing.T) {
	h := newHouse(t, houseOptions{})
	require.Equal(t, http.StatusBadRequest, h.browser().do("POST", "/_session/callback/corp", nil).StatusCode)
	res := h.browser().do("POST", "/_session/callback/corp?"+url.Values{"state": {"x"}, "code": {"y"}}.Encode(), nil)
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.Zero(t, h.corp.asked())
}

// TestRejectHeadOfCallback: what looks ahead at links must not spend a code.
func TestRejectHeadOfCallback(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	answer := callback(b.begin("/app").Get("state"), "alice")
	require.Equal(t, http.StatusMethodNotAllowed, b.do("HEAD", answer, nil).StatusCode)
	require.Zero(t, h.corp.asked())
	b.get(answer)
	require.Equal(t, "alice", b.who())
}

// TestRejectAnswerOfAnotherSource (S-206): the answer comes to the redirect URI of the source that was asked.
func TestRejectAnswerOfAnotherSource(t *testing.T) {
	corp, evil := newAuthority("corp", ""), newAuthority("evil", "")
	h := newHouse(t, houseOptions{sources: []session.Source{corp, evil}})
	b := h.browser()
	state := location(t, b.get("/_session/login?source=evil")).Query().Get("state")
	res := b.get(callback(state, "alice"))
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.Contains(t, text(res), "wrong_source")
	require.Zero(t, corp.asked()+evil.asked())
	require.Equal(t, http.StatusNotFound, b.get("/_session/callback/unknown?state="+state).StatusCode)
	require.Equal(t, http.StatusNotFound, b.get("/_session/callback/badges").StatusCode)
}

// TestExpiredStateRestartsOnceAndThenExplains.
func TestExpiredStateRestartsOnceAndThenExplains(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	first := b.begin("/app/deep").Get("state")
	h.clock.Advance(attemptLifetime + time.Second)
	res := b.get(callback(first, "alice"))
	require.Equal(t, http.StatusFound, res.StatusCode)
	second := location(t, res).Query().Get("state")
	h.clock.Advance(attemptLifetime + time.Second)
	explained := b.get(callback(second, "alice"))
	require.Equal(t, http.StatusBadRequest, explained.StatusCode)
	require.Contains(t, text(explained), "login_expired")
	require.Zero(t, h.corp.asked())

	b = h.browser()
	first = b.begin("/app/deep").Get("state")
	h.clock.Advance(attemptLifetime + time.Second)
	second = location(t, b.get(callback(first, "alice"))).Query().Get("state")
	require.Equal(t, "/app/deep", b.get(callback(second, "alice")).Header.Get("Location"), "the target is kept")
	require.Equal(t, "alice", b.who())
}

// TestStrayAnswerRestartsOnceAndThenExplains: a missing state, and one that nobody here made.
func TestStrayAnswerRestartsOnceAndThenExplains(t *testing.T) {
	h := newHouse(t, houseOptions{})
	for _, stray := range []string{"code=x", "code=x&state=", "code=x&state=garbage", "code=x&state=" + strings.Repeat("A", 8000), "error=access_denied"} {
		require.Equal(t, http.StatusBadRequest, h.browser().get("/_session/callback/corp?"+stray).StatusCode, "a browser that began nothing is told at once")
		b := h.browser()
		b.begin("/app")
		res := b.get("/_session/callback/corp?" + stray)
		require.Equal(t, http.StatusFound, res.StatusCode, stray)
		require.Equal(t, "idp.example", location(t, res).Host)
		res = b.get("/_session/callback/corp?" + stray)
		require.Equal(t, http.StatusBadRequest, res.StatusCode, stray)
		require.Contains(t, text(res), "unknown_state")
	}
	require.Zero(t, h.corp.asked())
}

// TestRejectAnswerTwice: an attempt is good for one answer; the back button of somebody who is logged in just works.
func TestRejectAnswerTwice(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	answer := callback(b.begin("/app/x").Get("state"), "alice")
	b.get(answer)
	res := b.get(answer)
	require.Equal(t, "/app/x", res.Header.Get("Location"))
	require.Empty(t, res.Cookies())
	delete(b.jar, sessionCookie)
	require.Equal(t, "idp.example", location(t, b.get(answer)).Host, "begun anew")
	require.Equal(t, 1, h.corp.asked())
}

// TestKeyThatLeftTheRing: a login under way when its key was taken away begins anew, and one under way when a key was
// added does not notice.
func TestKeyThatLeftTheRing(t *testing.T) {
	h := newHouse(t, houseOptions{change: func(o *Options) { o.Keys = testRing(t, "k1") }})
	b := h.browser()
	state := b.begin("/app").Get("state")
	with := func(ids ...string) *house {
		next := newHouse(t, houseOptions{sources: []session.Source{h.corp}, change: func(o *Options) { o.Keys = testRing(t, ids...) }})
		next.corp = h.corp
		return next
	}
	b.h = with("k2", "k1")
	require.Equal(t, http.StatusSeeOther, b.get(callback(state, "alice")).StatusCode)
	b = b.h.browser()
	state = b.begin("/app").Get("state")
	b.h = with("k3")
	res := b.get(callback(state, "alice"))
	require.Equal(t, "idp.example", location(t, res).Host)
}

// TestRejectScriptFromAuthority (S-038): what an authority says of an error reaches no page, and its text is no denial
// of its own.
func TestRejectScriptFromAuthority(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	answer := url.Values{"state": {b.begin("/app").Get("state")}, "error": {"access_denied<script>"}, "error_description": {"<script>alert(1)</script>\r\nplanted"}}
	res := b.get("/_session/callback/corp?" + answer.Encode())
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Contains(t, text(res), "login_refused")
	require.NotContains(t, text(res), "script>")
	require.NotContains(t, text(res), "planted", "the chain of causes is for the log")
	require.Empty(t, res.Cookies())
	h.lines() // one well-formed line each
}

// TestRejectTossedLoginCookie (S-186, S-187): a login cookie that parsers see differently, or twice, is none.
func TestRejectTossedLoginCookie(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	answer := callback(b.begin("/app").Get("state"), "alice")
	value := b.jar[loginCookie]
	for _, cookie := range []string{
		loginCookie + "=" + value + "; " + loginCookie + "=" + strings.Repeat("A", 52), loginCookie + `="` + value + `"`, strings.ToLower(loginCookie) + "=" + value,
		"=" + loginCookie + "=" + value, "\t" + loginCookie + "=" + value, loginCookie + " =" + value, "$Version=1; " + loginCookie + `="` + value + `"`, loginCookie + "=" + value + "x",
	} {
		victim := h.browser()
		res := victim.get(answer, "Cookie", cookie)
		require.Equal(t, http.StatusBadRequest, res.StatusCode, cookie)
		require.NotContains(t, victim.jar, sessionCookie)
	}
	require.Zero(t, h.corp.asked())
}
