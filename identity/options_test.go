package identity

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/sessionward/sessionward/session"
)

// TestNewRejectsBadOptions: each message names the place and the fix.
func TestNewRejectsBadOptions(t *testing.T) {
	header := func(name, value, encode, separator string) Options {
		return Options{Headers: []HeaderOptions{{name, value, encode, separator}}}
	}
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"family", Options{Families: []string{"x-forwareded"}}, `families: "x-forwareded" is not a family; did you mean "x-forwarded"?`},
		{"family twice", Options{Families: []string{"remote", "remote"}}, `families: "remote" stands twice`},
		{"none with others", Options{Families: []string{"none", "remote"}}, `families: "none" stands with others`},
		{"tokens without family", Options{Families: []string{"remote"}, ForwardIDToken: true}, `no family in [remote] carries tokens`},
		{"budget", Options{MaxBytes: -1}, "max_bytes: -1"},
		{"path", header("X-A", "identity.emial", "", ""), `headers[0].value: "identity.emial" is not a path of the session; did you mean "identity.email"?`},
		{"path of claims", header("X-A", "identity.claim.tenant", "", ""), `did you mean "identity.claims.<name>"?`},
		{"path missing", header("X-A", "", "", ""), "headers[0].value: is missing"},
		{"path to all claims", header("X-A", "identity.claims", "json", ""), "is not a path"},
		{"path to nothing", header("X-A", "identity.claims.", "", ""), "is not a path"},
		{"path through nothing", header("X-A", "identity.claims.a..b", "", ""), "is not a path"},
		{"path unclosed", header("X-A", `identity.claims["a"`, "", ""), "is not a path"},
		{"path unquoted", header("X-A", "identity.claims[a]", "", ""), "is not a path"},
		{"path of two properties", header("X-A", "properties.a.b", "", ""), "is not a path"},
		{"path to the id", header("X-A", "id", "", ""), "is not a path"},
		{"path to tokens", header("X-A", "tokens.access", "", ""), "is not a path"},
		{"encode", header("X-A", "aal", "jsno", ""), `headers[0].encode: "jsno" is not an encoding; did you mean "json"?`},
		{"base64 of a list", header("X-A", "identity.groups", "base64", ""), "headers[0].encode: base64"},
		{"separator unused", header("X-A", "aal", "", ","), "headers[0].separator: is for encode: join"},
		{"separator letter", header("X-A", "amr", "join", "A"), "headers[0].separator"},
		{"separator digit", header("X-A", "amr", "join", "2"), "headers[0].separator"},
		{"separator percent", header("X-A", "amr", "join", "%"), "headers[0].separator"},
		{"separator line end", header("X-A", "amr", "join", "\r\n"), "headers[0].separator"},
		{"separator long", header("X-A", "amr", "join", ",,"), "headers[0].separator"},
		{"name missing", header("", "aal", "", ""), "headers[0].name: is missing"},
		{"name with line end", header("X-A\r\nB", "aal", "", ""), "headers[0].name"},
		{"name with colon", header("X-A:", "aal", "", ""), "headers[0].name"},
		{"name of marks", header("--", "aal", "", ""), "headers[0].name"},
		{"name long", header("X-"+strings.Repeat("a", 100), "aal", "", ""), "headers[0].name"},
		{"name reserved", header("Content_Length", "aal", "", ""), `"Content_Length" is not free`},
		{"name reserved by prefix", header("sec-websocket-key", "aal", "", ""), "is not free"},
		{"name of forwarding", header("X-Forwarded-For", "aal", "", ""), "is not free"},
		{"name of credentials", header("Authorization", "aal", "", ""), "is not free"},
		{"name of a family, another spelling", header("x_forwarded.user", "aal", "", ""), "are the same header to many servers"},
		{"assertion under a family's name", Options{Assertion: &AssertionOptions{Header: "X-Forwarded-Email"}}, "are the same header"},
		{"assertion header", Options{Assertion: &AssertionOptions{Header: "a b"}}, "assertion.header"},
		{"assertion too long", Options{Assertion: &AssertionOptions{TTL: 61 * time.Second}}, "assertion.ttl: 1m1s must be between 1s and 1m0s"},
		{"assertion too short", Options{Assertion: &AssertionOptions{TTL: time.Millisecond}}, "assertion.ttl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := New(c.o, testSigner(t, testClock))
			require.ErrorContains(t, err, c.want)
			require.ErrorIs(t, err, session.ErrMalformed)
			require.Nil(t, h)
		})
	}
	_, err := New(Options{Assertion: &AssertionOptions{}}, nil)
	require.ErrorContains(t, err, "assertion: needs keys")
}

func TestNamesAreEveryName(t *testing.T) {
	h := newHeaders(t, Options{Families: []string{FamilyRemote, FamilyXSessionward}, ForwardIDToken: true,
		Headers: []HeaderOptions{{Name: "x-TENANT", Value: "identity.claims.t"}}, Assertion: &AssertionOptions{Header: "x-proof"}})
	require.ElementsMatch(t, []string{
		"Remote-User", "Remote-Email", "Remote-Groups", "Remote-Name",
		"X-Sessionward-Subject", "X-Sessionward-User", "X-Sessionward-Email", "X-Sessionward-Email-Verified",
		"X-Sessionward-Groups", "X-Sessionward-Name", "X-Sessionward-Source", "X-Sessionward-Handle", "X-Sessionward-Aal",
		"X-Sessionward-Expires-At", "X-Sessionward-Id-Token", "X-Sessionward-Status", "X-Tenant", "X-Proof",
	}, h.Names())
	h.Names()[0] = "changed"
	require.NotContains(t, h.Names(), "changed")
}

func TestOptionsFromYAML(t *testing.T) {
	var o Options
	require.NoError(t, yaml.Unmarshal([]byte(`
families: [x-sessionward]
headers:
  - {name: X-Roles, value: 'identity.claims["https://corp.example/roles"]', encode: join, separator: "|"}
assertion: {header: X-Proof, audience: app, ttl: 30s}
forward_access_token: true
forward_id_token: true
max_bytes: 4096
`), &o))
	require.Equal(t, Options{
		Families:           []string{FamilyXSessionward},
		Headers:            []HeaderOptions{{"X-Roles", `identity.claims["https://corp.example/roles"]`, "join", "|"}},
		Assertion:          &AssertionOptions{Header: "X-Proof", Audience: "app", TTL: 30 * time.Second},
		ForwardAccessToken: true, ForwardIDToken: true, MaxBytes: 4096,
	}, o)
	newHeaders(t, o)
}

func FuzzPath(f *testing.F) {
	for _, p := range []string{"identity.email", `identity.claims["a\"b"].c`, "identity.claims.a[", "properties[\"\"]", "a", `identity.claims["` + "`"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if v, err := parsePath(p); err == nil {
			v.get(testSession())
		}
	})
}
