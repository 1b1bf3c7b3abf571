package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sessionward/sessionward/session"
)

// Bolt keeps records in one file of this machine. A write that returned nil is on the disk: it survives kill -9 and
// loss of power. One process at a time has the file.
//
// When a call ends with ErrUnavailable because its context ended or the disk failed, a write may still have
// happened; read the record to know. It has not happened when the context had ended before the call.
type Bolt struct {
	path string
	now  func() time.Time
	db   *bolt.DB

	writes   chan *write
	stop     chan struct{} // closed by Close
	ended    chan struct{} // closed when commitLoop has ended
	close    sync.Once
	closeErr error
}

// OpenBolt opens the file, making it when there is none, and starts the goroutine that writes to it. Close ends it.
// The errors name the file and what to do about it.
func OpenBolt(o BoltOptions, d Deps) (*Bolt, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.Path, o.Timeout = cmp.Or(o.Path, defaultPath), cmp.Or(o.Timeout, defaultTimeout)
	db, err := openFile(o)
	if err != nil {
		return nil, fmt.Errorf("bolt %s: open: %w", o.Path, err)
	}
	b := &Bolt{
		path: o.Path, now: d.now(), db: db,
		writes: make(chan *write), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go b.commitLoop()
	return b, nil
}

// unavailable wraps err, which came from the file or the caller's context, in its class.
func (b *Bolt) unavailable(doing string, err error) error {
	return fmt.Errorf("bolt %s: %s: %w: %w", b.path, doing, session.ErrUnavailable, err)
}

// read runs f in a transaction that sees the file as of now. What f is given must not leave it.
func (b *Bolt) read(ctx context.Context, doing string, f func(tables) error) error {
	if err := ctx.Err(); err != nil {
		return b.unavailable(doing, err)
	}
	err := view(b.db, func(tx *bolt.Tx) error { return f(tablesOf(tx)) })
	return b.classed(doing, err)
}

// classed wraps err: what the contract names stays what it is, everything else is unavailable.
func (b *Bolt) classed(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrConflict):
		return fmt.Errorf("bolt %s: %s: %w", b.path, doing, err)
	default:
		return b.unavailable(doing, err)
	}
}

// Get implements session.Store.
func (b *Bolt) Get(ctx context.Context, key string) (session.Record, error) {
	var r session.Record
	err := b.read(ctx, "get", func(t tables) error {
		e, ok, err := t.live(key, b.now())
		if err != nil {
			return err
		}
		if !ok {
			return session.ErrNotFound
		}
		r = session.Record{Data: append([]byte(nil), e.data...), Terms: e.termList(), ExpiresAt: e.expiresAt, Version: e.version}
		return nil
	})
	return r, err
}

// Swap implements session.Store.
func (b *Bolt) Swap(ctx context.Context, key string, r session.Record) (uint64, error) {
	if err := check(key, r); err != nil {
		return 0, fmt.Errorf("bolt %s: swap: %w", b.path, err)
	}
	// Encoded here and not where it is written: the caller may change its memory when ctx ends the wait.
	value, version := encodeRecord(r.ExpiresAt, r.Terms, r.Data), r.Version
	return b.write(ctx, "swap", len(value), func(t tables) (uint64, bool, error) {
		return t.swap(key, value, version, b.now())
	})
}

// Delete implements session.Store.
func (b *Bolt) Delete(ctx context.Context, key string) error {
	_, err := b.write(ctx, "delete", 0, func(t tables) (uint64, bool, error) { return t.delete(key) })
	return err
}

// Find implements session.Store. It sees each page of keys as of one moment; what is written between two pages may be
// missed or met.
func (b *Bolt) Find(ctx context.Context, term, after string) iter.Seq2[string, error] {
	return pages(after, func(after string) (page, error) {
		var p page
		err := b.read(ctx, "find", func(t tables) error {
			p = t.look(term, after, b.now())
			return nil
		})
		return p, err
	})
}

// Sweep implements session.Sweeper. Other writes have their turn while a long sweep runs.
func (b *Bolt) Sweep(ctx context.Context, limit int) (int, error) {
	return inSteps(limit, func(most int) (int, error) {
		n, err := b.write(ctx, "sweep", 0, func(t tables) (uint64, bool, error) { return t.sweep(most, b.now()) })
		return int(n), err
	})
}

// Close implements session.Store. It waits for the commit that is running, refuses the writes that wait, and gives
// the file free. Closing again does nothing.
func (b *Bolt) Close() error {
	b.close.Do(func() {
		close(b.stop)
		<-b.ended
		if err := b.db.Close(); err != nil {
			b.closeErr = b.unavailable("close", err)
		}
	})
	return b.closeErr
}

var _ session.Sweeper = (*Bolt)(nil)
