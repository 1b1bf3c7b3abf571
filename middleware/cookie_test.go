package middleware

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func mustURL(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

func TestCookies(t *testing.T) {
	for name, tc := range map[string]struct {
		o              CookieOptions
		site           string
		session, login string
		secure         bool
		sameSite       http.SameSite
	}{
		"https":               {CookieOptions{}, "https://gw.example", "__Host-sessionward", "__Host-sessionward-login", true, http.SameSiteLaxMode},
		"with a domain":       {CookieOptions{Domain: "corp.example"}, "https://gw.corp.example", "__Secure-sessionward", "__Host-sessionward-login", true, http.SameSiteLaxMode},
		"with a dotted one":   {CookieOptions{Domain: ".corp.example"}, "https://gw.corp.example", "__Secure-sessionward", "__Host-sessionward-login", true, http.SameSiteLaxMode},
		"same_site none":      {CookieOptions{SameSite: "none"}, "https://gw.example", "__Host-sessionward", "__Host-sessionward-login", true, http.SameSiteNoneMode},
		"a name":              {CookieOptions{Name: "sid"}, "https://gw.example", "sid", "__Host-sid-login", true, http.SameSiteLaxMode},
		"this machine":        {CookieOptions{}, "http://localhost:4180", "sessionward", "sessionward-login", false, http.SameSiteLaxMode},
		"an address of it":    {CookieOptions{}, "http://127.0.0.5:4180", "sessionward", "sessionward-login", false, http.SameSiteLaxMode},
		"its other address":   {CookieOptions{}, "http://[::1]:4180", "sessionward", "sessionward-login", false, http.SameSiteLaxMode},
		"insecure, as wanted": {CookieOptions{Insecure: true}, "http://gw.example", "sessionward", "sessionward-login", false, http.SameSiteLaxMode},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := NewCookies(tc.o, mustURL(t, tc.site))
			require.NoError(t, err)
			require.Equal(t, tc.session, c.SessionName())
			require.Equal(t, tc.login, c.LoginName())
			require.Equal(t, []string{tc.session, tc.login, tc.login + "-again"}, c.Names())
			for _, ck := range []*http.Cookie{c.session("v", time.Hour), c.login("v", time.Minute), c.again("1")} {
				require.True(t, ck.HttpOnly)
				require.Equal(t, tc.secure, ck.Secure)
				require.Equal(t, "/", ck.Path)
				require.NoError(t, ck.Valid())
			}
			require.Equal(t, tc.sameSite, c.session("", 0).SameSite)
			require.Equal(t, tc.o.Domain, c.session("", 0).Domain)
			require.Empty(t, c.login("", 0).Domain, "what binds a login never leaves the host")
			require.Equal(t, http.SameSiteLaxMode, c.login("", 0).SameSite)
		})
	}
}

// TestRejectCookieOptions: what browsers would drop, and what could be read on the way, is refused at start.
func TestRejectCookieOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		o    CookieOptions
		site string
	}{
		"plain http":                    {CookieOptions{}, "http://gw.example"},
		"a name that begins like ours":  {CookieOptions{}, "http://127.0.0.1.evil.example"},
		"a name that ends like ours":    {CookieOptions{}, "http://notlocalhost"},
		"same_site strict":              {CookieOptions{SameSite: "strict"}, "https://gw.example"},
		"same_site none on http":        {CookieOptions{SameSite: "none"}, "http://localhost"},
		"blank in the name":             {CookieOptions{Name: "a b"}, "https://gw.example"},
		"line break in the name":        {CookieOptions{Name: "a\r\nb"}, "https://gw.example"},
		"sign in the name":              {CookieOptions{Name: "a=b"}, "https://gw.example"},
		"__Host- with a domain":         {CookieOptions{Name: "__Host-sid", Domain: "gw.example"}, "https://gw.example"},
		"__Host- on http":               {CookieOptions{Name: "__Host-sid"}, "http://localhost"},
		"__host- in another case":       {CookieOptions{Name: "__hOST-sid"}, "http://localhost"},
		"__Secure- on http":             {CookieOptions{Name: "__Secure-sid"}, "http://localhost"},
		"a domain the site is not in":   {CookieOptions{Domain: "corp.example"}, "https://gw.example"},
		"a domain that is a suffix":     {CookieOptions{Domain: "corp.example"}, "https://badcorp.example"},
		"a top-level domain":            {CookieOptions{Domain: "example"}, "https://gw.example"},
		"an address as domain":          {CookieOptions{Domain: "127.0.0.1"}, "https://127.0.0.1"},
		"something else in the domain":  {CookieOptions{Domain: "gw.example; Path=/x"}, "https://gw.example"},
		"a domain with a port":          {CookieOptions{Domain: "gw.example:443"}, "https://gw.example"},
		"a domain with an empty middle": {CookieOptions{Domain: "gw..example"}, "https://gw.example"},
	} {
		_, err := NewCookies(tc.o, mustURL(t, tc.site))
		require.ErrorIs(t, err, session.ErrMalformed, name)
		require.ErrorContains(t, err, "cookie: ", name)
	}
}

func TestParseOrigin(t *testing.T) {
	for raw, want := range map[string]string{
		"https://app.example": "https://app.example", "https://App.Example/": "https://app.example", "https://app.example:443": "https://app.example",
		"http://app.example:80": "http://app.example", "https://app.example:8443": "https://app.example:8443", "http://[::1]:4180": "http://[::1]:4180",
	} {
		got, err := ParseOrigin(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, got)
	}
	for _, raw := range []string{
		"", "app.example", "//app.example", "https://", "https:///x", "https://:443", "https://app.example/path", "https://app.example?x", "https://app.example#x", "https://user@app.example",
		"ftp://app.example", "javascript:alert(1)", "https://app.example;x", "https://app.example'", "https://*.example", "https://app example", "null", "*",
	} {
		_, err := ParseOrigin(raw)
		require.ErrorIs(t, err, session.ErrMalformed, raw)
	}
	require.Equal(t, "https://gw.example/x/callback/corp", CallbackURL(mustURL(t, "https://GW.example:443"), "/x", "corp"))
	require.Equal(t, "https://gw.example/_session/callback/corp", CallbackURL(mustURL(t, "https://gw.example"), "", "corp"))
}

// TestRejectSiteOptions: checked at start, with the option's name.
func TestRejectSiteOptions(t *testing.T) {
	good := newHouse(t, houseOptions{}).site.o
	for name, change := range map[string]func(*Options){
		"required":        func(o *Options) { o.Gate = nil },
		"public URL":      func(o *Options) { o.PublicURL = mustURL(t, "https://gw.example/path") },
		"return origin 2": func(o *Options) { o.ReturnOrigins = []string{"https://spa.example", "*"} },
		"cookie":          func(o *Options) { o.Cookie.SameSite = "strict" },
		"pages":           func(o *Options) { o.Pages.Dir = "missing" },
	} {
		o := good
		change(&o)
		_, err := New(o)
		require.ErrorIs(t, err, session.ErrMalformed, name)
		require.ErrorContains(t, err, name)
	}
	for _, prefix := range []string{"session", "/", "/x/", "//x", "/:x", "/*", "/a b", "/a%2f", "/..", "/a/./b", "/a?b", "/ä"} {
		o := good
		o.Prefix = prefix
		_, err := New(o)
		require.ErrorIs(t, err, session.ErrMalformed, prefix)
		require.ErrorContains(t, err, "prefix")
	}
	for _, prefix := range []string{"", "/oauth2", "/a/b.c-d_e"} {
		o := good
		o.Prefix = prefix
		_, err := New(o)
		require.NoError(t, err, prefix)
	}
}
