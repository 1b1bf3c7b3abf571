package middleware

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func localHouse(t *testing.T) (*house, *doorman) {
	d := &doorman{name: "local"}
	return newHouse(t, houseOptions{sources: []session.Source{d}}), d
}

func credentials(user, password string) url.Values {
	return url.Values{"source": {"local"}, "return_to": {"/app/x"}, "username": {user}, "password": {password}}
}

func TestPasswordLogin(t *testing.T) {
	h, _ := localHouse(t)
	b := h.browser()
	require.Contains(t, text(b.get("/_session/login?return_to=/app/x")), `value="/app/x"`)
	res := b.post("/_session/login", credentials("alice", "pw-alice"))
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.Equal(t, "/app/x", res.Header.Get("Location"))
	require.Equal(t, "alice", b.who())
}

// TestRejectWrongPasswordAndUnknownUserAlike (S-216): nothing tells who has an account.
func TestRejectWrongPasswordAndUnknownUserAlike(t *testing.T) {
	h, _ := localHouse(t)
	pages := map[string]string{}
	for _, user := range []string{"alice", "nobody"} {
		res := h.browser().post("/_session/login", credentials(user, "wrong"))
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
		require.Empty(t, res.Cookies())
		pages[user] = strings.ReplaceAll(strings.ReplaceAll(text(res), user, "USER"), res.Header.Get("X-Request-Id"), "ID")
		require.NotContains(t, pages[user], "wrong\"", "the password is not shown again")
	}
	require.Contains(t, pages["alice"], `role="alert"`)
	require.Equal(t, pages["alice"], pages["nobody"])
}

func TestPasswordTooManyAttempts(t *testing.T) {
	h, d := localHouse(t)
	d.err = session.WithRetryAfter(session.ErrTooMany, 89500*time.Millisecond)
	res := h.browser().post("/_session/login", credentials("alice", "pw-alice"))
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	require.Equal(t, "90", res.Header.Get("Retry-After"))
	require.Contains(t, text(res), "Please wait 90 seconds.")
	d.err = session.ErrTooMany
	require.Equal(t, "1", h.browser().post("/_session/login", credentials("alice", "pw-alice")).Header.Get("Retry-After"))
}

func TestPasswordSourceFails(t *testing.T) {
	h, d := localHouse(t)
	for _, err := range []error{session.ErrUnavailable, errors.New("a bug")} {
		d.err = err
		res := h.browser().post("/_session/login", credentials("alice", "pw-alice"))
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.NotEmpty(t, res.Header.Get("Retry-After"))
		require.Empty(t, res.Cookies())
		require.Contains(t, text(res), "/_session/login?return_to=%2Fapp%2Fx&amp;source=local", "the way back to the form")
		require.NotContains(t, text(res), "a bug")
	}
}

// TestRejectLoginWithoutStore: no cookie for a session that was not written.
func TestRejectLoginWithoutStore(t *testing.T) {
	h, _ := localHouse(t)
	h.store.down.Store(true)
	b := h.browser()
	res := b.post("/_session/login", credentials("alice", "pw-alice"))
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Empty(t, res.Cookies())

	h = newHouse(t, houseOptions{})
	b = h.browser()
	state := b.begin("/app").Get("state")
	h.store.down.Store(true)
	res = b.get(callback(state, "alice"))
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Empty(t, res.Cookies())
	require.NotContains(t, text(res), "code=", "what the authority sent stays out of the page (S-209)")
	require.NotContains(t, text(res), url.QueryEscape(state))
}

// crossSiteCases are what browsers say of a request that another site made, or that cannot be told from one.
var crossSiteCases = [][]string{
	{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example", "Sec-Fetch-Site", ""},
	{"Origin", "null", "Sec-Fetch-Site", "cross-site"}, {"Origin", "null", "Sec-Fetch-Site", ""}, {"Origin", "http://gw.example", "Sec-Fetch-Site", ""},
	{"Origin", "https://gw.example", "Sec-Fetch-Site", "cross-site"}, {"Origin", "", "Sec-Fetch-Site", "same-site"}, {"Origin", "", "Sec-Fetch-Site", "none"},
	{"Origin", "https://gw.example.evil.example", "Sec-Fetch-Site", ""}, {"Origin", "https://evil.example", "Sec-Fetch-Site", "same-origin"},
	{"Origin", "https://spa.example", "Sec-Fetch-Site", "same-site"}, {"Origin", "https://gw.example:8443", "Sec-Fetch-Site", ""},
}

// TestRejectCrossSiteLogin (login CSRF): nobody is logged in as somebody else by a form of a foreign page.
func TestRejectCrossSiteLogin(t *testing.T) {
	h, _ := localHouse(t)
	for _, headers := range crossSiteCases {
		res := h.browser().post("/_session/login", credentials("mallory", "pw-mallory"), headers...)
		require.Equal(t, http.StatusForbidden, res.StatusCode, headers)
		require.Empty(t, res.Cookies())
	}
}

// TestFormsOfOurPagesAreTaken: what browsers send from our own pages, with Fetch Metadata and without.
func TestFormsOfOurPagesAreTaken(t *testing.T) {
	h, _ := localHouse(t)
	for _, headers := range [][]string{
		{"Origin", "https://gw.example", "Sec-Fetch-Site", "same-origin"}, {"Origin", "null", "Sec-Fetch-Site", "same-origin"},
		{"Origin", "https://gw.example", "Sec-Fetch-Site", ""}, {"Origin", "", "Sec-Fetch-Site", ""}, {"Origin", "https://spa.example", "Sec-Fetch-Site", "same-origin"},
	} {
		require.Equal(t, http.StatusSeeOther, h.browser().post("/_session/login", credentials("alice", "pw-alice"), headers...).StatusCode, headers)
	}
	// The referrer policy of a page decides whether the browser says Origin or "null" with its forms.
	require.Equal(t, "strict-origin", h.browser().get("/_session/login").Header.Get("Referrer-Policy"))
	require.Equal(t, "no-referrer", h.browser().get("/_session/signed-out").Header.Get("Referrer-Policy"))
}

// TestRejectOversizedForm (S-140): the reader stops at the limit.
func TestRejectOversizedForm(t *testing.T) {
	h, _ := localHouse(t)
	other := newHouse(t, houseOptions{})
	for path, b := range map[string]*browser{"/_session/login": h.browser(), "/_session/logout": h.browser(), "/_session/callback/corp": other.browser()} {
		body := &counting{Reader: strings.NewReader("username=" + strings.Repeat("a", 20<<20))}
		res := b.do("POST", path, body, "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
		require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode, path)
		require.Less(t, body.n, 1<<20)
		require.Empty(t, res.Cookies())
	}
}

type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

func TestRejectOddForms(t *testing.T) {
	h, _ := localHouse(t)
	for name, tc := range map[string]struct{ body, contentType string }{
		"nothing": {"", ""}, "no type": {"source=local", ""}, "JSON": {`{"source":"local"}`, "application/json"}, "bad escape": {"source=%zz", "application/x-www-form-urlencoded"},
		"multipart without boundary": {"x", "multipart/form-data"}, "another source": {"source=corp&username=a", "application/x-www-form-urlencoded"},
	} {
		res := h.browser().do("POST", "/_session/login", strings.NewReader(tc.body), "Content-Type", tc.contentType, "Accept", "text/html")
		require.Equal(t, http.StatusBadRequest, res.StatusCode, name)
		require.Empty(t, res.Cookies())
	}
	res := h.browser().do("POST", "/_session/login?source=local&username=alice&password=pw-alice", nil)
	require.Equal(t, http.StatusBadRequest, res.StatusCode, "a password in an address is none")
}

// TestRejectScriptInForms (S-038, S-046): what was typed is shown again as text.
func TestRejectScriptInForms(t *testing.T) {
	h, _ := localHouse(t)
	const evil = `'"><script>alert(1)</script>`
	form := credentials(evil, "x")
	form.Set("return_to", "/"+evil)
	res := h.browser().post("/_session/login", form)
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.NotContains(t, text(res), "<script>")
	require.NotContains(t, res.Header.Get("Content-Security-Policy"), "unsafe")
}
