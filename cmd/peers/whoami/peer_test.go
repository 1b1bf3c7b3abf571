package whoami

import (
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
)

type fixture struct {
	*Peer
	t    *testing.T
	base string
}

func start(t *testing.T, o Options) *fixture {
	p, err := New(o)
	require.NoError(t, err)
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return &fixture{p, t, s.URL}
}

func (f *fixture) login(username string) string {
	token, err := f.Login(username)
	require.NoError(f.t, err)
	return token
}

// ask sends a request with header pairs and returns status and body.
func (f *fixture) ask(method, path string, header ...string) (int, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.base+path, nil)
	require.NoError(f.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(f.t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(f.t, err)
	return res.StatusCode, strings.TrimSpace(string(body))
}

func TestMeByEveryCredential(t *testing.T) {
	f := start(t, Options{})
	token := f.login("alice")
	for _, header := range [][]string{
		{"Cookie", "other=1; app_session=" + token},
		{"X-App-Session", token},
		{"Authorization", "Bearer " + token},
		{"Authorization", "Bearer " + token, "Cookie", "app_session=wrong"},
	} {
		for _, method := range []string{"GET", "POST"} {
			status, body := f.ask(method, MePath, header...)
			require.Equal(t, 200, status, header)
			require.Contains(t, body, `"login":"alice"`)
		}
	}
	for _, header := range [][]string{nil, {"Cookie", "app_session=wrong"}, {"Authorization", "Basic " + token}} {
		status, body := f.ask("GET", MePath, header...)
		require.Equal(t, 401, status, header)
		require.JSONEq(t, `{"error":"not signed in"}`, body)
	}
	status, _ := f.ask("PUT", MePath, "X-App-Session", token)
	require.Equal(t, 405, status)
}

func TestMeGolden(t *testing.T) {
	f := start(t, Options{UnixTimes: true, Users: []User{{
		ID: math.MaxInt64, Username: "bob", Password: "builder", Name: "Bob", Email: "bob@example.com", Roles: []string{"a, b"}, Tenant: "acme",
	}}})
	token := f.login("bob")
	f.mu.Lock()
	s := f.sessions[token]
	s.id, s.startedAt, s.endAt = "s-1", time.Unix(1_700_000_000, 0), time.Unix(4_000_000_000, 0)
	f.mu.Unlock()
	status, body := f.ask("GET", MePath, "Cookie", "app_session="+token)
	require.Equal(t, 200, status)
	before, after, found := strings.Cut(body, `"idle_expires_at":`)
	require.True(t, found)
	_, after, _ = strings.Cut(after, ",")
	require.Equal(t, `{"authenticated":true,"session":{"assurance":"aal1","expires_at":4000000000,`+
		`"id":"s-1","started_at":1700000000,"tenant":"acme"},"user":{"display_name":"Bob","id":9223372036854775807,`+
		`"login":"bob","mail":{"address":"bob@example.com","verified":false},"role_objects":[{"name":"a, b"}],"roles":["a, b"]}}`,
		before+after)
}

func TestTenantCookie(t *testing.T) {
	f := start(t, Options{TenantCookie: "tenant"})
	token := f.login("alice")
	for cookies, want := range map[string]int{
		"app_session=" + token + "; tenant=acme": 200, "app_session=" + token: 401, "app_session=" + token + "; tenant=other": 401, "tenant=acme": 401,
	} {
		status, _ := f.ask("GET", MePath, "Cookie", cookies)
		require.Equal(t, want, status, cookies)
	}
}

func TestTimesAreRFC3339(t *testing.T) {
	f := start(t, Options{})
	token := f.login("alice")
	_, body := f.ask("GET", MePath, "X-App-Session", token)
	require.Regexp(t, `"expires_at":"20[0-9T:-]+Z"`, body)
}

func TestSoftNo(t *testing.T) {
	f := start(t, Options{SoftNo: true})
	status, body := f.ask("GET", MePath, "X-App-Session", "wrong")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"authenticated":false}`, body)
}

func TestForbidden(t *testing.T) {
	f := start(t, Options{ServiceKey: "between-us"})
	token := f.login("alice")
	status, body := f.ask("GET", MePath, "X-App-Session", token)
	require.Equal(t, 403, status)
	require.Contains(t, body, "service key")
	status, _ = f.ask("GET", MePath, "X-App-Session", token, "X-Service-Key", "between-us")
	require.Equal(t, 200, status)
	require.NoError(t, f.Change("alice", func(u *User) { u.Locked = true }))
	status, body = f.ask("GET", MePath, "X-App-Session", token, "X-Service-Key", "between-us")
	require.Equal(t, 403, status)
	require.Contains(t, body, "locked")
	require.ErrorIs(t, f.Change("nobody", func(*User) {}), ErrNoUser)
}

func TestQuestionsMoveTheIdleClockOnly(t *testing.T) {
	f := start(t, Options{SessionTTL: time.Hour, IdleTimeout: 20 * time.Minute})
	token, idle := f.login("alice"), f.login("alice")
	ask := func(token string) int {
		status, _ := f.ask("GET", MePath, "X-App-Session", token)
		return status
	}
	for range 3 {
		require.Equal(t, 200, ask(token))
		f.Panel().Advance(19 * time.Minute)
	}
	require.Equal(t, 401, ask(idle), "nobody asked for 57 minutes")
	require.Equal(t, 200, ask(token))
	require.Equal(t, 1, f.Sessions())
	f.Panel().Advance(3 * time.Minute)
	require.Equal(t, 401, ask(token), "the absolute end stays")
	require.Zero(t, f.Sessions())
}

func TestLogout(t *testing.T) {
	f := start(t, Options{})
	for _, method := range []string{"POST", "DELETE"} {
		token := f.login("alice")
		status, _ := f.ask("GET", LogoutPath, "X-App-Session", token)
		require.Equal(t, 405, status)
		status, _ = f.ask(method, LogoutPath, "X-App-Session", token)
		require.Equal(t, 204, status)
		status, _ = f.ask("GET", MePath, "X-App-Session", token)
		require.Equal(t, 401, status)
		status, _ = f.ask(method, LogoutPath, "X-App-Session", token)
		require.Equal(t, 401, status, "of a session that has ended")
	}
}

func TestLoginByForm(t *testing.T) {
	f := start(t, Options{})
	_, page := f.ask("GET", LoginPath+`?next=%22%3E%3Cscript%3E`)
	require.Contains(t, page, `value="&#34;&gt;&lt;script&gt;"`)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post := func(password, next string) *http.Response {
		res, err := client.PostForm(f.base+LoginPath, url.Values{"username": {"alice"}, "password": {password}, "next": {next}})
		require.NoError(t, err)
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	require.Equal(t, 401, post("wrong", "").StatusCode)
	res := post("wonderland", "/app")
	require.Equal(t, 303, res.StatusCode)
	require.Equal(t, "/app", res.Header.Get("Location"))
	require.Len(t, res.Cookies(), 1)
	status, _ := f.ask("GET", MePath, "Cookie", "app_session="+res.Cookies()[0].Value)
	require.Equal(t, 200, status)
	for _, next := range []string{"//evil.example", "https://evil.example", `/\evil.example`} {
		require.Equal(t, 200, post("wonderland", next).StatusCode, next)
	}
	_, err := f.Login("nobody")
	require.ErrorIs(t, err, ErrNoUser)
}

func TestPanel(t *testing.T) {
	f := start(t, Options{})
	token := f.login("alice")
	f.Panel().Set(panel.Failing)
	status, _ := f.ask("GET", MePath, "X-App-Session", token)
	require.Equal(t, 503, status)
	require.True(t, f.Panel().Saw(token))
}

func TestRejectsImpossibleOptions(t *testing.T) {
	for _, o := range []Options{
		{IdleTimeout: -1},
		{SessionTTL: -1},
		{Users: []User{{Username: "a", Password: "p"}}},
		{Users: []User{{ID: 1, Password: "p"}}},
		{Users: []User{{ID: 1, Username: "a"}}},
		{Users: []User{{ID: 1, Username: "a", Password: "p"}, {ID: 2, Username: "a", Password: "p"}}},
	} {
		_, err := New(o)
		require.ErrorContains(t, err, "whoami")
	}
}
