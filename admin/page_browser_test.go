package admin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// TestPageBrowser_FindLookRevoke is the way of an operator: show a token, find a session, look at it, end it. It has ended
// on the very next request, and that of another user has not.
func TestPageBrowser_FindLookRevoke(t *testing.T) {
	f := newFloor(t)
	f.hour(2, 1)
	alice, aliceCookie := f.login(user("alice"), "192.0.2.10", firefox)
	_, bobCookie := f.login(user("bob"), "192.0.2.20", firefox)
	f.visit("carol")
	b := openPage(t)

	b.do(chromedp.Navigate(f.url), chromedp.WaitVisible("#token"))
	require.Empty(t, b.text("#door-trouble"), "nothing is wrong before anything was shown")
	b.do(chromedp.SendKeys("#token", "wrong"+kb.Enter), chromedp.WaitVisible("#door-trouble"))
	require.Equal(t, "This token is not known here.", b.text("#door-trouble"))
	b.picture("admin-door.png")
	b.do(chromedp.SendKeys("#token", writeToken+kb.Enter), chromedp.WaitVisible("#sessions-title"))
	b.untilUsers("alice", "bob", "carol")
	require.Equal(t, "3 sessions", b.text("#shown"))
	require.Equal(t, "2 ours · 1 foreign", b.text("#counts"))

	b.search("ALI")
	b.untilUsers("alice")
	b.search(`source eq "lobby" and ip eq "198.51.100.7"`)
	b.untilUsers("carol")
	require.Equal(t, "Read as a filter.", b.text("#search-hint"))
	b.search(`username eq "al`)
	b.until("the filter is complained about", func() bool { return strings.HasPrefix(b.text("#search-hint"), "Not a filter yet: ") })
	require.Equal(t, []string{"carol"}, b.users(), "the table stays until there is something to ask")
	b.search("nobody-of-that-name")
	b.untilUsers()
	require.Equal(t, "No session matches this search.", b.text("#empty"))
	b.search("192.0.2.")
	b.untilUsers("alice", "bob")

	b.do(chromedp.Focus(fmt.Sprintf(`tr[data-handle="%s"] button`, alice)), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#details .actions"))
	b.until("the properties are there", func() bool { return strings.Contains(b.text("#details"), "It has none.") })
	shown := b.text("#details")
	for _, want := range []string{
		"Active · session of ours", "u-alice", "alice@example.com (verified)", "Alice Liddell", "staff, readers", "pwd", "aal1", alice,
		"Firefox on Linux, 192.0.2.10", "59 min left; its token holds.", "Ends when idle", "Claims", "End at its authority", "by the gateway, for an audience of admin.token_audiences",
	} {
		require.Contains(t, shown, want)
	}
	require.NotContains(t, eval[string](b, `document.documentElement.outerHTML`), "secret-", "no token of a session is on the page")
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.WaitNotVisible("#details"))
	require.Equal(t, alice, eval[string](b, `document.activeElement.closest('tr').dataset.handle`), "the keyboard is back where it was")

	b.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#details .actions"))
	b.press("#details", "Renew")
	b.until("it was renewed", func() bool { return b.text("#said") == "The session of alice at corp was renewed." })
	require.EqualValues(t, 1, f.corp.renewed.Load())

	require.NoError(t, f.holds(aliceCookie))
	b.press("#details", "End…")
	b.do(chromedp.WaitVisible("#dialog-yes"))
	b.picture("admin-confirm.png")
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.WaitNotVisible("#dialog"))
	require.NoError(t, f.holds(aliceCookie), "Escape is no yes")
	b.press("#details", "End…")
	b.press("#dialog", "End it")
	b.until("it says so", func() bool { return b.text("#said") == "The session of alice at corp has ended." })
	require.ErrorIs(t, f.holds(aliceCookie), session.ErrRejected)
	require.NoError(t, f.holds(bobCookie))
	b.untilUsers("bob")
	b.until("the details say so", func() bool {
		return strings.Contains(b.text("#details"), "This session has ended, and nothing of it is kept.")
	})
	require.Empty(t, b.complaints())
}

// TestPageBrowser_ForeignSession is refused here although its authority has no call to end it, and the page says that.
func TestPageBrowser_ForeignSession(t *testing.T) {
	f := newFloor(t)
	carol := f.visit("carol")
	b := openPage(t)
	b.enter(f, writeToken)
	b.untilUsers("carol")
	b.do(chromedp.Click("#rows .link"), chromedp.WaitVisible("#details .actions"))
	b.until("everything is there", func() bool { return strings.Contains(b.text("#details"), "desk") })
	for _, want := range []string{"lives at its authority", "/alpha", "password (aal1), totp (aal2)", "curl, 198.51.100.7", "lobby (kratos) has no call for it"} {
		require.Contains(t, b.text("#details"), want)
	}
	b.press("#details", "Renew")
	b.until("the reason is shown", func() bool { return strings.Contains(b.text("#trouble"), "prolonging needs admin_url") })
	b.press("#details", "End…")
	b.press("#dialog", "End it")
	b.until("both answers are shown", func() bool {
		return strings.HasPrefix(b.text("#said"), "The session of carol at lobby has ended. Its authority: ")
	})
	require.ErrorIs(t, f.holds(carol), session.ErrRejected)
	b.untilUsers()
	b.press("#chips", "Active")
	b.untilUsers("carol")
	require.Contains(t, b.text("#rows"), "refused here")
	require.Contains(t, b.text("#details .state"), "Refused here")
}

// TestPageBrowser_RevokeMany: all of a user, then all that match, with progress; nobody else is concerned.
func TestPageBrowser_RevokeMany(t *testing.T) {
	f := newFloor(t)
	var of [3][]session.Credential
	for i := range 230 {
		_, c := f.login(user(fmt.Sprintf("user%03d", i)), "192.0.2.30", firefox)
		of[0] = append(of[0], c)
	}
	for range 3 {
		_, c := f.login(user("alice"), "192.0.2.10", firefox)
		of[1] = append(of[1], c)
	}
	_, c := f.login(user("bob"), "192.0.2.20", firefox)
	of[2] = append(of[2], c)
	held := func(list []session.Credential) (n int) {
		for _, c := range list {
			if f.holds(c) == nil {
				n++
			}
		}
		return n
	}
	b := openPage(t)
	b.enter(f, writeToken)
	b.until("a page is there", func() bool { return b.text("#shown") == "100 sessions and more" })
	b.do(chromedp.Click("#more"))
	b.until("more are there", func() bool { return b.text("#shown") == "200 sessions and more" })
	b.do(chromedp.Click("#more"))
	b.until("all are there", func() bool { return b.text("#shown") == "234 sessions" })
	require.Empty(t, b.text("#more"))

	b.search("alice")
	b.untilUsers("alice", "alice", "alice")
	b.do(chromedp.Click("#rows .link"), chromedp.WaitVisible("#details .actions"))
	b.press("#details", "End all of this user…")
	b.until("it says how many", func() bool { return strings.Contains(b.text("#dialog"), "3 sessions that the gateway knows will end.") })
	b.press("#dialog", "End all of them")
	b.until("it is done", func() bool { return b.text("#progress-text") == "3 sessions ended here." })
	b.press("#dialog", "Close")
	require.EqualValues(t, 1, f.corp.usersRevoked.Load())
	require.Zero(t, held(of[1]))
	b.untilUsers()

	b.do(chromedp.Focus("#search"), chromedp.KeyEvent(kb.Escape))
	require.Empty(t, eval[string](b, `document.querySelector('#search').value`))
	require.NotEmpty(t, b.text("#details"), "Escape empties the search first")
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.WaitNotVisible("#details"))
	b.search("user")
	b.until("a page is there", func() bool {
		return b.text("#shown") == "100 sessions and more" && eval[string](b, `import('/web/list.js').then((m) => m.filter())`) != "active eq true"
	})
	b.do(chromedp.Click("#end-shown"), chromedp.WaitVisible("#dialog-yes"), chromedp.Click("#dialog-yes"))
	b.until("it is done", func() bool { return b.text("#progress-text") == "100 sessions ended here." })
	b.press("#dialog", "Close")
	require.Equal(t, 130, held(of[0]), "those that were not shown go on")
	b.until("the next are there", func() bool { return b.text("#shown") == "100 sessions and more" && b.text("#said") != "" })
	b.do(chromedp.Click("#end-shown"), chromedp.WaitVisible("#dialog-yes"), chromedp.Click("#choice-all"), chromedp.Click("#dialog-yes"))
	b.until("it is done", func() bool { return b.text("#progress-text") == "130 sessions ended here." })
	b.picture("admin-progress.png")
	b.press("#dialog", "Close")
	require.Zero(t, held(of[0]))
	require.Equal(t, 1, held(of[2]), "bob did not match")

	b.search(" ")
	b.untilUsers("bob")
	b.do(chromedp.Click("#end-shown"), chromedp.WaitVisible("#choice-sure"))
	require.True(t, eval[bool](b, `document.querySelector('#dialog-yes').disabled`), "everybody is not signed out by one click")
	b.do(chromedp.Click("#choice-sure"), chromedp.Click("#dialog-yes"))
	b.until("it is done", func() bool { return b.text("#progress-text") == "1 session ended here." })
	b.press("#dialog", "Close")
	require.Zero(t, held(of[2]))
	b.until("it says so", func() bool { return b.text("#empty") == "Nobody is signed in." })
	require.Empty(t, b.complaints())
}

// TestPageBrowser_StopRevokeMany: it tells how far it is, and what had not ended when it was stopped goes on.
func TestPageBrowser_StopRevokeMany(t *testing.T) {
	f := newFloor(t)
	var cookies []session.Credential
	for i := range 20 {
		_, c := f.login(user(fmt.Sprintf("user%03d", i)), "192.0.2.30", firefox)
		cookies = append(cookies, c)
	}
	b := openPage(t)
	b.enter(f, writeToken)
	b.until("all are there", func() bool { return b.text("#shown") == "20 sessions" })
	f.slow.Store(true)
	b.do(chromedp.Click("#end-shown"), chromedp.WaitVisible("#choice-sure"), chromedp.Click("#choice-sure"), chromedp.Click("#dialog-yes"))
	b.until("it says how far it is", func() bool { return b.text("#progress-text") == "2 sessions ended …" })
	require.InDelta(t, 0.1, eval[float64](b, `document.querySelector('progress').position`), 0.001)
	b.picture("admin-under-way.png")
	b.press("#dialog", "Stop")
	b.until("it has stopped", func() bool {
		return b.text("#progress-text") == "2 sessions ended here. You stopped it. What had ended stays ended."
	})
	f.slow.Store(false)
	b.press("#dialog", "Close")
	b.until("the rest is shown", func() bool { return b.text("#shown") == "17 sessions" })
	held := 0
	for _, c := range cookies {
		if f.holds(c) == nil {
			held++
		}
	}
	require.Equal(t, 17, held, "the third ended while nobody read that it did")
}

// TestRejectMarkupInNames: whatever a user, an authority or a client calls itself is text, and nothing of it runs; and
// nothing the page could do by mistake would make markup of it.
func TestRejectMarkupInNames(t *testing.T) {
	const evil = `<img src=x onerror="window.planted=1"><script>window.planted=1</script>`
	f := newFloor(t)
	f.lobby.ill = errors.New("unavailable: " + evil)
	f.lobby.properties = map[string]string{evil: evil}
	f.login(session.Identity{
		Subject: evil, Username: evil, Email: evil, Name: evil, Groups: []string{evil}, Claims: map[string]any{evil: evil},
	}, evil, evil)
	f.visit(evil)
	b := openPage(t)
	b.enter(f, writeToken)
	b.untilUsers(evil, evil)
	for i := range 2 {
		b.do(chromedp.Click(fmt.Sprintf("#rows tr:nth-child(%d) .link", i+1)), chromedp.WaitVisible("#details .actions"))
		b.until("the properties are there", func() bool {
			return strings.Contains(b.text("#details"), "It has none.") || strings.Contains(b.text("#details dl dt"), "<img") || strings.Count(b.text("#details"), "onerror") > 4
		})
		require.Contains(t, b.text("#details"), evil)
		b.press("#details", "End…")
		b.do(chromedp.WaitVisible("#dialog-yes"))
		require.Contains(t, b.text("#dialog"), evil)
		b.press("#dialog", "Cancel")
	}
	require.Contains(t, b.text("#sources"), evil)
	b.search(evil)
	b.untilUsers(evil, evil)
	require.False(t, eval[bool](b, `'planted' in window`))
	require.Equal(t, 1, eval[int](b, `document.images.length`), "ours")
	require.Equal(t, 1, eval[int](b, `document.scripts.length`), "ours")
	require.Empty(t, b.complaints())
	require.Equal(t, "TypeError", eval[string](b, `(() => { try { document.createElement('p').innerHTML = '<b>x</b>'; return 'made'; } catch (e) { return e.name; } })()`))
}

// TestPageBrowser_OddNames: a name of 10 kB and one that turns the direction of what follows are shown as names, on a screen
// as narrow as a phone too; so are a list of nothing and a gateway that is away. It leaves pictures.
func TestPageBrowser_OddNames(t *testing.T) {
	f := newFloor(t)
	f.hour(3, 0)
	f.login(session.Identity{Subject: "s-1", Username: "\u202enimda\x07", Name: "\u2066a\u2069"}, "192.0.2.1", "\u202e"+strings.Repeat("x", 10_000))
	long, words := strings.Repeat("anna", 2500), strings.Repeat("Anna Maria ", 900)
	f.login(session.Identity{Subject: long, Username: long, Email: long + "@example.com", Name: words, Groups: []string{long}}, "2001:db8:1111:2222:3333:4444:5555:6666", firefox)
	f.login(user("bob"), "192.0.2.3", firefox)
	b := openPage(t)
	b.scheme("light")
	b.do(chromedp.EmulateViewport(390, 844))
	b.enter(f, writeToken)
	b.untilUsers("\ufffdnimda\ufffd", long[:79]+"…", "bob")
	sound := func(where string) {
		t.Helper()
		require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), 390, where)
		require.NotRegexp(t, `[\x{202a}-\x{202e}\x{2066}-\x{2069}\x07]`, eval[string](b, `document.body.textContent`), where)
		require.Empty(t, eval[[]string](b, pale), where)
	}
	sound("list")
	require.Less(t, eval[int](b, `Math.max(...[...document.querySelectorAll('#rows tr')].map((e) => e.offsetHeight))`), 200)
	b.picture("admin-odd-list.png")
	for i := range 3 {
		b.do(chromedp.Click(fmt.Sprintf("#rows tr:nth-child(%d) .link", i+1)), chromedp.WaitVisible("#details .powers"))
		b.until("everything is there", func() bool { return strings.Contains(b.text("#details"), "It has none.") })
		sound("details")
		b.press("#details", "End…")
		b.do(chromedp.WaitVisible("#dialog-yes"))
		sound("dialog")
		if strings.Contains(b.text("#dialog"), "nimda") {
			b.picture("admin-odd-dialog.png")
		}
		b.press("#dialog", "Cancel")
		if strings.HasPrefix(b.text("#details-title"), "anna") {
			b.picture("admin-odd-details.png")
		}
		b.press("#details", "Close")
	}
	b.search("nobody of this name")
	b.untilUsers()
	b.until("it says so", func() bool { return b.text("#empty") == "No session matches this search." })
	sound("nothing")
	b.picture("admin-odd-empty.png")
	b.search(`username eq "x" and`)
	b.until("it says why", func() bool { return strings.HasPrefix(b.text("#search-hint"), "Not a filter yet: ") })
	sound("no filter")
	b.picture("admin-odd-filter.png")
	f.away.Store(true)
	b.until("it says that nothing is renewed", func() bool { return strings.HasPrefix(b.text("#live"), "Not renewed since") })
	sound("away")
	b.picture("admin-odd-away.png")
}

// TestPageBrowser_TokenFromTheAddress is taken once and stays in neither the address nor the history; one that is wrong
// leads to the door.
func TestPageBrowser_TokenFromTheAddress(t *testing.T) {
	f := newFloor(t)
	b := openPage(t)
	b.enter(f, writeToken)
	require.Equal(t, f.url+"/", eval[string](b, `location.href`))
	require.Equal(t, writeToken, eval[string](b, `sessionStorage.getItem('sessionward-admin-token')`))
	require.Equal(t, 0, eval[int](b, `localStorage.length + document.cookie.length`))
	history := func() (urls []string) {
		h, err := chromedp.Run(b.ctx, chromedp.NavigationEntries())
		require.NoError(t, err)
		for _, e := range h.Entries {
			urls = append(urls, e.URL)
		}
		return urls
	}
	require.Equal(t, []string{"about:blank", f.url + "/"}, history())
	b.do(chromedp.Reload(), chromedp.WaitVisible("#sessions-title"))
	b.press(".top", "Forget token")
	b.do(chromedp.WaitVisible("#token"))
	require.Equal(t, 0, eval[int](b, `sessionStorage.length`))
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(f.url+"/#token=wrong"), chromedp.WaitVisible("#door-trouble"))
	require.Equal(t, "This token is not known here.", b.text("#door-trouble"))
	require.Equal(t, f.url+"/", history()[len(history())-1])
}

// TestPageBrowser_ClientCertificate: who has shown one is asked for no token.
func TestPageBrowser_ClientCertificate(t *testing.T) {
	f := newFloor(t)
	f.badge.Store(true)
	f.login(user("alice"), "192.0.2.10", firefox)
	b := openPage(t)
	b.do(chromedp.Navigate(f.url), chromedp.WaitVisible("#sessions-title"))
	b.untilUsers("alice")
	require.Empty(t, b.text("#forget"))
}

// TestPageBrowser_TokenThatMayOnlyRead is offered nothing that would be refused, and is told why where it is.
func TestPageBrowser_TokenThatMayOnlyRead(t *testing.T) {
	f := newFloor(t)
	handle, cookie := f.login(user("alice"), "192.0.2.10", firefox)
	b := openPage(t)
	b.enter(f, readToken)
	b.untilUsers("alice")
	require.Equal(t, "reader, who may only look", b.text("#caller"))
	b.do(chromedp.Click("#rows .link"), chromedp.WaitVisible("#details .powers"))
	require.Empty(t, b.text("#details .actions"))
	require.Empty(t, b.text("#end-shown"))
	words := eval[string](b, fmt.Sprintf(`import('/web/api.js').then((m) => m.call('DELETE', m.at(%q))).catch((e) => e.message)`, handle))
	require.True(t, strings.HasPrefix(words, "This token may only read."), words)
	require.NoError(t, f.holds(cookie))

	b.press("header", "Forget token")
	b.do(chromedp.WaitVisible("#door"))
	b.enter(f, writeToken)
	b.untilUsers("alice")
	require.Equal(t, "writer", b.text("#caller"))
	b.do(chromedp.Click("#rows .link"), chromedp.WaitVisible("#details .actions"))
	require.NotEmpty(t, b.text("#end-shown"))
}

// TestPageBrowser_IsLive: what happens shows by itself; an outage is told in words and passes; without statistics there
// are no charts.
func TestPageBrowser_IsLive(t *testing.T) {
	f := newFloor(t)
	b := openPage(t)
	b.enter(f, writeToken)
	b.until("it is empty", func() bool { return b.text("#empty") == "Nobody is signed in." })
	require.False(t, eval[bool](b, `document.querySelector('#charts').checkVisibility()`))
	handle, _ := f.login(user("alice"), "192.0.2.10", firefox)
	f.hour(1, 0)
	b.untilUsers("alice")
	b.until("the charts are there", func() bool {
		return eval[int](b, `document.querySelectorAll('#charts svg[role=img]').length`) == 4 && b.text("#counts") == "1 ours · 0 foreign"
	})
	label := eval[string](b, `document.querySelector('[data-chart=logins] svg').getAttribute('aria-label')`)
	require.Regexp(t, `^Logins in the last hour: 120 logins, at most 4 in a minute, at .+\.$`, label)

	b.do(chromedp.Focus(fmt.Sprintf(`tr[data-handle="%s"] button`, handle)))
	f.away.Store(true)
	b.until("the outage is told", func() bool {
		return b.text("#trouble") == "The gateway does not answer." && strings.HasPrefix(b.text("#live"), "Not renewed since")
	})
	require.Equal(t, []string{"alice"}, b.users(), "what was known stays")
	f.away.Store(false)
	b.until("it has passed", func() bool { return b.text("#trouble") == "" && strings.HasPrefix(b.text("#live"), "As of") })
	require.Equal(t, handle, eval[string](b, `document.activeElement.closest('tr')?.dataset.handle ?? ''`), "renewing takes the focus from nobody")
}

// TestPageBrowser_Filters: every filter the page builds is one the API understands, and finds who was meant.
func TestPageBrowser_Filters(t *testing.T) {
	f := newFloor(t)
	const odd = "o\"ne\\two\x1f\u2028x"
	for _, name := range []string{"alice", "bob"} {
		f.login(user(name), "192.0.2."+fmt.Sprint(len(name)), firefox)
	}
	f.login(session.Identity{Subject: "quote", Username: odd}, "2001:db8::17", "")
	f.visit("carol")
	b := openPage(t)
	b.enter(f, writeToken)
	for _, tc := range []struct {
		line, chosen string
		want         []string
	}{
		{"", `{}`, []string{"alice", "bob", "carol", odd}},
		{"true", `{}`, []string{"alice", "bob", "carol", odd}},
		{"true", `{source: 'lobby'}`, []string{"carol"}},
		{"ali", `{}`, []string{"alice"}},
		{"Alice", `{}`, []string{"alice"}},
		{"liddell alice", `{}`, []string{"alice"}},
		{"liddell", `{foreign: false, active: true}`, []string{"alice", "bob"}},
		{"liddell", `{foreign: true}`, nil},
		{`"bob liddell"`, `{}`, nil}, // words that stand together are one text, and names are written with capitals
		{`"Bob Liddell"`, `{}`, []string{"bob"}},
		{"bob@example.com", `{}`, []string{"bob"}},
		{"u-bob", `{}`, []string{"bob"}},
		{"192.0.2.5", `{}`, []string{"alice"}},
		{"2001:DB8:", `{}`, []string{odd}},
		{"lobby", `{source: null}`, []string{"carol"}},
		{`e\two`, `{}`, []string{odd}},
		{"two\x1f", `{}`, []string{odd}},
		{"aLI", `{}`, []string{"alice"}},
		{"bOB@EXAMPLE.com", `{}`, []string{"bob"}},
		{`username eq "alice" or username eq "bob"`, `{source: 'corp'}`, []string{"alice", "bob"}},
		{`username eq "alice" or username eq "bob"`, `{source: 'lobby'}`, nil},
		{`(username eq "alice" or username eq "carol")`, `{foreign: true}`, []string{"carol"}},
		{`not (source eq "corp")`, `{}`, []string{"carol"}},
		{`email pr and foreign eq false`, `{}`, []string{"alice", "bob"}},
		{`last_access_at gt "2020-01-02T15:04:05Z" and username sw "a"`, `{}`, []string{"alice"}},
		{`username`, `{}`, nil},
		{`subject matter`, `{}`, nil},
	} {
		text := eval[string](b, fmt.Sprintf(`import('/web/filter.js').then((m) => m.filterOf(%s, %s))`, jsonOf(t, tc.line), tc.chosen))
		filter, err := session.ParseFilter(text)
		require.NoError(t, err, "%s: %s", tc.line, text)
		page, err := f.manager.List(t.Context(), filter, "", 0)
		require.NoError(t, err)
		var got []string
		for _, e := range page.Entries {
			got = append(got, e.Session.Identity.Username)
		}
		require.ElementsMatch(t, tc.want, got, "%s: %s", tc.line, text)
	}
	require.Equal(t, session.FilterAttributes(), eval[[]string](b, `import('/web/filter.js').then((m) => m.attributes)`))
}

// TestPageBrowser_Looks: light, dark and narrow. All that is read has contrast on what it stands on, nothing is wider than
// the screen, the focus is seen, and the browser asked nobody but the listener. It leaves pictures.
func TestPageBrowser_Looks(t *testing.T) {
	f := newFloor(t)
	f.hour(1204, 87)
	f.lobby.ill = errors.New("unavailable: last contact: dial tcp 198.51.100.1:4433: connection refused")
	agents := []string{
		firefox, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
	}
	for i, name := range []string{"alice", "bob", "dinah", "edith", "gryphon", "hatter", "mabel", "the.white.rabbit.who.is.always.late"} {
		f.login(user(name), fmt.Sprintf("192.0.2.%d", 10+i), agents[i%3])
	}
	f.visit("carol")
	f.visit("duchess")
	b := openPage(t)
	b.enter(f, writeToken)
	b.until("all are there", func() bool { return b.text("#shown") == "10 sessions" })
	alice := `//tbody//button[text()="alice"]`
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.do(chromedp.EmulateViewport(1360, 1000))
		b.picture("admin-list-" + scheme + ".png")
		require.Empty(t, eval[[]string](b, pale), scheme)
		b.do(chromedp.Click(alice), chromedp.WaitVisible("#details .actions"))
		b.until("everything is there", func() bool { return strings.Contains(b.text("#details"), "It has none.") })
		require.Empty(t, eval[[]string](b, pale), scheme)
		b.picture("admin-details-" + scheme + ".png")
		b.press("#details", "End…")
		b.do(chromedp.WaitVisible("#dialog-yes"))
		require.Empty(t, eval[[]string](b, pale), scheme)
		b.press("#dialog", "Cancel")
		b.do(chromedp.EmulateViewport(360, 780))
		require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), 360)
		b.picture("admin-narrow-details-" + scheme + ".png")
		b.press("#details", "Close")
		for _, width := range []int64{320, 500, 800, 1000, 360} {
			b.do(chromedp.EmulateViewport(width, 780))
			require.LessOrEqual(t, eval[int64](b, `document.documentElement.scrollWidth`), width)
		}
		b.picture("admin-narrow-" + scheme + ".png")
	}
	b.do(chromedp.EmulateViewport(1360, 1000), chromedp.Focus("#search"))
	for range 12 {
		b.do(chromedp.KeyEvent(kb.Tab))
		require.True(t, eval[bool](b, `((e, look) => e !== document.body && look.outlineStyle === 'solid' && parseFloat(look.outlineWidth) >= 2)(document.activeElement, getComputedStyle(document.activeElement))`))
	}
	for _, asked := range b.noted(&b.asked) {
		require.True(t, strings.HasPrefix(asked, f.url+"/") || strings.HasPrefix(asked, "data:") || asked == "about:blank", asked)
	}
	require.Empty(t, b.complaints())
}

// pale finds text that has too little contrast on what it stands on, as the browser draws both (WCAG 2.2 §1.4.3). What is
// switched off is exempt.
const pale = `(() => {
	const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
	const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
	const read = (c) => c.match(/[\d.]+/g).map(Number);
	const ground = (e) => { for (; e; e = e.parentElement) { const c = read(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
	const found = [];
	for (const e of document.querySelectorAll('body *')) {
		const words = [...e.childNodes].filter((n) => n.nodeType === 3 && n.data.trim()).map((n) => n.data.trim()).join(' ');
		if (!words || !e.checkVisibility() || e.disabled || e.closest('noscript, svg')) continue;
		const [a, b] = [light(read(getComputedStyle(e).color)), light(ground(e))];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) found.push(ratio.toFixed(2) + ' ' + words);
	}
	return found;
})()`
