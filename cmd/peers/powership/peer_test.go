package powership

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
)

const (
	browser = "Mozilla/5.0"
	address = "203.0.113.9"
)

func start(t *testing.T, o Options) (*Peer, string) {
	p, err := New(o)
	require.NoError(t, err)
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return p, s.URL
}

// ask asks one method and returns its status and body.
func ask(t *testing.T, base, method string, in any) (int, string) {
	t.Helper()
	body, err := json.Marshal(in)
	require.NoError(t, err)
	res, err := http.Post(base+"/sessions/"+method, "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text)
}

func from(ip, userAgent string) map[string]any {
	return map[string]any{"requestIp": ip, "userAgent": userAgent}
}

func refresh(t *testing.T, base, token, ip, userAgent string) (int, string) {
	t.Helper()
	return ask(t, base, "refresh-tokens", map[string]any{"authToken": token, "request": from(ip, userAgent)})
}

// newToken reads the token out of a successful answer.
func newToken(t *testing.T, status int, body string) string {
	t.Helper()
	require.Equal(t, 200, status, body)
	var r struct {
		AuthToken string `json:"authToken"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &r))
	require.NotEmpty(t, r.AuthToken)
	return r.AuthToken
}

func refused(t *testing.T, wantStatus int, code string, status int, body string) {
	t.Helper()
	require.Equal(t, wantStatus, status, body)
	require.JSONEq(t, `{"code":"`+code+`","message":"`+code+`"}`, body)
}

// The values of the library's own packages (@powership/utils 5.8.8, jsonwebtoken 8.5.1).
func TestTokenIsTheLibrarysByteForByte(t *testing.T) {
	for text, want := range map[string]uint32{
		"IE": 1474882803, "12345678": 178826189, "curl/8.5.0": 65214447, "203.0.113.9": 2647623402, "": 2166136261,
		"é": 1812687940, "Mozilla/5.0 (Ünïcode) ⋮ 😀": 2997240515,
	} {
		require.Equal(t, want, hash32(text), text)
	}
	account, ulid := Alice().AccountID, "01GM72860ZP6SHJRAKJVRWJVQV"
	a := graphID(accountCursor(account))
	require.Equal(t, "~!YWNjb3VudOKLrl9pZOKLrjAxR003Mjg1WlI3TVg3NlBOTUYzRzJNRDNQ4ouu4ouu", a)
	d := inner{S: sessionCursor(account, ulid), A: a, R: strings.Repeat("R", 43), I: hash32(address), U: hash32("curl/8.5.0"), K: "A"}
	data := d.encode()
	require.Len(t, data, 336)
	token := sign("987654321", data, time.Unix(1700000000, 0), 7*24*time.Hour)
	require.Len(t, token, 589)
	require.True(t, strings.HasPrefix(token, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."))
	require.True(t, strings.HasSuffix(token, ".hiCR2zCiiP32oEO8i9qF7vF2eb78S3wvn-6GSNBFKcM"))
	_, back, err := verify("987654321", token, time.Unix(1700604799, 0))
	require.NoError(t, err)
	require.Equal(t, d, back)
	_, _, err = verify("987654321", token, time.Unix(1700604800, 0))
	require.Error(t, err, "over at exp")
}

func TestGoldenLogin(t *testing.T) {
	p, base := start(t, Options{})
	status, body := ask(t, base, "login", map[string]any{"username": "alice", "password": "wonderland", "request": from(address, browser)})
	token := newToken(t, status, body)
	d, ok := p.Session(token)
	require.True(t, ok)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &got))
	account := got["account"].(map[string]any)
	require.Equal(t, []any{got["sessionDocument"]}, account["sessions"])
	require.NotEmpty(t, account["tokens"], "the library hands out the hash of the password")
	at := time.Time(d.CreatedAt).Format("2006-01-02T15:04:05.000Z")
	document, err := json.Marshal(got["sessionDocument"])
	require.NoError(t, err)
	require.JSONEq(t, `{
		"_id":"account⋮_id⋮01GM7285ZR7MX76PNMF3G2MD3P⊰session⋮`+d.ULID+`⋮",
		"_idPK":"account⋮_id⋮01GM7285ZR7MX76PNMF3G2MD3P⊰session⋮","_idSK":"`+d.ULID+`",
		"_rpk":["account⋮_id⋮01GM7285ZR7MX76PNMF3G2MD3P⊰"],"_e":"session","_c":"`+d.Created+`","_v":"`+d.Version+`",
		"id":"`+d.ID+`","ulid":"`+d.ULID+`","accountId":"01GM7285ZR7MX76PNMF3G2MD3P","token":"`+d.Token+`","valid":true,
		"connectionInfo":{"ip":"203.0.113.9","userAgent":"Mozilla/5.0"},"createdAt":"`+at+`","updatedAt":"`+at+`"}`, string(document))
	for _, wrong := range []map[string]any{
		{"username": "alice", "password": "no", "request": from(address, browser)},
		{"username": "nobody", "password": "wonderland", "request": from(address, browser)},
	} {
		status, body = ask(t, base, "login", wrong)
		refused(t, 401, "AuthenticationFailed", status, body)
	}
}

func TestEveryAnswerBringsANewToken(t *testing.T) {
	p, base := start(t, Options{})
	first, err := p.Login("alice", address, browser)
	require.NoError(t, err)
	status, body := refresh(t, base, first, address, browser)
	second := newToken(t, status, body)
	require.NotEqual(t, first, second)
	status, body = refresh(t, base, first, address, browser)
	require.NotEqual(t, second, newToken(t, status, body), "an exchanged token still works")
	require.Equal(t, 2, p.Refreshed())
	require.Len(t, p.Sessions(), 1)

	p.Panel().Advance(8 * 24 * time.Hour)
	status, body = refresh(t, base, second, address, browser)
	refused(t, 401, "TokenVerificationFailed", status, body)
}

func TestStrictRefusesAnExchangedToken(t *testing.T) {
	p, base := start(t, Options{Strict: true})
	first, err := p.Login("alice", address, browser)
	require.NoError(t, err)
	newToken(t, 200, mustBody(refresh(t, base, first, address, browser)))
	second := newToken(t, 200, mustBody(refresh(t, base, first, address, browser)))
	p.Panel().Advance(DefaultGrace)
	status, body := refresh(t, base, first, address, browser)
	refused(t, 401, "InvalidSession", status, body)
	newToken(t, 200, mustBody(refresh(t, base, second, address, browser)))
}

func mustBody(_ int, body string) string { return body }

func TestRefusals(t *testing.T) {
	p, base := start(t, Options{})
	token, err := p.Login("alice", address, browser)
	require.NoError(t, err)
	status, body := refresh(t, base, token, address, "curl/8.5.0")
	refused(t, 401, "InvalidSession", status, body)
	status, body = refresh(t, base, token, "198.51.100.7", browser)
	newToken(t, status, body)
	d, _ := p.Session(token)
	require.Equal(t, "198.51.100.7", d.From.IP, "another address is written down, not refused")

	status, body = ask(t, base, "refresh-tokens", map[string]any{"authToken": token, "request": map[string]any{"requestIp": address}})
	refused(t, 400, "InvalidLocationInfoUserAgent", status, body)
	status, body = ask(t, base, "refresh-tokens", map[string]any{"authToken": token, "request": map[string]any{"userAgent": browser}})
	refused(t, 400, "InvalidLocationInfoIP", status, body)
	status, body = refresh(t, base, token+"x", address, browser)
	refused(t, 401, "TokenVerificationFailed", status, body)

	require.True(t, p.End(token))
	before, _ := p.Session(token)
	status, body = refresh(t, base, token, address, browser)
	refused(t, 401, "InvalidSession", status, body)
	after, _ := p.Session(token)
	require.NotEqual(t, before.Token, after.Token, "the token of a session that has ended is written all the same")
	p.Forget(token)
	status, body = refresh(t, base, token, address, browser)
	refused(t, 401, "SessionNotFound", status, body)
	p.RemoveUser(Alice().AccountID)
	status, body = refresh(t, base, token, address, browser)
	refused(t, 401, "UserNotFound", status, body)
}

func TestDeactivatedAccounts(t *testing.T) {
	u := Alice()
	u.Deactivated = true
	for _, refuse := range []bool{false, true} {
		p, base := start(t, Options{RefuseDeactivated: refuse})
		token, err := p.Login("alice", address, browser)
		require.NoError(t, err)
		p.SetUser(u)
		status, body := refresh(t, base, token, address, browser)
		if !refuse {
			newToken(t, status, body)
			continue
		}
		refused(t, 403, "UserDeactivated", status, body)
	}
}

func logoutInput(token string, widen bool) map[string]any {
	r := from(address, browser)
	r["user"] = map[string]any{"accountId": Alice().AccountID}
	return map[string]any{"authToken": token, "request": r, "widen": widen}
}

func TestLogout(t *testing.T) {
	p, base := start(t, Options{})
	one, err := p.Login("alice", address, browser)
	require.NoError(t, err)
	two, err := p.Login("alice", address, browser)
	require.NoError(t, err)
	p.Panel().Advance(30 * 24 * time.Hour)
	status, body := ask(t, base, "logout", logoutInput(one, false))
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"invalidated":1,"scope":"one","sessionDestroyed":true}`, body, "an expired token can still log out")
	status, body = ask(t, base, "logout", logoutInput(one, false))
	refused(t, 401, "SessionNotFound", status, body)
	left, _ := p.Session(two)
	require.True(t, left.Valid)

	status, body = ask(t, base, "logout", map[string]any{"authToken": two, "request": from(address, browser)})
	refused(t, 400, "InvalidRequest", status, body)
}

// A token that cannot be verified ends every session of the account, where nobody asked to be told.
func TestBareLogoutWidens(t *testing.T) {
	for _, bare := range []bool{false, true} {
		p, base := start(t, Options{Bare: bare})
		one, err := p.Login("alice", address, browser)
		require.NoError(t, err)
		_, err = p.Login("alice", address, browser)
		require.NoError(t, err)
		p.SetSecret("another")
		status, body := ask(t, base, "logout", logoutInput(one, false))
		valid := 0
		for _, d := range p.Sessions() {
			if d.Valid {
				valid++
			}
		}
		if bare {
			require.Equal(t, "true", body)
			require.Zero(t, valid)
			continue
		}
		refused(t, 401, "TokenVerificationFailed", status, body)
		require.Equal(t, 2, valid)
		_, body = ask(t, base, "logout", logoutInput(one, true))
		require.JSONEq(t, `{"invalidated":2,"scope":"all","sessionDestroyed":true}`, body)
	}
}

func TestInvalidateSessions(t *testing.T) {
	for _, bare := range []bool{false, true} {
		p, base := start(t, Options{Bare: bare})
		for range 3 {
			_, err := p.Login("alice", address, browser)
			require.NoError(t, err)
		}
		in := map[string]any{"mode": "all", "accountId": Alice().AccountID, "request": from(address, browser)}
		status, body := ask(t, base, "invalidate-sessions", in)
		require.Equal(t, 200, status)
		if bare {
			require.Equal(t, "3", body)
		} else {
			require.JSONEq(t, `{"invalidated":3,"scope":"all","sessionDestroyed":true}`, body)
		}
		status, body = ask(t, base, "invalidate-sessions", in)
		refused(t, 401, "SessionNotFound", status, body)
		in["mode"] = "some"
		status, body = ask(t, base, "invalidate-sessions", in)
		refused(t, 400, "InvalidRequest", status, body)
	}
}

func TestHandleRequestAndTrySetSession(t *testing.T) {
	p, base := start(t, Options{GraphIDs: true})
	status, body := ask(t, base, "handle-request", from(address, browser))
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"requestIp":"203.0.113.9","userAgent":"Mozilla/5.0"}`, body, "without a token nothing happens")
	status, body = ask(t, base, "try-set-session", from(address, browser))
	require.Equal(t, 200, status)
	require.Equal(t, "null", body)

	token, err := p.Login("alice", address, browser)
	require.NoError(t, err)
	r := from(address, browser)
	r["authToken"] = token
	status, body = ask(t, base, "handle-request", r)
	require.NotEqual(t, token, newToken(t, status, body))
	require.Contains(t, body, `"username":"alice"`)
	status, body = ask(t, base, "try-set-session", r)
	require.NotEqual(t, token, newToken(t, status, body))
	require.Contains(t, body, `"sessionDocument":{`)
	status, body = ask(t, base, "connection-info", r)
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"ip":"203.0.113.9","userAgent":"Mozilla/5.0"}`, body)
}

func TestBearerOfTheGateway(t *testing.T) {
	_, base := start(t, Options{Bearer: "shared"})
	status, body := ask(t, base, "connection-info", from(address, browser))
	refused(t, 401, "Unauthorized", status, body)
}

func TestPanelIsInFront(t *testing.T) {
	p, base := start(t, Options{})
	p.Panel().Set(panel.Failing)
	status, _ := ask(t, base, "connection-info", from(address, browser))
	require.Equal(t, 503, status)
	require.Equal(t, 1, p.Panel().Asked())
}

func TestOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]Options{
		"token_duration": {TokenDuration: time.Millisecond},
		"grace":          {Grace: -1},
		"users[0]":       {Users: []User{{Username: "x"}}},
		"users[1]":       {Users: []User{Alice(), Alice()}},
	} {
		_, err := New(o)
		require.ErrorContains(t, err, want)
	}
}
