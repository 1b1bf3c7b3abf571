package middleware

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// TestWriteErrorForms: a page for people, JSON for programs, trailers for gRPC, no body for HEAD.
func TestWriteErrorForms(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	res := b.do("GET", "/app", nil)
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
	var doc problemDocument
	require.NoError(t, json.Unmarshal([]byte(text(res)), &doc))
	require.Equal(t, problemDocument{Type: "about:blank", Title: "Unauthorized", Status: 401, Detail: "This needs a session.", Code: "no_session", RequestID: res.Header.Get("X-Request-Id")}, doc)
	require.NotEmpty(t, doc.RequestID)

	res = b.do("POST", "/app", nil, "Accept", "text/html")
	require.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"))
	require.Contains(t, text(res), res.Header.Get("X-Request-Id"))
	require.Equal(t, "application/problem+json", b.do("POST", "/app", nil, "Accept", "text/html", "X-Requested-With", "XMLHttpRequest").Header.Get("Content-Type"))

	for _, accept := range []string{"text/html", "application/json"} {
		res = b.do("HEAD", "/_session/nothing", nil, "Accept", accept)
		require.Equal(t, http.StatusNotFound, res.StatusCode)
		require.Empty(t, text(res))
	}
}

func TestWriteErrorGRPC(t *testing.T) {
	h := newHouse(t, houseOptions{})
	for status, want := range map[int]string{401: "16", 403: "7", 404: "12", 429: "8", 503: "14", 502: "14", 504: "14", 400: "3", 500: "13"} {
		r := httptest.NewRequest("POST", "/", nil)
		r.ProtoMajor = 2
		r.Header.Set("Content-Type", "application/grpc+proto")
		rec := httptest.NewRecorder()
		h.site.WriteError(rec, r, Problem{Status: status, Code: "some_code"})
		require.Equal(t, http.StatusOK, rec.Code)
		require.Equal(t, want, rec.Header().Get("Grpc-Status"))
		require.Equal(t, "some_code", rec.Header().Get("Grpc-Message"))
	}
}

// TestRejectPretendedGRPC: a mere header turns no refusal into status 200.
func TestRejectPretendedGRPC(t *testing.T) {
	b := newHouse(t, houseOptions{}).browser()
	for _, method := range []string{"GET", "POST", "HEAD"} {
		require.Equal(t, http.StatusUnauthorized, b.do(method, "/app", nil, "Content-Type", "application/grpc").StatusCode, method)
	}
}

// TestWriteErrorHeaders: what every refusal carries, and what it does not keep of a reply that was being made.
func TestWriteErrorHeaders(t *testing.T) {
	h := newHouse(t, houseOptions{})
	write := func(p Problem, headers ...string) http.Header {
		rec := httptest.NewRecorder()
		for _, stale := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Content-Range", "Content-Disposition"} {
			rec.Header().Set(stale, "1")
		}
		r := httptest.NewRequest("GET", "/", nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		h.site.WriteError(rec, r, p)
		require.Equal(t, p.Status, rec.Code)
		return rec.Header()
	}
	got := write(Problem{Status: 503, Code: "x"})
	require.Equal(t, "5", got.Get("Retry-After"), "a default")
	for _, stale := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Content-Range", "Content-Disposition"} {
		require.Empty(t, got.Values(stale), stale)
	}
	require.Equal(t, "no-store", got.Get("Cache-Control"))
	require.Equal(t, "nosniff", got.Get("X-Content-Type-Options"))
	require.Equal(t, "DENY", got.Get("X-Frame-Options"))
	require.Contains(t, got.Get("Vary"), "Cookie")
	require.Empty(t, got.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "1", write(Problem{Status: 503, RetryAfter: time.Millisecond}).Get("Retry-After"), "rounded up")
	require.Equal(t, "61", write(Problem{Status: 429, RetryAfter: 60*time.Second + 1}).Get("Retry-After"))
	require.Empty(t, write(Problem{Status: 429}).Get("Retry-After"))

	for origin, allowed := range map[string]bool{
		"https://spa.example": true, "https://gw.example": true, "https://SPA.example": true,
		"https://evil.example": false, "null": false, "*": false, "http://spa.example": false, "https://spa.example.evil.example": false, "https://spa.example:8443": false, "https://spa.example,https://evil.example": false,
	} {
		got := write(Problem{Status: 401}, "Origin", origin)
		require.Equal(t, allowed, got.Get("Access-Control-Allow-Origin") == origin, origin)
		require.Equal(t, allowed, got.Get("Access-Control-Allow-Credentials") == "true", origin)
		require.Contains(t, got.Get("Vary"), "Origin")
	}
}

// TestChallenges is WWW-Authenticate, by verdict and credential.
func TestChallenges(t *testing.T) {
	bearer := session.Place{Kind: session.KindBearer}
	cookie := session.Place{Kind: session.KindCookie, Name: sessionCookie}
	for name, tc := range map[string]struct {
		d      gate.Decision
		status int
		want   string
	}{
		"nothing shown":       {gate.Decision{Verdict: gate.Unauthenticated, Code: "no_session"}, 401, "Bearer"},
		"a cookie that ended": {gate.Decision{Verdict: gate.Unauthenticated, Code: "session_ended", Place: cookie}, 401, "Bearer"},
		"a bad token":         {gate.Decision{Verdict: gate.Unauthenticated, Code: "invalid_token", Place: bearer}, 401, `Bearer error="invalid_token"`},
		"forbidden":           {gate.Decision{Verdict: gate.Forbidden, Place: bearer}, 403, ""},
		"unavailable":         {gate.Decision{Verdict: gate.Unavailable, Place: bearer}, 503, ""},
		"a cookie too weak":   {gate.Decision{Verdict: gate.StepUp, Place: cookie, StepUp: &policy.StepUp{ACR: []string{"gold"}}}, 403, ""},
		"a token too weak":    {gate.Decision{Verdict: gate.StepUp, Place: bearer}, 401, `Bearer error="insufficient_user_authentication"`},
		"a token too weak and old": {
			gate.Decision{Verdict: gate.StepUp, Place: bearer, StepUp: &policy.StepUp{ACR: []string{"gold", "pl\"at\r\n\\in"}, MaxAge: 5 * time.Minute}}, 401,
			`Bearer error="insufficient_user_authentication", acr_values="gold platin", max_age="300"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := problemOf(tc.d)
			require.Equal(t, tc.status, p.Status)
			require.Equal(t, tc.want, p.challenge)
		})
	}
}

// TestStepUpOfToken (RFC 9470): a program is told what its next token must prove.
func TestStepUpOfToken(t *testing.T) {
	b := newHouse(t, houseOptions{}).browser()
	res := b.do("GET", "/strong", nil, "Authorization", "Bearer good")
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Equal(t, `Bearer error="insufficient_user_authentication", acr_values="gold platinum", max_age="300"`, res.Header.Get("WWW-Authenticate"))
}

// TestRejectChainOfCauses: a client learns the class of what went wrong, and nothing of the inside.
func TestRejectChainOfCauses(t *testing.T) {
	for _, class := range []error{session.ErrUnavailable, session.ErrTooMany, session.ErrRejected, session.ErrMalformed, session.ErrNotFound, errors.New("bug")} {
		p := problemOfError(fmt.Errorf("planted-inside 10.0.0.1: %w", class))
		require.NotContains(t, p.Detail+p.Code, "planted")
		require.NotZero(t, p.Status)
		require.NotEmpty(t, p.Code)
		require.NotEmpty(t, p.Detail)
	}
	require.Equal(t, http.StatusServiceUnavailable, problemOfError(errors.Join(session.ErrUnavailable, session.ErrRejected)).Status, "what may be an outage is no denial")
}

// TestRejectRuleVocabulary: what a route asks for is the operator's business.
func TestRejectRuleVocabulary(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.login("alice", "/")
	res := b.get("/admin")
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Contains(t, text(res), "your account is in no group")
	require.NotContains(t, text(res), "any_group")
	require.NotContains(t, text(res), "admins")
}

func TestUpstreamError(t *testing.T) {
	h := newHouse(t, houseOptions{})
	for err, want := range map[error]int{
		errors.New("dial tcp 10.0.0.1: planted"): 502, upstreamFailure{504}: 504, upstreamFailure{403}: 403, fmt.Errorf("wrapped: %w", upstreamFailure{413}): 413,
	} {
		rec := httptest.NewRecorder()
		h.site.UpstreamError(rec, httptest.NewRequest("GET", "/", nil), err)
		require.Equal(t, want, rec.Code)
		require.NotContains(t, rec.Body.String(), "10.0.0.1")
		require.NotContains(t, rec.Body.String(), `"detail":""`)
	}
}

type upstreamFailure struct{ status int }

func (e upstreamFailure) Error() string   { return "failed" }
func (e upstreamFailure) HTTPStatus() int { return e.status }
func (e upstreamFailure) Code() string    { return "upstream" }

// TestRejectOversizedAndMalformed (S-047, S-186): whatever cookies and headers a client makes up, it is told that it is
// wrong, and never that we are.
func TestRejectOversizedAndMalformed(t *testing.T) {
	h := newHouse(t, houseOptions{})
	big := strings.Repeat("x", 64<<10)
	for _, headers := range [][]string{
		{"Cookie", sessionCookie + "=" + big}, {"Cookie", strings.Repeat("a=b; ", 50_000)}, {"Cookie", sessionCookie + "=a; " + sessionCookie + "=b"}, {"Cookie", strings.Repeat(sessionCookie+"_1=x; ", 5000)},
		{"Cookie", "\x00\xff" + sessionCookie + "=\x00"}, {"Cookie", strings.Repeat(";", 100_000)}, {"Cookie", sessionCookie + "=%s%n%x"}, {"Cookie", loginCookie + "=" + big}, {"Cookie", againCookie + "=99999999999999999999"},
		{"Authorization", "Bearer " + big}, {"Authorization", "Bearer \x00"}, {"Authorization", "Bearer a,b"}, {"Authorization", "\xff"}, {"Accept", strings.Repeat("text/html;q=0.1,", 10_000)}, {"Accept", ";;;q=;,"},
		{"Origin", big}, {"X-Requested-With", big}, {"Content-Type", "application/grpc" + big}, {"User-Agent", big},
	} {
		for _, path := range []string{"/app", "/optional", "/public", "/_session/me", "/_session/login", "/_session/logout", "/_session/callback/corp?state=x&code=y", "/_session/signed-out?state=x"} {
			res := h.browser().do("GET", path, nil, headers...)
			require.Less(t, res.StatusCode, 500, "%s %.60q", path, headers)
			require.NotContains(t, res.Header.Get("Set-Cookie"), sessionCookie+"=x")
		}
	}
	require.Equal(t, http.StatusBadRequest, h.browser().do("GET", "/app", nil, "Cookie", sessionCookie+"=a; "+sessionCookie+"=b").StatusCode)
	require.Equal(t, http.StatusUnauthorized, h.browser().do("GET", "/app", nil, "Authorization", "Bearer "+big).StatusCode)
	require.Equal(t, http.StatusRequestURITooLong, h.browser().do("GET", "/"+big, nil).StatusCode)
}

// TestRejectSessionOracle (S-216): a cookie that is garbage and one whose session ended look the same.
func TestRejectSessionOracle(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.login("alice", "/")
	ended := b.jar[sessionCookie]
	b.post("/_session/logout", nil)
	answers := map[string]bool{}
	for _, value := range []string{ended, "garbage", ended[:len(ended)-4] + "AAAA", strings.Repeat("A", len(ended))} {
		res := h.browser().do("GET", "/app", nil, "Cookie", sessionCookie+"="+value)
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
		answers[strings.ReplaceAll(text(res), res.Header.Get("X-Request-Id"), "")] = true
	}
	require.Len(t, answers, 1)
}
