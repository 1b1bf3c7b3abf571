package middleware

import (
	"flag"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

var update = flag.Bool("update", false, "write the golden files anew")

// ourPages renders every page people can meet, by the name of its golden file.
func ourPages(t *testing.T) map[string]string {
	h := newHouse(t, houseOptions{})
	both := newHouse(t, houseOptions{sources: []session.Source{newAuthority("corp", "Corp & Sons"), &doorman{name: "local"}, &doorman{name: "partners"}}})
	b := h.browser()
	b.login("alice", "/")
	out := map[string]string{}
	keep := func(name string, res *http.Response) {
		require.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"), name)
		out[name] = strings.ReplaceAll(text(res), res.Header.Get("X-Request-Id"), "00000000-0000-7000-8000-000000000000")
	}
	keep("sign_in", both.browser().get("/_session/login?return_to=/app"))
	byEmail := newAuthority("corp", "Corp & Sons")
	byEmail.domains = []string{"corp.example"}
	several := newHouse(t, houseOptions{sources: []session.Source{byEmail, newAuthority("partner", "Partner")}})
	keep("sign_in_by_email", several.browser().get("/_session/login?return_to=/app&login_hint=a@nowhere.example"))
	keep("sign_in_refused", both.browser().post("/_session/login", credentials("alice", "wrong")))
	keep("sign_out", b.get("/_session/logout?return_to=/app"))
	keep("error_forbidden", b.get("/admin"))
	keep("error_step_up", b.get("/strong"))
	keep("error_unauthorized", b.do("POST", "/app", nil, "Accept", "text/html", "Cookie", sessionCookie+"=x"))
	keep("error_bad_request", b.get("/a/../b"))
	keep("error_not_found", b.get("/_session/nothing"))
	h.corp.fail(session.WithRetryAfter(session.ErrUnavailable, 3*time.Second))
	keep("error_unavailable", h.browser().get("/_session/login?return_to=/app"))
	keep("signed_out", b.get("/_session/signed-out"))
	for name, page := range ourSessionPages(t) {
		keep(name, page)
		out[name] = regexp.MustCompile(`value="[a-z2-7]{20}"`).ReplaceAllString(out[name], `value="aaaaaaaaaaaaaaaaaaaa"`)
	}
	return out
}

// ourSessionPages are the page of one's own sessions, with sessions of ours and with foreign ones and all it can say.
func ourSessionPages(t *testing.T) map[string]*http.Response {
	h := newHouse(t, houseOptions{})
	alice, second := h.browser(), h.browser()
	second.get(callback(second.begin("/").Get("state"), "alice"), "User-Agent", firefoxWindows)
	h.clock.Advance(5 * time.Minute)
	alice.get(callback(alice.begin("/").Get("state"), "alice"), "User-Agent", firefoxWindows)
	h.clock.Advance(5 * time.Minute)
	c, there := newCampus(t)
	c.others = []string{"alice//3"}
	b := there.show("alice//1")
	there.show("alice//2")
	c.fail(session.ErrUnavailable)
	ended := b.endAs(allOthers)
	c.fail(nil)
	return map[string]*http.Response{
		"sessions": alice.get("/_session/", "User-Agent", safariPhone), "sessions_ended": ended, "sessions_elsewhere": b.get("/_session/"),
	}
}

// TestPagesGolden: run with -update to accept what the pages look like now.
func TestPagesGolden(t *testing.T) {
	for name, page := range ourPages(t) {
		path := filepath.Join("testdata", "pages", name+".golden.html")
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(page), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), page, name)
	}
}

// TestPagesAreAccessible: language, title, one heading, a main landmark, a label for every field, text on every button
// and link, ids that stand once; and nothing that runs.
func TestPagesAreAccessible(t *testing.T) {
	field := regexp.MustCompile(`<input ([^>]*)>`)
	attr := func(attrs, name string) string {
		m := regexp.MustCompile(name + `="([^"]*)"`).FindStringSubmatch(attrs)
		if m == nil {
			return ""
		}
		return m[1]
	}
	for name, page := range ourPages(t) {
		require.Contains(t, page, `<html lang="en">`, name)
		require.Contains(t, page, `name="viewport"`, name)
		require.Regexp(t, `<title>[^<]+</title>`, page, name)
		require.Equal(t, 1, strings.Count(page, "<h1>"), name)
		require.Regexp(t, `<h1>[^<]+</h1>`, page, name)
		require.Equal(t, 1, strings.Count(page, "<main>"), name)
		ids := map[string]bool{}
		for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			require.False(t, ids[m[1]], "%s: id %s stands twice", name, m[1])
			ids[m[1]] = true
		}
		for _, m := range field.FindAllStringSubmatch(page, -1) {
			if attr(m[1], "type") == "hidden" {
				continue
			}
			require.NotEmpty(t, attr(m[1], "id"), "%s: %s", name, m[0])
			require.Contains(t, page, `<label for="`+attr(m[1], "id")+`">`, name)
			require.NotEmpty(t, attr(m[1], "autocomplete"), "%s: %s", name, m[0])
		}
		for _, m := range regexp.MustCompile(`(?s)<(?:a|button)[^>]*>(.*?)</(?:a|button)>`).FindAllStringSubmatch(page, -1) {
			require.NotEmpty(t, strings.TrimSpace(m[1]), "%s: %s", name, m[0])
		}
		require.NotRegexp(t, `(?i)<script|<style|\sstyle=|\son[a-z]+=|javascript:|http-equiv|<iframe|<img`, page, name)
	}
}

// TestPagesHaveContrast: text on its ground, and buttons, at least 4.5:1 (WCAG 2.2 §1.4.3), in light and in dark; the
// borders of fields at least 3:1 (§1.4.11).
func TestPagesHaveContrast(t *testing.T) {
	css, err := builtinPages.ReadFile("pages/style.css")
	require.NoError(t, err)
	light, dark, found := strings.Cut(string(css), "prefers-color-scheme: dark")
	require.True(t, found)
	for scheme, block := range map[string]string{"light": light, "dark": dark} {
		color := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(block, -1) {
			color[m[1]] = m[2]
		}
		for _, pair := range []struct {
			front, ground string
			least         float64
		}{
			{"text", "card", 4.5}, {"text", "ground", 4.5}, {"soft", "card", 4.5}, {"soft", "ground", 4.5}, {"accent", "card", 4.5},
			{"on-accent", "accent", 4.5}, {"alarm", "card", 4.5}, {"soft", "card", 3}, {"accent", "ground", 3},
		} {
			require.Contains(t, color, pair.front, scheme)
			require.Contains(t, color, pair.ground, scheme)
			require.GreaterOrEqual(t, contrast(t, color[pair.front], color[pair.ground]), pair.least, "%s: %s on %s", scheme, pair.front, pair.ground)
		}
	}
	require.InDelta(t, 21, contrast(t, "#000000", "#ffffff"), 0.01)
}

// contrast is the ratio of WCAG 2.2.
func contrast(t *testing.T, a, b string) float64 {
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(t *testing.T, hex string) float64 {
	n, err := strconv.ParseUint(hex[1:], 16, 32)
	require.NoError(t, err)
	part := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

func TestStaticAssets(t *testing.T) {
	h := newHouse(t, houseOptions{})
	res := h.browser().get("/_session/static/style.css")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/css; charset=utf-8", res.Header.Get("Content-Type"))
	require.Equal(t, "public, max-age=300", res.Header.Get("Cache-Control"))
	require.Empty(t, res.Cookies())
}

// TestRejectTraversalInAssets (S-157, S-158): no name reaches the file system, least of all one with a path in it.
func TestRejectTraversalInAssets(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "logo.svg"), []byte("<svg/>"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret.txt"), []byte("planted"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub.css"), 0o755))
	h := newHouse(t, houseOptions{change: func(o *Options) { o.Pages.Dir = dir }})
	require.Equal(t, http.StatusOK, h.browser().get("/_session/static/logo.svg").StatusCode)
	for _, name := range []string{
		"secret.txt", "sub.css", "../site.go", "..%2fsite.go", "%2e%2e%2fsite.go", "..%5csite.go", "....//site.go", "/etc/passwd", "%2fetc%2fpasswd", "logo.svg/", "logo.svg%00", "LOGO.SVG", "layout.html", "error.html", "pages/style.css", ".", "..", "",
	} {
		res := h.browser().get("/_session/static/" + name)
		require.Contains(t, []int{400, 404, 405}, res.StatusCode, name)
		require.NotContains(t, text(res), "planted")
	}
}

// TestTheme: a folder takes the place of a page, of the style, and adds a picture; the rest stays.
func TestTheme(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{
		"signed_out.html": `{{define "main"}}<p>Bye from {{$.Title}}.</p>{{end}}`, "style.css": "body { color: red }", "logo.png": "PNG", "font.woff2": "wOF2",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600))
	}
	h := newHouse(t, houseOptions{change: func(o *Options) { o.Pages = PageOptions{Dir: dir, Title: "Wonder & Land"} }})
	b := h.browser()
	require.Contains(t, text(b.get("/_session/signed-out")), "Bye from Wonder &amp; Land.")
	require.Equal(t, "body { color: red }", text(b.get("/_session/static/style.css")))
	require.Equal(t, "image/png", b.get("/_session/static/logo.png").Header.Get("Content-Type"))
	require.Equal(t, "font/woff2", b.get("/_session/static/font.woff2").Header.Get("Content-Type"))
	require.Contains(t, b.get("/_session/signed-out").Header.Get("Content-Security-Policy"), "font-src 'self'")
	b.login("alice", "/")
	require.Contains(t, text(b.get("/_session/logout")), "You are signed in as", "the other pages are the built-in ones")
}

// TestRejectBrokenTheme: at start and by name, not in front of somebody who wants to sign in.
func TestRejectBrokenTheme(t *testing.T) {
	big := strings.Repeat("x", maxAsset+1)
	for name, tc := range map[string]struct{ file, body string }{
		"does not parse": {"sign_in.html", "{{if}}"}, "layout does not parse": {"layout.html", "{{"}, "asks for what there is not": {"error.html", `{{define "main"}}{{.Data.Nope}}{{end}}`},
		"calls what there is not": {"sign_out.html", `{{define "main"}}{{nope}}{{end}}`}, "no block": {"signed_out.html", "<p>hello</p>"}, "layout asks for what there is not": {"layout.html", `{{.Nope}}{{template "main" .}}`},
		"too large": {"logo.png", big}, "unsafe place for a value": {"sign_in.html", `{{define "main"}}<script>{{.Data.Username}</script>{{end}}`},
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, tc.file), []byte(tc.body), 0o600))
		_, err := newPages(PageOptions{Dir: dir})
		require.ErrorIs(t, err, session.ErrMalformed, name)
		if tc.file != "layout.html" || name == "layout does not parse" {
			require.ErrorContains(t, err, tc.file, name)
		}
	}
	_, err := newPages(PageOptions{Dir: filepath.Join(t.TempDir(), "missing")})
	require.ErrorIs(t, err, session.ErrMalformed)
}

// TestRejectScriptInNames (S-038): what an authority calls a user is text.
func TestRejectScriptInNames(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.get(callback(b.begin("/").Get("state"), `<script>alert(1)</script>`))
	page := text(b.get("/_session/logout?return_to=" + url.QueryEscape("/app?x=<script>")))
	require.NotContains(t, page, "<script>")
	require.Contains(t, page, "&lt;script&gt;")
}
