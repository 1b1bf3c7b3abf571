package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

const webSocketKey = "dGhlIHNhbXBsZSBub25jZQ==" // with its answer the example of RFC 6455 §1.3

// handshake is a well-formed one; extra lines end with a line end.
func handshake(extra string) string {
	return "GET /ws HTTP/1.1\nHost: app.example\nConnection: keep-alive, Upgrade\nUpgrade: websocket\n" +
		"Sec-WebSocket-Version: 13\nSec-WebSocket-Key: " + webSocketKey + "\n" + extra + "\n"
}

// webSocket accepts the handshake and sends every byte back.
func webSocket(w http.ResponseWriter, r *http.Request) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Set-Cookie: " + ownCookie + "=evil\r\nX-User: " + r.Header.Get("X-Forwarded-User") + "\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
	_ = rw.Flush()
	_, _ = io.Copy(c, rw)
}

func TestWebSocketEcho(t *testing.T) {
	g := newGateway(t, newUpstream(t, webSocket), nil)
	c := dial(t, g.addr)
	c.send(handshake("Cookie: " + ownCookie + "=x\nOrigin: http://app.example\nX-Forwarded-User: root\n"))
	res := c.response()
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	require.Equal(t, []string{"alice"}, res.Header["X-User"])
	require.NotContains(t, res.Header, "Set-Cookie")
	for _, frame := range []string{"\x81\x05hello", "\x00\xff raw bytes", strings.Repeat("x", 100_000)} {
		go func() { _, _ = io.WriteString(c, frame) }()
		got := make([]byte, len(frame))
		_, err := io.ReadFull(c.r, got)
		require.NoError(t, err)
		require.Equal(t, frame, string(got))
	}
	require.NoError(t, c.Close())
}

func TestRejectForeignOrigin(t *testing.T) {
	const cookie = "Cookie: " + ownCookie + "=x\n"
	var calls atomic.Int32
	upstream := newUpstream(t, func(w http.ResponseWriter, r *http.Request) { calls.Add(1); webSocket(w, r) })
	g := newGateway(t, upstream, nil)
	for name, origin := range map[string]string{
		"foreign":          "Origin: https://evil.example\n",
		"other scheme":     "Origin: https://app.example\n",
		"other port":       "Origin: http://app.example:8080\n",
		"suffix":           "Origin: http://app.example.evil.example\n",
		"prefix":           "Origin: http://evil-app.example\n",
		"userinfo":         "Origin: http://app.example@evil.example\n",
		"path":             "Origin: http://app.example/\n",
		"null":             "Origin: null\n",
		"empty":            "Origin:\n",
		"missing":          "",
		"two":              "Origin: http://app.example\nOrigin: https://evil.example\n",
		"list":             "Origin: http://app.example https://evil.example\n",
		"letter like a K":  "Origin: http://app.example\u212a\n",
		"without a scheme": "Origin: app.example\n",
	} {
		t.Run(name, func(t *testing.T) {
			res := g.refused(handshake(cookie+origin), OriginRefused)
			require.True(t, res.Close)
		})
	}
	require.Zero(t, calls.Load())
}

func TestOwnOrigin(t *testing.T) {
	require.True(t, sameOrigin("https://App.Example", "https", "app.example:443"))
	require.True(t, sameOrigin("http://app.example:80", "http", "app.example"))
	require.True(t, sameOrigin("http://[::1]:8080", "http", "[::1]:8080"))
	require.False(t, sameOrigin("https://app.example:80", "https", "app.example"))
	require.False(t, sameOrigin("https://", "https", ""))
}

// Another site's page cannot send a bearer token, so its Origin says nothing about who acts.
func TestOriginOfBearerIsFree(t *testing.T) {
	g := newGateway(t, newUpstream(t, webSocket), func(s *setup) {
		s.passage = func(_ *http.Request, p *Passage) { p.Place.Kind = session.KindBearer }
	})
	for _, extra := range []string{"", "Origin: https://elsewhere.example\n", "Cookie: a=1\n"} {
		c := dial(t, g.addr)
		c.send(handshake(extra))
		require.Equal(t, http.StatusSwitchingProtocols, c.response().StatusCode)
	}
}

func TestRejectUpgrade(t *testing.T) {
	var calls atomic.Int32
	g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, r *http.Request) { calls.Add(1); webSocket(w, r) }), nil)
	for name, edit := range map[string][2]string{
		"h2c":              {"Upgrade: websocket", "Upgrade: h2c\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
		"several":          {"Upgrade: websocket", "Upgrade: websocket, h2c"},
		"two lines":        {"Upgrade: websocket", "Upgrade: websocket\nUpgrade: h2c"},
		"empty":            {"Upgrade: websocket", "Upgrade:"},
		"TLS":              {"Upgrade: websocket", "Upgrade: TLS/1.2"},
		"a long s":         {"Upgrade: websocket", "Upgrade: web\u017focket"},
		"no Connection":    {"Connection: keep-alive, Upgrade\n", ""},
		"wrong Connection": {"keep-alive, Upgrade", "keep-alive, Upgrades"},
		"bad version":      {"Version: 13", "Version: 12"},
		"no version":       {"Sec-WebSocket-Version: 13\n", ""},
		"no key":           {"Sec-WebSocket-Key: " + webSocketKey + "\n", ""},
		"short key":        {webSocketKey, "AAAA"},
		"two keys":         {"Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\nSec-WebSocket-Key"},
		"POST":             {"GET", "POST"},
		"HTTP/1.0":         {"HTTP/1.1", "HTTP/1.0"},
		"body":             {"Host:", "Content-Length: 3\nHost:"},
		"chunked body":     {"Host:", "Transfer-Encoding: chunked\nHost:"},
	} {
		t.Run(name, func(t *testing.T) {
			text := handshake("")
			require.Contains(t, text, edit[0])
			c := dial(t, g.addr)
			c.send(strings.Replace(text, edit[0], edit[1], 1) + "GET /early HTTP/1.1\nHost: app.example\n\n")
			res, body := c.reply()
			require.Equal(t, string(UpgradeRefused), strings.TrimSpace(body))
			require.Equal(t, http.StatusBadRequest, res.StatusCode)
			_, err := c.r.ReadByte()
			require.Error(t, err, "the connection must end with the answer")
		})
	}
	require.Zero(t, calls.Load())
}

// Connection: upgrade alone asks for nothing; some proxies send it with every request.
func TestConnectionUpgradeAloneIsOrdinary(t *testing.T) {
	g := newGateway(t, newUpstream(t, echo), nil)
	got := g.ask("GET / HTTP/1.1\nHost: app.example\nConnection: upgrade\nHTTP2-Settings: AAMA\n\n")
	require.NotContains(t, got.Header, "Connection")
	require.NotContains(t, got.Header, "Http2-Settings")
}

// What a client sends ahead of an upgrade that fails must reach nobody, as bytes or as a request.
func TestRejectEarlyDataAfterFailedUpgrade(t *testing.T) {
	targets := make(chan string, 8)
	g := newGateway(t, newUpstream(t, func(_ http.ResponseWriter, r *http.Request) { targets <- r.RequestURI }), nil)
	c := dial(t, g.addr)
	c.send(handshake("") + "GET /smuggled HTTP/1.1\nHost: app.example\n\n")
	res, _ := c.reply()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.True(t, res.Close)
	_, err := c.r.ReadByte()
	require.Error(t, err)
	require.Equal(t, "/ws", wait(t, targets, "the handshake"))
	g.ask2xx("/next")
	require.Equal(t, "/next", wait(t, targets, "the next request"))
}

func (g *gateway) ask2xx(path string) {
	g.t.Helper()
	c := dial(g.t, g.addr)
	c.send("GET " + path + " HTTP/1.1\nHost: app.example\n\n")
	res, _ := c.reply()
	require.Equal(g.t, http.StatusOK, res.StatusCode)
}

func TestRejectUnverifiedSwitch(t *testing.T) {
	for name, c := range map[string]struct{ request, reply string }{
		"unasked":      {"GET / HTTP/1.1\nHost: a\n\n", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"},
		"other":        {handshake(""), "Connection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"},
		"no accept":    {handshake(""), "Connection: Upgrade\r\nUpgrade: websocket\r\n"},
		"wrong accept": {handshake(""), "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, rawUpstream(t, "HTTP/1.1 101 Switching Protocols\r\n"+c.reply+"\r\n"), nil)
			g.refused(c.request, UpstreamFailed)
		})
	}
}

// Once the connection is taken there is nobody to answer: an error then must not be written into a stream of frames.
func TestRejectAnswerOnATakenConnection(t *testing.T) {
	returned := make(chan struct{})
	g := newGateway(t, newUpstream(t, webSocket), func(s *setup) {
		s.around = func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(returned)
				h.ServeHTTP(&deadWriter{w}, r)
			})
		}
	})
	c := dial(t, g.addr)
	c.send(handshake(""))
	_, err := c.r.ReadByte()
	require.Error(t, err)
	wait(t, returned, "the handler")
	require.Empty(t, g.errors())
}

// deadWriter gives away a connection that has broken meanwhile.
type deadWriter struct{ http.ResponseWriter }

func (w *deadWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		_ = c.Close()
	}
	return c, rw, err
}

func FuzzUpgrade(f *testing.F) {
	f.Add("websocket", "Upgrade", "13", webSocketKey)
	f.Add("h2c", "Upgrade, HTTP2-Settings", "13", "")
	f.Add("websocket", "keep-alive,\tuPGRADE", "8", "====")
	f.Fuzz(func(t *testing.T, upgrade, connection, version, key string) {
		r := &http.Request{Method: "GET", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
			"Upgrade": {upgrade}, "Connection": {connection}, "Sec-Websocket-Version": {version}, "Sec-Websocket-Key": {key}}}
		if checkUpgrade(r) != nil {
			return
		}
		require.Equal(t, "websocket", strings.ToLower(upgrade))
		require.Contains(t, strings.ToLower(connection), "upgrade")
		require.Equal(t, "13", version)
	})
}

func FuzzSameOrigin(f *testing.F) {
	f.Add("https://app.example", "app.example")
	f.Add("https://app.example:443", "APP.example")
	f.Add("https://app.example@evil.example", "app.example")
	f.Fuzz(func(t *testing.T, origin, host string) {
		if !validHost(host) || !sameOrigin(origin, "https", host) {
			return
		}
		require.Equal(t, "https://"+strings.TrimSuffix(strings.ToLower(host), ":443"),
			strings.TrimSuffix(strings.ToLower(origin), ":443"))
	})
}
