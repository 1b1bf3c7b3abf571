package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

const (
	endsAtOnce        = 128 // of sessions of ours: a store that writes to a disk ends many with one write
	foreignEndsAtOnce = 8   // their authorities are asked, and wait for nobody
)

// RevokeMatching ends all sessions f chooses but the one with the handle keep ("": none is kept) and calls told for each,
// one at a time, in no order. It goes on after a session that could not be ended, and ends early only when the list
// cannot be read, told returns false, or ctx ends; what was begun by then is finished, and nobody is told of it.
func (o *Operations) RevokeMatching(ctx context.Context, f Filter, keep string, why EndReason, told func(Ended, error) bool) error {
	cursor := ""
	for {
		page, err := o.List(ctx, f, cursor, MaxPageSize)
		if err != nil {
			return err
		}
		b := bulk{o: o, why: why, told: told, stop: make(chan struct{})}
		if !b.endAll(ctx, page.Entries, keep) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("ending sessions: %w", errors.Join(ErrUnavailable, context.Cause(ctx)))
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
		o.o.Manager.revocations.ease(ctx)
	}
}

// bulk ends the sessions of one page, many at once.
type bulk struct {
	o    *Operations
	why  EndReason
	told func(Ended, error) bool

	mu      sync.Mutex
	stopped bool
	stop    chan struct{} // closed when nobody wants to be told
}

// endAll returns when all are done; false when told wants no more.
func (b *bulk) endAll(ctx context.Context, entries []Entry, keep string) bool {
	own, foreign := make(chan Entry), make(chan Entry)
	var workers sync.WaitGroup
	workers.Go(func() { b.feed(ctx, entries, keep, false, own) })
	workers.Go(func() { b.feed(ctx, entries, keep, true, foreign) })
	for range min(endsAtOnce, len(entries)) {
		workers.Go(func() { b.work(ctx, own) })
	}
	for range min(foreignEndsAtOnce, len(entries)) {
		workers.Go(func() { b.work(ctx, foreign) })
	}
	workers.Wait()
	return !b.stopped
}

// feed hands out the entries of one kind that are to be ended.
func (b *bulk) feed(ctx context.Context, entries []Entry, keep string, foreign bool, out chan<- Entry) {
	defer close(out)
	for _, e := range entries {
		if !e.Active || e.Foreign != foreign || e.Session.Handle == keep {
			continue
		}
		if ctx.Err() != nil {
			return // a select would choose at random
		}
		select {
		case out <- e:
		case <-ctx.Done():
			return
		case <-b.stop:
			return
		}
	}
}

func (b *bulk) work(ctx context.Context, in <-chan Entry) {
	for e := range in {
		done, err := b.end(ctx, e)
		b.tell(done, err)
	}
}

// end ends one session; a bug of its source ends no others.
func (b *bulk) end(ctx context.Context, e Entry) (done Ended, err error) {
	done.Handle = e.Session.Handle
	err = guarded(ctx, b.o.o.Manager.o.Log, "ending a session", func() (err error) {
		done, err = b.o.end(ctx, e, b.why)
		return err
	})
	return done, err
}

func (b *bulk) tell(done Ended, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped && !b.told(done, err) {
		b.stopped = true
		close(b.stop)
	}
}
