package application_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/demo/application"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func get(t *testing.T, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	a := application.New(application.Options{
		Now:   func() time.Time { return noon },
		Facts: func() []application.Fact { return []application.Fact{{ID: "renewals", Name: "Renewals", Value: "3"}} },
	})
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func jwt(claims string) string {
	return "eyJhbGciOiJFUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestPageShowsIdentity(t *testing.T) {
	w := get(t, "/any/where",
		"X-Sessionward-Name", "Alice Liddell", "X-Sessionward-Groups", "admins,staff", "X-Forwarded-User", "u-1",
		"X-Sessionward-Expires-At", noon.Add(90*time.Minute).Format(time.RFC3339),
		"X-Sessionward-Assertion", jwt(fmt.Sprintf(`{"iat":%d,"exp":%d}`, noon.Unix()-12, noon.Unix()+48)),
		"X-Forwarded-For", "192.0.2.1")
	require.Equal(t, http.StatusOK, w.Code)
	body := w.Body.String()
	for _, want := range []string{
		"Hello, Alice Liddell", "<li>admins</li><li>staff</li>", `<th scope="row">X-Forwarded-User</th><td>u-1</td>`,
		"in 1h30m0s", "issued 12s ago, ends in 48s", `<dd id="renewals">3</dd>`, `href="/_session/logout"`,
		"All other headers of GET example.com/any/where (1)", `<html lang="en">`, "prefers-color-scheme: dark",
	} {
		require.Contains(t, body, want)
	}
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
}

func TestPageWithoutIdentity(t *testing.T) {
	body := get(t, "/").Body.String()
	require.Contains(t, body, "Nobody is signed in")
	require.NotContains(t, body, "Sign out")
}

func TestPageHidesSecrets(t *testing.T) {
	body := get(t, "/", "Cookie", "a=PLANTED1; b=PLANTED2", "Authorization", "Bearer PLANTED3",
		"X-Forwarded-Access-Token", "PLANTED4", "X-Sessionward-Assertion", "PLANTED5", "X-Api-Key", "PLANTED6").Body.String()
	require.NotContains(t, body, "PLANTED")
	require.Contains(t, body, "a, b (values hidden)")
}

func TestPageEscapesHeaders(t *testing.T) {
	w := get(t, "/", "X-Sessionward-Name", "<script>alert(1)</script>", "X-Other", `"><img src=x onerror=alert(1)>`)
	require.NotContains(t, w.Body.String(), "<script")
	require.NotContains(t, w.Body.String(), "<img")
}

func TestJSON(t *testing.T) {
	for _, tc := range []struct{ path, accept string }{{"/json?a=1", ""}, {"/a%2Fb?a=1", "application/json"}} {
		w := get(t, tc.path, "Accept", tc.accept, "X-Forwarded-User", "u-1")
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		var r application.Request
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &r))
		require.Equal(t, http.MethodGet, r.Method)
		require.Equal(t, "example.com", r.Host)
		require.Equal(t, tc.path, r.Path+"?"+r.Query)
		require.Equal(t, "u-1", r.Headers.Get("X-Forwarded-User"))
		require.NotEmpty(t, r.Remote)
	}
}

func TestEvents(t *testing.T) {
	s := httptest.NewServer(application.New(application.Options{EventEvery: time.Millisecond}))
	defer s.Close()
	res, err := http.Get(s.URL + "/events?n=3")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	all, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(all), "data: {"))
	for _, n := range []string{"0", "-1", "x", "3601"} {
		require.Equal(t, http.StatusBadRequest, get(t, "/events?n="+n).Code, n)
	}
}

func TestEventsComeAtOnce(t *testing.T) {
	s := httptest.NewServer(application.New(application.Options{EventEvery: time.Hour}))
	defer s.Close()
	res, err := http.Get(s.URL + "/events")
	require.NoError(t, err)
	defer res.Body.Close()
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "id: 1\n", line)
}

func TestEchoAnswersWhileItIsAsked(t *testing.T) {
	s := httptest.NewServer(application.New(application.Options{}))
	defer s.Close()
	in, out := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = in.Close() })
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/echo", in)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "text/html")
	go func() { _, _ = io.WriteString(out, "one") }()
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "application/octet-stream", res.Header.Get("Content-Type"), "never a page")
	b := make([]byte, 3)
	_, err = io.ReadFull(res.Body, b)
	require.NoError(t, err)
	require.Equal(t, "one", string(b))
	_, err = io.WriteString(out, "two")
	require.NoError(t, err)
	require.NoError(t, out.Close())
	rest, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "two", string(rest))
}

func TestHealth(t *testing.T) {
	require.Equal(t, "ok\n", get(t, "/healthz").Body.String())
}

// FuzzPage: whatever a header carries, the page is made and shows no markup of it.
func FuzzPage(f *testing.F) {
	f.Add("X-Sessionward-Expires-At", "2026-11-23T12:00:00Z")
	f.Add("X-Sessionward-Assertion", jwt(`{"iat":1e300,"exp":-1e300}`))
	f.Add("X-Forwarded-Groups", ",,a,,")
	f.Add("Cookie", "; =;;a")
	f.Add("X-Other", "<script>")
	f.Fuzz(func(t *testing.T, name, value string) {
		a := application.New(application.Options{Now: func() time.Time { return noon }})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header[http.CanonicalHeaderKey(name)] = []string{value}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		require.NotContains(t, strings.ToLower(w.Body.String()), "<script")
	})
}

func Example() {
	a := application.New(application.Options{})
	r := httptest.NewRequest(http.MethodGet, "/json", nil)
	r.Header.Set("X-Forwarded-User", "u-1")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	var got application.Request
	_ = json.Unmarshal(w.Body.Bytes(), &got)
	fmt.Println(got.Method, got.Path, got.Headers["X-Forwarded-User"])
	// Output: GET /json [u-1]
}
