package middleware

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

const (
	firefoxWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0"
	safariPhone    = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)

func TestDeviceName(t *testing.T) {
	for agent, want := range map[string]string{
		firefoxWindows: "Firefox on Windows",
		safariPhone:    "Safari on iPhone",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36":                         "Chrome on macOS",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0":                 "Edge on Windows",
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36":                         "Chrome on Android",
		"Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/5": "Samsung Internet on Android",
		"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/130.0 Mobile/15E148 Safari/604.1":                 "Chrome on iPad",
		"Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0":                                                                        "Firefox on Linux",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36":                                "Chrome on ChromeOS",
		"curl/8.5.0":              "curl",
		"Go-http-client/2.0":      "A Go program",
		"python-requests/2.32.3":  "A Python program",
		"":                        unknownDevice,
		"\x00\xff\xfe":            unknownDevice,
		"Mozilla/5.0":             unknownDevice,
		strings.Repeat("(", 9000): unknownDevice,
	} {
		require.Equal(t, want, deviceName(agent), agent)
	}
}

// TestRejectMessagesInUserAgents: who sends a User-Agent writes it, and the reader is somebody else.
func TestRejectMessagesInUserAgents(t *testing.T) {
	for _, agent := range []string{
		"Your account is locked, call 555 0100/1.0", "Bank Security/1.0 (Windows NT 10.0)", "<script>alert(1)</script>/1",
		"Mozilla/5.0 (Linux; Android 14; call 555 0100) Evil/1.0", "https://evil.example/ +https://evil.example/",
	} {
		name := deviceName(agent)
		for _, word := range []string{"call", "Bank", "script", "evil", "Evil"} {
			require.NotContains(t, name, word, agent)
		}
	}
}

func FuzzDeviceName(f *testing.F) {
	for _, seed := range []string{firefoxWindows, safariPhone, "", "curl/8", "(((", "Mozilla/5.0 (;;;", "a/b/c (d; e) f/", "\xff\xfe/1 (Windows NT)"} {
		f.Add(seed)
	}
	known := map[string]bool{"": true}
	for _, names := range []map[string]string{clientNames, systemNames, {"1": "iPhone", "2": "iPad", "3": unknownDevice, "4": "Something"}} {
		for _, name := range names {
			known[name] = true
		}
	}
	f.Fuzz(func(t *testing.T, agent string) {
		name := deviceName(agent)
		require.True(t, utf8.ValidString(name) && len(name) <= 64 && name != "", name)
		client, system, _ := strings.Cut(name, " on ")
		require.True(t, known[name] || known[client] && known[system], "%q says %q", agent, name)
	})
}

func TestPlainIP(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:DB8::1": "2001:db8::1", "fe80::1%eth0": "fe80::1",
		"": "", "call 555": "", "192.0.2.7:80": "",
	} {
		require.Equal(t, want, plainIP(in), in)
	}
}
