package kratos

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

const (
	idA = "0198f0a2-6f0e-7d11-8a55-2f7d5f6d9a01"
	idB = "0198f0a2-6f0e-7d11-8a55-2f7d5f6d9a02"
)

// TestBulk: newer versions end many sessions with one call.
func TestBulk(t *testing.T) {
	s, asked := canned(t, map[string]reply{"POST /admin/sessions": {status: 200, body: `{"processed":2,"more":false}`}}, nil)
	gone, err := s.RevokeIDs(t.Context(), idA, idB, idA)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{idA: true, idB: true}, gone)
	n, err := s.RevokeUser(t.Context(), session.Query{Subject: idA})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = s.RevokeAll(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, []string{
		`POST /admin/sessions {"action":"disable","sessions":["` + idA + `","` + idB + `"]}`,
		`POST /admin/sessions {"action":"disable","identities":["` + idA + `"]}`,
		`POST /admin/sessions {"action":"disable","identities":["*"]}`,
	}, asked())
}

// TestBulk_InParts: no more than 500 ids in one call.
func TestBulk_InParts(t *testing.T) {
	s, asked := canned(t, map[string]reply{"POST /admin/sessions": {status: 200, body: `{"processed":1,"more":false}`}}, nil)
	var ids []string
	for i := range maxBulk + 2 {
		ids = append(ids, fmt.Sprintf("00000000-0000-0000-0000-%012d", i))
	}
	gone, err := s.RevokeIDs(t.Context(), ids...)
	require.NoError(t, err)
	require.Len(t, gone, maxBulk+2)
	require.Len(t, asked(), 2)
	require.Equal(t, maxBulk, strings.Count(asked()[0], "00000000-"))
}

// TestBulk_MissingFallsBackToOneByOne, on the two answers versions without it give.
func TestBulk_MissingFallsBackToOneByOne(t *testing.T) {
	for _, missing := range []reply{{status: 405, body: "Method Not Allowed\n"}, {status: 404, body: "404 page not found\n"}} {
		s, asked := canned(t, map[string]reply{
			"POST /admin/sessions":          missing,
			"DELETE /admin/sessions/" + idA: {status: 204},
			"DELETE /admin/sessions/" + idB: {status: 404, body: `{"error":{"code":404,"status":"Not Found","message":"Unable to locate the resource"}}`},
		}, nil)
		gone, err := s.RevokeIDs(t.Context(), idA, idB)
		require.NoError(t, err)
		require.Equal(t, map[string]bool{idA: true, idB: true}, gone)
		require.Len(t, asked(), 3)
	}
}

// TestBulk_FailureIsNotTakenForDone.
func TestBulk_FailureIsNotTakenForDone(t *testing.T) {
	for name, answer := range map[string]reply{
		"500": {status: 500, body: "{}"}, "400": {status: 400, body: `{"error":{"code":400}}`}, "HTML": {status: 200, body: "<html>"},
		"without a count": {status: 200, body: `{}`}, "for ever": {status: 200, body: `{"processed":0,"more":true}`},
		"401": {status: 401, body: fixture(t, "unauthorized.json")}, "403": {status: 403, body: "{}"},
	} {
		if name == "for ever" && testing.Short() {
			continue
		}
		s, _ := canned(t, map[string]reply{"POST /admin/sessions": answer}, nil)
		gone, err := s.RevokeIDs(t.Context(), idA, idB)
		require.ErrorIs(t, err, session.ErrUnavailable, name)
		require.NotErrorIs(t, err, session.ErrRejected, name)
		require.Equal(t, map[string]bool{idA: false, idB: false}, gone, name)
		_, err = s.RevokeAll(t.Context())
		require.ErrorIs(t, err, session.ErrUnavailable, name)
	}
}

// TestAdministratorsRefusalIsNobodysLogout: admin_token is wrong, or something before the listener wants another.
func TestAdministratorsRefusalIsNobodysLogout(t *testing.T) {
	s, _ := canned(t, map[string]reply{
		"GET /sessions/whoami":                      {status: 200, body: strings.ReplaceAll(fixture(t, "whoami_v1.3.1.json"), "2026-", "2126-")},
		"PATCH /admin/sessions/" + v131 + "/extend": {status: 401, body: fixture(t, "unauthorized.json")},
		"DELETE /admin/sessions/" + idA:             {status: 403, body: "{}"},
	}, func(o *Options) { o.ExtendBefore = 6e18 })
	held := resolve(t, s, cookie("x"))
	_, err := s.Refresh(t.Context(), held)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.ErrorContains(t, err, "admin_token")
	_, err = s.RevokeIDs(t.Context(), idA)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.ErrorContains(t, err, "admin_token")
	require.NoError(t, s.Health(), "the public listener is well")
}

// v131 is the session of testdata/whoami_v1.3.1.json.
const v131 = "50c59411-875a-4745-b3e4-e70b46c725fc"

// TestExtend_NotFoundIsNoRejection: another gateway extends the session at the same time, on CockroachDB.
func TestExtend_NotFoundIsNoRejection(t *testing.T) {
	s, asked := canned(t, map[string]reply{
		"GET /sessions/whoami":                      {status: 200, body: strings.ReplaceAll(fixture(t, "whoami_v1.3.1.json"), "2026-", "2126-")},
		"PATCH /admin/sessions/" + v131 + "/extend": {status: 404, body: `{"error":{"code":404,"status":"Not Found","reason":"The session you are trying to extend is already being extended by another request or does not exist.","message":"The requested resource could not be found"}}`},
	}, func(o *Options) { o.ExtendBefore = 6e18 })
	held := resolve(t, s, cookie("x"))
	_, err := s.Refresh(t.Context(), held)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)
	require.Len(t, asked(), 4, "whoami is asked afterwards")
}

// TestExtend_NothingWithoutAnEnd: a session whose end Kratos does not tell is not extended when its JWT is made anew.
func TestExtend_NothingWithoutAnEnd(t *testing.T) {
	body := `{"id":"a","active":true,"identity":{"id":"b"},"tokenized":"e30.eyJleHAiOjQxMDI0NDQ4MDB9.x"}`
	for _, before := range []time.Duration{0, time.Hour} {
		s, asked := canned(t, map[string]reply{"GET /sessions/whoami": {status: 200, body: body}}, func(o *Options) {
			o.ExtendBefore, o.TokenizeAs = before, "gateway"
		})
		next, err := s.Refresh(t.Context(), resolve(t, s, cookie("x")))
		require.NoError(t, err)
		require.Equal(t, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), next.Tokens.ExpiresAt)
		require.False(t, s.RenewAt(next).IsZero())
		require.Len(t, asked(), 2)
	}
}

// TestLogout_RefusalsAndNonsense: what is gone is gone, and anything else is not known to be.
func TestLogout_RefusalsAndNonsense(t *testing.T) {
	unknown := `{"error":{"code":403,"status":"Forbidden","reason":"The provided Ory Session Token could not be found, is invalid, or otherwise malformed."}}`
	for name, tt := range map[string]struct {
		token, first, second  reply
		wantToken, wantCookie error
	}{
		"done":        {reply{status: 204}, reply{status: 200, body: `{"logout_token":"ory_lo_a&b"}`}, reply{status: 204}, nil, nil},
		"gone before": {reply{status: 403, body: unknown}, reply{status: 401, body: fixture(t, "unauthorized.json")}, reply{}, nil, nil},
		"a proxy's refusal": {
			reply{status: 403, body: "<html>"}, reply{status: 401, body: "<html>"}, reply{}, session.ErrUnavailable, session.ErrUnavailable,
		},
		"no token": {reply{status: 400, body: `{"error":{"code":400}}`}, reply{status: 200, body: `{}`}, reply{status: 204}, session.ErrUnavailable, session.ErrUnavailable},
		"the token does not fit": {
			reply{status: 200, body: `{}`}, reply{status: 200, body: `{"logout_token":"x"}`}, reply{status: 403, body: unknown}, session.ErrUnavailable, session.ErrUnavailable,
		},
		"sent elsewhere": {
			reply{status: 302}, reply{status: 200, body: `{"logout_token":"x"}`}, reply{status: 303}, session.ErrUnavailable, session.ErrUnavailable,
		},
	} {
		s, asked := canned(t, map[string]reply{
			"GET /sessions/whoami":             {status: 200, body: fixture(t, "whoami_v1.3.1.json")},
			"DELETE /self-service/logout/api":  tt.token,
			"GET /self-service/logout/browser": tt.first,
			"GET /self-service/logout":         tt.second,
		}, nil)
		require.ErrorIs(t, s.Revoke(t.Context(), resolve(t, s, tokenIn(session.KindBearer, "ory_st_x"))), tt.wantToken, name)
		require.ErrorIs(t, s.Revoke(t.Context(), resolve(t, s, cookie("x"))), tt.wantCookie, name)
		if name == "done" {
			require.Contains(t, asked(), `DELETE /self-service/logout/api {"session_token":"ory_st_x"}`)
			require.Contains(t, asked(), "GET /self-service/logout?token=ory_lo_a%26b ")
		}
	}
}

// TestSessionsOfOthersAreNotTouched: what this source has not resolved, it does not act for.
func TestSessionsOfOthersAreNotTouched(t *testing.T) {
	s, asked := canned(t, nil, nil)
	for _, other := range []*session.Session{{}, {Source: "ory", ID: "x", SourceSessionID: idA, Tokens: session.Tokens{Access: session.NewSecret("planted")}}} {
		require.ErrorIs(t, s.Revoke(t.Context(), other), session.ErrUnsupported)
		_, err := s.Refresh(t.Context(), other)
		require.ErrorIs(t, err, session.ErrUnsupported)
		_, _, err = s.Tokenize(t.Context(), other, "x")
		require.ErrorIs(t, err, session.ErrUnsupported)
		_, err = s.RevokeOthers(t.Context(), other)
		require.ErrorIs(t, err, session.ErrUnsupported)
		require.ErrorIs(t, s.RevokeOwn(t.Context(), other, idB), session.ErrUnsupported)
	}
	require.Empty(t, asked())
}
