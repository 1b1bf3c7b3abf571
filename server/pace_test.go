package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	shortPause = 50 * time.Millisecond
	patience   = 10 * time.Second // for what happens at once when the code is right
)

// pacedServer serves h with a short pause on a plain connection, and returns a client's end of one.
func pacedServer(t *testing.T, h http.HandlerFunc) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	s := httptest.NewUnstartedServer(paced(h, shortPause))
	s.Listener = pacedListener{Listener: s.Listener, pause: shortPause}
	s.Start()
	t.Cleanup(s.Close)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return c.(*net.TCPConn), bufio.NewReader(c)
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
}

// TestRejectStalledBody (R-17, S-109): a client that stops in the middle of a body loses its connection, whoever reads
// the body: a handler, one that answers without reading it, and one that closes it unread.
func TestRejectStalledBody(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"read":     func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) },
		"not read": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"closed":   func(_ http.ResponseWriter, r *http.Request) { _ = r.Body.Close() },
		"duplex":   func(w http.ResponseWriter, r *http.Request) { duplex(w); _, _ = io.Copy(io.Discard, r.Body) },
		"early":    func(w http.ResponseWriter, _ *http.Request) { duplex(w); _, _ = io.WriteString(w, "x") },
		"early read": func(w http.ResponseWriter, r *http.Request) {
			duplex(w)
			_, _ = io.WriteString(w, "x")
			_ = r.Body.Close()
		},
	} {
		for _, framing := range []string{"Content-Length: 1000\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"} {
			t.Run(name+" "+framing[:7], func(t *testing.T) {
				c, r := pacedServer(t, h)
				say(t, c, "POST / HTTP/1.1\r\nHost: app.example\r\n"+framing)
				_, err := io.Copy(io.Discard, r) // until the server closes the connection
				require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
			})
		}
	}
}

func duplex(w http.ResponseWriter) { _ = http.NewResponseController(w).EnableFullDuplex() }

// TestSlowBodyIsServed: the limit is for the pause, not for the whole.
func TestSlowBodyIsServed(t *testing.T) {
	const pieces = 8
	c, r := pacedServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	say(t, c, "POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 8\r\n\r\n")
	for range pieces {
		<-time.After(shortPause / 4) // together twice the pause
		say(t, c, "x")
	}
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("x", pieces), string(body))
}

// TestConversationMayBeSilent: once the reply has begun, body and reply may pause; and the connection serves the next
// request after one with a body.
func TestConversationMayBeSilent(t *testing.T) {
	c, r := pacedServer(t, func(w http.ResponseWriter, r *http.Request) {
		duplex(w)
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(w, r.Body)
	})
	for range 2 {
		say(t, c, "POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 2\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		<-time.After(3 * shortPause)
		say(t, c, "hi")
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, "hi", string(body))
		<-time.After(3 * shortPause)
	}
}

// TestLongRequestOutlivesItsBody: the end of a body ends its limit; what the handler does then may take long.
func TestLongRequestOutlivesItsBody(t *testing.T) {
	c, r := pacedServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(3 * shortPause):
		case <-r.Context().Done():
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	say(t, c, "POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 1\r\n\r\nx")
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
}

// TestRejectClientThatDoesNotRead: what nobody takes is not held for ever.
func TestRejectClientThatDoesNotRead(t *testing.T) {
	gaveUp := make(chan error, 1)
	c, _ := pacedServer(t, func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 1<<20)
		for {
			if _, err := w.Write(piece); err != nil {
				gaveUp <- err
				return
			}
		}
	})
	require.NoError(t, c.SetReadBuffer(4<<10))
	say(t, c, "GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
	select {
	case err := <-gaveUp:
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	case <-time.After(patience):
		t.Fatal("the handler still waits for its client")
	}
}

// TestPacedConnKeepsEarlierDeadline: a deadline that has passed stays, or a stream that was to end would go on.
func TestPacedConnKeepsEarlierDeadline(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _, _ = ours.Close(), theirs.Close() }()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	c := &pacedConn{Conn: ours, pause: time.Minute}
	require.NoError(t, c.SetWriteDeadline(time.Unix(1, 0)))
	_, err := c.Write([]byte("x"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetDeadline(time.Time{}))
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
}
