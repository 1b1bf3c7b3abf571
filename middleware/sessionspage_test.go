package middleware

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// rows are the sessions of the page, in its order, as text without tags.
func rows(t *testing.T, res *http.Response) []string {
	t.Helper()
	require.Equal(t, http.StatusOK, res.StatusCode, text(res))
	var out []string
	for _, m := range regexp.MustCompile(`(?s)<li(?: [^>]*)?>(.*?)</li>`).FindAllStringSubmatch(text(res), -1) {
		plain := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(m[1], " ")
		out = append(out, strings.Join(strings.Fields(plain), " "))
	}
	return out
}

// handleOf is the handle in the form of the row that mentions words.
func handleOf(t *testing.T, res *http.Response, words string) string {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?s)<li(?: [^>]*)?>(.*?)</li>`).FindAllStringSubmatch(text(res), -1) {
		if strings.Contains(m[1], words) {
			found := regexp.MustCompile(`name="handle" value="([^"]+)"`).FindStringSubmatch(m[1])
			require.NotNil(t, found, m[1])
			return found[1]
		}
	}
	t.Fatalf("no row says %s: %s", words, text(res))
	return ""
}

func TestSessionsPage(t *testing.T) {
	h := newHouse(t, houseOptions{})
	old, phone, bob := h.browser(), h.browser(), h.browser()
	res := old.get(callback(old.begin("/").Get("state"), "alice"), "User-Agent", firefoxWindows)
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	h.clock.Advance(3 * time.Minute)
	bob.login("bob", "/")
	phone.get(callback(phone.begin("/").Get("state"), "alice"), "User-Agent", safariPhone)
	h.clock.Advance(7 * time.Minute)

	page := phone.get("/_session/", "User-Agent", safariPhone)
	require.Equal(t, []string{
		"Safari on iPhone This session Address 192.0.2.1 Last used just now Since 2 Jan 2026, 03:07 UTC Signed in with Corp & Sons, one factor Sign out",
		"Firefox on Windows Address 192.0.2.1 Last used 10 minutes ago Since 2 Jan 2026, 03:04 UTC Signed in with Corp & Sons, one factor Sign out",
	}, unescaped(rows(t, page)))
	require.Contains(t, text(page), "signed in as <strong>alice</strong>")
	require.Contains(t, text(page), "Sign out all other sessions")
	require.NotContains(t, text(page), "bob")
	require.Equal(t, "no-store", page.Header.Get("Cache-Control"))
	require.Equal(t, "strict-origin", page.Header.Get("Referrer-Policy"))
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, rows(t, page), rows(t, phone.get("/_session", "User-Agent", safariPhone)))
	require.Contains(t, text(bob.get("/_session/")), "signed in nowhere else")
	require.Equal(t, http.StatusMethodNotAllowed, phone.post("/_session/", url.Values{}).StatusCode)
	require.Equal(t, http.StatusMethodNotAllowed, phone.get("/_session/sessions/end?others=1").StatusCode)
	require.Len(t, rows(t, old.get("/_session/")), 2, "a GET ends nothing")
}

func unescaped(rows []string) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = strings.ReplaceAll(r, "&amp;", "&")
	}
	return out
}

// TestSessionsPageShowsTheDevicesOfOneSession: a session that is used from somewhere else is what its user must see.
func TestSessionsPageShowsTheDevicesOfOneSession(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.get(callback(b.begin("/").Get("state"), "alice"), "User-Agent", firefoxWindows)
	h.clock.Advance(time.Hour / 2)
	got := rows(t, b.get("/_session/", "User-Agent", safariPhone))
	require.Len(t, got, 1)
	require.Contains(t, got[0], "Safari on iPhone This session Address 192.0.2.1 Last used just now")
	require.Contains(t, got[0], "Also used from Firefox on Windows, 192.0.2.1, 30 minutes ago")
}

func TestSessionsPageBeginsALogin(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	for _, res := range []*http.Response{b.get("/_session/"), b.post("/_session/sessions/end", url.Values{"others": {"1"}})} {
		require.Equal(t, http.StatusSeeOther, res.StatusCode)
		require.Equal(t, "https://gw.example/_session/login?return_to=%2F_session%2F", res.Header.Get("Location"))
	}
	b.login("alice", "/_session/")
	require.Len(t, rows(t, b.get("/_session/")), 1)
	res := h.browser().do("GET", "/_session/", nil, "Accept", "application/json")
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Contains(t, text(res), "no_session")
}

// TestSessionsPageIsForEverySource: no route judges it, so that a login on the way to it may be any.
func TestSessionsPageIsForEverySource(t *testing.T) {
	h := newHouse(t, houseOptions{
		sources: []session.Source{&doorman{name: "a"}, &doorman{name: "b"}},
		routes:  onlySource("a"),
	})
	page := text(h.browser().get("/_session/login?return_to=/_session/"))
	require.Contains(t, page, `value="a"`)
	require.Contains(t, page, `value="b"`)
	require.NotContains(t, text(h.browser().get("/_session/login?return_to=/app")), `value="b"`, "the route's own")
}

func TestSessionsPageShowsForeignOnes(t *testing.T) {
	c, h := newCampus(t)
	c.others = []string{"alice//3", "alice//2", "alice//1"}
	b := h.browser()
	b.jar[campusCookie] = "alice//1"
	got := rows(t, b.get("/_session/", "User-Agent", firefoxWindows))
	require.Len(t, got, 3, "its own, which is noted aside, is there all the same; the others its authority knows")
	require.Contains(t, got[0], "Firefox on Windows This session")
	require.Contains(t, got[0], "Signed in with The Campus, two factors")
	require.Contains(t, got[1], "Safari on iPhone Address 203.0.113.77")
	require.Contains(t, got[1], "Not used at this site: The Campus knows of it.")
	h.show("alice//2")
	got = rows(t, b.get("/_session/"))
	require.Len(t, got, 3, "what was shown here is known here")
	require.NotContains(t, got[1], "Not used at this site")

	c.fail(session.ErrUnavailable)
	page := b.get("/_session/")
	require.Len(t, rows(t, page), 2)
	require.Contains(t, text(page), "The Campus could not be asked which sessions it knows")
	c.fail(session.ErrUnsupported)
	require.NotContains(t, text(b.get("/_session/")), "could not be asked")
}

// TestSessionsPageShowsEachOnce: a session of ours made of one of the authority's is the same, by whatever name.
func TestSessionsPageShowsEachOnce(t *testing.T) {
	c, h := newCampus(t)
	c.others = []string{"alice//1", "alice//2"}
	_, _, err := h.manager.Create(t.Context(), c.made("alice//2"), session.Device{UserAgent: firefoxWindows})
	require.NoError(t, err)
	got := rows(t, h.show("alice//1").get("/_session/"))
	require.Len(t, got, 2)
	require.Contains(t, got[1], "Firefox on Windows")
	for i := range 2 * maxElsewhere {
		c.others = append(c.others, "alice//x"+strconv.Itoa(i))
	}
	found, known := h.site.elsewhere(t.Context(), c.made("alice//1"), nil)
	require.True(t, known)
	require.Len(t, found, maxElsewhere)
}

// TestRejectSessionsOfAnotherRealm: the same name in another realm is somebody else.
func TestRejectSessionsOfAnotherRealm(t *testing.T) {
	_, h := newCampus(t)
	b, other := h.show("alice/east/1"), h.show("alice/west/2")
	require.Len(t, rows(t, b.get("/_session/")), 1)
	require.Equal(t, http.StatusNotFound, b.post("/_session/sessions/end", url.Values{"handle": {"h2"}}).StatusCode)
	require.Equal(t, http.StatusSeeOther, b.post("/_session/sessions/end", url.Values{"others": {"1"}}).StatusCode)
	require.Equal(t, "alice", other.who())
}

// TestRejectSessionsOfNobody: where a source names nobody, everybody would be the same.
func TestRejectSessionsOfNobody(t *testing.T) {
	_, h := newCampus(t)
	b, other := h.browser(), h.browser()
	b.jar[campusCookie], other.jar[campusCookie] = "//1", "//2"
	other.get("/app")
	require.Eventually(t, func() bool {
		_, err := h.site.o.Operations.Get(t.Context(), "h2")
		return err == nil
	}, 5*time.Second, time.Millisecond)
	require.Len(t, rows(t, b.get("/_session/")), 1)
	require.Equal(t, http.StatusNotFound, b.post("/_session/sessions/end", url.Values{"handle": {"h2"}}).StatusCode)
	require.Equal(t, http.StatusSeeOther, b.post("/_session/sessions/end", url.Values{"others": {"1"}}).StatusCode)
	require.Len(t, rows(t, other.get("/_session/")), 1)
}

// TestRejectSecretsOnTheSessionsPage: neither ids, nor tokens, nor cookies.
func TestRejectSecretsOnTheSessionsPage(t *testing.T) {
	c, h := newCampus(t)
	c.others = []string{"alice//sid-of-three"}
	b := h.show("alice//sid-of-one")
	h.show("alice//sid-of-two")
	page := text(b.get("/_session/"))
	for _, v := range []string{"alice//", "planted", "value=\"sid-of"} {
		require.NotContains(t, page, v)
		require.NotContains(t, h.log.String(), "planted")
	}
	own := newHouse(t, houseOptions{})
	a := own.browser()
	a.login("alice", "/")
	page = text(a.get("/_session/"))
	require.NotContains(t, page, "planted")
	require.NotContains(t, page, a.jar[sessionCookie])
}

// TestRejectFilterInSubjects: a subject is a text, and no part of the question.
func TestRejectFilterInSubjects(t *testing.T) {
	_, h := newCampus(t)
	h.show("bob//7")
	for _, subject := range []string{`x" or source eq "campus`, `\`, `"`, "a\tb\u2028", `x\" or true or subject eq \"`, "日本<>&", `bob" or subject pr and subject ne "`} {
		current, _, err := h.manager.Create(t.Context(), (&campus{}).made(subject+"//1"), session.Device{})
		require.NoError(t, err)
		var found []string
		for e, err := range h.site.mine(t.Context(), current) {
			require.NoError(t, err, subject)
			found = append(found, e.Session.Handle)
		}
		require.Equal(t, []string{current.Handle}, found, subject)
	}
}

// onlySource is one route that takes sessions of one source.
func onlySource(name string) []policy.RouteOptions {
	return []policy.RouteOptions{{Name: "app", Paths: []string{"/"}, Require: policy.RuleOptions{Sources: []string{name}}}}
}

func TestSessionsPageHasItsLimits(t *testing.T) {
	var p sessionsPage
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range 2 * maxRows {
		p.Rows = append(p.Rows, sessionRow{usedAt: at.Add(time.Duration(i) * time.Second), This: i == 3})
	}
	p.sort(false)
	require.Len(t, p.Rows, maxRows)
	require.True(t, p.Hidden)
	require.True(t, p.Rows[0].This, "this one is never hidden")
	require.True(t, p.Rows[1].usedAt.After(p.Rows[2].usedAt))
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 3, 2, 3, 4, 5, 0, time.UTC)
	require.Nil(t, momentOf(time.Time{}, now))
	for d, want := range map[time.Duration]string{
		-time.Hour: "just now", time.Minute: "just now", 2 * time.Minute: "2 minutes ago", 119 * time.Minute: "119 minutes ago",
		2 * time.Hour: "2 hours ago", 47 * time.Hour: "47 hours ago", 48 * time.Hour: "2 days ago", 60 * 24 * time.Hour: "1 Jan 2026",
	} {
		require.Equal(t, want, momentOf(now.Add(-d), now).Ago, d)
	}
	m := momentOf(now.In(time.FixedZone("x", 3600)), now)
	require.Equal(t, &moment{Ago: "just now", Exact: "2 Mar 2026, 03:04 UTC", ISO: "2026-03-02T03:04:05Z"}, m)
}

// TestSessionsPageShowsNoOddDevice: a User-Agent of 10 kB, with control characters or marks that turn the direction of text,
// is the name of a device we know or of none, and makes the page no longer.
func TestSessionsPageShowsNoOddDevice(t *testing.T) {
	h := newHouse(t, houseOptions{})
	a := h.browser()
	a.login("alice", "/")
	plain := len(text(a.get("/_session/")))
	for _, agent := range []string{
		strings.Repeat("x", 10_000), firefoxWindows + strings.Repeat(" Evil/1.0", 1000), "\u202eenilno ,xoferiF\u202c", "a\tb\u2066c\u2069/1 (Windows NT 10.0)", "\xff\xfe" + strings.Repeat("(", 9000),
	} {
		b := h.browser()
		b.login("alice", "/")
		require.Equal(t, http.StatusOK, b.do("GET", "/app", nil, "User-Agent", agent).StatusCode)
		page := text(b.do("GET", "/_session/", nil, "User-Agent", agent))
		require.NotRegexp(t, `[\x{202a}-\x{202e}\x{2066}-\x{2069}\x00-\x08\x0b-\x1f]`, page)
		require.NotContains(t, page, "xxxx")
		require.NotContains(t, page, "Evil")
		require.Less(t, len(page), plain+5000)
	}
}
