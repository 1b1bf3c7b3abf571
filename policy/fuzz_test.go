package policy

import (
	"bufio"
	"bytes"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzCanonicalRequest reads a request as net/http does. Whatever is accepted has one meaning, and the same decision
// as its canonical form.
func FuzzCanonicalRequest(f *testing.F) {
	for target := range spellings() {
		f.Add([]byte("GET " + target + " HTTP/1.1\r\nHost: app.example\r\n\r\n"))
	}
	f.Add([]byte("GET http://App.Example:80/%61pp?x#y HTTP/1.1\r\nHost: other\r\n\r\n"))
	f.Add([]byte("OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\nUpgrade: h2c\r\n\r\n"))
	f.Add([]byte("GET /a|b;c=%3B/%E2%82%AC//x%2Fy%252F HTTP/1.1\r\nHost: a.XN--CAF-DMA.test.\r\n\r\n"))
	strict, loose := new(Canonicalizer), looseCanonicalizer()
	tab := table(f, RouteOptions{Name: "app", Paths: []string{"/app"}}, RouteOptions{Name: "public", Paths: []string{"/public"}, Access: Public}, RouteOptions{Name: "rest"})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		r.RemoteAddr = "192.0.2.7:1"
		for _, c := range []*Canonicalizer{strict, loose} {
			q, err := c.Request(r)
			if err != nil {
				refused(t, err, "")
				continue
			}
			checkInvariants(t, c, q)
			first, ok := tab.Match(q)
			require.Equal(t, ok, q.Path != asterisk && !ambiguous(q) || first != nil)
			q2, err := c.Original(Original{Method: q.Method, Scheme: q.Scheme, Host: q.Host, Target: q.RawPath})
			require.NoError(t, err)
			second, _ := tab.Match(q2)
			require.Same(t, first, second)
		}
	})
}

// FuzzForwarded compares the walk over X-Forwarded-For with a plain one, and asserts that an untrusted peer changes
// nothing.
func FuzzForwarded(f *testing.F) {
	f.Add("10.0.0.1:1", "203.0.113.9, 10.1.1.1", "6.6.6.6", "https", "App.Example:443")
	f.Add("192.0.2.7:1", "x", "", "http,https", "a,b")
	f.Add("[::ffff:10.0.0.1]:1", "::ffff:10.9.9.9", "[2001:db8::1]:80,10.0.0.2:3", "HTTP", "[::1]:80")
	f.Add("@", ",", "unknown", "", "")
	c := behind(f, "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, remote, line1, line2, proto, host string) {
		r := get(t, "/app")
		r.RemoteAddr = remote
		plain, err := new(Canonicalizer).Request(r)
		require.NoError(t, err)
		r.Header = http.Header{"X-Forwarded-For": {line1, line2}, "X-Forwarded-Proto": {proto}, "X-Forwarded-Host": {host}}
		q, err := c.Request(r)
		if !c.Trusted(r) {
			require.NoError(t, err)
			q.Header = plain.Header
			require.Equal(t, plain, q)
			return
		}
		want, ok := plainWalk(c, plain.ClientIP, line1+","+line2)
		if err != nil {
			refused(t, err, "")
			_, err = c.ForwardedClient(r)
			require.Equal(t, ok, err == nil)
			return
		}
		require.True(t, ok)
		require.Equal(t, want, q.ClientIP)
		require.True(t, q.ClientIP.IsValid() && !q.ClientIP.Is4In6() && q.ClientIP.Zone() == "")
		require.Equal(t, strings.ToLower(proto), q.Scheme)
		again, err := canonicalHost(q.Host, q.Scheme)
		require.NoError(t, err)
		require.Equal(t, q.Host, again)
	})
}

// plainWalk finds the client the obvious way: all entries first, then from the right.
func plainWalk(c *Canonicalizer, hop netip.Addr, list string) (netip.Addr, bool) {
	entries := strings.Split(list, ",")
	for i := len(entries) - 1; i >= 0 && c.trusts(hop); i-- {
		a, ok := forwardedAddr(strings.Trim(entries[i], " \t"))
		if !ok {
			return netip.Addr{}, false
		}
		hop = a
	}
	return hop, true
}

// FuzzEmailDomain asserts what an accepted address looks like, whatever an authority put into the claim.
func FuzzEmailDomain(f *testing.F) {
	for _, s := range []string{"a@corp.example", "a@x.CORP.example", "a@evil.com@corp.example", "a@corp.example.", "@corp.example", "\u212a@corp.example"} {
		f.Add(s)
	}
	r := rule(f, RuleOptions{EmailDomains: []string{"corp.example", "*.corp.example"}}, Required)
	f.Fuzz(func(t *testing.T, email string) {
		s := alice()
		s.Identity.Email = email
		d := r.Check(question(), s, clock())
		if d != nil {
			return
		}
		_, domain, _ := strings.Cut(strings.ToLower(email), "@")
		require.True(t, domain == "corp.example" || strings.HasSuffix(domain, ".corp.example"), "%q", email)
		require.Equal(t, 1, strings.Count(email, "@"), "%q", email)
		for _, b := range []byte(domain) {
			require.True(t, isAlphanumeric(b) || strings.IndexByte("-_.", b) >= 0, "%q", email)
		}
	})
}

// FuzzOriginal takes every part of a question from outside.
func FuzzOriginal(f *testing.F) {
	f.Add("GET", "https", "app.example", "/app?x")
	f.Add("GET", "", "", "HTTPS://App.Example:443//x")
	f.Add("OPTIONS", "http", "[::1%25x]:1", "*")
	strict, loose := new(Canonicalizer), looseCanonicalizer()
	f.Fuzz(func(t *testing.T, method, scheme, host, target string) {
		for _, c := range []*Canonicalizer{strict, loose} {
			q, err := c.Original(Original{Method: method, Scheme: scheme, Host: host, Target: target})
			if err != nil {
				refused(t, err, "")
				continue
			}
			checkInvariants(t, c, q)
			require.Contains(t, []string{"http", "https"}, q.Scheme)
			require.True(t, isToken(q.Method))
		}
	})
}
