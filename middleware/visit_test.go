package middleware

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/policy"
)

// TestPanicIsAnswered: 500 with the request id, the stack in the log alone, and no value of the panic anywhere: it may
// hold a secret.
func TestPanicIsAnswered(t *testing.T) {
	h := newHouse(t, houseOptions{})
	for name, p := range map[string]any{"text": "planted-token", "error": errors.New("planted-token"), "value": struct{ s string }{"planted-token"}} {
		h.app = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			panic(p)
		}
		res := h.browser().do("GET", "/public", nil)
		require.Equal(t, http.StatusInternalServerError, res.StatusCode, name)
		require.Contains(t, text(res), res.Header.Get("X-Request-Id"))
		require.Empty(t, res.Header.Get("Content-Length"), "of the reply that is not coming")
		require.NotContains(t, text(res), "goroutine")
	}
	h.app = func(_ http.ResponseWriter, r *http.Request) { _ = []byte{}[len(r.URL.Path)] }
	h.browser().do("GET", "/public", nil)
	log := h.log.String()
	require.NotContains(t, log, "planted")
	require.Contains(t, log, "index out of range")
	require.Contains(t, log, "visit_test.go")
	require.EqualValues(t, 500, h.requestLine()["status"])
	require.Equal(t, "internal_error", h.requestLine()["code"])
}

// TestRejectTruncatedReplyAsWhole: after a panic in the middle of a reply the connection breaks. Ended properly, the
// half would pass for the whole.
func TestRejectTruncatedReplyAsWhole(t *testing.T) {
	h := newHouse(t, houseOptions{})
	h.app = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half of it")
		_ = http.NewResponseController(w).Flush()
		panic("bug")
	}
	srv := httptest.NewServer(h.handler)
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL + "/public")
	require.NoError(t, err)
	_, err = io.ReadAll(res.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_ = res.Body.Close()
	require.Contains(t, h.log.String(), "a handler panicked")
}

func TestAbortHandlerPassesThrough(t *testing.T) {
	h := newHouse(t, houseOptions{})
	h.app = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { h.browser().do("GET", "/public", nil) })
	require.NotContains(t, h.log.String(), "panicked")
	require.Equal(t, "/public", h.requestLine()["path"], "and it has its log line")
}

// TestLogLine: its fields, and what is never in it (S-217).
func TestLogLine(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.login("alice", "/app")
	res := b.get("/app/x?token=planted-query", "Authorization", "Basic planted-basic", "Cookie", "other=planted-cookie", "Referer", "https://gw.example/?planted-referer")
	require.Equal(t, http.StatusOK, res.StatusCode)
	line := h.requestLine()
	for name, want := range map[string]any{
		"request_id": res.Header.Get("X-Request-Id"), "method": "GET", "host": "gw.example", "path": "/app/x", "status": 200.0, "bytes": 21.0, "client_ip": "192.0.2.1",
		"route": "app", "decision": "ok", "source": "corp", "subject": "alice", "level": "INFO",
	} {
		require.Equal(t, want, line[name], name)
	}
	require.Contains(t, []any{"miss", "hit"}, line["cache"])
	require.NotEmpty(t, line["session"])
	require.Contains(t, line, "duration")
	b.do("GET", "/app", nil, "Authorization", "Bearer planted-bearer")
	require.Equal(t, "invalid_token", h.requestLine()["decision"])
	require.NotEmpty(t, h.requestLine()["reason"])
	b.get("/_session/callback/corp?code=planted-code&state=planted-state")
	secrets := []string{"planted"}
	for _, value := range b.jar {
		if len(value) > 8 {
			secrets = append(secrets, value)
		}
	}
	for state, begun := range h.corp.begun {
		secrets = append(secrets, state, begun.Nonce, begun.CodeVerifier.Reveal())
	}
	for _, secret := range secrets {
		require.NotContains(t, h.log.String(), secret)
	}
}

// TestRejectLogInjection (S-087): hostile paths, agents, hosts and users make one well-formed line each.
func TestRejectLogInjection(t *testing.T) {
	d := "\r\n{\"msg\":\"request\",\"status\":200}\x1b[31m\"'\u2028"
	h, _ := localHouse(t)
	for _, path := range []string{"/" + url.PathEscape(d), "/%0d%0a", "/\x1b", "/a\"b"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI = path
		r.Header.Set("User-Agent", d)
		r.Header.Set("X-Forwarded-For", d)
		r.Header.Set("Cookie", sessionCookie+"="+d)
		before := len(h.lines())
		h.handler.ServeHTTP(httptest.NewRecorder(), r)
		require.Len(t, h.lines(), before+1)
		require.Less(t, h.requestLine()["status"].(float64), 500.0)
	}
	h.browser().post("/_session/login", credentials(d+strings.Repeat("x", 10_000), "x"))
	for _, line := range h.lines() {
		subject, _ := line["subject"].(string)
		require.Less(t, len(subject), 200)
	}
	require.NotContains(t, h.log.String(), "\x1b")
	for line := range strings.Lines(h.log.String()) {
		require.True(t, strings.HasPrefix(line, "{") && strings.HasSuffix(line, "}\n"), line)
	}
}

// TestLogLineOfMalformedRequest: who sent it is known even where the request has no meaning, and a method made up long
// does not fill the log.
func TestLogLineOfMalformedRequest(t *testing.T) {
	h := newHouse(t, houseOptions{})
	r := httptest.NewRequest("GET", "/", nil)
	r.RequestURI, r.Method = "/a/../b", strings.Repeat("M", 5000)
	h.handler.ServeHTTP(httptest.NewRecorder(), r)
	line := h.requestLine()
	require.Equal(t, "192.0.2.1", line["client_ip"])
	require.Equal(t, "-", line["path"])
	require.Len(t, line["method"], maxLoggedMethod)
	require.EqualValues(t, 400, line["status"])
	r.RemoteAddr = "@"
	h.handler.ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, "-", h.requestLine()["client_ip"])
}

// TestHandlersSeeTheCanonicalPath: the one that was judged.
func TestHandlersSeeTheCanonicalPath(t *testing.T) {
	h := newHouse(t, houseOptions{})
	var seen string
	h.app = func(_ http.ResponseWriter, r *http.Request) { seen = r.URL.Path + " " + r.URL.EscapedPath() }
	h.browser().do("GET", "/%70ublic/%7ex/%c3%a4", nil)
	require.Equal(t, "/public/~x/ä /public/~x/%C3%A4", seen)
}

// TestRecorder: what handlers find through http.ResponseController and by asking directly.
func TestRecorder(t *testing.T) {
	h := newHouse(t, houseOptions{})
	h.app = func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/public/flush":
			w.(http.Flusher).Flush()
			panic("after the header went out")
		case "/public/hijack":
			c, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			_, _ = fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
			_ = rw.Flush()
		case "/public/early":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
		}
	}
	finished := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { finished <- struct{}{} }()
		h.handler.ServeHTTP(w, r)
	}))
	defer srv.Close()
	ask := func(path string) string {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
		_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: gw.example\r\nConnection: close\r\n\r\n", path)
		line, err := bufio.NewReader(c).ReadString('\n')
		require.NoError(t, err)
		<-finished
		return line
	}
	require.Contains(t, ask("/public/hijack"), "101")
	require.Contains(t, ask("/public/flush"), "200")
	require.Contains(t, ask("/public/early"), "103")
	var statuses []any
	for _, line := range h.lines() {
		if line["msg"] == "request" {
			statuses = append(statuses, line["status"])
		}
	}
	require.ElementsMatch(t, []any{101.0, 200.0, 418.0}, statuses)
	_, _, err := (&recorder{ResponseWriter: httptest.NewRecorder()}).Hijack()
	require.ErrorIs(t, err, http.ErrNotSupported)
}

// TestRequire: one more rule, for handlers of a Go server.
func TestRequire(t *testing.T) {
	h := newHouse(t, houseOptions{})
	rule, err := policy.NewRule(policy.RuleOptions{AnyGroup: []string{"admins"}}, policy.Required)
	require.NoError(t, err)
	strong, err := policy.NewRule(policy.RuleOptions{ACR: []string{"gold"}}, policy.Required)
	require.NoError(t, err)
	b := h.browser()
	b.login("alice", "/")
	h.handler = h.site.Session(h.site.Require(nil)(reached))
	require.Equal(t, http.StatusNoContent, b.get("/app").StatusCode)
	require.Equal(t, http.StatusUnauthorized, b.get("/public").StatusCode, "a public route looks at no session")
	require.Equal(t, http.StatusUnauthorized, h.browser().get("/optional").StatusCode)
	h.handler = h.site.Session(h.site.Require(rule)(reached))
	res := b.get("/app")
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Equal(t, "group_required", h.requestLine()["decision"], "the log tells what was decided in the end")
	h.handler = h.site.Session(h.site.Require(strong)(reached))
	require.Contains(t, text(b.get("/app")), "Sign in again")
	require.Contains(t, b.do("GET", "/app", nil, "Authorization", "Bearer good").Header.Get("WWW-Authenticate"), `acr_values="gold"`)
}

var reached = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

// TestRejectRequireWithoutSession: where Session was forgotten, nothing passes.
func TestRejectRequireWithoutSession(t *testing.T) {
	h := newHouse(t, houseOptions{})
	rule, err := policy.NewRule(policy.RuleOptions{}, policy.Optional)
	require.NoError(t, err)
	for name, guarded := range map[string]http.Handler{"rule": h.site.Require(rule)(reached), "no rule": h.site.Require(nil)(reached), "visited": h.site.Visit(h.site.Require(nil)(reached))} {
		rec := httptest.NewRecorder()
		guarded.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
		require.Equal(t, http.StatusUnauthorized, rec.Code, name)
		require.Equal(t, "Bearer", rec.Header().Get("WWW-Authenticate"), name)
	}
}
