package middleware

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// returnSite is a site that may send browsers to itself and two more origins.
func returnSite() *Site {
	return &Site{origin: "https://gw.example", origins: []string{"https://gw.example", "https://app.example:8443", "https://a.corp.example"}}
}

func TestReturnTarget(t *testing.T) {
	s := returnSite()
	for _, ok := range []string{
		"/", "/app", "/app/", "/app?x=1&y=2", "/app?next=https://evil.example/", "/app#part", "/a.b/c-d_e~f", "/%C3%A4",
		"https://gw.example/x", "https://GW.example/x", "https://app.example:8443/x?y=z", "https://a.corp.example/",
		"/search?q=a%2Fb", "/..a/b", "/a..", "/@user", "/a:b",
	} {
		require.Equal(t, ok, s.ReturnTarget(ok), ok)
	}
	require.Equal(t, "https://gw.example/", s.ReturnTarget("https://gw.example"))
}

// TestRejectOpenRedirect: S-002 to S-006 and their mixes, each as it arrives after one percent-decoding.
func TestRejectOpenRedirect(t *testing.T) {
	s := returnSite()
	rejected := append(openRedirects(t), "/"+strings.Repeat("a", maxReturnTarget))
	require.Greater(t, len(rejected), 80)
	for _, raw := range rejected {
		require.Equal(t, "/", s.ReturnTarget(raw), "%q", raw)
	}
	require.Equal(t, "/", s.ReturnTarget(""))
}

// openRedirects reads the list that the end-to-end tests use, too.
func openRedirects(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../testdata/open-redirects.txt")
	require.NoError(t, err)
	var list []string
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		raw, err := strconv.Unquote(strings.TrimSpace(line))
		require.NoError(t, err, line)
		list = append(list, raw)
	}
	return list
}

// TestRejectOpenRedirectMixes builds several thousand targets out of what browsers and servers read differently, and
// follows each as a browser would.
func TestRejectOpenRedirectMixes(t *testing.T) {
	s := returnSite()
	parts := []string{"/", "//", "\\", "/\\", "/.", "/..", "/./", "/;", "%2f", "%5c", "%09", "\t", "\n", " ", "@", ":", "?", "#", "https:", "http://", "//gw.example", "."}
	n := 0
	for _, a := range parts {
		for _, b := range parts {
			for _, c := range parts {
				raw := a + b + c + "evil.example"
				checkStays(t, s, raw)
				checkStays(t, s, raw+"/%2f..")
				n += 2
			}
		}
	}
	require.Greater(t, n, 20_000)
}

func FuzzReturnTarget(f *testing.F) {
	for _, seed := range []string{"/", "//evil.example", "/\\evil.example", "https://gw.example/x", "https://gw.example@evil.example/", "/%09/evil.example", "/./\\evil", "https:evil.example", "/a?b#c"} {
		f.Add(seed)
	}
	s := returnSite()
	f.Fuzz(func(t *testing.T, raw string) {
		checkStays(t, s, raw)
		if got := s.ReturnTarget(raw); s.ReturnTarget(got) != got {
			t.Fatalf("%q became %q, which is not its own target", raw, got)
		}
	})
}

// checkStays follows a target as the URL Standard has browsers do and fails when it leaves the listed origins.
func checkStays(t *testing.T, s *Site, raw string) {
	t.Helper()
	target := s.ReturnTarget(raw)
	origin, err := browserOrigin("https://gw.example", target)
	if err != nil {
		t.Fatalf("%q became %q: %v", raw, target, err)
	}
	for _, ok := range s.origins {
		if origin == ok {
			return
		}
	}
	t.Fatalf("%q became %q, which leads a browser to %s", raw, target, origin)
}

// browserOrigin resolves target against base the way browsers do for http(s): controls and blanks at the ends are
// dropped, tabs and line ends anywhere, a backslash is a slash, and any number of slashes begins an authority.
func browserOrigin(base, target string) (string, error) {
	target = strings.TrimFunc(target, func(r rune) bool { return r <= ' ' })
	target = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(target)
	head, tail := target, ""
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		head, tail = target[:i], target[i:]
	}
	head = strings.ReplaceAll(head, "\\", "/")
	lower := strings.ToLower(head)
	switch {
	case strings.HasPrefix(lower, "https:") || strings.HasPrefix(lower, "http:"):
		scheme, rest, _ := strings.Cut(head, ":")
		head = strings.ToLower(scheme) + "://" + strings.TrimLeft(rest, "/")
	case strings.HasPrefix(head, "//"):
		head = "https://" + strings.TrimLeft(head, "/")
	case strings.Contains(head, ":") && !strings.HasPrefix(head, "/"):
		return "", fmt.Errorf("another scheme")
	default:
		return base, nil
	}
	u, err := url.Parse(head)
	if err != nil {
		return "", err
	}
	_ = tail
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}
