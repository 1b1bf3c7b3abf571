package policy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// spellings are ways to write a path that some server reads as another one, with the code of the refusal.
func spellings() map[string]string {
	return map[string]string{
		"/public/../app/secret":             "dot_segment", // S-023, S-072
		"/public/./../app/secret":           "dot_segment",
		"/public/%2e%2e/app/secret":         "dot_segment",
		"/public/%2E%2E/app/secret":         "dot_segment",
		"/public/.%2e/app/secret":           "dot_segment",
		"/public/%2e./app/secret":           "dot_segment",
		"/public/%2e/app":                   "dot_segment",
		"/public/.":                         "dot_segment",
		"/public/..":                        "dot_segment",
		"/..":                               "dot_segment",
		"/.":                                "dot_segment",
		"/../app/secret":                    "dot_segment",
		"/admin/v1/x/../y":                  "dot_segment", // S-116
		"/public/..%20/app/secret":          "dot_segment",
		"/public/%20../app/secret":          "dot_segment",
		"/public/..;/app/secret":            "semicolon",
		"/public/..;x=1/app/secret":         "semicolon",
		"/public/%2e%2e;/app/secret":        "semicolon",
		"/public/..%3b/app/secret":          "semicolon",
		"/app;x=1/secret":                   "semicolon", // S-070
		"/app/secret;x":                     "semicolon",
		"/app%3Bx/secret":                   "semicolon",
		"/public%2f..%2fapp/secret":         "encoded_slash", // S-073
		"/public%2Fapp":                     "encoded_slash",
		"/app%2fsecret":                     "encoded_slash", // S-157
		"/app/an%2Fexample":                 "encoded_slash", // S-033
		"/%2fapp/secret":                    "encoded_slash",
		"/app%5csecret":                     "encoded_backslash",
		"/public/..%5C..%5Capp":             "encoded_backslash",
		`/app\secret`:                       "backslash",
		`/public\..\app`:                    "backslash",
		"/app/secret%00":                    "encoded_control",
		"/app/secret%00.png":                "encoded_control",
		"/app/%0d%0aX:%20y":                 "encoded_control",
		"/app/%09":                          "encoded_control",
		"/app/%7f":                          "encoded_control",
		"/app/%c2%85":                       "encoded_control",
		"/app/%c2%9f":                       "encoded_control",
		"//app/secret":                      "empty_segment",
		"//app/public/../secret":            "empty_segment", // S-093
		"///app":                            "empty_segment",
		"/app//secret":                      "empty_segment",
		"/app/secret//":                     "empty_segment",
		"/app/%zz":                          "bad_escape",
		"/app/%":                            "bad_escape",
		"/app/%2":                           "bad_escape",
		"/app/%2x":                          "bad_escape",
		"/app/%u002e":                       "bad_escape",
		"/%c0%ae%c0%ae/app":                 "bad_utf8", // overlong dot
		"/%e0%80%ae/app":                    "bad_utf8",
		"/app%c0%afsecret":                  "bad_utf8", // overlong slash
		"/app/%ff":                          "bad_utf8",
		"/app/%ed%a0%80":                    "bad_utf8", // surrogate
		"/app/%c3":                          "bad_utf8",
		"/app/secret#/public/":              "fragment", // S-074
		"/app/secret?x#/public/":            "fragment",
		"/app/caf\xc3\xa9":                  "non_ascii",
		"/app/\xff":                         "non_ascii",
		"/app?x=\xc3\xa9":                   "non_ascii",
		"/app/a b":                          "control",
		"/app/\x7f":                         "control",
		"/app?x=\x01":                       "control",
		"/public/%252e%252e/app/secret":     "double_encoding",
		"/public%252fapp":                   "double_encoding",
		"/public/%25252e%25252e/app/secret": "double_encoding",
		"/%2561pp/secret":                   "double_encoding",
		"/%25%36%31pp":                      "double_encoding",
		"app/secret":                        "target_form",
		"":                                  "target_form",
		"*":                                 "target_form",
		"?x=1":                              "target_form",
	}
}

func TestRefusesAmbiguousSpellings(t *testing.T) {
	require.GreaterOrEqual(t, len(spellings()), 40)
	for target, code := range spellings() {
		_, err := new(Canonicalizer).Request(get(t, target))
		require.Error(t, err, "%q", target)
		refused(t, err, code)
	}
}

// Options loosen one thing each, never dot segments, controls, backslashes or broken text.
func TestOptionsNeverAdmitTraversal(t *testing.T) {
	c := looseCanonicalizer()
	for target, code := range map[string]string{
		"/public/../app":             "dot_segment",
		"/public//../app":            "dot_segment",
		"/public/..;/app":            "dot_segment",
		"/public/..;x=1/app":         "dot_segment",
		"/public/%2e%2e;/app":        "dot_segment",
		"/public/..%3b/app":          "dot_segment",
		"/public/.;x/app":            "dot_segment",
		"/public%2f..%2fapp":         "dot_segment",
		"/public%2f..":               "dot_segment",
		"/public/..%2fapp":           "dot_segment",
		"/public/%2e%2e%2fapp":       "dot_segment",
		"/public%2F%2e%2E;a=b%2Fapp": "dot_segment",
		"/public%2f%2fapp":           "empty_segment",
		"/public/%2fapp":             "empty_segment",
		"/public%2f/app":             "empty_segment",
		"/%2fapp":                    "empty_segment",
		"/;x/app":                    "empty_segment",
		"/app/;x":                    "empty_segment",
		"/app%5csecret":              "encoded_backslash",
		`/app\secret`:                "backslash",
		"/app%00":                    "encoded_control",
		"/app%ff":                    "bad_utf8",
		"/app%zz":                    "bad_escape",
		"/app#x":                     "fragment",
	} {
		_, err := c.Request(get(t, target))
		require.Error(t, err, "%q", target)
		refused(t, err, code)
	}
}

func TestOptionsLoosen(t *testing.T) {
	for _, tt := range []struct {
		c               Canonicalizer
		raw, path, want string
	}{
		{Canonicalizer{o: RequestOptions{MergeSlashes: true}}, "//a///b//", "/a/b/", "/a/b/"},
		{Canonicalizer{o: RequestOptions{MergeSlashes: true}}, "//h/public", "/h/public", "/h/public"},
		{Canonicalizer{o: RequestOptions{AllowEncodedSlash: true}}, "/p/group%2fname", "/p/group/name", "/p/group%2Fname"},
		{Canonicalizer{o: RequestOptions{AllowSemicolon: true}}, "/a;v=1/b%3bc", "/a;v=1/b;c", "/a;v=1/b%3Bc"},
		{Canonicalizer{o: RequestOptions{AllowDoubleEncoding: true}}, "/job/feature%252Fx", "/job/feature%2Fx", "/job/feature%252Fx"},
	} {
		q, err := tt.c.Request(get(t, tt.raw))
		require.NoError(t, err, tt.raw)
		require.Equal(t, []string{tt.path, tt.want}, []string{q.Path, q.RawPath})
		checkInvariants(t, &tt.c, q)
	}
}

func TestRefusesLongTargets(t *testing.T) {
	for _, tt := range []struct{ name, target, code string }{
		{"path", "/" + strings.Repeat("a", maxPath), "path_too_long"},
		{"path that escaping makes long", "/" + strings.Repeat("|", maxPath/2), "path_too_long"},
		{"query", "/?" + strings.Repeat("a", maxTarget), "target_too_long"},
	} {
		_, err := new(Canonicalizer).Request(get(t, tt.target))
		require.Error(t, err, tt.name)
		refused(t, err, tt.code)
		require.Equal(t, http.StatusRequestURITooLong, err.(*BadRequestError).Status)
	}
	q, err := new(Canonicalizer).Request(get(t, "/"+strings.Repeat("a", maxPath-1)))
	require.NoError(t, err)
	require.Len(t, q.Path, maxPath)
}

// S-150: a target made to be expensive is refused by its length, before anything looks at its segments.
func TestRefusesFloodOfDotSegmentsByLength(t *testing.T) {
	for _, target := range []string{"/" + strings.Repeat("../", 20_000), strings.Repeat("/%2e%2e", 9_000)} {
		_, err := new(Canonicalizer).Request(get(t, target))
		refused(t, err, "target_too_long")
	}
	_, err := new(Canonicalizer).Request(get(t, strings.Repeat("/..", 4_000)))
	refused(t, err, "path_too_long")
}

// S-134: what a query parser drops or limits is forwarded as it was judged.
func TestQueryIsKeptAsReceived(t *testing.T) {
	for _, query := range []string{"a;b=1", "%zz", "a=1&a=2", "x=/../&y=//h", `q=\`, strings.Repeat("a&", 5_000) + "role=x"} {
		q, err := new(Canonicalizer).Request(get(t, "/p?"+query))
		require.NoError(t, err)
		require.Equal(t, query, q.RawQuery)
		require.Equal(t, "/p", q.Path)
	}
}
