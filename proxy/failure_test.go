package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// listen serves each connection to a port of its own with handle.
func listen(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { handle(c); _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	return "http://" + l.Addr().String()
}

// rawUpstream answers the first request of each connection with exactly these bytes, then closes.
func rawUpstream(t testing.TB, reply string) string {
	return listen(t, func(c net.Conn) {
		if readHead(c) {
			_, _ = io.WriteString(c, reply)
		}
	})
}

// readHead reads up to the empty line.
func readHead(c net.Conn) bool {
	var head []byte
	b := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := c.Read(b); err != nil {
			return false
		}
		head = append(head, b[0])
	}
	return true
}

const get = "GET / HTTP/1.1\nHost: app.example\n\n"

func TestUpstreamDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	g := newGateway(t, "http://"+l.Addr().String(), nil)
	g.refused(get, UpstreamFailed)
	var e *Error
	require.ErrorAs(t, g.errors()[0], &e)
	require.Equal(t, l.Addr().String(), e.Upstream)
	require.ErrorIs(t, e, session.ErrUnavailable)
	var op *net.OpError
	require.ErrorAs(t, e, &op)
}

func TestUpstreamBreaksBeforeItsReply(t *testing.T) {
	for name, reply := range map[string]string{
		"closes":         "",
		"not HTTP":       "SSH-2.0-x\r\n\r\n",
		"half a header":  "HTTP/1.1 200 OK\r\nContent-Le",
		"endless header": "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 400) + "\r\n",
		"endless 1xx":    strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 1000),
		"bad length":     "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"two lengths":    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, rawUpstream(t, reply), nil)
			c := dial(t, g.addr)
			c.send(get)
			res, body := c.reply()
			for res.StatusCode < 200 {
				res, body = c.reply()
			}
			require.Equal(t, http.StatusBadGateway, res.StatusCode)
			require.Equal(t, string(UpstreamFailed), strings.TrimSpace(body))
		})
	}
}

func TestUpstreamHeaderLimit(t *testing.T) {
	reply := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: " + strings.Repeat("a", 200<<10) + "\r\n\r\n"
	newGateway(t, rawUpstream(t, reply), nil).ask2xx("/")
	g := newGateway(t, rawUpstream(t, reply), func(s *setup) { s.MaxResponseHeaderBytes = 100 << 10 })
	g.refused(get, UpstreamFailed)
}

func TestUpstreamStalls(t *testing.T) {
	done := make(chan struct{})
	g := newGateway(t, newUpstream(t, func(http.ResponseWriter, *http.Request) { <-done }), func(s *setup) {
		s.Timeout = 20 * time.Millisecond
	})
	t.Cleanup(func() { close(done) })
	g.refused(get, UpstreamTimeout)
	g.refused("POST / HTTP/1.1\nHost: a\nContent-Length: 2\n\nhi", UpstreamTimeout)
}

// The transport's timeout begins when the body has been sent; an upstream that does not take it must not hold it off.
func TestRejectUpstreamThatStopsTakingTheBody(t *testing.T) {
	done := make(chan struct{})
	upstream := listen(t, func(net.Conn) { <-done })
	t.Cleanup(func() { close(done) })
	g := newGateway(t, upstream, func(s *setup) { s.Timeout = 50 * time.Millisecond })
	req, err := http.NewRequest(http.MethodPost, g.server.URL, io.LimitReader(zeros{}, 1<<30))
	require.NoError(t, err)
	_, _ = g.server.Client().Do(req) // the client may see a reset instead of the answer: it is still sending
	require.Eventually(t, func() bool { return len(g.errors()) == 1 }, patience, time.Millisecond)
	var e *Error
	require.ErrorAs(t, g.errors()[0], &e)
	require.Equal(t, UpstreamTimeout, e.Reason)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A client that takes its time over its body is not a stalled upstream.
func TestSlowClientIsNotAStalledUpstream(t *testing.T) {
	g := newGateway(t, newUpstream(t, echo), func(s *setup) { s.Timeout = 300 * time.Millisecond })
	c := dial(t, g.addr)
	c.send("POST / HTTP/1.1\nHost: a\nContent-Length: 2\n\nh")
	time.Sleep(500 * time.Millisecond) // the client is what is slow here; nothing is waited for
	c.send("i")
	res, body := c.reply()
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	require.Contains(t, body, `"Body":"hi"`)
}

// A reply that breaks off must not look like a whole one.
func TestRejectTruncatedReply(t *testing.T) {
	for name, reply := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("a", 50_000),
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, rawUpstream(t, reply), nil)
			c := dial(t, g.addr)
			c.send(get)
			_, err := io.ReadAll(c.response().Body)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Empty(t, g.errors())
		})
	}
}

// A POST must be sent once, even when the upstream closes a connection it kept until then.
func TestRejectReplayOfPost(t *testing.T) {
	var posts atomic.Int32
	upstream := listen(t, func(c net.Conn) {
		if !readHead(c) {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		if readHead(c) {
			posts.Add(1)
		}
	})
	g := newGateway(t, upstream, nil)
	g.ask2xx("/")
	g.refused("POST / HTTP/1.1\nHost: a\nContent-Length: 2\n\nhi", UpstreamFailed)
	require.Equal(t, int32(1), posts.Load())
}

// Nobody is there to be told, and nothing was wrong.
func TestClientGoneIsNoError(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	g := newGateway(t, newUpstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(left)
	}), nil)
	c := dial(t, g.addr)
	c.send(get)
	wait(t, arrived, "the request")
	require.NoError(t, c.Close())
	wait(t, left, "the end of the upstream's request")
	g.server.Close()
	require.Empty(t, g.errors())
	require.Empty(t, g.serverLog())
}

func TestClientBodyFailures(t *testing.T) {
	limited := func(s *setup) {
		s.around = func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Body = http.MaxBytesReader(w, r.Body, 1000)
				_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(200 * time.Millisecond))
				h.ServeHTTP(w, r)
			})
		}
	}
	g := newGateway(t, newUpstream(t, echo), limited)
	const head = "POST / HTTP/1.1\nHost: a\n"
	g.refused(head+"Transfer-Encoding: chunked\n\nzz\n", BodyMalformed)
	g.refused(head+"Content-Length: 2000\n\n"+strings.Repeat("a", 2000), BodyTooLarge)
	require.Len(t, g.errors(), 2)
	c := dial(t, g.addr)
	c.send(head + "Content-Length: 2\n\na") // and no more: the server's deadline closes the connection
	_, err := c.r.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, g.errors(), 2)
}

// A deadline of whoever mounts the proxy is a timeout, not a client that left.
func TestDeadlineOfTheCaller(t *testing.T) {
	done := make(chan struct{})
	g := newGateway(t, newUpstream(t, func(http.ResponseWriter, *http.Request) { <-done }), func(s *setup) {
		s.around = func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeout(r.Context(), 20*time.Millisecond)
				defer cancel()
				h.ServeHTTP(w, r.WithContext(ctx))
			})
		}
	})
	t.Cleanup(func() { close(done) })
	g.refused(get, UpstreamTimeout)
}

// Clients that leave in the middle of a body, in either direction, cost one exchange each and nothing more.
func TestAbortsMidBody(t *testing.T) {
	g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.Copy(w, io.LimitReader(zeros{}, 1<<20))
	}), nil)
	var clients sync.WaitGroup
	for worker := range 8 {
		clients.Go(func() {
			for i := range 25 {
				c, err := net.Dial("tcp", g.addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				sent := (worker + i) % 3 * 500 // nothing, half or all of the body
				_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n%s", strings.Repeat("a", sent))
				if sent == 1000 {
					_, _ = io.ReadFull(c, make([]byte, 1+i*1000))
				}
				_ = c.Close()
			}
		})
	}
	clients.Wait()
	g.server.Close()
	require.Empty(t, g.serverLog(), "a panic other than http.ErrAbortHandler")
}

func TestErrorsForPeopleAndPrograms(t *testing.T) {
	cause := errors.New("cause")
	for reason, status := range map[Reason]int{
		NoPassage: 500, IdentityFailed: 500, BadTarget: 400, MethodRefused: 501, UpgradeRefused: 400, OriginRefused: 403,
		SessionEnded: 401, BodyMalformed: 400, BodyTooLarge: 413, UpstreamFailed: 502, UpstreamTimeout: 504,
	} {
		e := &Error{Reason: reason, Upstream: "up:80", Err: cause}
		require.Equal(t, status, e.HTTPStatus(), reason)
		require.Equal(t, string(reason), e.Code())
		require.ErrorIs(t, e, cause)
		require.Equal(t, "upstream up:80: "+string(reason)+": cause", e.Error())
	}
}

// The one who answers must see the client's request, not the one with the identity in it.
func TestRejectIdentityInTheErrorReply(t *testing.T) {
	g := newGateway(t, "http://127.0.0.1:1", nil)
	var seen http.Header
	g.deps.OnError = func(w http.ResponseWriter, r *http.Request, _ error) { seen = r.Header; w.WriteHeader(502) }
	res, err := g.server.Client().Get(g.server.URL)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.NotContains(t, seen, "X-Forwarded-User")
}
