package gate

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

var allPlaces = newPlaces([]session.Place{
	{Kind: session.KindCookie, Name: "__Host-sid"}, {Kind: session.KindBearer},
	{Kind: session.KindHeader, Name: "x-api-key"}, {Kind: session.KindCookie, Name: "other"},
}, func(p session.Place) []string {
	if p.Kind == session.KindBearer {
		return []string{"tenant"}
	}
	return nil
})

func TestCredential(t *testing.T) {
	rows := []struct {
		name   string
		header http.Header
		kind   session.Kind
		value  string
		code   string
	}{
		{name: "none", header: header()},
		{name: "cookie", header: header("Cookie", "__Host-sid=abc"), kind: session.KindCookie, value: "abc"},
		{name: "cookie among others", header: header("Cookie", "a=1; __Host-sid=abc; b=2"), kind: session.KindCookie, value: "abc"},
		{name: "cookie in the second line", header: header("Cookie", "a=1", "Cookie", "__Host-sid=abc"), kind: session.KindCookie, value: "abc"},
		{name: "cookies in the order of sources", header: header("Cookie", "other=2; __Host-sid=1"), kind: session.KindCookie, value: "1"},
		{name: "bearer", header: header("Authorization", "Bearer abc"), kind: session.KindBearer, value: "abc"},
		{name: "bearer in lower case", header: header("Authorization", "bearer abc"), kind: session.KindBearer, value: "abc"},
		{name: "header", header: header("X-Api-Key", "k"), kind: session.KindHeader, value: "k"},
		{name: "bearer before header before cookie", header: header("Authorization", "Bearer b", "X-Api-Key", "k", "Cookie", "__Host-sid=c"), kind: session.KindBearer, value: "b"},
		{name: "header before cookie", header: header("X-Api-Key", "k", "Cookie", "__Host-sid=c"), kind: session.KindHeader, value: "k"},
		{name: "Basic is the application's", header: header("Authorization", "Basic YTpi", "Cookie", "__Host-sid=c"), kind: session.KindCookie, value: "c"},
		{name: "the same cookie twice with one value", header: header("Cookie", "__Host-sid=c; __Host-sid=c"), kind: session.KindCookie, value: "c"},

		{name: "two bearers", header: header("Authorization", "Bearer a", "Authorization", "Bearer b"), code: "duplicate_authorization"},
		{name: "two tokens in one bearer", header: header("Authorization", "Bearer a b"), code: "malformed_authorization"},
		{name: "comma-joined bearers", header: header("Authorization", "Bearer a,Bearer b"), code: "malformed_authorization"},
		{name: "bearer without token", header: header("Authorization", "Bearer  "), code: "malformed_authorization"},
		{name: "two API keys", header: header("X-Api-Key", "a", "X-Api-Key", "b"), code: "duplicate_header"},
		{name: "two values of one cookie", header: header("Cookie", "__Host-sid=a; __Host-sid=b"), code: "duplicate_cookie"},
		{name: "two values in two lines", header: header("Cookie", "__Host-sid=a", "Cookie", "__Host-sid=b"), code: "duplicate_cookie"},

		{name: "a value and then none", header: header("Cookie", "__Host-sid=a; __Host-sid="), code: "duplicate_cookie"},
		{name: "none and then a value", header: header("Cookie", "__Host-sid=; __Host-sid=a"), code: "duplicate_cookie"},

		{name: "name in another case", header: header("Cookie", "__host-sid=abc")},
		{name: "nameless cookie", header: header("Cookie", "=__Host-sid=abc")},
		{name: "name with a blank before the sign", header: header("Cookie", "__Host-sid =abc")},
		{name: "name after a Unicode blank", header: header("Cookie", "\u2000__Host-sid=abc")},
		{name: "name after a tab", header: header("Cookie", "\t__Host-sid=abc")},
		{name: "longer name", header: header("Cookie", "x__Host-sid=abc")},
		{name: "name as a value", header: header("Cookie", `a="; b=__Host-sid=abc`)},
		{name: "$Version does not change the reading", header: header("Cookie", `$Version=1; __Host-sid="a"`), kind: session.KindCookie, value: `"a"`},
		{name: "empty value", header: header("Cookie", "__Host-sid=")},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			c, found, bad := allPlaces.credential(policy.Request{Header: r.header, ClientIP: netip.MustParseAddr("192.0.2.7")})
			if r.code != "" {
				require.NotNil(t, bad)
				require.Equal(t, r.code, bad.code)
				return
			}
			require.Nil(t, bad)
			require.Equal(t, r.value != "", found)
			require.Equal(t, r.kind, c.Kind)
			require.Equal(t, r.value, c.Value.Reveal())
		})
	}
}

// TestCredentialCookieFlood: tens of thousands of cookies cost a linear scan and nothing else.
func TestCredentialCookieFlood(t *testing.T) {
	h := header("Cookie", strings.Repeat("a=1; ", 60_000)+"__Host-sid=abc")
	allocs := testing.AllocsPerRun(5, func() { _, _, _ = allPlaces.find(h) })
	require.Zero(t, allocs)
}

func FuzzCredential(f *testing.F) {
	f.Add("Bearer abc", "a=1; __Host-sid=abc", "key")
	f.Add("Bearer a,b", "__Host-sid=a; __Host-sid=b", "")
	f.Add("", `$Version=1; __Host-sid="x"; =__Host-sid=y`, "")
	f.Fuzz(func(t *testing.T, authorization, cookie, key string) {
		h := http.Header{"Authorization": {authorization}, "Cookie": {cookie}, "X-Api-Key": {key}}
		c, found, bad := allPlaces.credential(policy.Request{Header: h})
		if found != (c.Value.Reveal() != "") || (found && bad != nil) {
			t.Fatalf("found %v, bad %v", found, bad)
		}
		if c.Kind == session.KindCookie && !strings.Contains(cookie, c.Name+"="+c.Value.Reveal()) {
			t.Fatalf("a cookie value nobody sent")
		}
	})
}

// A cookie comes along only where a source asks for it by name.
func TestCompanionsOfACredential(t *testing.T) {
	h := http.Header{"Authorization": {"Bearer t"}, "Cookie": {"tenant=a; other=b; sid=c"}}
	c, found, bad := allPlaces.credential(policy.Request{Header: h})
	require.Nil(t, bad)
	require.True(t, found)
	require.Len(t, c.Companions, 1)
	require.Equal(t, "tenant", c.Companions[0].Name)
	require.Equal(t, "a", c.Companions[0].Value.Reveal())
	h.Set("Cookie", "tenant=a; tenant=b")
	_, _, bad = allPlaces.credential(policy.Request{Header: h})
	require.NotNil(t, bad, "two of a name")
	h = http.Header{"Cookie": {sid + "=x; tenant=a"}}
	c, _, _ = allPlaces.credential(policy.Request{Header: h})
	require.Empty(t, c.Companions, "not with a credential found elsewhere")
}
