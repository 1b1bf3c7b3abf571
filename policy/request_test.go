package policy

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// read parses raw bytes as a server would.
func read(t testing.TB, raw string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	require.NoError(t, err)
	r.RemoteAddr = "192.0.2.7:4711"
	return r
}

// get is a request for target at app.example.
func get(t testing.TB, target string) *http.Request {
	t.Helper()
	return &http.Request{
		Method: "GET", Host: "app.example", RequestURI: target, URL: &url.URL{Path: "/"},
		Header: http.Header{}, RemoteAddr: "192.0.2.7:4711",
	}
}

// refused asserts that err is a *BadRequestError with the code, or any when code is "".
func refused(t testing.TB, err error, code string) {
	t.Helper()
	e, ok := errors.AsType[*BadRequestError](err)
	require.True(t, ok, "want *BadRequestError %s, got %v", code, err)
	require.ErrorIs(t, err, session.ErrMalformed)
	require.NotEmpty(t, e.Reason)
	require.Contains(t, []int{http.StatusBadRequest, http.StatusRequestURITooLong}, e.Status)
	if code != "" {
		require.Equal(t, code, e.Code)
	}
}

// looseCanonicalizer has every option on.
func looseCanonicalizer() *Canonicalizer {
	return &Canonicalizer{o: RequestOptions{MergeSlashes: true, AllowEncodedSlash: true, AllowSemicolon: true, AllowDoubleEncoding: true}}
}

func TestRequestFields(t *testing.T) {
	r := read(t, "GET /a/%62?x=1;y=%zz&x=2 HTTP/1.1\r\nHost: App.Example:80\r\nX-A: 1\r\nX-A: 2\r\n\r\n")
	q, err := new(Canonicalizer).Request(r)
	require.NoError(t, err)
	require.Equal(t, Request{
		Method: "GET", Scheme: "http", Host: "app.example", Path: "/a/b", RawPath: "/a/b", RawQuery: "x=1;y=%zz&x=2",
		ClientIP: netip.MustParseAddr("192.0.2.7"), Header: http.Header{"X-A": {"1", "2"}},
	}, q)
	r.TLS = &tls.ConnectionState{}
	q, err = new(Canonicalizer).Request(r)
	require.NoError(t, err)
	require.Equal(t, "https", q.Scheme)
	require.Equal(t, "app.example:80", q.Host, "80 is not the default port of https")
	require.True(t, q.TLS)
}

// A method in another case falls past a route that lists it, while many applications serve it all the same.
func TestRefuseKnownMethodInWrongCase(t *testing.T) {
	for _, known := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"} {
		for _, method := range []string{strings.ToLower(known), known[:1] + strings.ToLower(known[1:])} {
			r := get(t, "/")
			r.Method = method
			_, err := new(Canonicalizer).Request(r)
			refused(t, err, "method")
			_, err = new(Canonicalizer).Original(Original{Method: method, Scheme: "https", Host: "app.example", Target: "/"})
			refused(t, err, "method")
			_, err = NewTable([]RouteOptions{{Name: "a", Methods: []string{method}}})
			require.Error(t, err, method)
		}
	}
	for _, method := range []string{"GET", "PROPFIND", "propfind", "gets"} {
		r := get(t, "/")
		r.Method = method
		_, err := new(Canonicalizer).Request(r)
		require.NoError(t, err, "%s: a method nobody registered is its own", method)
	}
}

func TestPathCanonicalForm(t *testing.T) {
	for raw, want := range map[string][2]string{ // target: decoded, escaped
		"/":                          {"/", "/"},
		"/app/secret":                {"/app/secret", "/app/secret"},
		"/app/secret/":               {"/app/secret/", "/app/secret/"},
		"/%61pp/se%63ret":            {"/app/secret", "/app/secret"},
		"/App":                       {"/App", "/App"},
		"/a%20b":                     {"/a b", "/a%20b"},
		"/caf%c3%a9":                 {"/café", "/caf%C3%A9"},
		"/~u/-._":                    {"/~u/-._", "/~u/-._"},
		"/%7eu/%2d%2E%5f":            {"/~u/-._", "/~u/-._"},
		"/a%24b/c$d":                 {"/a$b/c$d", "/a%24b/c$d"},
		"/@scope/pkg:1,2(3)!*'+=&":   {"/@scope/pkg:1,2(3)!*'+=&", "/@scope/pkg:1,2(3)!*'+=&"},
		"/foo/secret%23/bar":         {"/foo/secret#/bar", "/foo/secret%23/bar"},
		"/what%3fx=1":                {"/what?x=1", "/what%3Fx=1"},
		"/100%25":                    {"/100%", "/100%25"},
		`/a|b[c]{d}^e"<>` + "`":      {`/a|b[c]{d}^e"<>` + "`", "/a%7Cb%5Bc%5D%7Bd%7D%5Ee%22%3C%3E%60"},
		"/.well-known/x":             {"/.well-known/x", "/.well-known/x"},
		"/a.../..b/.c/d..":           {"/a.../..b/.c/d..", "/a.../..b/.c/d.."},
		"/...":                       {"/...", "/..."},
		"/%F0%9F%98%80":              {"/😀", "/%F0%9F%98%80"},
		"/a?b/../c":                  {"/a", "/a"},
		"/public?next=//evil/%2e%2e": {"/public", "/public"},
	} {
		q, err := new(Canonicalizer).Request(get(t, raw))
		require.NoError(t, err, raw)
		require.Equal(t, want, [2]string{q.Path, q.RawPath}, raw)
		checkInvariants(t, new(Canonicalizer), q)
	}
}

// checkInvariants asserts what holds for every canonical request.
func checkInvariants(t testing.TB, c *Canonicalizer, q Request) {
	t.Helper()
	if q.Path == asterisk {
		return
	}
	decoded, err := url.PathUnescape(q.RawPath)
	require.NoError(t, err)
	require.Equal(t, q.Path, decoded, "RawPath decodes to Path")
	u := url.URL{Path: q.Path, RawPath: q.RawPath}
	require.Equal(t, q.RawPath, u.EscapedPath(), "net/url forwards RawPath as it is")
	for s := range strings.SplitSeq(q.Path, "/") {
		require.NotContains(t, []string{".", ".."}, s)
	}
	require.NotContains(t, q.Path, "//")
	require.NotContains(t, q.Path, `\`)
	require.Equal(t, strings.ToLower(q.Host), q.Host)
	target := q.RawPath
	if q.RawQuery != "" {
		target += "?" + q.RawQuery
	}
	again, err := c.Original(Original{Method: q.Method, Scheme: q.Scheme, Host: q.Host, Target: target, ClientIP: q.ClientIP, Header: q.Header, TLS: q.TLS})
	require.NoError(t, err, "%q", target)
	require.Equal(t, q, again, "the canonical form of a canonical request is itself")
}

func TestRequestTargetForms(t *testing.T) {
	c := new(Canonicalizer)
	for _, raw := range []string{
		"GET http://app.example/app/secret HTTP/1.1\r\nHost: app.example\r\n\r\n",
		"GET HTTP://APP.example:80/app/secret HTTP/1.1\r\nHost: app.example\r\n\r\n",
	} {
		q, err := c.Request(read(t, raw))
		require.NoError(t, err)
		require.Equal(t, "http://app.example/app/secret", q.Scheme+"://"+q.Host+q.Path)
	}
	q, err := c.Request(read(t, "GET http://app.example?x HTTP/1.1\r\nHost: app.example\r\n\r\n"))
	require.NoError(t, err)
	require.Equal(t, "/?x", q.RawPath+"?"+q.RawQuery)
	q, err = c.Request(read(t, "OPTIONS * HTTP/1.1\r\nHost: app.example\r\n\r\n"))
	require.NoError(t, err)
	require.Equal(t, "*", q.Path)
}

func TestOriginalOfAnotherServer(t *testing.T) {
	c := new(Canonicalizer)
	q, err := c.Original(Original{Method: "GET", Target: "HTTPS://App.Example:443/%61pp?x", ClientIP: netip.MustParseAddr("::ffff:192.0.2.1")})
	require.NoError(t, err)
	require.Equal(t, Request{Method: "GET", Scheme: "https", Host: "app.example", Path: "/app", RawPath: "/app", RawQuery: "x",
		ClientIP: netip.MustParseAddr("192.0.2.1")}, q)
	for name, tt := range map[string]struct {
		o    Original
		code string
	}{
		"unparsable":           {Original{Method: "GET", Target: "https://host/%zz"}, "bad_escape"},                                       // S-035
		"authority vanishes":   {Original{Method: "GET", Target: "https://h//x/public/ok"}, "empty_segment"},                              // S-093
		"encoded dot segment":  {Original{Method: "GET", Scheme: "https", Host: "h", Target: "/public/%2e%2e/app/secret"}, "dot_segment"}, // S-018
		"foreign authority":    {Original{Method: "GET", Scheme: "https", Host: "h", Target: "https://evil/public"}, "host_conflict"},     // D2
		"other scheme":         {Original{Method: "GET", Scheme: "http", Host: "h", Target: "https://h/public"}, "scheme"},                // S-085
		"no scheme":            {Original{Method: "GET", Host: "h", Target: "/"}, "scheme"},                                               //
		"strange scheme":       {Original{Method: "GET", Scheme: "ws", Host: "h", Target: "/"}, "scheme"},                                 //
		"letter like an ASCII": {Original{Method: "GET", Scheme: "http\u017f", Host: "h", Target: "/"}, "scheme"},                         //
		"no host":              {Original{Method: "GET", Scheme: "http", Target: "/"}, "host_missing"},                                    //
		"no target":            {Original{Method: "GET", Scheme: "http", Host: "h"}, "target_form"},                                       //
		"no method":            {Original{Scheme: "http", Host: "h", Target: "/"}, "method"},                                              //
		"two methods":          {Original{Method: "GET, POST", Scheme: "http", Host: "h", Target: "/"}, "method"},                         //
		"bad authority":        {Original{Method: "GET", Scheme: "http", Host: "h", Target: "http://[::1/"}, "host_invalid"},              // S-144
		"scheme-relative":      {Original{Method: "GET", Scheme: "http", Host: "h", Target: "//h/public"}, "empty_segment"},               //
		"relative":             {Original{Method: "GET", Scheme: "http", Host: "h", Target: "public"}, "target_form"},                     //
		"opaque":               {Original{Method: "GET", Scheme: "http", Host: "h", Target: "http:/public"}, "target_form"},               //
		"empty authority":      {Original{Method: "GET", Scheme: "http", Host: "h", Target: "http:///public"}, "target_form"},             //
		"javascript":           {Original{Method: "GET", Scheme: "http", Host: "h", Target: "javascript://h/public"}, "target_form"},      //
		"line feed in target":  {Original{Method: "GET", Scheme: "http", Host: "h", Target: "/a\nX: y"}, "control"},                       //
		"header in host":       {Original{Method: "GET", Scheme: "http", Host: "a\r\nX: y", Target: "/"}, "host_port"},                    // S-137
		"asterisk for GET":     {Original{Method: "GET", Scheme: "http", Host: "h", Target: "*"}, "target_form"},                          //
		"connect":              {Original{Method: "CONNECT", Scheme: "http", Host: "h", Target: "/"}, "connect"},                          //
		"upgrade to h2c":       {Original{Method: "GET", Scheme: "http", Host: "h", Target: "/", Header: http.Header{"Upgrade": {"h2c"}}}, "upgrade_h2c"},
	} {
		_, err := c.Original(tt.o)
		require.Error(t, err, name)
		refused(t, err, tt.code)
	}
}
