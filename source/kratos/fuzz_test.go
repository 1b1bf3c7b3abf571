package kratos

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// FuzzReadAnswer: whatever whoami or a list answers, what is taken for a session can be told from others and named in an
// address, and its times are in UTC.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"id":"a","active":true,"identity":{"id":"b","traits":{"name":{"first":1}},"metadata_public":{"n":1e300,"b":true}}}`,
		`{"id":"a","active":true,"identity":null,"devices":null,"authentication_methods":[null,{"completed_at":"x"}]}`,
		`{"id":"a","active":false,"expires_at":"9999-12-31T23:59:59Z","issued_at":"0001-01-01T00:00:00Z","identity":[]}`,
		`{"id":"a","active":true,"expires_at":"2026-11-23T09:41:41+14:00","identity":{"id":"b","organization_id":{}}}`,
		`[]`, `{}`, ``,
	} {
		f.Add([]byte(seed))
	}
	s := &Source{name: "ory", fields: FieldsOptions{}.withDefaults()}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := authority.DecodeObject(body)
		if err != nil {
			return
		}
		a, err := readAnswer(o)
		if err != nil {
			require.ErrorIs(t, err, errNoSession)
			return
		}
		require.True(t, validID(a.id))
		got := s.session(a)
		require.NotEmpty(t, got.ID)
		require.False(t, a.identity != nil && got.Identity.Subject == "", "a session with a user has a subject")
		for _, at := range []time.Time{got.ExpiresAt, got.IssuedAt, got.AuthenticatedAt} {
			require.Equal(t, time.UTC, at.Location())
		}
		require.NotContains(t, got.Identity.Claims, "metadata_admin")
		require.NotContains(t, got.Identity.Claims, "credentials")
	})
}

// FuzzReadAnswers: a list is read whole or not at all.
func FuzzReadAnswers(f *testing.F) {
	for _, seed := range []string{`[]`, `null`, `{}`, `[null]`, `[[]]`, `[{"id":"a","active":true}]`, `[{"id":"a","active":true},{"id":"a","id":"b","active":true}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := readAnswers(body)
		if err != nil {
			require.Nil(t, list)
		}
		for _, a := range list {
			require.True(t, validID(a.id))
		}
	})
}

// FuzzReadFault: an envelope without a code is none.
func FuzzReadFault(f *testing.F) {
	f.Add([]byte(`{"error":{"code":401}}`))
	f.Add([]byte(`{"error":{"code":"401"},"redirect_browser_to":"x"}`))
	f.Add([]byte(`{"error":{"code":4e400}}`))
	f.Add([]byte(`{"error":{"code":403,"details":{"redirect_browser_to":{}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := authority.DecodeObject(body)
		if err != nil {
			return
		}
		if got, ok := readFault(o); !ok {
			require.Zero(t, got)
		}
	})
}

// FuzzNextPage: nothing but where the page begins is taken from Link.
func FuzzNextPage(f *testing.F) {
	f.Add(`</admin/sessions?page_size=1&page_token=x>; rel="first",</admin/sessions?active=true&page_size=1&page_token=y>; rel="next"`)
	f.Add(`<https://evil.example/?page_token=a,b&credentials_identifier=x>; rel="next"`)
	f.Add(`<?page_token=%zz>; rel="next", <`)
	f.Fuzz(func(t *testing.T, link string) {
		for name, values := range nextPage(http.Header{"Link": {link}}) {
			require.Contains(t, []string{"page_size", "page_token"}, name)
			require.Len(t, values, 1)
		}
	})
}

// FuzzReadEnd: the end of a JWT is a date in this era, or there is none.
func FuzzReadEnd(f *testing.F) {
	f.Add("e30.eyJleHAiOjE3OTU0MzUyMjV9.x")
	f.Add("e30.eyJleHAiOi0xfQ.x")
	f.Add("e30.eyJleHAiOjFlMzAwfQ.x")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		end, ok := readEnd(token)
		require.Equal(t, ok, !end.IsZero())
		require.LessOrEqual(t, end.Year(), 9999)
	})
}

func TestNextPage(t *testing.T) {
	for link, want := range map[string]string{
		`</admin/sessions?active=true&page_size=1&page_token=a>; rel="first",</admin/sessions?active=true&page_size=2&page_token=b>; rel="next"`: "page_size=2&page_token=b",
		`<https://elsewhere.example/x?page_token=b&identity=c>; rel="next"`:                                                                      "page_token=b",
		`</admin/sessions?page_token=a>; rel="first"`:                                                                                            "",
		`</admin/sessions?page_size=9>; rel="next"`:                                                                                              "",
		`/admin/sessions?page_token=b; rel="next"`:                                                                                               "",
		"": "",
	} {
		require.Equal(t, want, nextPage(http.Header{"Link": {link}}).Encode(), link)
	}
	require.Equal(t, "page_token=c", nextPage(http.Header{"Link": {`</a?page_token=b>; rel="prev"`, `</a?page_token=c>; rel="next"`}}).Encode(), "Link may stand twice")
}

func TestListsThatNeverEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("asks ten thousand times")
	}
	s, asked := canned(t, map[string]reply{"GET /admin/sessions": {status: 200, body: "[]", header: http.Header{"Link": {`<?page_token=again>; rel="next"`}}}}, nil)
	for _, err := range s.List(t.Context(), session.Query{}) {
		require.ErrorIs(t, err, session.ErrUnavailable)
	}
	require.Len(t, asked(), maxPages)
}

// TestNumberedListsThatStandStill: a version that takes no page numbers answers the same page each time.
func TestNumberedListsThatStandStill(t *testing.T) {
	whole := fixture(t, "whoami_v1.3.1.json")
	s, asked := canned(t, map[string]reply{
		"GET /sessions/whoami": {status: 200, body: whole}, "GET /sessions": {status: 200, body: "[" + whole + "]"},
	}, nil)
	s.pageSize = 1
	require.Equal(t, []string{v131}, collect(t, s.ListOwn(t.Context(), resolve(t, s, cookie("x")))))
	require.Len(t, asked(), 4, "twice the first page is what Kratos v1.3.1 does, three times is the end")
	s.pageSize = defaultPageSize
	require.Equal(t, []string{v131}, collect(t, s.ListOwn(t.Context(), resolve(t, s, cookie("x")))))
	require.Len(t, asked(), 6, "a page that is not full is the last")
}

func TestListsThatBreakOff(t *testing.T) {
	whole := fixture(t, "whoami_newer.json")
	for name, broken := range map[string]reply{"nonsense": {status: 200, body: "{}"}, "an element": {status: 200, body: "[" + whole + ",{}]"}, "404 of a proxy": {status: 404, body: "<html>"}, "400": {status: 400, body: "{}"}} {
		s, _ := canned(t, map[string]reply{"GET /admin/sessions": broken, "GET /admin/identities": {status: 200, body: "{}"}}, nil)
		n := 0
		for one, err := range s.List(t.Context(), session.Query{}) {
			n++
			require.Nil(t, one, name)
			require.ErrorIs(t, err, session.ErrUnavailable, name)
		}
		require.Equal(t, 1, n, name)
		_, err := s.RevokeUser(t.Context(), session.Query{Username: "alice"})
		require.ErrorIs(t, err, session.ErrUnavailable, name)
	}
	s, _ := canned(t, map[string]reply{"GET /admin/identities": {status: 200, body: `[{"id":"a"},{"id":"b"}]`}}, nil)
	_, err := s.RevokeUser(t.Context(), session.Query{Username: "alice"})
	require.ErrorIs(t, err, session.ErrUnsupported, "an old version that lists everybody must not end somebody")
	require.True(t, strings.HasPrefix(err.Error(), "kratos ory: revoke user: "))
}
