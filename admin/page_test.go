package admin_test

import (
	"io"
	"math"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func fetch(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	res, err := http.Get(url)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

// TestPage_IsServedToAnybodyAndLoadsNothingElse: the page holds nothing, so it needs no token; its policy allows its own
// files and its own listener.
func TestPage_IsServedToAnybodyAndLoadsNothingElse(t *testing.T) {
	f := newFloor(t)
	files, err := os.ReadDir("web")
	require.NoError(t, err)
	for _, path := range append([]os.DirEntry{nil}, files...) {
		url := f.url + "/"
		if path != nil {
			url += "web/" + path.Name()
		}
		res, body := fetch(t, url)
		require.Equal(t, http.StatusOK, res.StatusCode, url)
		policy := res.Header.Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:", "form-action 'none'",
			"frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'",
		} {
			require.Contains(t, policy, want, url)
		}
		require.NotContains(t, policy, "unsafe")
		require.Equal(t, "no-store", res.Header.Get("Cache-Control"), url)
		require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), url)
		body = strings.ReplaceAll(body, "http://www.w3.org/2000/svg", "")
		require.NotRegexp(t, `https?://|(?i)innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|\sstyle=|\son[a-z]+="`, body, url)
	}
}

// TestRejectOtherFilesOfThePage: no name leads out of the folder of the page.
func TestRejectOtherFilesOfThePage(t *testing.T) {
	f := newFloor(t)
	for _, name := range []string{"", "..%2fpage.go", "%2e%2e/page.go", "%2e%2e%2fpage.go", "..%5cpage.go", "page.go", "nothing.js", "page.js/", "PAGE.JS", "%00"} {
		res, body := fetch(t, f.url+"/web/"+name)
		require.NotEqual(t, http.StatusOK, res.StatusCode, name)
		require.NotContains(t, body, "package admin", name)
	}
	res, _ := fetch(t, f.url+"/nothing")
	require.Equal(t, http.StatusNotFound, res.StatusCode)
}

// TestPage_PaletteHasContrast: WCAG 2.2 §1.4.3 for text, §1.4.11 for borders of fields and for bars, light and dark.
func TestPage_PaletteHasContrast(t *testing.T) {
	css, err := os.ReadFile("web/style.css")
	require.NoError(t, err)
	light, dark, found := strings.Cut(string(css), "prefers-color-scheme: dark")
	require.True(t, found)
	for scheme, block := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(block, -1) {
			colors[m[1]] = m[2]
		}
		for ground, fronts := range map[string][]string{
			"card": {"text", "soft", "accent", "alarm", "well"}, "ground": {"text", "soft", "accent"}, "raised": {"text", "soft", "accent", "alarm", "well"},
			"chosen": {"text", "soft", "accent", "alarm", "well"}, "accent": {"on-accent"}, "alarm": {"on-alarm"}, "alarm-ground": {"text", "alarm"},
		} {
			for _, front := range fronts {
				require.GreaterOrEqual(t, ratio(t, colors[front], colors[ground]), 4.5, "%s: %s on %s", scheme, front, ground)
			}
		}
		for _, front := range []string{"edge", "accent", "logins", "refreshes", "denials", "hits"} {
			require.GreaterOrEqual(t, ratio(t, colors[front], colors["card"]), 3.0, "%s: %s on card", scheme, front)
		}
	}
	require.InDelta(t, 21, ratio(t, "#000000", "#ffffff"), 0.01)
}

// ratio is the contrast ratio of WCAG 2.2.
func ratio(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := brightness(t, a), brightness(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func brightness(t *testing.T, color string) float64 {
	t.Helper()
	require.Len(t, color, 7)
	n, err := strconv.ParseUint(color[1:], 16, 32)
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
