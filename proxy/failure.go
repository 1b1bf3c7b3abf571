package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
)

// handleError turns what went wrong before the reply began into an Error for the one who answers. The request passed
// on is the client's, not the one with the identity headers.
func (p *Proxy) handleError(_ http.ResponseWriter, out *http.Request, err error) {
	x := exchangeOf(out.Context())
	if x.reply.hijacked {
		return // the connection is closed by whoever took it
	}
	failure := p.classify(x, err)
	if failure == nil {
		panic(http.ErrAbortHandler) // the client has gone, or can no longer be told: an empty 200 would be a lie
	}
	h := x.reply.Header() // puts back what a 1xx reply has cleared
	if x.body != nil && x.in.ProtoMajor == 1 && x.body.unread() {
		h.Set("Connection", "close") // see leave
	}
	p.refuse(x.reply.ResponseWriter, x.in, failure)
}

// classify finds the side that failed. nil when it was the client that went away, or broke its body off: net/http
// cancels the request's context on every failed read of its connection, a read deadline among them.
func (p *Proxy) classify(x *exchange, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	cause := context.Cause(x)
	switch {
	case errors.Is(cause, errSessionEnded):
		return p.fail(SessionEnded, errSessionEnded)
	case errors.Is(cause, errStalled):
		return p.fail(UpstreamTimeout, errStalled)
	case errors.Is(cause, errInformational):
		return p.fail(UpstreamFailed, errInformational)
	case errors.Is(cause, context.DeadlineExceeded):
		return p.fail(UpstreamTimeout, cause) // a deadline the caller has set
	case cause != nil:
		return nil
	}
	if x.body != nil {
		if reason, cause := x.body.failure(); cause != nil {
			return p.fail(reason, cause)
		}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return p.fail(UpstreamTimeout, err)
	}
	return p.fail(UpstreamFailed, err)
}
