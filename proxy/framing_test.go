package proxy

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// recorded is what an upstream was asked for.
type recorded struct {
	mu    sync.Mutex
	paths []string
}

func (r *recorded) add(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paths = append(r.paths, path)
}

func (r *recorded) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.paths)
}

// What follows a body without a proper end is no request: wherever the body breaks, the connection ends with the reply.
// A proxy in front that finds the end of the body elsewhere would otherwise have the rest of it served as a request of
// its own, and give the answer to somebody else.
func TestRejectRequestBehindBrokenBody(t *testing.T) {
	const head = "POST /first HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n"
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: app.example\r\n\r\n"
	reading := func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	early := func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "0") }
	for name, c := range map[string]struct {
		upstream http.HandlerFunc
		body     string
	}{
		"not a chunk size":              {reading, "Z\r\n"},
		"line feed in a chunk header":   {reading, "1;a\nx\r\n0\r\n\r\n"},
		"hexadecimal prefix":            {reading, "0x1\r\nx\r\n0\r\n\r\n"},
		"no line break behind a chunk":  {reading, "1\r\nxy\r\n0\r\n\r\n"},
		"broken later":                  {reading, "1\r\nx\r\nZ\r\n"},
		"broken trailer":                {reading, "1\r\nx\r\n0\r\n: x\r\n\r\n"},
		"the upstream answers early":    {early, "Z\r\n"},
		"early, and broken only later":  {early, "1\r\nx\r\nZ\r\n"},
		"early, and a trailer is wrong": {early, "1\r\nx\r\n0\r\n: x\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var paths recorded
			g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
				paths.add(r.URL.Path)
				c.upstream(w, r)
			}), nil)
			conn := dial(t, g.addr)
			_, err := io.WriteString(conn, head+c.body+smuggled) // as it stands
			require.NoError(t, err)
			rest, _ := io.ReadAll(conn) // until the gateway closes the connection
			require.LessOrEqual(t, strings.Count(string(rest), "HTTP/1.1 "), 1, "%s", rest)
			require.NotContains(t, paths.all(), "/smuggled")
		})
	}
}

// The same where the body breaks only after the reply.
func TestRejectRequestBehindBodyBrokenAfterReply(t *testing.T) {
	var paths recorded
	g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		paths.add(r.URL.Path)
		_ = http.NewResponseController(w).EnableFullDuplex() // or it would wait for the body first
		_, _ = io.WriteString(w, "early")
		_ = http.NewResponseController(w).Flush()
	}), nil)
	conn := dial(t, g.addr)
	conn.send("POST /first HTTP/1.1\nHost: app.example\nTransfer-Encoding: chunked\n\n1\nx\n")
	require.Equal(t, http.StatusOK, conn.response().StatusCode)
	conn.send("Z\nGET /smuggled HTTP/1.1\nHost: app.example\n\n")
	rest, _ := io.ReadAll(conn.r) // the body's end, if at all, until the gateway closes the connection
	require.NotContains(t, string(rest), "HTTP/1.1 ")
	require.NotContains(t, paths.all(), "/smuggled")
}

// The connection of a client that did nothing wrong serves its next request, also where the upstream did not want the
// body.
func TestConnectionIsKeptBehindUnreadBody(t *testing.T) {
	var paths recorded
	g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		paths.add(r.URL.Path)
		w.Header().Set("Content-Length", "0")
	}), nil)
	conn := dial(t, g.addr)
	conn.send("POST /first HTTP/1.1\nHost: app.example\nTransfer-Encoding: chunked\n\n1\nx\n0\n\n" +
		"GET /second HTTP/1.1\nHost: app.example\nConnection: close\n\n")
	rest, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(rest), "HTTP/1.1 200"), "%s", rest)
	require.Contains(t, paths.all(), "/second")
}
