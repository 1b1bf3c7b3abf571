package source

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	coolDown      = 10 * time.Second // between two forced fetches of one document
	maxBackoff    = 4 * time.Second  // before jitter: an authority that is back is noticed within 5 s
	runEvery      = 10 * time.Second // how long run sleeps at most
	maxDocumentRA = time.Minute      // of Retry-After for a document everything else waits for
)

// latest keeps the last good copy of a document an authority publishes. One fetch is under way at a time, apart from
// the callers that wait for it; after a failure the next waits; the last good copy outlives every failure.
type latest[T any] struct {
	fetch   func(ctx context.Context) (doc T, believe time.Duration, err error) // believe: how long doc holds
	now     func() time.Time
	timeout time.Duration
	changed func(err error) // told when fetching begins to fail or works again; may be nil

	mu       sync.Mutex
	doc      T
	have     bool
	goodAt   time.Time
	believe  time.Duration
	err      error // of the last attempt
	failures int   // in a row
	nextAt   time.Time
	forcedAt time.Time
	flight   *flight
}

// flight is one fetch under way.
type flight struct {
	done   chan struct{}
	cancel context.CancelFunc
}

func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return authority.GaveUp(ctx)
	}
}

// get returns the document. It waits for a fetch only when there is no copy, or when the copy has outlived its time
// and the authority was not known to be down.
func (l *latest[T]) get(ctx context.Context) (T, error) {
	if f, wait := l.look(); wait {
		if err := f.wait(ctx); err != nil {
			var none T
			return none, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.have {
		return l.doc, l.refusal()
	}
	return l.doc, nil
}

// look begins a fetch when the copy nears its end or the last attempt failed, and says whether a caller has to wait for it.
func (l *latest[T]) look() (f *flight, wait bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	age := l.now().Sub(l.goodAt)
	expired := !l.have || age < 0 || age >= l.believe
	if !expired && age < l.believe-l.believe/5 && l.failures == 0 {
		return nil, false
	}
	f = l.begin()
	return f, f != nil && (!l.have || expired && l.failures == 0)
}

// force asks again because the copy lacks something, at most once per coolDown whatever the outcome, and returns the
// newest copy; an error when the last attempt failed, because then nobody knows.
func (l *latest[T]) force(ctx context.Context) (T, error) {
	if f := l.beginForced(); f != nil {
		if err := f.wait(ctx); err != nil {
			var none T
			return none, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.doc, l.refusal()
	}
	return l.doc, nil
}

func (l *latest[T]) beginForced() *flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flight != nil {
		return l.flight
	}
	since := l.now().Sub(l.forcedAt)
	if !l.forcedAt.IsZero() && since >= 0 && since < coolDown {
		return nil
	}
	l.forcedAt = l.now()
	return l.begin()
}

// begin starts a fetch, or returns the one under way, or nil while the last failure forbids another. l.mu is held.
func (l *latest[T]) begin() *flight {
	if l.flight != nil {
		return l.flight
	}
	if left := l.nextAt.Sub(l.now()); l.failures > 0 && left > 0 && left <= maxDocumentRA {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	f := &flight{done: make(chan struct{}), cancel: cancel}
	l.flight = f
	go func() {
		defer close(f.done)
		defer cancel()
		doc, believe, err := l.guarded(ctx)
		l.settle(doc, believe, err)
	}()
	return f
}

// guarded is fetch, with a panic in it as a failure: no visitor's guard is around it, and a document that trips a parser
// must not end the process. The value of a panic may quote the document and is left out.
func (l *latest[T]) guarded(ctx context.Context) (doc T, believe time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = authority.Unavailable(fmt.Sprintf("reading the document failed (panic of type %T)", p))
		}
	}()
	return l.fetch(ctx)
}

// settle takes the outcome of a fetch.
func (l *latest[T]) settle(doc T, believe time.Duration, err error) {
	if l.take(doc, believe, err) && l.changed != nil {
		l.changed(err)
	}
}

// take reports whether the outcome is of another kind than the one before.
func (l *latest[T]) take(doc T, believe time.Duration, err error) (changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed = (err == nil) != (l.err == nil)
	l.flight, l.err = nil, err
	if err == nil {
		l.doc, l.have, l.goodAt, l.believe, l.failures = doc, true, l.now(), believe, 0
		return changed
	}
	l.failures++
	wait := min(time.Second<<min(l.failures-1, 8), maxBackoff)
	wait += time.Duration(rand.Int64N(int64(wait) / 4))
	l.nextAt = l.now().Add(max(wait, min(session.RetryAfter(err), maxDocumentRA)))
	return changed
}

// logChanges tells log when an authority's document can no longer be had, and when it can again.
func logChanges(log *slog.Logger, document string) func(error) {
	return func(err error) {
		if err != nil {
			log.Warn("authority cannot be asked", slog.String("document", document), slog.Any("error", err))
			return
		}
		log.Info("authority can be asked again", slog.String("document", document))
	}
}

// refusal is the last error with the time after which asking again makes sense. l.mu is held.
func (l *latest[T]) refusal() error {
	if l.err == nil {
		return authority.Unavailable("not asked yet")
	}
	return session.WithRetryAfter(l.err, max(l.nextAt.Sub(l.now()), time.Second))
}

// health returns why the last attempt failed, nil when it did not.
func (l *latest[T]) health() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// run fetches the document and keeps it fresh until ctx ends, then ends the fetch under way and waits for it.
func (l *latest[T]) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			l.stop()
			return
		case <-timer.C:
		}
		if f, _ := l.look(); f != nil {
			_ = f.wait(ctx)
		}
		timer.Reset(min(l.dueIn(), runEvery)) // a fetch that somebody forced may fail meanwhile
	}
}

// dueIn is how long until the next fetch is due.
func (l *latest[T]) dueIn() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.goodAt.Add(l.believe - l.believe/5)
	if l.failures > 0 {
		at = l.nextAt
	}
	return max(at.Sub(l.now()), 100*time.Millisecond)
}

func (l *latest[T]) stop() {
	l.mu.Lock()
	f := l.flight
	l.mu.Unlock()
	if f != nil {
		f.cancel()
		<-f.done
	}
}
