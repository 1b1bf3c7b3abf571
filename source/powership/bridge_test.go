package powership

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/powership"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

func TestSessionOfAnApplication(t *testing.T) {
	w := openBridgeWorld(t, Options{}, peer.Options{})
	raw := w.token(t)
	s, err := w.Resolve(t.Context(), bearer(raw))
	require.NoError(t, err)
	d, ok := w.peer.Session(raw.Reveal())
	require.True(t, ok)
	require.Equal(t, vectorAccount, s.Identity.Subject)
	require.Equal(t, []any{"alice", "alice@example.com", true}, []any{s.Identity.Username, s.Identity.Email, s.Identity.EmailVerified})
	require.Equal(t, []string{"admin_profile:" + vectorAccount, "staff"}, s.Identity.Groups)
	require.Equal(t, d.ID, s.SourceSessionID)
	require.Equal(t, time.Time(d.CreatedAt).Truncate(time.Millisecond), s.AuthenticatedAt)
	require.Equal(t, time.Time(d.UpdatedAt).Truncate(time.Millisecond), s.LastAccessAt)
	require.Equal(t, map[string]any{
		"accountId": vectorAccount, "username": "alice", "deactivated": false,
		"permissions": []any{"admin_profile:" + vectorAccount, "staff"},
	}, s.Identity.Claims, "hashes of passwords, sessions and tokens stay behind")
	require.True(t, w.peer.Panel().Saw("Authorization: Bearer "+bridgeToken))
	require.True(t, w.peer.Panel().Saw("POST /sessions/handle-request"))
}

// An application makes a new token with every question. A lenient one takes the old one as well: the client is bothered
// only when its token is old enough.
func TestYoungTokenStaysWithTheClient(t *testing.T) {
	w := openBridgeWorld(t, Options{}, peer.Options{})
	raw := w.token(t)
	s, err := w.Resolve(t.Context(), bearer(raw))
	require.NoError(t, err)
	require.True(t, s.Tokens.Access.Equal(raw))
	require.Empty(t, s.Reissue)
	require.Equal(t, 1, w.peer.Refreshed())
	w.peer.Panel().Advance(DefaultRotateAfter)
	s, err = w.Resolve(t.Context(), bearer(raw))
	require.NoError(t, err)
	require.Equal(t, "X-Auth-Token", s.Reissue[0].Name)
	require.False(t, s.Tokens.Access.Equal(raw))
	fresh, err := w.Resolve(t.Context(), bearer(s.Reissue[0].Value))
	require.NoError(t, err)
	require.Equal(t, s.ID, fresh.ID)
}

// A strict application spends the token with every question: each new one must reach the client, and nobody asks without
// one to give it to.
func TestStrictApplicationIsAskedOnlyWhereTheNewTokenGoesSomewhere(t *testing.T) {
	w := openBridgeWorld(t, Options{Strict: true}, peer.Options{Strict: true})
	raw := w.token(t)
	for range 3 {
		s, err := w.Resolve(t.Context(), cookie(raw))
		require.NoError(t, err)
		require.NotEmpty(t, s.Reissue)
		w.peer.Panel().Advance(peer.DefaultGrace)
		raw = s.Tokens.Access
		before := w.peer.Panel().Asked()
		_, err = w.Current(t.Context(), s)
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.Equal(t, before, w.peer.Panel().Asked())
		require.NoError(t, w.Health())
	}
	form, err := w.VerifyPassword(t.Context(), "alice", session.NewSecret(wonder), address)
	require.NoError(t, err)
	before := w.peer.Panel().Asked()
	require.NoError(t, w.Verify(t.Context(), form))
	require.Equal(t, before, w.peer.Panel().Asked())
	form, err = w.Refresh(t.Context(), form)
	require.NoError(t, err)
	require.True(t, w.peer.End(form.Tokens.Access.Reveal()))
	_, err = w.Refresh(t.Context(), form)
	require.ErrorIs(t, err, session.ErrRejected)
}

// scripted is an application that answers what it is told to.
type scripted struct {
	mu     sync.Mutex
	status int
	body   string
	asked  []string
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL.Path+" "+string(body))
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.body)
}

func (s *scripted) answer(status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body = status, body
}

func openScripted(t *testing.T, o Options) (*Source, *scripted) {
	t.Helper()
	app := &scripted{}
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	o.Bridge = &BridgeOptions{URL: server.URL + "/base/"}
	s, err := Open("accounts", o, authority.Deps{Now: time.Now, Log: (&logged{}).logger()})
	require.NoError(t, err)
	return s, app
}

// someToken is a token nobody here can verify: the application does.
func someToken(t *testing.T, ulid string) string {
	t.Helper()
	data := newData(sessionCursor(vectorAccount, ulid), ConnectionInfo{IP: address, UserAgent: browser})
	raw, _, err := signToken(session.NewSecret("whatever"), data, time.Now(), time.Hour)
	require.NoError(t, err)
	return raw
}

func TestCodesOfTheApplication(t *testing.T) {
	s, app := openScripted(t, Options{})
	c := cookie(session.NewSecret(someToken(t, vectorULID)))
	ask := func() error {
		_, err := s.Resolve(t.Context(), c)
		require.NotContains(t, err.Error(), "do not repeat")
		return err
	}
	for code, class := range map[Code]error{
		TokenVerificationFailed: session.ErrRejected, InvalidToken: session.ErrRejected, InvalidTokens: session.ErrRejected,
		InvalidSession: session.ErrRejected, InvalidEncodedSession: session.ErrRejected, SessionNotFound: session.ErrRejected,
		UserNotFound: session.ErrRejected, AuthenticationFailed: session.ErrRejected, ImpersonatedUserNotFound: session.ErrRejected,
		UserDeactivated: session.ErrInsufficient,
		InvalidRequest:  session.ErrUnavailable, InvalidLocationInfoIP: session.ErrUnavailable, InvalidLocationInfoUserAgent: session.ErrUnavailable,
		Unauthorized: session.ErrUnavailable, ServiceNotFound: session.ErrUnavailable, "Made up": session.ErrUnavailable, "": session.ErrUnavailable,
	} {
		for _, status := range []int{400, 401, 403, 404, 422} {
			app.answer(status, `{"code":"`+string(code)+`","message":"do not repeat"}`)
			err := ask()
			require.ErrorIs(t, err, class, code)
			require.Equal(t, class == session.ErrRejected, errors.Is(err, session.ErrRejected), code)
		}
	}
	app.answer(401, `{"code":"Unauthorized"}`)
	require.ErrorIs(t, ask(), session.ErrUnavailable)
	require.ErrorContains(t, s.Health(), "powership accounts")
	for status, body := range map[int]string{
		500: `{"code":"TokenVerificationFailed","message":"do not repeat"}`, 503: "do not repeat", 429: `{"code":"SessionNotFound"}`,
		401: "<p>do not repeat", 403: "", 404: "404 page not found", 302: `{"code":"SessionNotFound"}`, 201: "{}",
	} {
		app.answer(status, body)
		err := ask()
		require.ErrorIs(t, err, session.ErrUnavailable, status)
		require.NotErrorIs(t, err, session.ErrRejected, status)
		if status != http.StatusTooManyRequests { // whoever asks too much is not told that the application is ill
			require.Error(t, s.Health(), status)
		}
	}
	app.answer(401, `{"code":"SessionNotFound","message":"SessionNotFound"}`)
	require.ErrorIs(t, ask(), session.ErrRejected)
	require.NoError(t, s.Health())
}

// The gateway's own right to ask is not the user's.
func TestWrongTokenOfTheGatewayLogsNobodyOut(t *testing.T) {
	w := openBridgeWorld(t, Options{}, peer.Options{})
	raw := w.token(t)
	w.keeper.(*bridge).token = session.NewSecret("wrong")
	_, err := w.Resolve(t.Context(), bearer(raw))
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)
	require.ErrorContains(t, w.Health(), "Unauthorized")
}

// answerFor is what an application says of a session, by parts that tests change.
func answerFor(raw, ulid string, change func(request, account, document map[string]any)) string {
	c := sessionCursor(vectorAccount, ulid)
	document := map[string]any{
		"_id": c.String(), "id": c.graphID(), "valid": true, "accountId": vectorAccount, "createdAt": "2026-01-02T03:04:05.678Z",
		"connectionInfo": map[string]any{"ip": address, "userAgent": browser},
	}
	account := map[string]any{"accountId": vectorAccount, "username": "alice", "sessions": []any{document}}
	request := map[string]any{"authToken": raw, "user": account}
	change(request, account, document)
	text, _ := json.Marshal(request)
	return string(text)
}

func TestAnswersThatMakeNoSenseDenyNobody(t *testing.T) {
	s, app := openScripted(t, Options{})
	raw := someToken(t, vectorULID)
	c := cookie(session.NewSecret(raw))
	app.answer(200, answerFor(raw, vectorULID, func(_, _, _ map[string]any) {}))
	_, err := s.Resolve(t.Context(), c)
	require.NoError(t, err)
	const other = "01GM72860ZP6SHJRAKJVRWJOTH"
	for name, body := range map[string]string{
		"another session":              answerFor(someToken(t, other), other, func(_, _, _ map[string]any) {}),
		"another account":              answerFor(raw, vectorULID, func(_, a, _ map[string]any) { a["accountId"] = "another" }),
		"no account id":                answerFor(raw, vectorULID, func(_, a, _ map[string]any) { delete(a, "accountId") }),
		"no user":                      answerFor(raw, vectorULID, func(r, _, _ map[string]any) { delete(r, "user") }),
		"no token":                     answerFor(raw, vectorULID, func(r, _, _ map[string]any) { delete(r, "authToken") }),
		"no sessions":                  answerFor(raw, vectorULID, func(_, a, _ map[string]any) { delete(a, "sessions") }),
		"a document without a name":    answerFor(raw, vectorULID, func(_, _, d map[string]any) { delete(d, "_id"); delete(d, "id") }),
		"a document that is not valid": answerFor(raw, vectorULID, func(_, _, d map[string]any) { d["valid"] = false }),
		"a list":                       "[]", "a number": "7", "null": "null", "nothing": "", "two of a name": `{"authToken":"a","authToken":"b"}`,
	} {
		app.answer(200, body)
		_, err := s.Resolve(t.Context(), c)
		require.ErrorIs(t, err, session.ErrUnavailable, name)
		require.NotErrorIs(t, err, session.ErrRejected, name)
		require.NotContains(t, err.Error(), raw)
		require.Error(t, s.Health(), name)
	}
	app.answer(200, answerFor(raw, vectorULID, func(_, _, d map[string]any) { delete(d, "_id") }))
	_, err = s.Resolve(t.Context(), c)
	require.NoError(t, err, "either name of a document will do")
	require.NoError(t, s.Health())
}

func TestApplicationThatLogsOutInAHookRejects(t *testing.T) {
	s, app := openScripted(t, Options{})
	app.answer(200, `{"requestIp":"","userAgent":"","sessionDestroyed":true}`)
	_, err := s.Resolve(t.Context(), cookie(session.NewSecret(someToken(t, vectorULID))))
	require.ErrorIs(t, err, session.ErrRejected)
	require.NoError(t, s.Health())
}

// What cannot be a token is no question: nobody floods the application through a cookie.
func TestWhatIsNoTokenIsNotAskedAbout(t *testing.T) {
	s, app := openScripted(t, Options{})
	for _, raw := range []string{"x", "a.b.c", "eyJhbGciOiJIUzI1NiJ9.e30.x", strings.Repeat("a", 20<<10)} {
		_, err := s.Resolve(t.Context(), cookie(session.NewSecret(raw)))
		require.ErrorIs(t, err, TokenVerificationFailed)
	}
	for _, given := range [][2]string{{"", "pw"}, {"alice", ""}} {
		_, err := s.VerifyPassword(t.Context(), given[0], session.NewSecret(given[1]), address)
		require.ErrorIs(t, err, AuthenticationFailed)
	}
	require.Empty(t, app.asked)
}

// The answer to a login or an exchange is one session of one account, or none.
func TestLoginResultsThatDoNotFitTogether(t *testing.T) {
	s, app := openScripted(t, Options{})
	const other = "01GM72860ZP6SHJRAKJVRWJOTH"
	raw := someToken(t, vectorULID)
	result := func(change func(result, account, document map[string]any)) string {
		c := sessionCursor(vectorAccount, vectorULID)
		document := map[string]any{"_id": c.String(), "valid": true}
		account := map[string]any{"accountId": vectorAccount, "username": "alice"}
		r := map[string]any{"authToken": raw, "account": account, "sessionDocument": document}
		change(r, account, document)
		text, err := json.Marshal(r)
		require.NoError(t, err)
		return string(text)
	}
	login := func() error {
		_, err := s.VerifyPassword(t.Context(), "alice", session.NewSecret("pw"), address)
		return err
	}
	app.answer(200, result(func(_, _, _ map[string]any) {}))
	require.NoError(t, login())
	for name, body := range map[string]string{
		"a token of another session": result(func(r, _, _ map[string]any) { r["authToken"] = someToken(t, other) }),
		"another document":           result(func(_, _, d map[string]any) { d["_id"] = sessionCursor(vectorAccount, other).String() }),
		"another account":            result(func(_, a, _ map[string]any) { a["accountId"] = "another" }),
		"a session that has ended":   result(func(_, _, d map[string]any) { d["valid"] = false }),
		"no account":                 result(func(r, _, _ map[string]any) { r["account"] = nil }),
		"null":                       "null",
	} {
		app.answer(200, body)
		err := login()
		require.ErrorIs(t, err, session.ErrUnavailable, name)
		require.NotErrorIs(t, err, session.ErrRejected, name)
	}
}

func TestEmailsAndTheRestOfAnAccount(t *testing.T) {
	s, app := openScripted(t, Options{})
	s.keeper.(*bridge).groups = "roles.names"
	raw := someToken(t, vectorULID)
	app.answer(200, answerFor(raw, vectorULID, func(_, a, d map[string]any) {
		a["roles"] = map[string]any{"names": []any{"a,b", "c"}}
		a["plan"], a["apiToken"], a["resetPasswordHash"], a["clientSecret"], a["_v"] = "gold", "planted", "planted", "planted", "01"
		a["tokens"] = []any{map[string]any{"value": "planted"}}
		a["accessTypes"] = []any{
			map[string]any{"verified": true, "data": map[string]any{"kind": "phone", "value": "+1"}},
			map[string]any{"verified": false, "data": map[string]any{"kind": "email", "value": "first@example.com"}},
			map[string]any{"verified": true, "data": map[string]any{"kind": "oauth", "provider": "x", "authToken": "planted"}},
			map[string]any{"verified": true, "data": map[string]any{"kind": "email", "value": "second@example.com"}},
		}
		d["connectionInfo"] = map[string]any{"ip": address, "userAgent": browser, "theme": "dark", "odd": 7}
	}))
	found, err := s.Resolve(t.Context(), cookie(session.NewSecret(raw)))
	require.NoError(t, err)
	require.Equal(t, "second@example.com", found.Identity.Email)
	require.True(t, found.Identity.EmailVerified)
	require.Equal(t, []string{"a,b", "c"}, found.Identity.Groups)
	require.Equal(t, map[string]string{"theme": "dark"}, found.Properties)
	require.Equal(t, "gold", found.Identity.Claims["plan"])
	text, err := json.Marshal(found)
	require.NoError(t, err)
	require.NotContains(t, string(text), "planted")

	email, verified := readEmail([]any{map[string]any{"data": map[string]any{"kind": "email", "value": "only@example.com"}}})
	require.Equal(t, "only@example.com", email)
	require.False(t, verified)
}

// Exactly one credential goes to the application, and nothing else of the client.
func TestWhatTheApplicationIsAsked(t *testing.T) {
	s, app := openScripted(t, Options{WidenLogout: true})
	raw := someToken(t, vectorULID)
	app.answer(401, `{"code":"SessionNotFound"}`)
	known := &session.Session{
		Source: "accounts", Identity: session.Identity{Subject: vectorAccount}, Tokens: session.Tokens{Access: session.NewSecret(raw), Refresh: session.NewSecret(raw)},
		Devices: []session.Device{{IP: address, UserAgent: browser}},
	}
	_, _ = s.Resolve(t.Context(), cookie(session.NewSecret(raw)))
	_ = s.Verify(t.Context(), known)
	_, _ = s.Refresh(t.Context(), known)
	require.NoError(t, s.Revoke(t.Context(), known))
	_, err := s.RevokeUser(t.Context(), session.Query{Subject: vectorAccount})
	require.NoError(t, err)
	_, _ = s.VerifyPassword(t.Context(), "alice", session.NewSecret("pw"), address)
	request := `{"requestIp":"203.0.113.9","userAgent":"` + browser + `"`
	require.Equal(t, []string{
		`/base/sessions/handle-request {"authToken":"` + raw + `","requestIp":"203.0.113.9","userAgent":"` + browser + `"}`,
		`/base/sessions/refresh-tokens {"authToken":"` + raw + `","request":` + request + `}}`,
		`/base/sessions/try-set-session {"authToken":"` + raw + `","requestIp":"203.0.113.9","userAgent":"` + browser + `"}`,
		`/base/sessions/logout {"authToken":"` + raw + `","request":` + request + `,"user":{"accountId":"` + vectorAccount + `"}},"widen":true}`,
		`/base/sessions/invalidate-sessions {"request":{"requestIp":"","userAgent":"sessionward","user":{"accountId":"` + vectorAccount + `"}},"mode":"all","accountId":"` + vectorAccount + `"}`,
		`/base/sessions/login {"request":{"requestIp":"203.0.113.9","userAgent":"sessionward"},"username":"alice","password":"pw"}`,
	}, app.asked)
}

func TestWhatALogoutEnded(t *testing.T) {
	for body, want := range map[string]Invalidated{
		`{"invalidated":1,"scope":"one"}`: {1, "one"}, `{"invalidated":12,"scope":"all","sessionDestroyed":true}`: {12, "all"},
		`{"invalidated":2}`: {2, ""}, `true`: {1, ""}, ` 3 `: {3, ""},
	} {
		got, err := parseInvalidated([]byte(body))
		require.NoError(t, err, body)
		require.Equal(t, want, got)
	}
	for _, body := range []string{
		"", "false", "0", "-1", "1.5", "99999999999", "null", "[]", "{}", `{"invalidated":0}`, `{"invalidated":1.5}`, `{"invalidated":"1"}`,
		`{"invalidated":1,"scope":"some"}`, "<html>", "true" + strings.Repeat(" ", 40) + "x",
	} {
		_, err := parseInvalidated([]byte(body))
		require.Error(t, err, body)
	}
}

func TestPowersTheApplicationLacks(t *testing.T) {
	w := openBridgeWorld(t, Options{}, peer.Options{})
	s, err := w.Resolve(t.Context(), bearer(w.token(t)))
	require.NoError(t, err)
	for _, err := range w.List(t.Context(), session.Query{}) {
		require.ErrorIs(t, err, session.ErrUnsupported)
	}
	for _, err := range w.ListOwn(t.Context(), s) {
		require.ErrorIs(t, err, session.ErrUnsupported)
	}
	_, err1 := w.RevokeIDs(t.Context(), "x")
	_, err2 := w.RevokeOthers(t.Context(), s)
	_, err3 := w.RevokeAll(t.Context())
	_, err4 := w.RevokeUser(t.Context(), session.Query{Username: "alice"})
	_, err5 := w.ReadProperties(t.Context(), s)
	_, err6 := w.UpdateProperties(t.Context(), s, nil)
	for _, err := range []error{err1, err2, err3, err4, err5, err6, w.RevokeOwn(t.Context(), s, "x")} {
		require.ErrorIs(t, err, session.ErrUnsupported)
	}
	n, err := w.RevokeUser(t.Context(), session.Query{Subject: vectorAccount})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = w.RevokeUser(t.Context(), session.Query{Subject: vectorAccount})
	require.NoError(t, err)
	require.Zero(t, n)
}

func FuzzReplies(f *testing.F) {
	raw := "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.x"
	f.Add([]byte(`{"code":"SessionNotFound","message":"SessionNotFound"}`))
	f.Add([]byte(`{"invalidated":1,"scope":"one"}`))
	f.Add([]byte(`true`))
	f.Add([]byte(answerFor(raw, vectorULID, func(_, _, _ map[string]any) {})))
	p, err := peer.New(peer.Options{})
	require.NoError(f, err)
	theirs, err := p.Login("alice", address, browser)
	require.NoError(f, err)
	d, _ := p.Session(theirs)
	f.Add([]byte(answerFor(theirs, d.ULID, func(_, _, _ map[string]any) {})))
	f.Fuzz(func(t *testing.T, body []byte) {
		if code, err := parseFailure(body); err == nil && !code.known() {
			t.Fatal("took a code that is none")
		}
		if ended, err := parseInvalidated(body); err == nil && ended.Invalidated < 1 {
			t.Fatal("believed that nothing was ended")
		}
		for _, parse := range []func([]byte, string) (*LoginResult, error){parseLogin, parseHandled} {
			r, err := parse(body, "permissions")
			if err == nil && (r.AuthToken.Empty() || r.Account.ID == "" || r.Session.ULID == "" || r.ExpiresAt.IsZero()) {
				t.Fatal("took half a session")
			}
		}
	})
}
