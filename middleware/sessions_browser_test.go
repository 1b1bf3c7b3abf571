package middleware

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// TestBrowserEndsSessionsElsewhere with two real browsers: one user signs in in both, sees both, and ends one from the other
// with the keyboard alone; the one that was ended is out on its next request. One of them runs no script. Pictures stay in ARTEFACTS_DIR.
func TestBrowserEndsSessionsElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("starts browsers")
	}
	h, base := listeningHouse(t)
	light := openTab(t, h.log, chromedp.WindowSize(1000, 900), chromedp.Flag("blink-settings", "preferredColorScheme=1"))
	dark := openTab(t, h.log, chromedp.WindowSize(1000, 900), chromedp.UserAgent(firefoxWindows), chromedp.Flag("blink-settings", "preferredColorScheme=0"))
	_, err := chromedp.Call(dark.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	dark.do(chromedp.Navigate("data:text/html,<body>off<script>document.body.textContent='on'</script>"))
	require.Equal(t, "off", read(dark, chromedp.Text("body")))
	dark.signIn(base, "/app")
	h.clock.Advance(25 * time.Minute)
	light.signIn(base, "/_session/")
	require.Equal(t, base+"/_session/", read(light, chromedp.Location()), "to the login and back")
	require.Equal(t, "704px", read(light, chromedp.Evaluate[string](`getComputedStyle(document.querySelector("main")).maxWidth`)), "our own policy lets our style sheet in")
	require.Contains(t, read(light, chromedp.Text(".sessions li:nth-child(2)")), "Firefox on Windows")
	require.Contains(t, read(light, chromedp.Text(".sessions .this")), "on Linux")
	light.picture("sessions-light.png")
	light.narrow("sessions-light-narrow.png")
	dark.do(chromedp.Navigate(base+"/_session/"), chromedp.WaitVisible(".sessions"))
	require.Equal(t, "dark", read(dark, chromedp.Evaluate[string](`matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"`)))
	dark.picture("sessions-dark.png")
	dark.narrow("sessions-dark-narrow.png")

	light.do(chromedp.Navigate(base+"/_session/"), chromedp.WaitVisible(".sessions"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab))
	require.Contains(t, read(light, chromedp.Evaluate[string](`document.activeElement.getAttribute("aria-label")`)), "Sign out: Firefox on Windows")
	require.Equal(t, "solid", read(light, chromedp.Evaluate[string](`getComputedStyle(document.activeElement).outlineStyle`)), "the focus can be seen")
	light.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(`[role="status"]`))
	require.Contains(t, read(light, chromedp.Text(`[role="status"]`)), "One session was signed out.", "%s", h.log)
	require.Contains(t, read(light, chromedp.Text("main")), "signed in nowhere else")
	light.picture("sessions-ended.png")
	dark.do(chromedp.Navigate(base+"/app"), chromedp.WaitVisible("#username-local"))

	dark.signIn(base, "/_session/")
	dark.do(chromedp.Click("main > form button"), chromedp.WaitVisible(`[role="status"]`))
	require.Contains(t, read(dark, chromedp.Text(`[role="status"]`)), "One session was signed out.")
	light.do(chromedp.Navigate(base+"/app"), chromedp.WaitVisible("#username-local"))

	dark.do(chromedp.Click(".this button"), chromedp.WaitVisible(`//h1[contains(., "igned out")]`))
	require.Equal(t, base+"/_session/signed-out", read(dark, chromedp.Location()), "ending this one is a logout")
	dark.do(chromedp.Navigate(base+"/app"), chromedp.WaitVisible("#username-local"))
}

// listeningHouse is a house with passwords that browsers reach.
func listeningHouse(t *testing.T) (h *house, base string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	h = newHouse(t, houseOptions{sources: []session.Source{&doorman{name: "local"}}, change: func(o *Options) {
		o.PublicURL = &url.URL{Scheme: "http", Host: "localhost:" + port}
	}})
	return h, "http://localhost:" + port
}

// signIn opens a page as alice.
func (b *tab) signIn(base, page string) {
	b.t.Helper()
	b.do(chromedp.Navigate(base+page), chromedp.SendKeys("#username-local", "alice"), chromedp.SendKeys("#password-local", "pw-alice"),
		chromedp.Click("button"), chromedp.WaitNotPresent("#username-local"))
}

// narrow takes a picture as wide as a small phone; nothing must stick out (WCAG 2.2 §1.4.10).
func (b *tab) narrow(name string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(320, 700))
	b.picture(name)
	require.Equal(b.t, "320", read(b, chromedp.Evaluate[string](`String(document.documentElement.scrollWidth)`)))
	b.do(chromedp.EmulateViewport(1000, 900))
}
