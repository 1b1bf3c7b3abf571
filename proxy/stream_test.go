package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestServerSentEventsAreNotHeldBack(t *testing.T) {
	next := make(chan struct{})
	g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	}), nil)
	c := dial(t, g.addr)
	c.send(get)
	events := bufio.NewReader(c.response().Body)
	for i := range 3 {
		line, err := events.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("data: %d\n", i), line)
		_, err = events.ReadString('\n')
		require.NoError(t, err)
		next <- struct{}{} // only now does the upstream send the next one
	}
}

// The pieces of a body go both ways at once and nothing gathers in between: the client sends a piece only when the one
// before has come back.
func TestLargeBodiesStreamBothWays(t *testing.T) {
	const piece, pieces = 1 << 20, 64
	g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		buf := make([]byte, piece)
		for {
			if _, err := io.ReadFull(r.Body, buf); err != nil {
				return
			}
			_, _ = w.Write(buf)
			_ = c.Flush()
		}
	}), nil)
	r, w := io.Pipe()
	back := make(chan struct{}, 1)
	back <- struct{}{}
	go func() {
		defer func() { _ = w.Close() }()
		buf := make([]byte, piece)
		for range pieces {
			<-back
			_, _ = w.Write(buf)
		}
	}()
	before := heap()
	res, err := g.server.Client().Post(g.server.URL, "application/octet-stream", r)
	require.NoError(t, err)
	buf := make([]byte, piece)
	var most uint64
	for range pieces {
		_, err := io.ReadFull(res.Body, buf)
		require.NoError(t, err)
		most = max(most, heap())
		back <- struct{}{}
	}
	_, err = io.ReadFull(res.Body, buf[:1])
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, res.Body.Close())
	require.Less(t, most, before+16<<20, "bytes of memory while 64 MiB went through")
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestExpectContinueWaitsForTheUpstream(t *testing.T) {
	asked, agree := make(chan struct{}), make(chan struct{})
	g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-agree
		echo(w, r)
	}), nil)
	c := dial(t, g.addr)
	c.send("POST / HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 2\n\n")
	wait(t, asked, "the header, without the body")
	require.Zero(t, c.r.Buffered())
	close(agree)
	require.Equal(t, http.StatusContinue, c.response().StatusCode)
	c.send("hi")
	res, body := c.reply()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Contains(t, body, `"Body":"hi"`)
}

// The transport may read the body, for which the server sends the 100, before it passes the upstream's own 100 on.
func TestContinueIsSentOnce(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &reply{ResponseWriter: w}
		out.begin(nil)
		_, _ = io.ReadAll(r.Body)
		out.WriteHeader(http.StatusContinue)
		out.WriteHeader(http.StatusOK)
	}))
	defer s.Close()
	c := dial(t, s.Listener.Addr().String())
	c.send("POST / HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 2\n\n")
	require.Equal(t, http.StatusContinue, c.response().StatusCode)
	c.send("hi")
	require.Equal(t, http.StatusOK, c.response().StatusCode)
}

// Requests whose body the upstream does not want must not spoil its connections for those that follow.
func TestRejectExpectContinuePoisonsConnections(t *testing.T) {
	g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		_, _ = io.WriteString(w, r.RequestURI)
	}), nil)
	for i := range 200 {
		c := dial(t, g.addr)
		c.send("POST /refused HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 2\n\n")
		require.Equal(t, http.StatusExpectationFailed, c.response().StatusCode)
		require.NoError(t, c.Close())
		res, err := g.server.Client().Get(fmt.Sprintf("%s/%d", g.server.URL, i))
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, fmt.Sprintf("/%d", i), string(body))
	}
	require.Empty(t, g.errors())
}

// A client that is still sending must not have to finish before it learns that nobody wants the rest.
func TestEarlyReplyReachesAClientStillSending(t *testing.T) {
	g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}), nil)
	c := dial(t, g.addr)
	c.send("POST / HTTP/1.1\nHost: a\nContent-Length: 1000000\n\n" + strings.Repeat("a", 1000))
	require.Equal(t, http.StatusRequestEntityTooLarge, c.response().StatusCode)
	require.NoError(t, c.Close())
	g.server.Close()
	require.Empty(t, g.errors())
	require.Empty(t, g.serverLog())
}

// An early hint of the upstream must neither carry what it may not, nor cost the final reply its headers.
func TestInformationalReplies(t *testing.T) {
	g := newGateway(t, rawUpstream(t, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nSet-Cookie: "+ownCookie+"=evil\r\n"+
		"Connection: close\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-App: 1\r\n\r\n"), func(s *setup) {
		s.around = func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Frame-Options", "DENY")
				w.Header().Add("Set-Cookie", ownCookie+"=renewed")
				h.ServeHTTP(w, r)
			})
		}
	})
	c := dial(t, g.addr)
	c.send(get)
	hint := c.response()
	require.Equal(t, http.StatusEarlyHints, hint.StatusCode)
	require.Equal(t, []string{"</a>"}, hint.Header["Link"])
	require.NotContains(t, hint.Header, "Set-Cookie")
	for _, name := range []string{"Connection", "Keep-Alive", "Upgrade"} {
		require.NotContains(t, hint.Header, name)
	}
	require.Equal(t, http.StatusEarlyHints, c.response().StatusCode)
	res := c.response()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, []string{"DENY"}, res.Header["X-Frame-Options"])
	require.Equal(t, []string{ownCookie + "=renewed"}, res.Header["Set-Cookie"])
	require.Equal(t, []string{"1"}, res.Header["X-App"])
	require.NotContains(t, res.Header, "Link")
}

func TestRejectEndlessInformationalReplies(t *testing.T) {
	g := newGateway(t, rawUpstream(t, strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 10*maxInformational)), nil)
	c := dial(t, g.addr)
	c.send(get)
	res, hints := c.response(), 0
	for ; res.StatusCode == http.StatusEarlyHints; res = c.response() {
		hints++
	}
	require.Equal(t, http.StatusBadGateway, res.StatusCode)
	require.LessOrEqual(t, hints, maxInformational)
	require.Len(t, g.errors(), 1)
}

func TestHopByHopHeadersOfTheReply(t *testing.T) {
	g := newGateway(t, rawUpstream(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Inner\r\nX-Inner: 1\r\n"+
		"Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Outer: 1\r\n\r\nhi"), nil)
	c := dial(t, g.addr)
	c.send(get)
	res, body := c.reply()
	require.Equal(t, "hi", body)
	require.Equal(t, []string{"1"}, res.Header["X-Outer"])
	for _, name := range []string{"X-Inner", "Keep-Alive", "Proxy-Authenticate", "Upgrade", "Connection"} {
		require.NotContains(t, res.Header, name)
	}
}

func TestBytesPassAsTheyAre(t *testing.T) {
	g := newGateway(t, rawUpstream(t, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc"), nil)
	c := dial(t, g.addr)
	c.send("GET / HTTP/1.1\nHost: a\nAccept-Encoding: gzip\n\n")
	res, body := c.reply()
	require.Equal(t, "abc", body)
	require.Equal(t, []string{"gzip"}, res.Header["Content-Encoding"])
}

// endless is an upstream whose replies never end; it says when its request has.
func endless(left chan<- struct{}, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left <- struct{}{}
	}
}

func watching(ended <-chan struct{}) func() (<-chan struct{}, func()) {
	return func() (<-chan struct{}, func()) { return ended, func() {} }
}

func TestRejectStreamsOfAnEndedSession(t *testing.T) {
	for name, c := range map[string]struct{ contentType, request string }{
		"SSE":             {"text/event-stream", get},
		"unbounded reply": {"application/octet-stream", get},
	} {
		t.Run(name, func(t *testing.T) {
			ended, left := make(chan struct{}), make(chan struct{}, 1)
			g := newGateway(t, newUpstream(t, endless(left, c.contentType)), func(s *setup) {
				s.passage = func(_ *http.Request, p *Passage) { p.Watch = watching(ended) }
			})
			client := dial(t, g.addr)
			client.send(c.request)
			body := bufio.NewReader(client.response().Body)
			_, err := body.ReadString('\n')
			require.NoError(t, err)
			requireEndsInTime(t, func() { close(ended) }, func() {
				wait(t, left, "the end at the upstream")
				_, err = body.ReadByte()
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			})
		})
	}
}

func TestRejectWebSocketOfAnEndedSession(t *testing.T) {
	ended := make(chan struct{})
	g := newGateway(t, newUpstream(t, webSocket), func(s *setup) {
		s.passage = func(_ *http.Request, p *Passage) { p.Watch = watching(ended) }
	})
	c := dial(t, g.addr)
	c.send(handshake(""))
	require.Equal(t, http.StatusSwitchingProtocols, c.response().StatusCode)
	c.send("x")
	_, err := c.r.ReadByte()
	require.NoError(t, err)
	requireEndsInTime(t, func() { close(ended) }, func() {
		_, err := c.r.ReadByte()
		require.Error(t, err)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}

// A body without an end is a stream too. Its client has no reply yet and gets a proper one.
func TestRejectUploadOfAnEndedSession(t *testing.T) {
	ended, arrived := make(chan struct{}), make(chan struct{})
	g := newGateway(t, newUpstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		_, _ = io.Copy(io.Discard, r.Body)
	}), func(s *setup) {
		s.passage = func(_ *http.Request, p *Passage) { p.Watch = watching(ended) }
	})
	c := dial(t, g.addr)
	c.send("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n2\nhi\n")
	wait(t, arrived, "the request")
	requireEndsInTime(t, func() { close(ended) }, func() {
		res := c.response()
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	})
}

// A reply that becomes a stream after the session has ended must not begin.
func TestRejectStreamBegunAfterTheSessionEnded(t *testing.T) {
	ended := make(chan struct{})
	close(ended)
	x := newExchange(nil, &http.Request{}, Passage{Watch: watching(ended)})
	x.reply.ResponseWriter = nopWriter{}
	x.in = x.in.WithContext(t.Context())
	x.begin(time.Second)
	x.watchEnd()
	<-x.Done()
	require.ErrorIs(t, x.beginStream(), errSessionEnded)
	x.end()
}

type nopWriter struct{ http.ResponseWriter }

func (nopWriter) Header() http.Header { return nil }

// Whoever does not read cannot keep its stream by that.
func TestRejectStreamKeptByNotReading(t *testing.T) {
	ended, left := make(chan struct{}), make(chan struct{}, 1)
	full := &fullWriter{writing: make(chan struct{}, 1), deadline: make(chan struct{})}
	returned := make(chan struct{})
	g := newGateway(t, newUpstream(t, endless(left, "text/event-stream")), func(s *setup) {
		s.passage = func(_ *http.Request, p *Passage) { p.Watch = watching(ended) }
		s.around = func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(returned)
				full.ResponseWriter = w
				h.ServeHTTP(full, r)
			})
		}
	})
	t.Cleanup(full.release)
	c := dial(t, g.addr)
	c.send(get)
	wait(t, full.writing, "a write that nobody takes")
	requireEndsInTime(t, func() { close(ended) }, func() { wait(t, returned, "the handler") })
}

// fullWriter is the writer of a client whose buffers are full: a write ends when its deadline has passed.
type fullWriter struct {
	http.ResponseWriter
	writing  chan struct{}
	deadline chan struct{}
	once     sync.Once
}

func (w *fullWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *fullWriter) release() { w.once.Do(func() { close(w.deadline) }) }

func (w *fullWriter) SetWriteDeadline(at time.Time) error {
	if !at.IsZero() && at.Before(time.Now()) {
		w.release()
	}
	return nil
}

func (w *fullWriter) Write([]byte) (int, error) {
	select {
	case w.writing <- struct{}{}:
	default:
	}
	<-w.deadline
	return 0, os.ErrDeadlineExceeded
}

// A reply with an end is let finish: nothing that began rightly is cut off for nothing.
func TestFiniteReplyOutlivesTheSession(t *testing.T) {
	ended, next := make(chan struct{}), make(chan struct{})
	g := newGateway(t, newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "12345")
		_ = http.NewResponseController(w).Flush()
		<-next
		_, _ = io.WriteString(w, "67890")
	}), func(s *setup) {
		s.passage = func(_ *http.Request, p *Passage) { p.Watch = watching(ended) }
	})
	c := dial(t, g.addr)
	c.send(get)
	close(ended)
	close(next)
	res, body := c.reply()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "1234567890", body)
}

func TestNothingRunsOnAfterClose(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	ended, left := make(chan struct{}), make(chan struct{}, 1)
	g := newGateway(t, newUpstream(t, endless(left, "text/event-stream")), func(s *setup) {
		s.passage = func(_ *http.Request, p *Passage) { p.Watch = watching(ended) }
	})
	c := dial(t, g.addr)
	c.send(get)
	_ = c.response()
	require.NoError(t, c.Close())
	wait(t, left, "the end at the upstream")
	g.server.Close()
	g.Close()
	goleak.VerifyNone(t, ignore, goleak.IgnoreTopFunction("net/http.(*Server).Serve"),
		goleak.IgnoreAnyFunction("net/http/httptest.(*Server).goServe.func1"))
}

// requireEndsInTime holds a stream to the two seconds it has.
func requireEndsInTime(t *testing.T, end, ended func()) {
	t.Helper()
	begin := time.Now()
	end()
	ended()
	require.Less(t, time.Since(begin), 2*time.Second)
}
