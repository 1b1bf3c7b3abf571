package proxy

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// A handler that the gate was not asked about serves nothing.
func TestRejectRequestWithoutPassage(t *testing.T) {
	var calls atomic.Int32
	g := newGateway(t, newUpstream(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) }), func(s *setup) {
		s.admitted = func(*http.Request) bool { return false }
	})
	g.refused("GET / HTTP/1.1\nHost: app.example\n\n", NoPassage)
	require.Zero(t, calls.Load())
}

func TestRejectTraceAndConnect(t *testing.T) {
	var calls atomic.Int32
	g := newGateway(t, newUpstream(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) }), nil)
	g.refused("TRACE / HTTP/1.1\nHost: app.example\n\n", MethodRefused)
	g.refused("CONNECT app.example:443 HTTP/1.1\nHost: app.example:443\n\n", MethodRefused)
	require.Zero(t, calls.Load())
}

func TestTargetIsSentByteForByte(t *testing.T) {
	g := newGateway(t, newUpstream(t, echo), nil)
	for _, target := range []string{
		"/", "/a/b", "/a%2Fb", "/a%2fb", "/a%20b", "/%41", "/a//b", "//a/b", "/a/../b", "/a;b/c", "/a|b", `/a"b<c>`, "/ä", "/a%7Eb~",
		"/?", "/?a=1", "/?a=1;b=2", "/?a=%zz", "/?a?b", "/a?x=%2F/../&&", "/?" + strings.Repeat("a=1&", 10_001) + "role=x",
	} {
		got := g.ask("GET " + target + " HTTP/1.1\nHost: app.example\n\n")
		require.Equal(t, target, got.Target)
	}
}

func TestRejectUnsendableTarget(t *testing.T) {
	for name, edit := range map[string]func(*Passage){
		"no slash":         func(p *Passage) { p.RawPath = "admin" },
		"empty":            func(p *Passage) { p.RawPath = "" },
		"asterisk":         func(p *Passage) { p.RawPath = "*" },
		"absolute":         func(p *Passage) { p.RawPath = "http://evil.example/" },
		"space":            func(p *Passage) { p.RawPath = "/a HTTP/1.1" },
		"line end":         func(p *Passage) { p.RawPath = "/a\r\nX-Forwarded-User: root" },
		"fragment":         func(p *Passage) { p.RawPath = "/a#b" },
		"query in path":    func(p *Passage) { p.RawPath = "/a?b" },
		"double and bytes": func(p *Passage) { p.RawPath = `//a"b` },
		"double and bad":   func(p *Passage) { p.RawPath = "//a%zz" },
		"space in query":   func(p *Passage) { p.RawQuery = "a=b c" },
		"NUL in query":     func(p *Passage) { p.RawQuery = "a=\x00" },
		"host line end":    func(p *Passage) { p.Host = "a\r\nX: y" },
		"host userinfo":    func(p *Passage) { p.Host = "a@b" },
		"host list":        func(p *Passage) { p.Host = "a,b" },
		"host path":        func(p *Passage) { p.Host = "a/b" },
		"scheme":           func(p *Passage) { p.Scheme = "ftp" },
		"no scheme":        func(p *Passage) { p.Scheme = "" },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, newUpstream(t, echo), func(s *setup) {
				s.passage = func(_ *http.Request, p *Passage) { edit(p) }
			})
			g.refused("GET / HTTP/1.1\nHost: app.example\n\n", BadTarget)
		})
	}
}

// The passage is what was judged; what the request says meanwhile does not count.
func TestRejectTargetOtherThanJudged(t *testing.T) {
	g := newGateway(t, newUpstream(t, echo), func(s *setup) {
		s.passage = func(_ *http.Request, p *Passage) { p.RawPath, p.RawQuery, p.Host = "/public", "q=1", "app.example" }
		s.PassHostHeader = true
	})
	got := g.ask("GET /secret?role=x HTTP/1.1\nHost: evil.example\n\n")
	require.Equal(t, "/public?q=1", got.Target)
	require.Equal(t, "app.example", got.Host)
}

func TestHostHeader(t *testing.T) {
	upstream := newUpstream(t, echo)
	const request = "GET / HTTP/1.1\nHost: app.example\n\n"
	got := newGateway(t, upstream, nil).ask(request)
	require.Equal(t, strings.TrimPrefix(upstream, "http://"), got.Host)
	got = newGateway(t, upstream, func(s *setup) { s.PassHostHeader = true }).ask(request)
	require.Equal(t, "app.example", got.Host)
	require.Equal(t, []string{"app.example"}, got.Header["X-Forwarded-Host"])
}

func TestAuthorization(t *testing.T) {
	upstream := newUpstream(t, echo)
	for name, c := range map[string]struct {
		place     session.Place
		keep      bool
		want, key []string
	}{
		"the bearer was the credential": {place: session.Place{Kind: session.KindBearer}, key: []string{"k"}},
		"a header was the credential":   {place: session.Place{Kind: session.KindHeader, Name: "X-Api-Key"}, want: []string{"Bearer t"}},
		"the bearer kept by option":     {place: session.Place{Kind: session.KindBearer}, keep: true, want: []string{"Bearer t"}, key: []string{"k"}},
		"the application's own":         {place: session.Place{Kind: session.KindCookie, Name: "s"}, want: []string{"Bearer t"}, key: []string{"k"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, upstream, func(s *setup) {
				s.KeepAuthorization = c.keep
				s.passage = func(_ *http.Request, p *Passage) { p.Place = c.place }
			})
			got := g.ask("GET / HTTP/1.1\nHost: a\nAuthorization: Bearer t\nX-Api-Key: k\nProxy-Authorization: Basic x\n\n")
			require.Equal(t, c.want, got.Header["Authorization"])
			require.Equal(t, c.key, got.Header["X-Api-Key"])
			require.NotContains(t, got.Header, "Proxy-Authorization")
		})
	}
}

func TestRejectOwnCookieUpstream(t *testing.T) {
	own, err := newOwnCookies([]string{"s", "login-*"})
	require.NoError(t, err)
	for _, c := range []struct {
		name     string
		in, want []string
	}{
		{"alone", []string{"s=secret"}, nil},
		{"first", []string{"s=secret; a=1;b=2"}, []string{"a=1;b=2"}},
		{"middle", []string{"a=1; s=secret; b=2"}, []string{"a=1; b=2"}},
		{"last", []string{"a=1;  b=2; s=secret"}, []string{"a=1;  b=2"}},
		{"twice", []string{"s=1; a=1; s=2"}, []string{"a=1"}},
		{"several lines", []string{"s=1", "a=1", "b=2; s=3"}, []string{"a=1", "b=2"}},
		{"prefix", []string{"login-1=x; login=y; login-=z"}, []string{"login=y"}},
		{"blanks about the name", []string{"a=1;\t s \t=secret"}, []string{"a=1"}},
		{"no value", []string{"s; a=1"}, []string{"a=1"}},
		{"others as they are", []string{`a="x,y" ;;b = c=d; S=1; ss=2 `}, []string{`a="x,y" ;;b = c=d; S=1; ss=2 `}},
		{"empty parts", []string{";; s=1 ; "}, nil},
		{"quoted", []string{`a="; s=secret; b="`}, []string{`a="; b="`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{"Cookie": c.in}
			own.strip(h)
			require.Empty(t, cmp.Diff(c.want, h["Cookie"]))
			if c.want == nil {
				require.NotContains(t, h, "Cookie")
			}
		})
	}
}

func TestOwnCookieIsNotForwarded(t *testing.T) {
	g := newGateway(t, newUpstream(t, echo), nil)
	got := g.ask("GET / HTTP/1.1\nHost: a\nCookie: a=1; " + ownCookie + "=secret\nCookie: __Host-login-x=secret\n\n")
	require.Equal(t, []string{"a=1"}, got.Header["Cookie"])
}

// An application must not be able to give its visitors a session of its choice, or take theirs.
func TestRejectUpstreamSetsOwnCookie(t *testing.T) {
	sets := []string{
		ownCookie + "=evil; Path=/", "  " + ownCookie + " =evil", "=" + ownCookie + "=evil", " = " + ownCookie + "=evil",
		ownCookie, ownCookie + "; Path=/", "__Host-login-1=evil", "app=1; Path=/", "other=" + ownCookie + "=x",
	}
	g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, _ *http.Request) { w.Header()["Set-Cookie"] = sets }),
		func(s *setup) {
			s.around = func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Set-Cookie", ownCookie+"=renewed")
					h.ServeHTTP(w, r)
				})
			}
		})
	c := dial(t, g.addr)
	c.send("GET / HTTP/1.1\nHost: a\n\n")
	res, _ := c.reply()
	require.Equal(t, []string{ownCookie + "=renewed", "app=1; Path=/", "other=" + ownCookie + "=x"}, res.Header["Set-Cookie"])
}

func FuzzOwnCookies(f *testing.F) {
	for _, s := range []string{"s=1", "a=1; s=2;b=3", ";;s", " s =\t; login-x=1", `a="; s=1"`, "s=\x00;\xff"} {
		f.Add(s)
	}
	own, err := newOwnCookies([]string{"s", "login-*"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Cookie": {line}}
		want := []*http.Cookie{}
		for _, c := range (&http.Request{Header: h}).Cookies() {
			if !own.owns(c.Name) {
				want = append(want, c)
			}
		}
		own.strip(h)
		require.Empty(t, cmp.Diff(want, (&http.Request{Header: h}).Cookies()))
		for _, rest := range h["Cookie"] {
			require.False(t, own.in(rest))
		}
	})
}

func FuzzSetCookie(f *testing.F) {
	for _, s := range []string{"s=1; Path=/", "=s=1", "a=1", " \t s", "==s", "a;s=1", ""} {
		f.Add(s)
	}
	own, err := newOwnCookies([]string{"s"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Set-Cookie": {line}}
		own.stripSet(h)
		if len(h["Set-Cookie"]) == 0 {
			return
		}
		// A browser trims blanks, takes the name up to '=' and sends a nameless value bare.
		pair, _, _ := strings.Cut(line, ";")
		name, value, ok := strings.Cut(pair, "=")
		back := strings.Trim(name, " \t") + "=" + strings.Trim(value, " \t")
		if !ok || strings.Trim(name, " \t") == "" {
			back = strings.TrimPrefix(strings.Trim(pair, " \t"), "=")
		}
		for _, c := range (&http.Request{Header: http.Header{"Cookie": {back}}}).Cookies() {
			require.NotEqual(t, "s", c.Name)
		}
	})
}

// What target accepts is in the request line as it was, and nothing else is.
func FuzzTarget(f *testing.F) {
	f.Add("/a%2Fb", "x=1;y", false)
	f.Add("//evil.example/a", "", true)
	f.Add("/a b", "c#d", false)
	f.Add("/\x80|\"", "%zz", false)
	upstream := &url.URL{Scheme: "http", Host: "up:80"}
	f.Fuzz(func(t *testing.T, path, query string, emptyQuery bool) {
		u, err := target(upstream, path, query, emptyQuery)
		if err != nil {
			return
		}
		want := path
		if query != "" || emptyQuery {
			want += "?" + query
		}
		var b bytes.Buffer
		require.NoError(t, (&http.Request{Method: "GET", URL: &u, Header: http.Header{}}).Write(&b))
		line, err := bufio.NewReader(&b).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "GET "+want+" HTTP/1.1\r\n", line)
		require.Equal(t, "up:80", u.Host)
	})
}
