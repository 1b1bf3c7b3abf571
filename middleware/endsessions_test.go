package middleware

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

const endPath = "/_session/sessions/end"

// endAs clicks on one of the buttons and returns the page that follows.
func (b *browser) endAs(form url.Values) *http.Response {
	b.h.t.Helper()
	res := b.post(endPath, form)
	require.Equal(b.h.t, http.StatusSeeOther, res.StatusCode, text(res))
	require.True(b.h.t, strings.HasPrefix(res.Header.Get("Location"), "/_session/?notice="), res.Header.Get("Location"))
	return b.get(res.Header.Get("Location"))
}

var allOthers = url.Values{"others": {"1"}}

// pair is two browsers of alice and one of bob, at a house whose sessions are ours.
func pair(t *testing.T) (h *house, alice, second, bob *browser) {
	h = newHouse(t, houseOptions{})
	alice, second, bob = h.browser(), h.browser(), h.browser()
	alice.login("alice", "/")
	second.get(callback(second.begin("/").Get("state"), "alice"), "User-Agent", firefoxWindows)
	bob.login("bob", "/")
	return h, alice, second, bob
}

func TestEndOneSession(t *testing.T) {
	h, alice, second, bob := pair(t)
	handle := handleOf(t, alice.get("/_session/"), "Firefox on Windows")
	page := alice.endAs(url.Values{"handle": {handle}})
	require.Contains(t, text(page), "One session was signed out.")
	require.Len(t, rows(t, page), 1)
	require.Equal(t, "302", second.who(), "on its very next request")
	require.Equal(t, []string{"alice", "bob"}, []string{alice.who(), bob.who()})
	require.Contains(t, h.log.String(), `"msg":"sessions ended by their user"`)
	require.Equal(t, http.StatusNotFound, alice.post(endPath, url.Values{"handle": {handle}}).StatusCode, "it is over")
}

func TestEndAllOtherSessions(t *testing.T) {
	h, alice, second, bob := pair(t)
	third := h.browser()
	third.login("alice", "/")
	page := alice.endAs(allOthers)
	require.Contains(t, text(page), "2 sessions were signed out.")
	require.NotContains(t, text(page), "Corp &amp; Sons has ended")
	require.Contains(t, text(page), "signed in nowhere else")
	require.Equal(t, []string{"alice", "302", "302", "bob"}, []string{alice.who(), second.who(), third.who(), bob.who()})
	require.Contains(t, text(alice.endAs(allOthers)), "There was no other session to sign out.")
}

func TestEndThisSessionIsALogout(t *testing.T) {
	h, alice, second, _ := pair(t)
	h.corp.logoutURL = "https://idp.example/logout"
	page := alice.get("/_session/")
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "https://idp.example", "the form leads there")
	res := alice.post(endPath, url.Values{"handle": {handleOf(t, page, "This session")}})
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.Equal(t, "idp.example", location(t, res).Host)
	require.NotContains(t, alice.jar, sessionCookie)
	require.Equal(t, []string{"302", "alice"}, []string{alice.who(), second.who()})
}

// TestRejectCrossSiteEnd: another site cannot end anybody's sessions.
func TestRejectCrossSiteEnd(t *testing.T) {
	_, alice, second, _ := pair(t)
	handle := handleOf(t, alice.get("/_session/"), "Firefox on Windows")
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "none"}, {"Origin", "https://evil.example"},
		{"Sec-Fetch-Site", "", "Origin", "null"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
	} {
		for _, form := range []url.Values{allOthers, {"handle": {handle}}} {
			res := alice.post(endPath, form, headers...)
			require.Equal(t, http.StatusForbidden, res.StatusCode, headers)
			require.Contains(t, text(res), "cross_site")
		}
	}
	require.Equal(t, []string{"alice", "alice"}, []string{alice.who(), second.who()})
}

// TestRejectHandleOfAnotherUser: one's own page never ends, or tells of, somebody else's session.
func TestRejectHandleOfAnotherUser(t *testing.T) {
	_, alice, _, bob := pair(t)
	handle := handleOf(t, bob.get("/_session/"), "This session")
	theirs := alice.post(endPath, url.Values{"handle": {handle}})
	madeUp := alice.post(endPath, url.Values{"handle": {strings.Repeat("a", 20)}})
	for _, res := range []*http.Response{theirs, madeUp} {
		require.Equal(t, http.StatusNotFound, res.StatusCode)
	}
	plain := func(res *http.Response) string {
		return strings.ReplaceAll(text(res), res.Header.Get("X-Request-Id"), "")
	}
	require.Equal(t, plain(madeUp), plain(theirs), "nobody learns that it is there")
	require.Equal(t, "bob", bob.who())
}

// TestRejectMadeUpHandles: whatever a form says, nothing ends, and nothing breaks.
func TestRejectMadeUpHandles(t *testing.T) {
	_, alice, second, bob := pair(t)
	for _, handle := range []string{"x", "../me", `" or true`, "\x00", "日本", strings.Repeat("a", 5000), alice.jar[sessionCookie]} {
		require.Equal(t, http.StatusNotFound, alice.post(endPath, url.Values{"handle": {handle}}).StatusCode, handle)
	}
	require.Equal(t, []string{"alice", "alice", "bob"}, []string{alice.who(), second.who(), bob.who()})
}

// TestRejectUnclearForms: what could mean two things means none, and the query is no form.
func TestRejectUnclearForms(t *testing.T) {
	_, alice, second, _ := pair(t)
	handle := handleOf(t, alice.get("/_session/"), "Firefox on Windows")
	for _, form := range []url.Values{
		{}, {"others": {"0"}}, {"others": {""}}, {"others": {"1", "1"}}, {"handle": {""}}, {"handle": {handle, handle}}, {"handle": {handle}, "others": {"1"}},
	} {
		require.Equal(t, http.StatusBadRequest, alice.post(endPath, form).StatusCode, form)
	}
	for _, query := range []string{"?others=1", "?handle=" + handle} {
		require.Equal(t, http.StatusBadRequest, alice.post(endPath+query, url.Values{}).StatusCode, query)
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, alice.post(endPath, url.Values{"handle": {strings.Repeat("a", maxForm+1)}}).StatusCode)
	require.Equal(t, []string{"alice", "alice"}, []string{alice.who(), second.who()})
}

// TestRejectNoticeOfAnother: no link makes the page say what did not happen.
func TestRejectNoticeOfAnother(t *testing.T) {
	h, alice, second, _ := pair(t)
	res := alice.post(endPath, allOthers)
	at := res.Header.Get("Location")
	require.Contains(t, text(alice.get(at)), `role="status"`)
	second.login("alice", "/")
	require.NotContains(t, text(second.get(at)), `role="status"`, "of another session")
	raw := location(t, res).Query().Get("notice")
	for _, made := range []string{"", "x", raw[1:], raw[:len(raw)-4], strings.Repeat("A", 5000), `{"at":1,"ended":9}`} {
		require.NotContains(t, text(alice.get("/_session/?notice="+url.QueryEscape(made))), `role="status"`, made)
	}
	h.clock.Advance(noticeLifetime)
	require.NotContains(t, text(alice.get(at)), `role="status"`, "nor later")
}

// TestRejectEndWithoutStore: nobody is told that a session has ended while it lives.
func TestRejectEndWithoutStore(t *testing.T) {
	h, alice, second, _ := pair(t)
	page := alice.get("/_session/")
	h.store.down.Store(true)
	for _, form := range []url.Values{allOthers, {"handle": {handleOf(t, page, "Firefox on Windows")}}, {"handle": {handleOf(t, page, "This session")}}} {
		res := alice.post(endPath, form)
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode, form)
		require.Empty(t, res.Cookies())
	}
	require.Equal(t, http.StatusServiceUnavailable, alice.get("/_session/").StatusCode)
	h.store.down.Store(false)
	require.Equal(t, []string{"alice", "alice"}, []string{alice.who(), second.who()})
}

func TestEndForeignSessions(t *testing.T) {
	c, h := newCampus(t)
	c.others = []string{"alice//1", "alice//2", "alice//3", "bob//4"}
	alice, second, bob := h.show("alice//1"), h.show("alice//2"), h.show("bob//4")
	page := alice.endAs(url.Values{"handle": {"h2"}})
	require.Contains(t, text(page), "One session was signed out.")
	require.NotContains(t, text(page), `role="alert"`)
	require.Equal(t, []string{"2"}, c.gone())
	require.Equal(t, "302", second.who())

	page = alice.endAs(url.Values{"handle": {"h3"}})
	require.Contains(t, text(page), "One session was signed out.", "one that was never shown here")
	require.Equal(t, []string{"2", "3"}, c.gone())
	require.Equal(t, http.StatusNotFound, alice.post(endPath, url.Values{"handle": {"h4"}}).StatusCode)
	require.Equal(t, []string{"alice", "bob"}, []string{alice.who(), bob.who()})

	res := alice.post(endPath, url.Values{"handle": {"h1"}})
	require.Equal(t, "/_session/signed-out", res.Header.Get("Location"), "this one: a logout")
	require.Equal(t, []string{"2", "3", "1"}, c.gone())
	require.Equal(t, []string{"302", "bob"}, []string{alice.who(), bob.who()})
	e, err := h.site.o.Operations.Get(t.Context(), "h1")
	require.NoError(t, err)
	require.False(t, e.RefusedAt.IsZero(), "it is refused here as well, whatever its authority says later")
}

// TestEndOtherWhenTheTimeToAskIsUp: an authority that hangs keeps no session alive here.
func TestEndOtherWhenTheTimeToAskIsUp(t *testing.T) {
	c, h := newCampus(t)
	h.show("alice//1")
	second := h.show("alice//2")
	ask, cancel := context.WithCancel(t.Context())
	cancel()
	e, err := h.site.o.Operations.Get(t.Context(), "h2")
	require.NoError(t, err)
	said, err := h.site.endOther(t.Context(), ask, c.made("alice//1"), e, false)
	require.NoError(t, err)
	require.Equal(t, unconfirmed, said)
	require.Equal(t, "302", second.who())
}

// TestEndOneAsksAsItsUser: what the authority does not take from the gateway it takes from the user.
func TestEndOneAsksAsItsUser(t *testing.T) {
	c, h := newCampus(t)
	current, other := c.made("alice//1"), session.Entry{Session: c.made("alice//2"), Foreign: true}
	require.Equal(t, endedThere, h.site.afterEnd(t.Context(), current, other, session.ErrUnsupported))
	require.Equal(t, []string{"2"}, c.gone())
}

func TestEndOthersAsksTheAuthority(t *testing.T) {
	c, h := newCampus(t)
	c.others = []string{"alice//1", "alice//2", "alice//3"}
	alice, second := h.show("alice//1"), h.show("alice//2")
	require.Contains(t, text(alice.get("/_session/")), "The Campus is asked to end your sessions outside this site as well.")
	page := alice.endAs(allOthers)
	require.Contains(t, text(page), "One session was signed out.")
	require.Contains(t, text(page), "The Campus has ended all your other sessions")
	require.Equal(t, []string{"2", "3"}, c.gone())
	require.Equal(t, 1, c.asked)
	require.Equal(t, []string{"alice", "302"}, []string{alice.who(), second.who()})
}

// TestEndOthersSaysWhatTheAuthorityDidNot: they end here, and the page says that they may go on elsewhere.
func TestEndOthersSaysWhatTheAuthorityDidNot(t *testing.T) {
	for failing, want := range map[error]string{
		session.ErrUnavailable: "The Campus did not confirm that it ended your other sessions there.",
		session.ErrUnsupported: "The Campus cannot end your other sessions for you.",
	} {
		c, h := newCampus(t)
		c.fail(failing)
		alice, second, third := h.show("alice//1"), h.show("alice//2"), h.show("alice//3")
		page := alice.endAs(allOthers)
		require.Contains(t, text(page), "2 sessions were signed out.")
		require.Contains(t, text(page), want)
		require.Contains(t, text(page), `role="alert"`)
		require.Empty(t, c.gone())
		require.Equal(t, []string{"alice", "302", "302"}, []string{alice.who(), second.who(), third.who()})
	}
}

func TestEndOneSaysWhatTheAuthorityDidNot(t *testing.T) {
	c, h := newCampus(t)
	c.others = []string{"alice//1", "alice//9"}
	alice, second := h.show("alice//1"), h.show("alice//2")
	c.fail(session.ErrUnavailable)
	page := alice.endAs(url.Values{"handle": {"h2"}})
	require.Contains(t, text(page), "The Campus did not confirm that it ended that session.")
	require.Equal(t, "302", second.who())
	require.Equal(t, http.StatusServiceUnavailable, alice.post(endPath, url.Values{"handle": {"h9"}}).StatusCode, "of that one nothing has ended")
}

// TestEndOthersNeverEndsThisOne: what its authority takes for the same session stays, in whatever way it was shown.
func TestEndOthersNeverEndsThisOne(t *testing.T) {
	c, h := newCampus(t)
	foreign := h.show("alice//1")
	created, cookie, err := h.manager.Create(t.Context(), c.made("alice//1"), session.Device{UserAgent: firefoxWindows})
	require.NoError(t, err)
	own := h.browser()
	own.jar[sessionCookie] = cookie.Reveal()
	for _, b := range []*browser{own, foreign} {
		require.Contains(t, text(b.get("/_session/")), "they end together")
		require.Contains(t, text(b.get("/_session/")), "signed in nowhere else")
		require.Contains(t, text(b.endAs(allOthers)), "has ended all your other sessions")
		require.Equal(t, "alice", own.who())
		require.Equal(t, "alice", foreign.who())
	}
	require.Empty(t, c.gone())
	require.NotEqual(t, "h1", created.Handle)
}

// TestEndThisIsTheOneThatAsks: with two sessions in one browser the click ends the one whose page it was.
func TestEndThisIsTheOneThatAsks(t *testing.T) {
	c, h := newCampus(t)
	b := h.show("alice//1")
	_, cookie, err := h.manager.Create(t.Context(), c.made("alice//2"), session.Device{})
	require.NoError(t, err)
	b.jar[sessionCookie] = cookie.Reveal()
	page := b.get("/_session/")
	this := handleOf(t, page, "This session")
	require.Equal(t, http.StatusSeeOther, b.post(endPath, url.Values{"handle": {this}}).StatusCode)
	e, err := h.site.o.Operations.Get(t.Context(), this)
	require.True(t, errors.Is(err, session.ErrNotFound) || !e.Active, "it has ended")

	own, _, _, _ := pair(t)
	both := own.browser()
	both.login("alice", "/")
	res := both.post(endPath, url.Values{"handle": {"hsvc"}}, "Authorization", "Bearer good")
	require.Equal(t, http.StatusSeeOther, res.StatusCode, text(res))
	e, err = own.site.o.Operations.Get(t.Context(), "hsvc")
	require.NoError(t, err)
	require.False(t, e.RefusedAt.IsZero(), "the session of the bearer token asked, not that of the cookie")
}

// TestEndOthersWithoutPowers: an authority that can do nothing is not asked for what it cannot do, and they end here.
func TestEndOthersWithoutPowers(t *testing.T) {
	v, h, b := newVilla(t)
	v.failing = session.ErrUnsupported
	b.jar[elsewhere] = "alice"
	require.Equal(t, "alice", b.who())
	require.NoError(t, h.site.o.Operations.EndForeign(t.Context(), &session.Session{ID: "x", Handle: "hx", Source: "villa", Identity: session.Identity{Subject: "bob"}}))
	page := text(b.get("/_session/"))
	require.NotContains(t, page, "is asked to end")
	require.Contains(t, text(b.endAs(allOthers)), "There was no other session")
}

// TestEndOthersWhileABrowserLeaves: a click counts even when nobody waits for the answer.
func TestEndOthersWhileABrowserLeaves(t *testing.T) {
	c, h := newCampus(t)
	c.others = []string{"alice//1", "alice//2"}
	alice, second := h.show("alice//1"), h.show("alice//2")
	plain := h.handler
	h.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		c.during = cancel
		plain.ServeHTTP(w, r.WithContext(ctx))
	})
	require.Equal(t, http.StatusSeeOther, alice.post(endPath, allOthers).StatusCode)
	h.handler = plain
	require.Equal(t, []string{"2"}, c.gone())
	require.Equal(t, "302", second.who())
}

func TestNoticeSentences(t *testing.T) {
	for _, c := range []struct {
		n            notice
		done, undone int
	}{
		{notice{Ended: 1}, 1, 0}, {notice{Ended: 3, All: true, Authority: endedThere}, 2, 0}, {notice{All: true}, 1, 0},
		{notice{All: true, Authority: endedThere}, 1, 0}, {notice{All: true, Failed: 2}, 0, 1}, {notice{Ended: 1, Failed: 2, Authority: unconfirmed}, 1, 2},
		{notice{Ended: 1, Authority: unsupported}, 1, 1}, {notice{Ended: 1, Authority: endedThere}, 1, 0},
	} {
		done, undone := c.n.sentences("Corp")
		require.Len(t, done, c.done, c.n)
		require.Len(t, undone, c.undone, c.n)
	}
	ranked := []atAuthority{notAsked, endedThere, unsupported, unconfirmed}
	for i, a := range ranked {
		for j, b := range ranked {
			require.Equal(t, ranked[max(i, j)], a.worse(b))
		}
	}
	require.True(t, slices.IsSorted([]time.Duration{listAuthority, askAuthority, endWithin}))
}
