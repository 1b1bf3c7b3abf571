package middleware

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// TestBrowserSignsInAndOut with a real browser: what it says of the forms of our pages (Origin, Sec-Fetch-Site) under the
// policies of our pages is what we take. The pages have no script, and their own policy would let none run.
func TestBrowserSignsInAndOut(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	var h *house
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }))
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	base := "http://localhost:" + port
	h = newHouse(t, houseOptions{sources: []session.Source{&doorman{name: "local"}}, change: func(o *Options) {
		o.PublicURL = &url.URL{Scheme: "http", Host: "localhost:" + port}
	}})

	b := openTab(t, h.log)
	b.do(chromedp.Navigate(base+"/app/x?y=1"), chromedp.SendKeys("#username-local", "alice"), chromedp.SendKeys("#password-local", "pw-alice"),
		chromedp.Click("button"), chromedp.WaitNotPresent("#username-local"))
	require.Equal(t, "application for alice", read(b, chromedp.Text("body")), "%s", h.log)
	require.Equal(t, base+"/app/x?y=1", read(b, chromedp.Location()))

	b.do(chromedp.Navigate(base + "/_session/logout"))
	require.Equal(t, "384px", read(b, chromedp.Evaluate[string](`getComputedStyle(document.querySelector("main")).maxWidth`)), "our own policy lets our style sheet in")
	b.do(chromedp.Click("button"), chromedp.WaitVisible(`//h1[contains(., "igned out")]`))
	require.Equal(t, "Signed out", read(b, chromedp.Text("h1")), "%s", h.log)
	require.Equal(t, base+"/_session/signed-out", read(b, chromedp.Location()))
}

// tab is one tab of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
	log *safeBuffer // of the site
}

func openTab(t *testing.T, log *safeBuffer, more ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no browser installed: apt-get install chromium")
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-background-networking", true))
	flags = append(flags, more...)
	ctx, closeBrowser := chromedp.NewExecAllocator(context.Background(), flags...)
	t.Cleanup(closeBrowser)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	// The first action starts the browser and must not carry a deadline, which would end it.
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("about:blank")))
	return &tab{t: t, ctx: ctx, log: log}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.log)
	}
}

func read(b *tab, a chromedp.Action[string]) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	s, err := chromedp.Run(ctx, a)
	require.NoError(b.t, err)
	return s
}

// picture keeps what the tab shows, for people to look at.
func (b *tab) picture(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	dir := cmp.Or(os.Getenv("ARTEFACTS_DIR"), filepath.Join("..", "artefacts"))
	require.NoError(b.t, os.MkdirAll(dir, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name), png, 0o644))
}
