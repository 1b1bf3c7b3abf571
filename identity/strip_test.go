package identity

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStripRejectsAliasSpellings covers S-009, S-098, S-099, S-112: servers fold names in many ways.
func TestStripRejectsAliasSpellings(t *testing.T) {
	s := NewStripper("X-Tenant", "X-Corp-*")
	for _, name := range []string{
		"X-Forwarded-User", "x-forwarded-user", "X_Forwarded_User", "X_FORWARDED_USER", "X.Forwarded.User",
		"X-Forwarded_User", "xforwardeduser", "XFORWARDEDUSER", "X--Forwarded--User", "-X-Forwarded-User-",
		"X!Forwarded#User", "X-Auth-Request-Groups", "X_Auth_Request_Anything", "Remote_User", "Remote.Groups",
		"X-Sessionward-Aal", "x.sessionward.assertion", "X_WEBAUTH_USER", "X-Pomerium-Claim-Email", "OIDC_CLAIM_sub",
		"X-Amzn-Oidc-Data", "X_Remote_Extra_Scopes", "SM_USER", "X_Tenant", "x.tenant", "X-Corp-Role", "x_corp_anything",
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{name: {"root"}, "Accept": {"*/*"}}
			s.Strip(h)
			require.Equal(t, http.Header{"Accept": {"*/*"}}, h)
			require.True(t, s.Matches(name))
		})
	}
}

// TestStripRejectsEveryValue covers S-076: no second value survives.
func TestStripRejectsEveryValue(t *testing.T) {
	h := http.Header{"X-Forwarded-User": {"root", "admin"}, "X_forwarded_user": {"root"}}
	NewStripper().Strip(h)
	require.Empty(t, h)
}

// TestStripRejectsTrailerNames covers S-211: trailers are headers that come late.
func TestStripRejectsTrailerNames(t *testing.T) {
	trailer := http.Header{"X.remote.user": {"root"}, "Grpc-Status": {"0"}}
	NewStripper().Strip(trailer)
	require.Equal(t, http.Header{"Grpc-Status": {"0"}}, trailer)
}

func TestStripKeepsOrdinaryHeaders(t *testing.T) {
	s := NewStripper(append(ForwardingNames(), "", "--", "*")...)
	for name := range ordinaryHeaders() {
		require.False(t, s.Matches(name), name)
	}
	for _, name := range []string{
		"Authorization", "X-Api-Key", "X-Auth-Token", "X-Access-Token", "Cf-Access-Client-Id", "X-Voucher-Code",
		"X-Webauthn-Challenge", "X-Csrf-Token", "X-Requested-With", "X-Request-Id", "Traceparent", "Sec-Websocket-Key",
		"X-User-Agent", "X-Grpc-Web", "Idempotency-Key", "Te", "", "-",
	} {
		require.False(t, s.Matches(name), name)
	}
}

func TestStripForwardingNames(t *testing.T) {
	s := NewStripper(ForwardingNames()...)
	for _, name := range ForwardingNames() {
		require.True(t, s.Matches(name), name)
		require.True(t, s.Matches(strings.ReplaceAll(name, "-", "_")), name)
	}
	require.False(t, NewStripper().Matches("X-Forwarded-For"), "not without being asked for")
	names := ForwardingNames()
	names[0] = "changed"
	require.NotEqual(t, "changed", ForwardingNames()[0])
}

// TestStripRejectsLongNames: a name of ours that is too long to compare whole is compared as far as it goes.
func TestStripRejectsLongNames(t *testing.T) {
	long := "X-" + strings.Repeat("a", 200)
	s := NewStripper(long)
	require.True(t, s.Matches(strings.ToUpper(long)))
	require.True(t, s.Matches("X-Sessionward-"+strings.Repeat("b", 500)), "prefixes match names of any length")
	require.False(t, s.Matches("X-"+strings.Repeat("b", 500)))
}

func TestStripShortNames(t *testing.T) {
	s := NewStripper("Q", "9*")
	require.True(t, s.Matches("-q-"))
	require.False(t, s.Matches("qa"))
	require.True(t, s.Matches("9-Lives"))
}

// FuzzAlias: whatever stands between, before and after the letters of an identity name, in whatever case, it goes.
func FuzzAlias(f *testing.F) {
	f.Add(0, "_", uint64(0))
	f.Add(7, ".", uint64(1<<63|5))
	f.Add(12, "", ^uint64(0))
	f.Add(30, "-_. !~\x80\xff", uint64(0xaaaa))
	names := slices.DeleteFunc(append(identityNames(), ForwardingNames()...), func(n string) bool { return strings.HasSuffix(n, "*") })
	s := NewStripper(ForwardingNames()...)
	f.Fuzz(func(t *testing.T, pick int, noise string, upper uint64) {
		noise = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return -1
			}
			return r
		}, noise)
		name := names[uint(pick)%uint(len(names))]
		var b strings.Builder
		b.WriteString(noise)
		for i, c := range strings.ReplaceAll(name, "-", "") {
			letter := strings.ToLower(string(c))
			if upper>>(i%64)&1 == 1 {
				letter = strings.ToUpper(letter)
			}
			b.WriteString(letter)
			b.WriteString(noise)
		}
		if !s.Matches(b.String()) {
			t.Fatalf("%q stands for %q and was kept", b.String(), name)
		}
	})
}

func ordinaryHeaders() http.Header {
	return http.Header{
		"Accept": {"text/html"}, "Accept-Encoding": {"gzip"}, "Accept-Language": {"en"}, "Cache-Control": {"no-cache"},
		"Cookie": {"a=b"}, "User-Agent": {"test"}, "Referer": {"https://app.example/"}, "Sec-Fetch-Mode": {"navigate"},
		"Sec-Fetch-Site": {"same-origin"}, "Upgrade-Insecure-Requests": {"1"}, "X-Requested-With": {"fetch"},
		"If-None-Match": {`"x"`},
	}
}

func BenchmarkStrip(b *testing.B) {
	s := NewStripper(ForwardingNames()...)
	h := ordinaryHeaders()
	b.ReportAllocs()
	for b.Loop() {
		s.Strip(h)
	}
}

func TestStripAllocatesNothing(t *testing.T) {
	s := NewStripper(ForwardingNames()...)
	h := ordinaryHeaders()
	require.Zero(t, testing.AllocsPerRun(100, func() { s.Strip(h) }))
}
