package admin

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// TestHTTP2 does over HTTP/2 what is done over HTTP/1: a page of the list, many ended line by line, a refusal.
func TestHTTP2(t *testing.T) {
	h, handle, cookie := ready(t)
	srv := httptest.NewUnstartedServer(h.handler)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	ask := func(method, path, token string, body io.Reader) (*http.Response, string) {
		r, err := http.NewRequest(method, srv.URL+path, body)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		if body != nil {
			r.Header.Set("Content-Type", typeJSON)
		}
		res, err := srv.Client().Do(r)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, 2, res.ProtoMajor)
		return res, string(text)
	}
	res, body := ask("GET", "/api/v1/sessions", readToken, nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, 3, strings.Count(body, `"handle"`))
	res, _ = ask("POST", "/api/v1/sessions/"+handle+"/touch", writeToken, nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	res, _ = ask("POST", "/api/v1/sessions/revoke", readToken, strings.NewReader(`{"filter":"true"}`))
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.NoError(t, h.shown(cookie))
	res, body = ask("POST", "/api/v1/sessions/revoke", writeToken, io.MultiReader(strings.NewReader(`{"filter":`), strings.NewReader(`"true"}`))) // of a length nobody knows
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	require.Equal(t, 3, strings.Count(body, `"here":true`), body)
	require.Error(t, h.shown(cookie))
}

// TestChunkedBodies: a body in chunks is a body, and one without any byte is none.
func TestChunkedBodies(t *testing.T) {
	h, handle, cookie := ready(t)
	srv := httptest.NewServer(h.handler)
	t.Cleanup(srv.Close)
	send := func(method, path, chunks string, headers ...string) int {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n%s\r\n%s", method, path, writeToken, strings.Join(append(headers, ""), "\r\n"), chunks)
		require.NoError(t, err)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		return res.StatusCode
	}
	const none = "0\r\n\r\n"
	kind := "Content-Type: " + typeJSON
	require.Equal(t, http.StatusOK, send("POST", "/api/v1/sessions/"+handle+"/touch", none))
	require.Equal(t, http.StatusBadRequest, send("POST", "/api/v1/sessions/"+handle+"/touch", "2\r\n{}\r\n"+none, kind))
	require.Equal(t, http.StatusBadRequest, send("POST", "/api/v1/sessions/revoke", none, kind))
	require.Equal(t, http.StatusBadRequest, send("DELETE", "/api/v1/sessions/"+handle, "1\r\nx\r\n"+none, kind))
	large := "b\r\n{\"source\":\"\r\n" + strings.Repeat("10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 5)
	require.Equal(t, http.StatusRequestEntityTooLarge, send("POST", "/api/v1/sessions", large+none, kind))
	untouched(t, h, cookie)
	require.Equal(t, http.StatusOK, send("POST", "/api/v1/sessions/revoke", "9\r\n{\"filter\"\r\n8\r\n:\"true\"}\r\n"+none, kind))
	require.Error(t, h.shown(cookie))
}

// TestRejectTwoMeanings: a body that two readers could understand in two ways does nothing.
func TestRejectTwoMeanings(t *testing.T) {
	h, handle, cookie := ready(t)
	for path, bodies := range map[string][]string{
		"/api/v1/sessions/revoke": {
			`{"filter":"handle eq \"x\"","filter":"true"}`, `{"filter":"handle eq \"x\"","Filter":"true"}`, `{"filter":"true","keep":"` + handle + `","keep":""}`,
			`{"filter":"true","keep":null}`, `{"filter":"true","keep":""}`, `{"filter":"true","handles":null}`, `{"handles":[null]}`, `null`,
		},
		"/api/v1/sources/people/revoke-user": {
			`{"username":"nobody","username":"bob"}`, `{"username":"bob","realm":null}`, `{"username":"bob","realm":""}`, "{\"username\":\"bob\",\"realm\":\"\xff\"}",
		},
		"/api/v1/sessions": {`{"source":"people","source":"corp","username":"eve","password":"` + plantedPassword + `"}`},
	} {
		for _, body := range bodies {
			rec := h.ask("POST", path, body)
			require.Equal(t, "malformed", code(t, rec), body)
			require.NotContains(t, rec.Body.String(), plantedPassword)
		}
	}
	properties := "/api/v1/sessions/" + handle + "/properties"
	require.Equal(t, http.StatusOK, h.ask("PATCH", properties, `{"properties":{"theme":"dark"}}`).Code)
	for _, body := range []string{`{"properties":{"theme":null}}`, `{"properties":null}`, `{"properties":{"theme":"a","theme":"b"}}`} {
		require.Equal(t, "malformed", code(t, h.ask("PATCH", properties, body)), body)
	}
	require.JSONEq(t, `{"properties":{"theme":"dark"}}`, h.ask("GET", properties, "").Body.String())
	require.Equal(t, "not_allowed", code(t, h.ask("PATCH", properties, `{"properties":{"Theme":"a","theme":"b"}}`)), "two names, one of which is not listed")
	untouched(t, h, cookie)
}

// TestRejectDeepFilters: how deep a filter nests is bounded by its length, and so is the time it takes.
func TestRejectDeepFilters(t *testing.T) {
	h, _, _ := ready(t)
	ask := func(filter string) (int, time.Duration) {
		began := time.Now()
		status := h.ask("GET", "/api/v1/sessions?filter="+url.QueryEscape(filter), "").Code
		return status, time.Since(began)
	}
	deep := func(open, closed string, n int) string {
		return strings.Repeat(open, n) + "active eq true" + strings.Repeat(closed, n)
	}
	for filter, want := range map[string]int{
		deep("(", ")", 10_000):                              http.StatusBadRequest,
		deep("not (", ")", 10_000):                          http.StatusBadRequest,
		strings.Repeat("(", 10_000):                         http.StatusBadRequest,
		strings.Repeat("(", 4000):                           http.StatusBadRequest,
		strings.Repeat("not ", 1000):                        http.StatusBadRequest,
		deep("not (", ")", 600):                             http.StatusOK,
		strings.Repeat("active pr and ", 290) + "active pr": http.StatusOK,
		strings.Repeat("(active pr or ", 250) + "active pr" + strings.Repeat(")", 250): http.StatusOK,
	} {
		status, took := ask(filter)
		require.Equal(t, want, status, "%.60s", filter)
		require.Less(t, took, 5*time.Second, "%.60s", filter)
	}
}

// TestForeignCursors: a cursor is a place and opens nothing. One of another filter or another gateway goes on somewhere in
// the list, one that is none is refused.
func TestForeignCursors(t *testing.T) {
	h, _, _ := ready(t)
	list := func(query string) (*httptest.ResponseRecorder, List) {
		rec := h.ask("GET", "/api/v1/sessions?"+query, "")
		var l List
		if rec.Code == http.StatusOK {
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &l))
		}
		return rec, l
	}
	_, first := list("limit=1")
	require.NotEmpty(t, first.Next)
	_, others := list("limit=1000&filter=foreign+eq+true&cursor=" + first.Next)
	require.LessOrEqual(t, len(others.Sessions), 2)
	for _, e := range others.Sessions {
		require.True(t, e.Foreign, "the filter counts, not the cursor")
	}
	for _, place := range []string{strings.Repeat("\xff", 4000), "\x00", "name:bob", "../../etc/passwd"} {
		rec, _ := list("cursor=" + base64.RawURLEncoding.EncodeToString([]byte(place)))
		require.Equal(t, http.StatusOK, rec.Code, "%.20q", place)
	}
	for _, odd := range []string{"!", "%00", "YQ==", "a b"} {
		rec, _ := list("cursor=" + url.QueryEscape(odd))
		require.Equal(t, "malformed", code(t, rec), odd)
	}
	for _, limit := range []string{"0", "-1", "1000000000", "1e9", "99999999999999999999", "1.5", "0x10", " 1", "١", "true"} {
		rec, _ := list("limit=" + url.QueryEscape(limit))
		require.Equal(t, "malformed", code(t, rec), limit)
	}
	for _, limit := range []string{"", "1", "1000"} {
		rec, _ := list("limit=" + limit)
		require.Equal(t, http.StatusOK, rec.Code, limit)
	}
}

// TestRejectOddHandles: whatever stands where a handle belongs, it is a handle nobody has, or no address: never another
// route, and no control character of it is answered or written down.
func TestRejectOddHandles(t *testing.T) {
	h, handle, cookie := ready(t)
	for _, odd := range []string{
		".", "..", "", "%2f", "a%2fb", "..%2f" + handle, "%2e%2e", "%2E%2E%2Frevoke", ".%2e", "%00", handle + "%00", "%00" + handle, handle + "%20", "%0d%0aX-Evil:%201", "%ff%fe", "..;", handle + ";x",
		handle + "%2f", handle + "%3fx", "%252f", strings.ToUpper(handle), "*", "true", strings.Repeat("x", 8000), "%e2%80%ae" + handle,
	} {
		for _, rt := range h.api.routes() {
			if !strings.Contains(rt.path, "{handle}") {
				continue
			}
			rec := h.ask(rt.method, rt.target(odd), rt.sample())
			require.Contains(t, []string{"not_found", "no_route", "rejected"}, code(t, rec), "%s %s", rt.method, rt.target(odd))
			require.NotContains(t, rec.Body.String(), "\x00")
		}
	}
	untouched(t, h, cookie)
	require.NotContains(t, h.log.String(), "Evil")
}

// TestSourceNamedLikeAPath: a name is one segment of a path, however it looks.
func TestSourceNamedLikeAPath(t *testing.T) {
	h := newHouse(t)
	srv := httptest.NewServer(h.handler)
	t.Cleanup(srv.Close)
	client, err := NewClient(ClientOptions{URL: srv.URL, Token: session.NewSecret(writeToken)})
	require.NoError(t, err)
	for _, name := range []string{"a/b", "people/../people", "../sessions", "people%2f", "people?x", "people#x", "people;x", "", "people "} {
		_, err := client.RevokeUser(t.Context(), name, UserRevocation{Username: "bob"})
		require.Error(t, err, name)
		require.False(t, h.people.hasEnded("bob"), name)
	}
	_, err = client.RevokeUser(t.Context(), "people", UserRevocation{Username: "bob"})
	require.NoError(t, err)
	require.True(t, h.people.hasEnded("bob"))
}

// TestKeepOfAnotherUser: the session that stays need not be one the filter chooses.
func TestKeepOfAnotherUser(t *testing.T) {
	h, handle, cookie := ready(t)
	rec := h.ask("POST", "/api/v1/sessions/revoke", `{"filter":"username eq \"bob\"","keep":"`+handle+`"}`)
	require.Equal(t, http.StatusOK, rec.Code)
	require.Equal(t, 1, strings.Count(rec.Body.String(), "\n"), rec.Body)
	require.NoError(t, h.shown(cookie))
	require.ErrorIs(t, h.visit(session.Place{Kind: session.KindBearer}, "bob"), session.ErrRejected)
	require.Equal(t, "not_found", code(t, h.ask("POST", "/api/v1/sessions/revoke", `{"filter":"true","keep":"nobody"}`)))
	require.NoError(t, h.shown(cookie))
}

// nobodys is an authority that has no power at all and keeps no properties.
type nobodys struct{}

func (nobodys) Name() string { return "nobodys" }
func (nobodys) Kind() string { return "scripted" }

// TestAnswersHaveNoNull: a list of nothing is empty.
func TestAnswersHaveNoNull(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Sources = append(o.Sources, nobodys{}) })
	handle, _ := h.login("ann")
	h.visitPeople("bob")
	h.people.props = nil
	for _, path := range []string{
		"/api/v1/sessions?filter=aal+eq+%22none%22", "/api/v1/sessions", "/api/v1/sources", "/api/v1/stats", "/readyz", "/api/v1/sessions/" + handle, "/api/v1/sessions/people-bob",
		"/api/v1/sessions/" + handle + "/devices", "/api/v1/sessions/" + handle + "/properties", "/api/v1/sessions/people-bob/properties",
	} {
		rec := h.ask("GET", path, "")
		require.Equal(t, http.StatusOK, rec.Code, path)
		require.NotContains(t, rec.Body.String(), "null", path)
	}
	require.JSONEq(t, `{"properties":{}}`, h.ask("PATCH", "/api/v1/sessions/people-bob/properties", `{"properties":{"locale":"en"}}`).Body.String())
	require.Contains(t, h.ask("GET", "/api/v1/sources", "").Body.String(), `"name":"nobodys","kind":"scripted","powers":[]`)
	empty := newHouse(t, func(o *Options) { o.Sources, o.Tally, o.Health = nil, nil, NewHealth() })
	for _, path := range []string{"/api/v1/sessions", "/api/v1/sources", "/api/v1/stats", "/readyz"} {
		require.NotContains(t, empty.ask("GET", path, "").Body.String(), "null", path)
	}
}

// TestLongNamesAreListed: nobody stays out of the list, and out of reach, by calling themselves something long.
func TestLongNamesAreListed(t *testing.T) {
	h := newHouse(t)
	long := strings.Repeat("Long", 3000)
	h.visitPeople(long)
	_, cookie := h.login(long)
	var l List
	rec := h.ask("GET", "/api/v1/sessions?filter=active+eq+true", "")
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &l))
	require.Len(t, l.Sessions, 2)
	rec = h.ask("POST", "/api/v1/sessions/revoke", `{"filter":"username sw \"longlong\""}`)
	require.Equal(t, 2, strings.Count(rec.Body.String(), `"here":true`), rec.Body)
	require.Error(t, h.shown(cookie))
	require.ErrorIs(t, h.visit(session.Place{Kind: session.KindBearer}, long), session.ErrRejected)
}
