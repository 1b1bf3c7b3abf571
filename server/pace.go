package server

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// A client that stops in the middle of what it sends or takes holds a connection, a goroutine and often a connection to
// the application. net/http has a limit for the header and one for the whole request, and the second would cut every
// long upload and every stream; so each pause is limited here.
const (
	bodyPause  = 30 * time.Second // between two pieces of a request's body
	writePause = time.Minute      // until the client has taken what one write hands it
)

// paced limits the pauses in the bodies of requests. The limit ends where the reply begins: from then on a body may be
// one half of a conversation, in which either side may be silent. What is left of a body after the reply is limited
// again, because nobody waits for it any more.
func paced(next http.Handler, pause time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 || r.Body == nil {
			next.ServeHTTP(w, r)
			return
		}
		if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
			// net/http drops a Content-Length beside it without a word, and both together must end the connection
			// (RFC 9112 §6.1): whoever went by the length sees another request behind this one.
			w.Header().Set("Connection", "close")
		}
		b := &pacedBody{ReadCloser: r.Body, pause: pause, conn: http.NewResponseController(w)}
		r = r.WithContext(r.Context()) // a copy: net/http looks at its own to see whether all of the body was read
		r.Body = b
		next.ServeHTTP(&pacedReply{ResponseWriter: w, body: b}, r)
		b.leave(w)
	})
}

// pacedBody breaks off a read that waits for too long.
type pacedBody struct {
	io.ReadCloser
	pause time.Duration
	conn  *http.ResponseController

	mu      sync.Mutex
	timer   *time.Timer
	waiting bool // for the client
	replied bool
	ended   bool
	late    bool // broken off
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	b.wait(false)
	n, err := b.ReadCloser.Read(p)
	b.rest(errors.Is(err, io.EOF))
	return n, err
}

// Close implements io.Closer. net/http reads what is left of the body then.
func (b *pacedBody) Close() error {
	b.wait(true)
	defer b.rest(false)
	return b.ReadCloser.Close()
}

// wait starts the clock.
func (b *pacedBody) wait(closing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended || b.replied && !closing {
		return
	}
	b.waiting = true
	if b.timer == nil {
		b.timer = time.AfterFunc(b.pause, b.breakOff)
		return
	}
	b.timer.Reset(b.pause)
}

// rest stops it.
func (b *pacedBody) rest(ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting, b.ended = false, b.ended || ended
	if b.timer != nil {
		b.timer.Stop()
	}
}

func (b *pacedBody) breakOff() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting {
		b.late = true
		_ = b.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// begun notes that the reply has begun.
func (b *pacedBody) begun() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.replied {
		return
	}
	b.replied, b.waiting = true, false
	if b.timer != nil {
		b.timer.Stop()
	}
}

// leave reads what is left of the body, as net/http would to use the connection again, and ends the connection of a
// client that kept us waiting: what it sends later is not a request.
func (b *pacedBody) leave(reply http.ResponseWriter) {
	_ = b.Close()
	b.mu.Lock()
	late := b.late
	b.mu.Unlock()
	if late {
		_ = http.NewResponseController(reply).Flush()
		panic(http.ErrAbortHandler)
	}
}

// pacedReply tells the body when the reply begins.
type pacedReply struct {
	http.ResponseWriter
	body *pacedBody
}

// Unwrap serves http.ResponseController.
func (w *pacedReply) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *pacedReply) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		w.body.begun()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *pacedReply) Write(p []byte) (int, error) {
	w.body.begun()
	return w.ResponseWriter.Write(p)
}

// pacedListener limits how long its connections wait for a client that does not read.
type pacedListener struct {
	net.Listener
	pause time.Duration
}

// Accept implements net.Listener.
func (l pacedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &pacedConn{Conn: c, pause: l.pause}, nil
}

// pacedConn gives each write a deadline of its own, unless somebody has set an earlier one.
type pacedConn struct {
	net.Conn
	pause time.Duration

	mu  sync.Mutex
	set time.Time // by others; zero: none
}

// Write implements net.Conn.
func (c *pacedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	at := time.Now().Add(c.pause)
	if !c.set.IsZero() && c.set.Before(at) {
		at = c.set
	}
	err := c.Conn.SetWriteDeadline(at)
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// SetWriteDeadline implements net.Conn.
func (c *pacedConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set = t
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *pacedConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set = t
	return c.Conn.SetDeadline(t)
}

// CloseWrite lets net/http end a connection without taking back what it has just sent.
func (c *pacedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
