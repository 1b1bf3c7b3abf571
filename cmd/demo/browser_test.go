//go:build unix

package main

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestBrowser does with the built binaries and a real browser what a visitor of the demonstration does: sign in, see the
// identity headers, outlive the tokens, outlive the gateway, be seen by an operator, sign out. It leaves pictures in ARTEFACTS_DIR.
func TestBrowser(t *testing.T) {
	path := findBrowser(t)
	dir := t.TempDir()
	gateway, self := build(t, dir, "../sessionward", "sessionward"), build(t, dir, ".", "demo")
	out := startDemo(t, self, "--gateway", gateway, "--port", "0", "--data", filepath.Join(dir, "data"), "--token-ttl", "4s")
	at := out.await(t, `Open +(http://localhost:\d+/)`)[1]
	pid, err := strconv.Atoi(out.await(t, `Gateway pid +(\d+)`)[1])
	require.NoError(t, err)
	b := openTab(t, path)

	b.do("begin at the application, end at the provider", chromedp.Navigate(at), chromedp.WaitVisible("#login"))
	b.picture("demo-sign-in.png")
	b.do("sign in", chromedp.SendKeys("#username", "alice"), chromedp.SendKeys("#password", "wonderland"),
		chromedp.Click("#submit"), chromedp.WaitVisible("#identity"))
	require.Equal(t, "Hello, Alice Liddell", b.text("#who"))
	for _, want := range []string{"X-Forwarded-User", "u-1001", "alice@example.com", "admins,staff", "X-Sessionward-Assertion"} {
		require.Contains(t, b.text("#identity"), want)
	}
	b.picture("demo-signed-in.png")

	b.until(at, "tokens were renewed", func() bool { return number(b.text("#renewals")) > 0 })
	require.Equal(t, "Hello, Alice Liddell", b.text("#who"))

	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	out.await(t, `(?s)has ended.*Gateway pid (\d+)`)
	b.until(at, "the gateway is back", func() bool { return number(b.text("#restarts")) == 1 })
	require.Equal(t, "Hello, Alice Liddell", b.text("#who"), "the session outlives the gateway's process")

	b.do("see it as an operator", chromedp.Navigate(out.await(t, `Operators +(http://\S+)`)[1]), chromedp.WaitVisible("#rows .link"))
	require.Equal(t, "alice", b.text("#rows .link"))
	b.picture("demo-operators.png")
	b.do("go back", chromedp.Navigate(at), chromedp.WaitVisible("#identity"))

	b.do("sign out", chromedp.Click("#logout"), chromedp.WaitVisible(`//h1[contains(., "igned out")]`))
	b.picture("demo-signed-out.png")
	b.do("begin again", chromedp.Navigate(at), chromedp.WaitVisible("#login"))
}

// findBrowser returns the path of a Chromium, or skips the test.
func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no browser installed: apt-get install chromium")
	return ""
}

// build compiles a main package and returns the binary's path.
func build(t *testing.T, dir, pkg, name string) string {
	t.Helper()
	binary := filepath.Join(dir, name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, pkg)
	msg, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", msg)
	return binary
}

// startDemo runs the demonstration's binary and stops it when the test ends.
func startDemo(t *testing.T, binary string, args ...string) *terminal {
	t.Helper()
	out := newTerminal()
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("demo: %v\n%s", err, out)
		}
	})
	return out
}

// tab is one tab of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func openTab(t *testing.T, path string) *tab {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WindowSize(1100, 1000), chromedp.UserDataDir(t.TempDir()))
	for _, flag := range []string{"disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync", "no-first-run"} {
		opts = append(opts, chromedp.Flag(flag, true))
	}
	ctx, closeBrowser := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(closeBrowser)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	// The first action starts the browser and must not carry a deadline, which would end it.
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("about:blank")))
	return &tab{t: t, ctx: ctx}
}

// within returns the context of one step.
func (b *tab) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, 20*time.Second)
}

func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.picture("demo-failure.png")
		b.t.Fatalf("%s: %v", what, err)
	}
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Text(selector))
	require.NoError(b.t, err, selector)
	return strings.TrimSpace(s)
}

// until loads the page again and again until it shows what is waited for. A page that does not come, because the gateway
// is away for a moment, is asked for again.
func (b *tab) until(at, what string, shown func() bool) {
	b.t.Helper()
	late := time.After(40 * time.Second)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		ctx, cancel := b.within()
		err := chromedp.Do(ctx, chromedp.Navigate(at), chromedp.WaitVisible("#who"))
		cancel()
		if err == nil && shown() {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			b.picture("demo-failure.png")
			b.t.Fatalf("waited in vain until %s: %v", what, err)
		}
	}
}

// picture saves what the tab shows.
func (b *tab) picture(name string) {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	dir := cmp.Or(os.Getenv("ARTEFACTS_DIR"), filepath.Join("..", "..", "artefacts"))
	require.NoError(b.t, os.MkdirAll(dir, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name), png, 0o644))
}

// number returns a count the page shows, -1 for anything else.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}
