package pingam

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const cookie = "iPlanetDirectoryPro"

type wire struct {
	t   *testing.T
	p   *Peer
	url string
}

func open(t *testing.T, o Options) *wire {
	t.Helper()
	p, err := New(o)
	require.NoError(t, err)
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	return &wire{t: t, p: p, url: srv.URL + p.o.Base}
}

// ask sends a request; headers are pairs.
func (w *wire) ask(method, path, body string, headers ...string) (int, string, http.Header) {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	require.NoError(w.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := (&http.Transport{}).RoundTrip(req)
	require.NoError(w.t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	return res.StatusCode, strings.TrimSpace(string(data)), res.Header
}

// act calls an action as caller.
func (w *wire) act(caller, action, version, body string) (int, string) {
	w.t.Helper()
	status, answer, _ := w.ask("POST", "/json/realms/root/sessions?_action="+action, body, cookie, caller, "Accept-API-Version", "resource="+version+", protocol=1.0")
	return status, answer
}

func (w *wire) login(user string) string {
	w.t.Helper()
	realm := ""
	if user == "bob" {
		realm = "/alpha"
	}
	token, err := w.p.Login(user, realm)
	require.NoError(w.t, err)
	return token
}

func subject(token string) string { return `{"tokenId":"` + token + `"}` }

func TestAuthenticate(t *testing.T) {
	w := open(t, Options{})
	const path = "/json/realms/root/authenticate"
	status, body, header := w.ask("POST", path, "{}", "X-OpenAM-Username", "alice", "X-OpenAM-Password", "wonderland", "Accept-API-Version", "resource=2.0, protocol=1.0")
	require.Equal(t, 200, status)
	token := w.p.Sessions()[0]
	require.JSONEq(t, `{"tokenId":"`+token+`","successUrl":"/am/console","realm":"/"}`, body)
	require.Contains(t, header.Get("Set-Cookie"), cookie+"="+token)
	require.Equal(t, "protocol=1.0,resource=2.0", header.Get("Content-API-Version"))
	require.Contains(t, token, "*AAJ", "as server-side tokens look")

	status, body, _ = w.ask("POST", path, "{}", "X-OpenAM-Username", "alice", "X-OpenAM-Password", "wrong")
	require.Equal(t, 401, status)
	require.JSONEq(t, `{"code":401,"reason":"Unauthorized","message":"Authentication Failed"}`, body)

	status, _, _ = w.ask("POST", "/json/realms/root/realms/alpha/authenticate", "{}", "X-OpenAM-Username", "=?UTF-8?B?Ym9i?=", "X-OpenAM-Password", "builder-of-alpha")
	require.Equal(t, 200, status, "encoded words, in another realm")
	status, _, _ = w.ask("POST", path, "{}", "X-OpenAM-Username", "bob", "X-OpenAM-Password", "builder-of-alpha")
	require.Equal(t, 401, status, "a user of another realm")
}

func TestAuthenticateInTwoSteps(t *testing.T) {
	w := open(t, Options{})
	status, body, _ := w.ask("POST", "/json/realms/root/authenticate", "", "X-OpenAM-Username", "carol", "X-OpenAM-Password", "two-steps")
	require.Equal(t, 200, status)
	require.NotContains(t, body, "tokenId")
	var step struct {
		AuthID    string     `json:"authId"`
		Callbacks []callback `json:"callbacks"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &step))
	step.Callbacks[0].Input[0].Value = "123456"
	answer, err := json.Marshal(step)
	require.NoError(t, err)
	status, body, _ = w.ask("POST", "/json/realms/root/authenticate", strings.ReplaceAll(strings.ReplaceAll(string(answer), "AuthID", "authId"), "Callbacks", "callbacks"))
	require.Equal(t, 200, status)
	require.Contains(t, body, "tokenId")
	status, _, _ = w.ask("POST", "/json/realms/root/authenticate", string(answer))
	require.Equal(t, 401, status, "a step is good once")
}

func TestAuthenticateWithHTTPOnlyCookies(t *testing.T) {
	w := open(t, Options{HTTPOnly: true})
	status, body, header := w.ask("POST", "/json/realms/root/authenticate", "{}", "X-OpenAM-Username", "alice", "X-OpenAM-Password", "wonderland")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"successUrl":"/am/console","realm":"/"}`, body)
	require.Contains(t, header.Get("Set-Cookie"), "HttpOnly")
}

func TestGetSessionInfo(t *testing.T) {
	w := open(t, Options{})
	token := w.login("alice")
	s := w.p.sessions[token]
	want := `{"username":"alice","universalId":"id=alice,ou=user,dc=am,dc=example,dc=com","realm":"/","latestAccessTime":"` + seconds(s.began) +
		`","maxIdleExpirationTime":"` + seconds(s.began.Add(30*time.Minute)) + `","maxSessionExpirationTime":"` + seconds(s.began.Add(2*time.Hour)) + `","properties":{"AMCtxId":"` + s.uid + `"}}`
	status, body := w.act(token, "getSessionInfo", "4.0", "")
	require.Equal(t, 200, status)
	require.JSONEq(t, want, body)
	w.p.Panel().Advance(10 * time.Minute)
	_, body = w.act(token, "GETSESSIONINFO", "4.0", "")
	require.JSONEq(t, want, body, "a look touches nothing, and the case of an action does not count")
	_, body = w.act(token, "getSessionInfoAndResetIdleTime", "4.0", "")
	require.NotEqual(t, want, body)
	bob := w.p.sessions[w.login("bob")]
	require.Equal(t, "id=bob,ou=user,o=alpha,ou=services,dc=am,dc=example,dc=com", bob.universalID())
}

func TestCallerAndSubject(t *testing.T) {
	w := open(t, Options{})
	alice, bob, admin := w.login("alice"), w.login("bob"), w.login("amAdmin")
	for _, row := range []struct {
		name, caller, body string
		status             int
		answer             string
	}{
		{"nobody", "", subject(alice), 401, `{"code":401,"reason":"Unauthorized","message":"Access Denied"}`},
		{"a dead caller", "AQIC5dead*", "", 401, `{"code":401,"reason":"Unauthorized","message":"Access Denied"}`},
		{"another user", bob, subject(alice), 403, `{"code":403,"reason":"Forbidden","message":"Forbidden"}`},
		{"itself by name", alice, subject(alice), 200, ""},
		{"an administrator", admin, subject(alice), 200, ""},
		{"an administrator about a dead one", admin, subject("AQIC5dead*"), 200, `{"valid":false}`},
	} {
		status, body := w.act(row.caller, "getSessionInfo", "4.0", row.body)
		require.Equal(t, row.status, status, row.name)
		if row.answer != "" {
			require.JSONEq(t, row.answer, body, row.name)
		}
	}
	other := open(t, Options{DeadSubjectUnauthorized: true})
	status, _ := other.act(other.login("amAdmin"), "getSessionInfo", "4.0", subject("AQIC5dead*"))
	require.Equal(t, 401, status)
}

func TestBearerOfAnAdministrator(t *testing.T) {
	w := open(t, Options{AccessToken: "planted-access-token"})
	for token, want := range map[string]int{"planted-access-token": 200, "other": 401} {
		status, _, _ := w.ask("POST", "/json/realms/root/sessions?_action=getSessionInfo", subject(w.login("alice")), "Authorization", "Bearer "+token)
		require.Equal(t, want, status)
	}
}

func TestVersions(t *testing.T) {
	w := open(t, Options{})
	token := w.login("alice")
	status, body := w.act(token, "getSessionInfo", "999.0", "")
	require.Equal(t, 404, status)
	require.JSONEq(t, `{"code":404,"reason":"Not Found","message":"Accept-API-Version: Requested version \"999.0\" does not match any routes."}`, body)
	status, _ = w.act(token, "getSessionInfo", "3.1", "")
	require.Equal(t, 501, status, "an action of a later version")
	status, _ = w.act(token, "fly", "5.1", "")
	require.Equal(t, 501, status)
	strict := open(t, Options{NoDefaultVersion: true})
	status, body, _ = strict.ask("POST", "/json/realms/root/sessions?_action=getSessionInfo", "", cookie, strict.login("alice"))
	require.Equal(t, 400, status)
	require.JSONEq(t, `{"code":400,"reason":"Bad Request","message":"No requested version specified and behavior set to NONE."}`, body)
}

func TestCookieNeedsAHeaderNoFormCanSend(t *testing.T) {
	w := open(t, Options{})
	pair := cookie + "=" + w.login("alice")
	const path = "/json/realms/root/sessions?_action=getSessionInfo"
	status, _, _ := w.ask("POST", path, "", "Cookie", pair)
	require.Equal(t, 403, status)
	status, _, _ = w.ask("POST", path, "", "Cookie", pair, "Accept-API-Version", "resource=4.0, protocol=1.0")
	require.Equal(t, 200, status)
	status, _, _ = w.ask("POST", path, "", "Cookie", pair, "X-Requested-With", "XMLHttpRequest")
	require.Equal(t, 200, status)
}

func TestClocks(t *testing.T) {
	w := open(t, Options{})
	token := w.login("alice")
	w.p.Panel().Advance(29 * time.Minute)
	_, body := w.act(token, "validate&refresh=false", "3.0", "")
	require.JSONEq(t, `{"valid":true,"sessionUid":"`+w.p.sessions[token].uid+`","uid":"alice","realm":"/"}`, body)
	w.p.Panel().Advance(2 * time.Minute)
	status, _ := w.act(token, "validate&refresh=false", "3.0", "")
	require.Equal(t, 401, status, "idle for 31 minutes")

	token = w.login("alice")
	for range 4 {
		w.p.Panel().Advance(29 * time.Minute)
		_, body = w.act(token, "validate", "3.0", "")
		require.Contains(t, body, `"valid":true`, "validate alone is use")
	}
	w.p.Panel().Advance(5 * time.Minute)
	require.False(t, w.p.End(token), "120 minutes are the end, used or not")
}

func TestRefresh(t *testing.T) {
	w := open(t, Options{})
	token := w.login("alice")
	w.p.Panel().Advance(59*time.Second + 500*time.Millisecond)
	_, body := w.act(token, "refresh", "3.1", "")
	require.Contains(t, body, `"idletime":59`, "the latest access time is written once in 60 s")
	w.p.Panel().Advance(time.Second)
	_, body = w.act(token, "refresh", "3.1", "")
	require.Contains(t, body, `"idletime":0`)
	require.Contains(t, body, `"maxidletime":30`)
	require.Contains(t, body, `"maxsessiontime":120`)
	require.Contains(t, body, `"maxtime":71`)
	_, body = w.act(w.login("amAdmin"), "refresh", "3.1", subject("dead"))
	require.JSONEq(t, `{"valid":false}`, body)
}

func TestLogout(t *testing.T) {
	w := open(t, Options{})
	token := w.login("alice")
	for _, want := range []string{"Successfully logged out", "Token has expired"} {
		status, body := w.act(token, "logout", "3.1", "")
		require.Equal(t, 200, status)
		require.JSONEq(t, `{"result":"`+want+`"}`, body)
	}
	status, _ := w.act("", "logout", "3.1", "")
	require.Equal(t, 401, status)
}

func TestLogoutByHandleAndByUser(t *testing.T) {
	w := open(t, Options{})
	alice, admin := w.login("alice"), w.login("amAdmin")
	handle := w.p.Handle(alice)
	status, _ := w.act(alice, "logoutByHandle", "3.1", `{"sessionHandles":["`+handle+`"]}`)
	require.Equal(t, 403, status)
	status, _ = w.act(admin, "logoutByHandle", "3.1", `{"sessionHandles":"x"}`)
	require.Equal(t, 400, status)
	_, body := w.act(admin, "logoutByHandle", "3.1", `{"sessionHandles":["`+handle+`","shandle:unknown"]}`)
	require.JSONEq(t, `{"result":{"`+handle+`":true,"shandle:unknown":true}}`, body)
	require.False(t, w.p.End(alice))

	first, second, bob := w.login("alice"), w.login("alice"), w.login("bob")
	status, _ = w.act(bob, "logoutByUser", "5.1", `{"username":"alice"}`)
	require.Equal(t, 403, status)
	status, body = w.act(first, "logoutByUser", "5.1", `{"username":"alice"}`)
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"result":true}`, body)
	require.False(t, w.p.End(second))
	require.True(t, w.p.End(bob))
	old := open(t, Options{NoLogoutByUser: true})
	status, _ = old.act(old.login("amAdmin"), "logoutByUser", "5.1", `{"username":"alice"}`)
	require.Equal(t, 501, status)
}

func TestProperties(t *testing.T) {
	w := open(t, Options{Editable: []string{"LoginLocation", "AuthLevel", "color"}})
	alice := w.login("alice")
	_, body := w.act(alice, "getSessionProperties", "3.1", "")
	require.JSONEq(t, `{"LoginLocation":"","AuthLevel":"0","color":""}`, body)
	for name, row := range map[string]struct {
		body   string
		status int
	}{
		"a subset": {`{"LoginLocation":"40.7, -73.9"}`, 200}, "not allowed": {`{"x":"y"}`, 403}, "protected": {`{"AuthLevel":"9"}`, 403},
		"empty": {`{}`, 400}, "not a string": {`{"color":1}`, 400},
	} {
		status, _ := w.act(alice, "updateSessionProperties", "3.1", row.body)
		require.Equal(t, row.status, status, name)
	}
	_, body = w.act(alice, "getSessionProperties", "3.1", "")
	require.Contains(t, body, "40.7, -73.9")
	sealed := open(t, Options{ClientSide: true})
	status, _ := sealed.act(sealed.login("alice"), "updateSessionProperties", "3.1", `{"color":"green"}`)
	require.Equal(t, 403, status)
}

func TestQuery(t *testing.T) {
	w := open(t, Options{})
	alice, bob := w.login("alice"), w.login("bob")
	admin := w.login("amAdmin")
	query := func(caller, realm, filter string) (int, string) {
		status, body, _ := w.ask("GET", "/json"+realm+"/sessions?_queryFilter="+url.QueryEscape(filter), "", cookie, caller, "Accept-API-Version", "resource=3.1, protocol=1.0")
		return status, body
	}
	status, body := query(admin, "/realms/root/realms/alpha", `username eq "bob" and realm eq "/alpha"`)
	require.Equal(t, 200, status)
	s := w.p.sessions[bob]
	require.JSONEq(t, `{"result":[{"username":"bob","universalId":"id=bob,ou=user,o=alpha,ou=services,dc=am,dc=example,dc=com","realm":"/alpha","sessionHandle":"`+s.handle+
		`","latestAccessTime":"`+millis(s.began)+`","maxIdleExpirationTime":"`+seconds(s.began.Add(30*time.Minute))+`","maxSessionExpirationTime":"`+seconds(s.began.Add(2*time.Hour))+
		`"}],"resultCount":1,"pagedResultsCookie":null,"totalPagedResultsPolicy":"NONE","totalPagedResults":-1,"remainingPagedResults":-1}`, body)
	_, body = query(admin, "/realms/root", "true")
	require.Contains(t, body, `"resultCount":3`)
	_, body = query(admin, "/realms/root/realms/alpha", "true")
	require.Contains(t, body, `"resultCount":1`)
	status, _ = query(alice, "/realms/root", "true")
	require.Equal(t, 403, status)
	status, _ = query(admin, "/realms/root/realms/none", "true")
	require.Equal(t, 404, status)
	for _, bad := range []string{"", `username sw "a"`, `mail eq "a"`, `username eq "a" or realm eq "/"`, `username eq a`, `username eq "a`, `!(true)`} {
		status, _ = query(admin, "/realms/root", bad)
		require.Equal(t, 400, status, bad)
	}
	f, err := parseFilter(`username eq "a\"b\\c" and realm eq "/"`)
	require.NoError(t, err)
	require.Equal(t, `a"b\c`, f.username)
}

func TestClientSideSessions(t *testing.T) {
	w := open(t, Options{ClientSide: true})
	token := w.login("alice")
	require.Greater(t, len(token), 2000)
	require.Equal(t, 2, strings.Count(token, "."))
	_, body := w.act(token, "getSessionInfo", "4.0", "")
	require.NotContains(t, body, "maxIdleExpirationTime")
	w.p.Panel().Advance(100 * time.Minute)
	_, body = w.act(token, "validate", "3.0", "")
	require.Contains(t, body, `"valid":true`, "no idle clock")
	_, body, _ = w.ask("GET", "/json/realms/root/sessions?_queryFilter=true", "", cookie, w.login("amAdmin"))
	require.Contains(t, body, `"resultCount":0`, "they are in no list")
}

func TestOpenAM(t *testing.T) {
	w := open(t, Options{Profile: OpenAM})
	alice, admin := w.login("alice"), w.login("amAdmin")
	status, _ := w.act(alice, "validate", "2.0", "")
	require.Equal(t, 501, status, "validate is in 1.2 alone")
	status, body, _ := w.ask("POST", "/json/sessions/"+url.PathEscape(alice)+"?_action=validate", "", "Accept-API-Version", "resource=1.2")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"valid":true,"uid":"alice","realm":"/"}`, body, "without a caller")
	_, body, _ = w.ask("POST", "/json/alpha/sessions/?_action=validate&tokenId=dead", "", "Accept-API-Version", "resource=1.2")
	require.JSONEq(t, `{"valid":false}`, body)
	_, body = w.act(admin, "getSessionInfo&tokenId="+url.QueryEscape(alice), "2.0", "")
	require.Contains(t, body, `"sessionHandle":"shandle:`)
	require.Contains(t, body, `"username":"alice"`)
	require.NotContains(t, body, "properties")
	_, body = w.act(admin, "getSessionInfo", "2.0", subject(alice))
	require.Contains(t, body, "amAdmin", "a tokenId in the body counts for nothing")
	_, body = w.act(admin, "refresh&tokenId=dead", "2.0", "")
	require.JSONEq(t, `{"valid":false}`, body)
	status, _ = w.act(admin, "logoutByUser", "2.0", `{"username":"alice"}`)
	require.Equal(t, 501, status)
	status, _ = w.act(alice, "updateSessionProperties", "2.0", `{"color":"green"}`)
	require.Equal(t, 403, status, "not the exact set")
	status, body = w.act(alice, "updateSessionProperties", "2.0", `{"color":"green","LoginLocation":""}`)
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"color":"green","LoginLocation":""}`, body)
	status, _ = w.act(admin, "getSessionProperties&tokenId=dead", "2.0", "")
	require.Equal(t, 400, status)
	for action, want := range map[string]string{
		"isActive": `{"active":true}`, "getMaxIdle": `{"maxidletime":30}`, "getMaxSessionTime": `{"maxsessiontime":120}`, "getIdle": `{"idletime":0}`,
		"getPropertyNames": `{"properties":["LoginLocation","color"]}`,
	} {
		_, body = w.act(alice, action, "1.2", "")
		require.JSONEq(t, want, body, action)
	}
	_, body = w.act(alice, "setProperty", "1.2", `{"color":"blue"}`)
	require.JSONEq(t, `{"success":true}`, body)
	_, body = w.act(alice, "getProperty", "1.2", `{"properties":["color"]}`)
	require.JSONEq(t, `{"color":"blue"}`, body)
	_, body = w.act(admin, "getTimeLeft&tokenId=dead", "1.2", "")
	require.JSONEq(t, `{"maxtime":-1}`, body)
	status, _, _ = w.ask("GET", "/json/realms/root/sessions?_queryFilter=true", "", cookie, admin)
	require.Equal(t, 400, status, "the realm must be named")
}

func TestLoginPage(t *testing.T) {
	w := open(t, Options{})
	const there = "https://app.example/a?b=c"
	status, body, _ := w.ask("GET", "/XUI/?realm=%2Falpha&goto="+url.QueryEscape(there), "")
	require.Equal(t, 200, status)
	require.Contains(t, body, `value="/alpha"`)
	form := url.Values{"realm": {"/alpha"}, "goto": {there}, "username": {"bob"}, "password": {"builder-of-alpha"}}
	status, _, header := w.ask("POST", "/XUI/", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, 302, status)
	require.Equal(t, there, header.Get("Location"))
	require.Contains(t, header.Get("Set-Cookie"), cookie+"="+w.p.Sessions()[0])
	form.Set("password", "wrong")
	status, _, _ = w.ask("POST", "/XUI/", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, 401, status)
	status, _, _ = w.ask("GET", "/XUI/?goto=javascript:alert(1)", "")
	require.Equal(t, 400, status)
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"true", `username eq "a\"b" and realm eq "/"`, `username eq "`, "", " eq ", `realm eq "/" and`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseFilter(text)
		if err == nil && len(got.username)+len(got.realm) > len(text) {
			t.Fatal("more than was said")
		}
	})
}
