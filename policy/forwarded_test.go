package policy

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func behind(t testing.TB, proxies ...string) *Canonicalizer {
	t.Helper()
	c, err := NewCanonicalizer(RequestOptions{TrustedProxies: proxies})
	require.NoError(t, err)
	return c
}

// S-011, S-024, S-078, S-086, S-155, S-156: nobody is believed unless listed, private ranges and loopback included.
func TestForwardedMetadataOfUntrustedPeerIsIgnored(t *testing.T) {
	forged := http.Header{
		"X-Forwarded-For": {"6.6.6.6"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil.example"},
		"X-Forwarded-Uri": {"/public/ok"}, "X-Original-Url": {"/public/ok"}, "X-Envoy-Original-Path": {"/public/ok"},
		"X-Forwarded-Prefix": {"/public"}, "X-Forwarded-Method": {"OPTIONS"}, "X-Real-Ip": {"6.6.6.6"},
		"X-Forwarded-Ssl": {"on"}, "X-Url-Scheme": {"https"}, "X-Forwarded-Port": {"443"}, "Forwarded": {"for=6.6.6.6;proto=https;host=evil"},
	}
	for _, peer := range []string{"10.1.2.3:1", "127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "[fe80::1%eth0]:1", "@", ""} {
		for _, c := range []*Canonicalizer{new(Canonicalizer), behind(t, "192.0.2.1")} {
			r := get(t, "/app/secret")
			r.RemoteAddr = peer
			plain, err := c.Request(r)
			require.NoError(t, err)
			r.Header = forged
			q, err := c.Request(r)
			require.NoError(t, err)
			q.Header = plain.Header
			require.Equal(t, plain, q, peer)
		}
	}
}

func TestUntrustedPeerCannotBreakARequest(t *testing.T) {
	r := get(t, "/")
	r.Header = http.Header{"X-Forwarded-For": {"x"}, "X-Forwarded-Proto": {"x", "y"}, "X-Forwarded-Host": {"", ""}}
	_, err := behind(t, "10.0.0.1").Request(r)
	require.NoError(t, err)
}

func TestForwardedMetadataOfTrustedPeer(t *testing.T) {
	c := behind(t, "192.0.2.7", "10.0.0.0/8", "fd00::/8")
	r := get(t, "/app")
	r.Host = "internal:8080"
	r.Header = http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"HTTPS"}, "X-Forwarded-Host": {"App.Example:443"}}
	q, err := c.Request(r)
	require.NoError(t, err)
	require.Equal(t, "https://app.example", q.Scheme+"://"+q.Host)
	require.Equal(t, "203.0.113.9", q.ClientIP.String())
	require.False(t, q.TLS)
	require.True(t, c.Trusted(r))
}

func TestForwardedSchemeDecidesTheDefaultPort(t *testing.T) {
	r := get(t, "/")
	r.Host = "app.example:443"
	r.Header.Set("X-Forwarded-Proto", "https")
	q, err := behind(t, "192.0.2.7").Request(r)
	require.NoError(t, err)
	require.Equal(t, "app.example", q.Host)
}

func TestForwardedForIsWalkedFromTheRight(t *testing.T) {
	c := behind(t, "192.0.2.7", "10.0.0.0/8")
	for _, tt := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"none", nil, "192.0.2.7"},
		{"one", []string{"203.0.113.9"}, "203.0.113.9"},
		{"spoofed left of an untrusted hop", []string{"6.6.6.6, 203.0.113.9"}, "203.0.113.9"},
		{"garbage left of an untrusted hop", []string{"<script>,, 203.0.113.9"}, "203.0.113.9"},
		{"over trusted hops", []string{"6.6.6.6, 203.0.113.9, 10.1.1.1,10.2.2.2"}, "203.0.113.9"},
		{"over lines", []string{"6.6.6.6", "203.0.113.9, 10.1.1.1", "10.2.2.2"}, "203.0.113.9"},
		{"all trusted", []string{"10.3.3.3, 10.1.1.1"}, "10.3.3.3"},
		{"mapped hop", []string{"203.0.113.9, ::ffff:10.1.1.1"}, "203.0.113.9"},
		{"mapped client", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"with ports", []string{"203.0.113.9:1234, [::ffff:10.1.1.1]:80"}, "203.0.113.9"},
		{"six", []string{"2001:db8::1"}, "2001:db8::1"},
	} {
		r := get(t, "/")
		if tt.lines != nil {
			r.Header["X-Forwarded-For"] = tt.lines
		}
		q, err := c.Request(r)
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.want, q.ClientIP.String(), tt.name)
		client, err := c.ForwardedClient(r)
		require.NoError(t, err)
		require.Equal(t, q.ClientIP, client)
	}
}

func TestRefusesBadForwardedMetadataOfTrustedPeer(t *testing.T) {
	c := behind(t, "192.0.2.7", "10.0.0.0/8")
	for name, tt := range map[string]struct {
		field  string
		values []string
		code   string
	}{
		"for: word":          {"X-Forwarded-For", []string{"unknown"}, "forwarded_for"},
		"for: empty":         {"X-Forwarded-For", []string{""}, "forwarded_for"},
		"for: hole":          {"X-Forwarded-For", []string{"203.0.113.9,"}, "forwarded_for"},
		"for: zone":          {"X-Forwarded-For", []string{"fe80::1%eth0"}, "forwarded_for"},
		"for: zone and port": {"X-Forwarded-For", []string{"[fe80::1%eth0]:1"}, "forwarded_for"},
		"for: bad hop":       {"X-Forwarded-For", []string{"x, 10.1.1.1"}, "forwarded_for"},
		"proto: two lines":   {"X-Forwarded-Proto", []string{"https", "https"}, "forwarded_proto"},
		"proto: list":        {"X-Forwarded-Proto", []string{"https,http"}, "forwarded_proto"},
		"proto: empty":       {"X-Forwarded-Proto", []string{""}, "forwarded_proto"},
		"proto: wss":         {"X-Forwarded-Proto", []string{"wss"}, "forwarded_proto"},
		"proto: word":        {"X-Forwarded-Proto", []string{"javascript"}, "forwarded_proto"},
		"host: two lines":    {"X-Forwarded-Host", []string{"a.example", "a.example"}, "forwarded_host"},
		"host: list":         {"X-Forwarded-Host", []string{"a.example, b.example"}, "forwarded_host"},
		"host: empty":        {"X-Forwarded-Host", []string{""}, "forwarded_host"},
		"host: userinfo":     {"X-Forwarded-Host", []string{"u@a.example"}, "forwarded_host"},
		"host: path":         {"X-Forwarded-Host", []string{"a.example/x"}, "forwarded_host"},
	} {
		r := get(t, "/")
		r.Header[tt.field] = tt.values
		_, err := c.Request(r)
		require.Error(t, err, name)
		refused(t, err, tt.code)
	}
}

// A forwarded host is no excuse for a request whose own host and target disagree.
func TestForwardedHostDoesNotHideAForeignAuthority(t *testing.T) {
	r := get(t, "http://evil.example/")
	r.Header.Set("X-Forwarded-Host", "evil.example")
	_, err := behind(t, "192.0.2.7").Request(r)
	refused(t, err, "host_conflict")
}

// S-145: IPv4-mapped forms mean the IPv4 address, on either side.
func TestMappedAddressesMeanIPv4(t *testing.T) {
	for _, listed := range []string{"127.0.0.1", "::ffff:127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.0/104", "::ffff:127.0.0.1/128"} {
		for _, peer := range []string{"127.0.0.1:1", "[::ffff:127.0.0.1]:1"} {
			r := get(t, "/")
			r.RemoteAddr = peer
			require.True(t, behind(t, listed).Trusted(r), "%s %s", listed, peer)
			require.False(t, behind(t, "::1", "::/0").Trusted(r), "::/0 holds no IPv4 address")
		}
	}
}

// A zone names an interface of this host, not another peer.
func TestZoneOfPeerIsIgnored(t *testing.T) {
	r := get(t, "/")
	r.RemoteAddr = "[fe80::1%eth0]:1"
	require.True(t, behind(t, "fe80::/10").Trusted(r))
	q, err := new(Canonicalizer).Request(r)
	require.NoError(t, err)
	require.Equal(t, "fe80::1", q.ClientIP.String())
}

func TestParsePrefixes(t *testing.T) {
	got, err := ParsePrefixes([]string{"192.0.2.1", "10.0.0.0/8", "2001:db8::1", "fd00::/8", "::ffff:10.0.0.0/104", "0.0.0.0/0"})
	require.NoError(t, err)
	var text []string
	for _, p := range got {
		text = append(text, p.String())
	}
	require.Equal(t, []string{"192.0.2.1/32", "10.0.0.0/8", "2001:db8::1/128", "fd00::/8", "10.0.0.0/8", "0.0.0.0/0"}, text)
	require.True(t, contains(got, netip.MustParseAddr("203.0.113.1")))
	require.False(t, contains(got, netip.Addr{}))
	for item, want := range map[string]string{
		"":                   `[0] "": not an IP address`,
		"example.com":        `not an IP address or network`,
		"10.0.0.1/8":         "write 10.0.0.0/8 or 10.0.0.1",
		"10.0.0.0/33":        "not a network",
		"10.0.0.0/":          "not a network",
		"fe80::1%eth0":       "not an IP address or network",
		"fe80::%eth0/10":     "not a network",
		"::ffff:0.0.0.0/0":   "reaches beyond",
		"::ffff:10.0.0.0/90": "reaches beyond",
		" 10.0.0.0/8":        "not a network",
	} {
		_, err := ParsePrefixes([]string{item})
		require.ErrorContains(t, err, want, item)
	}
	_, err = NewCanonicalizer(RequestOptions{TrustedProxies: []string{"10.0.0.1", "x"}})
	require.ErrorContains(t, err, `trusted_proxies[1] "x": not an IP address`)
}
