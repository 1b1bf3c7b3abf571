package policy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHostCanonicalForm(t *testing.T) {
	for host, want := range map[string]string{
		"app.example":       "app.example",
		"App.EXAMPLE":       "app.example",
		"app.example.":      "app.example",
		"app.example:80":    "app.example",
		"app.example.:80":   "app.example",
		"app.example:8080":  "app.example:8080",
		"App.example.:8080": "app.example:8080",
		"app.example:443":   "app.example:443",
		"a_b.example":       "a_b.example",
		"localhost":         "localhost",
		"192.0.2.1":         "192.0.2.1",
		"192.0.2.1:8080":    "192.0.2.1:8080",
		"[::1]":             "[::1]",
		"[::1]:80":          "[::1]",
		"[2001:DB8:0::1]:9": "[2001:db8::1]:9",
		"xn--caf-dma.test":  "xn--caf-dma.test",
		"1password.example": "1password.example",
		"a.0x7g":            "a.0x7g",
	} {
		got, err := canonicalHost(host, "http")
		require.NoError(t, err, host)
		require.Equal(t, want, got)
		again, err := canonicalHost(got, "http")
		require.NoError(t, err)
		require.Equal(t, want, again)
		name, _, err := splitPort(want)
		require.NoError(t, err)
		require.Equal(t, name, Request{Host: want}.Hostname())
	}
	got, err := canonicalHost("app.example:443", "https")
	require.NoError(t, err)
	require.Equal(t, "app.example", got)
}

func TestRefusesBadHosts(t *testing.T) {
	for host, code := range map[string]string{
		"":                         "host_missing",
		".":                        "host_invalid",
		"..":                       "host_invalid",
		"a..example":               "host_invalid",
		"app.example..":            "host_invalid",
		".app.example":             "host_invalid",
		"-app.example":             "host_invalid",
		"app-.example":             "host_invalid",
		"app example":              "host_invalid",
		"user@app.example":         "host_invalid", // S-144
		"user:pw@app.example":      "host_port",
		"app.example/x":            "host_invalid",
		"app.example?x":            "host_invalid",
		"app.example#x":            "host_invalid",
		`app.example\x`:            "host_invalid",
		"app%2eexample":            "host_invalid",
		"a,b":                      "host_invalid",
		"a\tb":                     "host_invalid",
		"a\x00":                    "host_invalid",
		"caf\xc3\xa9.example":      "host_invalid",
		"\u212a.example":           "host_invalid", // the Kelvin sign lowers to k
		"app.example:":             "host_port",
		"app.example:0":            "host_port",
		"app.example:080":          "host_port",
		"app.example:65536":        "host_port",
		"app.example:x":            "host_port",
		"app.example:-1":           "host_port",
		"app.example:+80":          "host_port",
		"app.example:80:80":        "host_invalid",
		"::1":                      "host_invalid",
		"[::1":                     "host_invalid",
		"[::1]x":                   "host_invalid",
		"[::1]]":                   "host_invalid",
		"[]":                       "host_invalid",
		"[app.example]":            "host_invalid",
		"[192.0.2.1]":              "host_invalid",
		"[fe80::1%25eth0]":         "host_invalid",
		"[fe80::1%eth0]":           "host_invalid",
		"127.1":                    "host_invalid",
		"010.0.0.1":                "host_invalid",
		"0x7f.0.0.1":               "", // ends in a number, begins with another notation
		"a.0x7f":                   "host_invalid",
		"a.0X7F":                   "host_invalid",
		"a.0x":                     "host_invalid",
		"2130706433":               "host_invalid",
		"256.0.0.1":                "host_invalid",
		"xn--example-.com":         "host_punycode", // S-147
		"XN--EXAMPLE-.com":         "host_punycode",
		"xn--.com":                 "host_punycode",
		strings.Repeat("a", 64):    "host_invalid",
		strings.Repeat("a.", 127):  "", // 253 and a dot: fits
		strings.Repeat("a.", 128):  "host_invalid",
		strings.Repeat("ab.", 100): "host_invalid",
	} {
		_, err := canonicalHost(host, "http")
		if code == "" && strings.HasPrefix(host, "a.") {
			require.NoError(t, err)
			continue
		}
		require.Error(t, err, "%q", host)
		refused(t, err, code)
	}
}

// S-075: two hosts are two requests.
func TestRefusesTwoHosts(t *testing.T) {
	r := get(t, "/")
	r.Header["Host"] = []string{"app.example", "evil.example"}
	_, err := new(Canonicalizer).Request(r)
	refused(t, err, "host_conflict")
	r.Header["Host"] = []string{"APP.example"} // the same one, left beside :authority
	_, err = new(Canonicalizer).Request(r)
	require.NoError(t, err)
}

func TestRefusesForeignAuthority(t *testing.T) {
	_, err := new(Canonicalizer).Request(get(t, "http://evil.example/app"))
	refused(t, err, "host_conflict")
	_, err = new(Canonicalizer).Request(get(t, "http://user@app.example/app"))
	refused(t, err, "host_invalid")
	_, err = new(Canonicalizer).Request(get(t, "https://app.example/app"))
	refused(t, err, "scheme")
}

func TestRefusesRequestWithoutHost(t *testing.T) {
	r := read(t, "GET / HTTP/1.0\r\n\r\n")
	_, err := new(Canonicalizer).Request(r)
	refused(t, err, "host_missing")
	r = get(t, "http://app.example/")
	r.Host = ""
	_, err = new(Canonicalizer).Request(r)
	refused(t, err, "host_missing")
}

func TestRefusesH2CUpgrade(t *testing.T) {
	for _, values := range [][]string{{"h2c"}, {"H2C"}, {"websocket, h2c"}, {"websocket", " h2c "}, {"h2c/1"}} {
		r := get(t, "/")
		r.Header = http.Header{"Upgrade": values}
		_, err := new(Canonicalizer).Request(r)
		refused(t, err, "upgrade_h2c")
	}
	r := get(t, "/")
	r.Header.Set("Upgrade", "websocket")
	_, err := new(Canonicalizer).Request(r)
	require.NoError(t, err)
}

func TestRefusesConnect(t *testing.T) {
	r := get(t, "app.example:443")
	r.Method = "CONNECT"
	_, err := new(Canonicalizer).Request(r)
	refused(t, err, "")
	r.RequestURI = "/app"
	_, err = new(Canonicalizer).Request(r)
	refused(t, err, "connect")
}
