package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// body is a client's body on its way to the upstream. It notices which of the two sides fails: an error of Read or
// Close is the client's, and an upstream that asks for no more within timeout has stalled, which no timeout of the
// transport sees before the whole body is sent.
type body struct {
	io.ReadCloser
	timeout  time.Duration
	cancel   context.CancelCauseFunc
	from, to http.Header // the client's trailers, and those the upstream was told of

	mu       sync.Mutex
	timer    *time.Timer
	released bool
	ended    bool // read to its end
	err      error
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.pause()
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
		b.watch()
	case errors.Is(err, io.EOF):
		b.copyTrailers()
		b.finish()
	default:
		b.fail(err)
	}
	return n, err
}

// Close implements io.Closer. net/http reads what is left of the body then; nobody else looks at how that ends.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	if err != nil {
		b.fail(err)
	}
	return err
}

// pause stops the clock while the client is waited for.
func (b *body) pause() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
	}
}

// watch starts the clock while the upstream is waited for.
func (b *body) watch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.released:
	case b.timer == nil:
		b.timer = time.AfterFunc(b.timeout, b.stalled)
	default:
		b.timer.Reset(b.timeout)
	}
}

func (b *body) stalled() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.released {
		b.cancel(errStalled)
	}
}

// release stops the clock for good: once the upstream replies it need not take the rest of the body.
func (b *body) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released = true
	if b.timer != nil {
		b.timer.Stop()
	}
}

// fail keeps the first failure: what comes after it follows from it. A read after Close says nothing about the client.
func (b *body) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil && !errors.Is(err, http.ErrBodyReadAfterClose) {
		b.err = err
	}
}

func (b *body) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

// unread reports whether the end of the body has not been seen.
func (b *body) unread() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.ended
}

// broken reports whether the body has no proper end: nobody knows where its bytes stop and the next request begins.
func (b *body) broken() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err != nil
}

// failure returns the reason for which the client's body could not be read, "" when it could.
func (b *body) failure() (Reason, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		return "", nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](b.err); ok {
		return BodyTooLarge, b.err
	}
	return BodyMalformed, b.err
}

// copyTrailers passes the values of the announced trailers on. net/http fills the client's before it reports the end
// of the body, and sends the upstream's after it.
func (b *body) copyTrailers() {
	for name := range b.to {
		b.to[name] = slices.Clone(b.from[name])
	}
}
