package kratos

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// TestAnswerOfANewerKratos: members it does not know are left alone, and what it knows means the same.
func TestAnswerOfANewerKratos(t *testing.T) {
	s := whoamiIs(t, reply{status: 200, body: fixture(t, "whoami_newer.json")})
	s.fields.Username = "traits.email"
	got := resolve(t, s, tokenIn(session.KindBearer, "ory_st_x"))
	organization := "3fa85f64-5717-4562-b3fc-2c963f66afa6"
	want := &session.Session{
		ID: got.ID, Handle: got.Handle, Source: "ory", SourceSessionID: "0198f0a2-6f0e-7d11-8a55-2f7d5f6d9a01", Realm: organization, Active: true, AAL: "aal1",
		Identity: session.Identity{
			Subject: "0198f0a2-6f0e-7d11-8a55-2f7d5f6d9a02", Username: "bob@example.com", Email: "bob@example.com", Name: "Bob Builder",
			Claims: map[string]any{
				"schema_id": "preset://email", "external_id": "emp-4711", "organization_id": organization,
				"traits": map[string]any{"email": "bob@example.com", "name": map[string]any{"first": "Bob", "last": "Builder"}},
			},
		},
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "oidc", AAL: "aal1", CompletedAt: time.Date(2026, 11, 23, 9, 41, 41, 1e8, time.UTC)}},
		Devices:               []session.Device{{IP: "203.0.113.9", UserAgent: "Mozilla/5.0"}, {}},
		IssuedAt:              time.Date(2026, 11, 23, 9, 41, 41, 123456000, time.UTC),
		AuthenticatedAt:       time.Date(2026, 11, 23, 9, 41, 41, 123456000, time.UTC),
		ExpiresAt:             time.Date(2026, 11, 24, 9, 41, 41, 123456000, time.UTC),
		Tokens:                session.Tokens{Type: "session_token", Access: session.NewSecret("ory_st_x"), ExpiresAt: time.Date(2026, 11, 24, 9, 41, 41, 123456000, time.UTC)},
	}
	require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreUnexported(session.Session{})))
}

// TestTimesKratosDoesNotGiveStayZero: never a guess.
func TestTimesKratosDoesNotGiveStayZero(t *testing.T) {
	s := whoamiIs(t, reply{status: 200, body: `{"id":"a","active":true,"expires_at":null,"identity":{"id":"b"}}`})
	got := resolve(t, s, tokenIn(session.KindBearer, "ory_st_x"))
	require.Zero(t, got.ExpiresAt)
	require.Zero(t, got.Tokens.ExpiresAt)
	require.Zero(t, got.IssuedAt)
	require.Zero(t, got.AuthenticatedAt)
	zoned := strings.Replace(fixture(t, "whoami_newer.json"), "2026-11-24T09:41:41.123456Z", "2026-11-24T11:41:41.123456+02:00", 1)
	got = resolve(t, whoamiIs(t, reply{status: 200, body: zoned}), tokenIn(session.KindBearer, "ory_st_x"))
	require.Equal(t, time.Date(2026, 11, 24, 9, 41, 41, 123456000, time.UTC), got.ExpiresAt, "any zone, told in UTC")
}

// TestEmailVerified: the very address, verified, as an e-mail address.
func TestEmailVerified(t *testing.T) {
	whole := fixture(t, "whoami_v1.3.1.json")
	for change, want := range map[string]bool{
		"":                                   true,
		`"verified":true=>"verified":false`:  false,
		`"verified":true=>"verified":"true"`: false,
		`"value":"alice@corp.example","verified"=>"value":"eve@corp.example","verified"`:  false,
		`"via":"email","status":"completed"=>"via":"sms","status":"completed"`:            false,
		`"email":"alice@corp.example","groups"=>"email":"Alice@Corp.Example","groups"`:    true,
		`"email":"alice@corp.example","groups"=>"email":"","groups"`:                      false,
		`"verifiable_addresses":[=>"verifiable_addresses":["odd",null,`:                   true,
		`"verifiable_addresses":[{=>"unverifiable_addresses":[{`:                          false,
		`"email":"alice@corp.example","groups"=>"email":["alice@corp.example"],"groups"`:  false,
		`"verifiable_addresses":[{"id"=>"verifiable_addresses":[{"via":"none"},{"id"`:     true,
		`"traits":{"email":"alice@corp.example"=>"traits":{"email":"alice@corp.example "`: false,
	} {
		from, to, _ := strings.Cut(change, "=>")
		body := strings.Replace(whole, from, to, 1)
		require.Equal(t, change == "", body == whole, change)
		got := resolve(t, whoamiIs(t, reply{status: 200, body: body}), tokenIn(session.KindBearer, "ory_st_x"))
		require.Equal(t, want, got.Identity.EmailVerified, change)
	}
}

// TestUnknownIsNotDenied: only Kratos' own word is a rejection.
func TestUnknownIsNotDenied(t *testing.T) {
	unauthorized, whole := fixture(t, "unauthorized.json"), fixture(t, "whoami_v1.3.1.json")
	for name, tt := range map[string]struct {
		reply
		want error
	}{
		"Kratos says no":                      {reply{status: 401, body: unauthorized}, session.ErrRejected},
		"with an id, as on other routes":      {reply{status: 401, body: strings.Replace(unauthorized, `"code"`, `"id":"session_inactive","code"`, 1)}, session.ErrRejected},
		"inactive in a 200":                   {reply{status: 200, body: strings.Replace(whole, `"active":true`, `"active":false`, 1)}, session.ErrRejected},
		"could not look up the factors":       {reply{status: 401, body: strings.Replace(unauthorized, "No valid session credentials found in the request.", "Unable to determine AAL.", 1)}, session.ErrUnavailable},
		"a proxy's 401":                       {reply{status: 401, body: "<html>401 Authorization Required</html>"}, session.ErrUnavailable},
		"a 401 without a body":                {reply{status: 401}, session.ErrUnavailable},
		"a 401 of somebody else's JSON":       {reply{status: 401, body: `{"error":"unauthorized"}`}, session.ErrUnavailable},
		"an envelope that says another thing": {reply{status: 401, body: strings.Replace(unauthorized, `"code":401`, `"code":500`, 1)}, session.ErrUnavailable},
		"an envelope in another status":       {reply{status: 404, body: unauthorized}, session.ErrUnavailable},
		"a second factor":                     {reply{status: 403, body: fixture(t, "aal2_required.json")}, session.ErrInsufficient},
		"another 403":                         {reply{status: 403, body: strings.Replace(fixture(t, "aal2_required.json"), secondFactorNeeded, "security_csrf_violation", 1)}, session.ErrUnavailable},
		"404 of a wrong address":              {reply{status: 404, body: "404 page not found\n"}, session.ErrUnavailable},
		"400":                                 {reply{status: 400, body: `{"error":{"code":400,"status":"Bad Request","message":"x"}}`}, session.ErrUnavailable},
		"500 with a trace":                    {reply{status: 500, body: `{"error":{"code":500,"debug":"planted-trace"}}`}, session.ErrUnavailable},
		"204":                                 {reply{status: 204}, session.ErrUnavailable},
		"no id":                               {reply{status: 200, body: `{"active":true,"identity":{"id":"b"}}`}, session.ErrUnavailable},
		"an id that is a path":                {reply{status: 200, body: `{"id":"../x","active":true,"identity":{"id":"b"}}`}, session.ErrUnavailable},
		"an identity without an id":           {reply{status: 200, body: `{"id":"a","active":true,"identity":{"id":""}}`}, session.ErrUnavailable},
		"active is missing":                   {reply{status: 200, body: `{"id":"a","identity":{"id":"b"}}`}, session.ErrUnavailable},
		"a date that is none":                 {reply{status: 200, body: `{"id":"a","active":true,"expires_at":"soon","identity":{"id":"b"}}`}, session.ErrUnavailable},
		"a member twice":                      {reply{status: 200, body: strings.Replace(whole, `"active":true`, `"active":true,"id":"x"`, 1)}, session.ErrUnavailable},
		"a list":                              {reply{status: 200, body: "[" + whole + "]"}, session.ErrUnavailable},
	} {
		s := whoamiIs(t, tt.reply)
		_, err := s.Resolve(t.Context(), tokenIn(session.KindBearer, "ory_st_planted"))
		require.ErrorIs(t, err, tt.want, name)
		for _, other := range []error{session.ErrRejected, session.ErrUnavailable, session.ErrInsufficient, session.ErrNotMine} {
			require.Equal(t, other == tt.want, errors.Is(err, other), "%s: one class: %v", name, err)
		}
		require.NotContains(t, err.Error(), "planted", name)
	}
}

// TestTooManyQuestions: the Ory Network answers 429 when a project asks too much. That is nobody's logout.
func TestTooManyQuestions(t *testing.T) {
	s := whoamiIs(t, reply{status: 429, header: http.Header{"Retry-After": {"42"}}, body: `{"error":{"code":429}}`})
	_, err := s.Resolve(t.Context(), tokenIn(session.KindBearer, "ory_st_x"))
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.Equal(t, 42*time.Second, session.RetryAfter(err))
}

// TestWhereToProveMore: Kratos' own page, or the login when what it names is none.
func TestWhereToProveMore(t *testing.T) {
	body := fixture(t, "aal2_required.json")
	const page = "http://127.0.0.1:4433/self-service/login/browser?aal=aal2"
	for name, tt := range map[string]struct{ body, want string }{
		"as it is":             {body, page},
		"in the details alone": {strings.Replace(body, `,"redirect_browser_to":"`+page+`"}`, "}", 1), page},
		"none":                 {strings.ReplaceAll(body, page, ""), "LOGIN?aal=aal2"},
		"a script":             {strings.ReplaceAll(body, page, "javascript:alert(1)"), "LOGIN?aal=aal2"},
		"relative":             {strings.ReplaceAll(body, page, "/self-service/login/browser"), "LOGIN?aal=aal2"},
	} {
		s := whoamiIs(t, reply{status: 403, body: tt.body})
		_, err := s.Resolve(t.Context(), tokenIn(session.KindBearer, "ory_st_x"))
		require.ErrorIs(t, err, session.ErrInsufficient, name)
		require.Equal(t, strings.Replace(tt.want, "LOGIN", s.o.loginURL(), 1), session.LoginURL(err), name)
	}
}

// TestOnlyTheSessionCookieIsPassedOn: other cookies Kratos sets are between it and its own pages.
func TestOnlyTheSessionCookieIsPassedOn(t *testing.T) {
	s := whoamiIs(t, reply{status: 200, body: fixture(t, "whoami_v1.3.1.json"), header: http.Header{"Set-Cookie": {
		"csrf_token_1=x; Path=/", "ory_kratos_session=; Max-Age=0", "ory_kratos_session=new; Path=/; Max-Age=0", "ory_kratos_session=good; Path=/; Max-Age=59; HttpOnly", "no cookie at all",
	}}})
	got := resolve(t, s, cookie("old"))
	require.Len(t, got.Reissue, 1)
	require.Equal(t, "ory_kratos_session=good; Path=/; Max-Age=59; HttpOnly", got.Reissue[0].Value.Reveal())
}

// TestWhatCannotBeSentIsRejected: a header with it could not be written, and it is none of Kratos' making.
func TestWhatCannotBeSentIsRejected(t *testing.T) {
	s, asked := canned(t, nil, nil)
	for _, value := range []string{"a b", "a;b", "a\x01", "a\r\nX: y", "\x7f", "ü", `"quoted"`, strings.Repeat("x", maxCredential+1)} {
		_, err := s.Resolve(t.Context(), cookie(value))
		require.ErrorIs(t, err, session.ErrRejected, "%q", value)
	}
	require.Empty(t, asked())
}

// TestTokenWasAskedFor: an answer without the JWT that was asked for is not taken for one with it.
func TestTokenWasAskedFor(t *testing.T) {
	whole := fixture(t, "whoami_v1.3.1.json")
	for name, body := range map[string]string{
		"none":             whole,
		"not a JWT":        strings.Replace(whole, `"active":true`, `"active":true,"tokenized":"ey.e30"`, 1),
		"without an end":   strings.Replace(whole, `"active":true`, `"active":true,"tokenized":"e30.e30.x"`, 1),
		"in another shape": strings.Replace(whole, `"active":true`, `"active":true,"tokenized":{}`, 1),
	} {
		s, _ := canned(t, map[string]reply{"GET /sessions/whoami": {status: 200, body: body}}, func(o *Options) { o.TokenizeAs = "gateway" })
		_, err := s.Resolve(t.Context(), cookie("x"))
		require.ErrorIs(t, err, session.ErrUnavailable, name)
		require.ErrorIs(t, s.Health(), session.ErrUnavailable, name)
	}
}
