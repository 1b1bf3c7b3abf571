package admin_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// pageTab is one tab of a real browser that looks at the page.
type pageTab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	messages []string // of the console: violations of the policy and exceptions among them
	asked    []string // addresses the browser asked for
}

func openPage(t *testing.T) *pageTab {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	t.Parallel() // browsers mostly wait
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.WindowSize(1360, 1000), chromedp.UserDataDir(t.TempDir()))
	for _, flag := range []string{"disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync", "no-first-run"} {
		opts = append(opts, chromedp.Flag(flag, true))
	}
	ctx, closeBrowser := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(closeBrowser)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("about:blank")))
	b := &pageTab{t: t, ctx: ctx}
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	messages, requests := chromedp.Console(ctx), chromedp.Events(ctx, network.RequestWillBeSent)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.note(&b.messages, fmt.Sprintf("%+v", m))
		}
	}()
	go func() {
		for e, err := range requests {
			if err != nil {
				return
			}
			b.note(&b.asked, e.Request.URL)
		}
	}()
	return b
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no browser installed: apt-get install chromium")
	return ""
}

func (b *pageTab) note(list *[]string, line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*list = append(*list, line)
}

func (b *pageTab) noted(list *[]string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), *list...)
}

// complaints are what the browser wrote into the console but that some call was answered by an error, which it always does.
func (b *pageTab) complaints() (out []string) {
	for _, m := range b.noted(&b.messages) {
		if !strings.Contains(m, "Failed to load resource") {
			out = append(out, m)
		}
	}
	return out
}

func (b *pageTab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.picture("admin-failure.png")
		b.t.Fatalf("%v\nconsole: %q", err, b.noted(&b.messages))
	}
}

// eval returns what a script finds. It runs as the console of the browser does, so the page's policy does not bind it.
func eval[T any](b *pageTab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, script)
	return v
}

// text is what an element shows, "" when it shows nothing.
func (b *pageTab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`((e) => e?.checkVisibility() ? e.innerText.trim() : '')(document.querySelector(%q))`, selector))
}

// users are the names in the table, top to bottom.
func (b *pageTab) users() []string {
	b.t.Helper()
	return eval[[]string](b, `[...document.querySelectorAll('#rows .link')].map((e) => e.textContent)`)
}

// until waits for something the page does by itself.
func (b *pageTab) until(what string, shown func() bool) {
	b.t.Helper()
	late := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !shown() {
		select {
		case <-tick.C:
		case <-late:
			b.picture("admin-failure.png")
			b.t.Fatalf("waited in vain until %s; users %q, trouble %q, console %q", what, b.users(), b.text("#trouble"), b.noted(&b.messages))
		}
	}
}

func (b *pageTab) untilUsers(want ...string) {
	b.t.Helper()
	b.until(fmt.Sprintf("the table shows %q", want), func() bool {
		got := map[string]int{}
		for _, u := range b.users() {
			got[u]++
		}
		for _, u := range want {
			got[u]--
		}
		for _, n := range got {
			if n != 0 {
				return false
			}
		}
		return true
	})
}

// search replaces what stands in the search field, as pasting does: half a word is never searched.
func (b *pageTab) search(line string) {
	b.t.Helper()
	eval[chromedp.Void](b, fmt.Sprintf(`(() => {
		const field = document.querySelector('#search');
		field.focus();
		field.select();
		document.execCommand('insertText', false, %s);
	})()`, jsonOf(b.t, line)))
}

// press clicks on what has that text inside the element.
func (b *pageTab) press(inside, text string) {
	b.t.Helper()
	found := eval[bool](b, fmt.Sprintf(`(() => { const e = [...document.querySelectorAll(%q + ' button')].find((e) => e.textContent === %q && !e.disabled); e?.click(); return !!e; })()`, inside, text))
	if !found {
		b.t.Fatalf("%s has no button %q: %s", inside, text, b.text(inside))
	}
}

// enter opens the page with a token and waits for the table.
func (b *pageTab) enter(f *floor, token string) {
	b.t.Helper()
	b.do(chromedp.Navigate(f.url+"/#token="+token), chromedp.WaitVisible("#sessions-title"))
}

// scheme is light or dark.
func (b *pageTab) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
	require.NoError(b.t, err)
}

// picture keeps what the tab shows in ARTEFACTS_DIR.
func (b *pageTab) picture(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	dir := cmp.Or(os.Getenv("ARTEFACTS_DIR"), filepath.Join("..", "artefacts"))
	require.NoError(b.t, os.MkdirAll(dir, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name), png, 0o644))
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
