package store

import (
	"context"
	"errors"
	"runtime"

	bolt "go.etcd.io/bbolt"
)

// A commit costs the disk two flushes, whatever it holds. So one goroutine commits, and takes along whatever waits:
// a lone write is committed at once, and many at once share a commit.
const (
	maxBatch      = 256     // writes of one commit
	maxBatchBytes = 8 << 20 // bytes of one commit, not counting its last write
	lastCalls     = 3       // how often other goroutines get the processor to join before a commit begins
)

var (
	errUnchanged = errors.New("nothing to commit")
	errClosed    = errors.New("store is closed")
)

// write is one change waiting for its commit.
type write struct {
	size int
	// apply makes the change and returns the call's result and whether it changed anything. An error of apply is
	// the call's own; it must come before the first change, or the whole commit fails.
	apply   func(tables) (n uint64, changed bool, err error)
	n       uint64
	err     error
	settled chan struct{} // closed when n and err are final
}

// write hands apply to commitLoop and waits until it is on the disk, ctx ends or the store closes.
func (b *Bolt) write(ctx context.Context, doing string, size int, apply func(tables) (uint64, bool, error)) (uint64, error) {
	if err := b.open(ctx); err != nil {
		return 0, b.unavailable(doing, err)
	}
	w := &write{size: size, apply: apply, settled: make(chan struct{})}
	select {
	case b.writes <- w: // taken: from here on it will be settled
	case <-ctx.Done():
		return 0, b.unavailable(doing, ctx.Err())
	case <-b.stop:
		return 0, b.unavailable(doing, errClosed)
	}
	select {
	case <-w.settled:
		return w.n, b.classed(doing, w.err)
	case <-ctx.Done():
		return 0, b.unavailable(doing, ctx.Err())
	}
}

// open reports why no write may begin. A select alone would choose at random between a goroutine that is ready and a
// context that has ended.
func (b *Bolt) open(ctx context.Context) error {
	select {
	case <-b.stop:
		return errClosed
	default:
		return ctx.Err()
	}
}

// commitLoop commits until Close. It ends only between commits, so whatever it took is settled.
func (b *Bolt) commitLoop() {
	defer close(b.ended)
	for {
		select {
		case w := <-b.writes:
			batch := b.gather(w)
			settle(batch, b.commit(batch))
		case <-b.stop:
			return
		}
	}
}

// gather returns first and whatever else waits to be written.
func (b *Bolt) gather(first *write) []*write {
	batch, size := []*write{first}, first.size
	for calls := 0; len(batch) < maxBatch && size < maxBatchBytes; {
		select {
		case w := <-b.writes:
			batch, size = append(batch, w), size+w.size
			continue
		default:
		}
		if calls++; calls > lastCalls {
			break
		}
		runtime.Gosched()
	}
	return batch
}

// commit applies batch in one transaction. Its error means that nothing of batch happened, or that nobody knows.
func (b *Bolt) commit(batch []*write) error {
	err := update(b.db, func(tx *bolt.Tx) error {
		t, dirty := tablesOf(tx), false
		for _, w := range batch {
			var changed bool
			w.n, changed, w.err = w.apply(t)
			if changed && w.err != nil {
				return w.err
			}
			dirty = dirty || changed
		}
		if !dirty {
			return errUnchanged // conflicts and deletes of what is not there need no disk
		}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// settle tells those who wait. err stands for all of batch: results found in a transaction that failed mean nothing.
func settle(batch []*write, err error) {
	for _, w := range batch {
		if err != nil {
			w.n, w.err = 0, err
		}
		close(w.settled)
	}
}
