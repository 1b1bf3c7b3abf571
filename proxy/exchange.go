package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// exchange is one request on its way to the upstream and its reply on the way back. It is the context of the outgoing
// request, so that every step finds it and any of them can end it.
type exchange struct {
	context.Context
	cancel context.CancelCauseFunc

	in       *http.Request
	passage  Passage
	target   url.URL
	identity http.Header
	reply    reply
	body     *body // nil when the request has none

	watching  bool           // a goroutine waits for the session's end
	watchers  sync.WaitGroup // that goroutine
	streaming atomic.Bool    // the reply has begun and has no end of its own
}

// exchangeKey finds the exchange in contexts derived from it.
type exchangeKey struct{}

func newExchange(w http.ResponseWriter, r *http.Request, p Passage) *exchange {
	x := &exchange{in: r, passage: p, identity: make(http.Header, 8)}
	x.reply.ResponseWriter = w
	return x
}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// Value implements context.Context.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

// begin starts the exchange and returns the request to forward. The upstream has stall to take each piece of the body.
// A body without a length is a stream, and ends with the session like one.
func (x *exchange) begin(stall time.Duration) *http.Request {
	x.Context, x.cancel = context.WithCancelCause(x.in.Context())
	x.reply.begin(x.cancel)
	r := x.in.WithContext(x)
	if x.in.ContentLength != 0 && x.in.Body != nil {
		// Without it an HTTP/1 server stops reading the body as soon as the reply begins. A writer that knows no such
		// mode needs none.
		_ = http.NewResponseController(x.reply.ResponseWriter).EnableFullDuplex()
		x.body = &body{ReadCloser: x.in.Body, timeout: stall, cancel: x.cancel, from: x.in.Trailer}
		r.Body = x.body
	}
	if x.in.ContentLength < 0 {
		x.watchEnd()
	}
	return r
}

// end releases everything the exchange holds. Nothing of it runs on.
func (x *exchange) end() {
	x.cancel(nil)
	if x.body != nil {
		x.body.release()
	}
	x.watchers.Wait()
}

// leave ends the connection with a reply that has begun although the client's body turned out broken. In full duplex
// net/http drops the error that the rest of a body ends with, and would read what follows it as the next request; a
// proxy in front that sees the body's end elsewhere could be made to send somebody else's request there. Each request
// of HTTP/2 has a stream of its own.
func (x *exchange) leave() {
	if x.body == nil || x.in.ProtoMajor != 1 || x.reply.hijacked || !x.body.broken() || x.reply.Header().Get("Connection") == "close" {
		return
	}
	_ = http.NewResponseController(x.reply.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// watchEnd breaks the exchange off when the session ends.
func (x *exchange) watchEnd() {
	if x.passage.Watch == nil || x.watching {
		return
	}
	x.watching = true
	ended, release := x.passage.Watch()
	x.watchers.Go(func() {
		defer release()
		select {
		case <-ended:
			x.breakOff()
		case <-x.Done():
		}
	})
}

// breakOff ends the exchange, even where the client neither sends nor reads: the transport waits for a read of its
// body, and a write to it may never return, but for a deadline that has passed. Until a stream is under way the client
// is still owed an answer. A writer that knows no deadlines is broken off by the canceled context alone.
func (x *exchange) breakOff() {
	x.cancel(errSessionEnded)
	c := http.NewResponseController(x.reply.ResponseWriter)
	past := time.Unix(1, 0)
	_ = c.SetReadDeadline(past)
	if x.streaming.Load() {
		_ = c.SetWriteDeadline(past)
	}
}

// beginStream marks the reply as one that only the session's end may end, and reports errSessionEnded when that has
// come already. breakOff cancels first and then looks at the mark; here it is the other way round.
func (x *exchange) beginStream() error {
	x.streaming.Store(true)
	x.watchEnd()
	if x.sessionEnded() {
		return errSessionEnded
	}
	return nil
}

func (x *exchange) sessionEnded() bool {
	return errors.Is(context.Cause(x), errSessionEnded)
}
