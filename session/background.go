package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
)

// background owns the goroutines of its holder: none starts once close was called, and close returns when all have
// ended. A panic in one of them is logged and ends only that one.
type background struct {
	log     *slog.Logger
	mu      sync.Mutex
	closed  bool
	working sync.WaitGroup
	stopped chan struct{} // closed when close begins
}

func newBackground(log *slog.Logger) *background {
	return &background{log: log, stopped: make(chan struct{})}
}

// begin counts the caller's work as under way until it calls end. It is false once close was called.
func (b *background) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.working.Add(1)
	}
	return !b.closed
}

func (b *background) end() { b.working.Done() }

// run calls f in a goroutine of its own; false, and nothing done, once close was called.
func (b *background) run(ctx context.Context, doing string, f func()) bool {
	if !b.begin() {
		return false
	}
	go func() {
		defer b.end()
		_ = guarded(ctx, b.log, doing, func() error { f(); return nil })
	}()
	return true
}

// close stops new work and waits for what is under way. It may be called more than once.
func (b *background) close() {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.stopped)
	}
	b.mu.Unlock()
	b.working.Wait()
}

var errClosing = fmt.Errorf("shutting down: %w", ErrUnavailable)

// guarded calls f and turns a panic in it into ErrUnavailable: one broken source must not take the process down, and
// its bug is no denial. The value of a panic may hold secrets, so that only the runtime's own panics are logged by
// value.
func guarded(ctx context.Context, log *slog.Logger, doing string, f func() error) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		what := fmt.Sprintf("%T", p)
		if re, ok := p.(runtime.Error); ok {
			what = re.Error()
		}
		log.ErrorContext(ctx, "panic while "+doing, "panic", what, "stack", string(debug.Stack()))
		err = fmt.Errorf("panic while %s: %w", doing, ErrUnavailable)
	}()
	return f()
}

// answerOf keeps to the classes in which an authority may answer a question or a renewal. Anything else is a bug or a
// garbled reply: unknown, and not a denial. What claims to be unavailable and
// anything else is unavailable.
func answerOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUnavailable):
		if !errors.Is(err, ErrRejected) && !errors.Is(err, ErrInsufficient) {
			return err
		}
	case errors.Is(err, ErrRejected), errors.Is(err, ErrTooMany), errors.Is(err, ErrInsufficient):
		return err
	}
	return WithRetryAfter(fmt.Errorf("%w: %v", ErrUnavailable, err), RetryAfter(err))
}
