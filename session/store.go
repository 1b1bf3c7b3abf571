package session

import (
	"context"
	"iter"
	"time"
)

// Record is what a store keeps: bytes it never interprets, the terms to find them by, when they may be forgotten,
// and a version that changes with every write.
type Record struct {
	Data []byte
	// Terms are the index terms ("user:…", "sid:…", "handle:…") Find answers to. Written with the record, whole.
	Terms []string
	// ExpiresAt is when the store may drop the record; zero: never. A record past it is not found.
	ExpiresAt time.Time
	// Version is 1 after the first write and grows by 1 with each. Get sets it; Swap compares it.
	Version uint64
}

// Store keeps records by key. It never interprets Data, never shares memory with its caller in either direction, and
// is safe for concurrent use. A write that returned nil survives a crash of the process where the store is
// persistent. All failures other than those named are ErrUnavailable.
type Store interface {
	// Get returns the record, ErrNotFound when there is none or it has expired.
	Get(ctx context.Context, key string) (Record, error)
	// Swap writes r if r.Version is the current version (0: the key is absent or expired), and returns the new
	// version. ErrConflict otherwise. It is the only way to write.
	Swap(ctx context.Context, key string, r Record) (version uint64, err error)
	// Delete removes the record. Deleting what is not there is not an error.
	Delete(ctx context.Context, key string) error
	// Find yields the keys of unexpired records that carry term, those of all records for the term "", in ascending
	// order, beginning after the key `after` ("" for all). It ends with the first error, which is the last pair yielded.
	Find(ctx context.Context, term, after string) iter.Seq2[string, error]
	// Close releases what the store holds. Every call after it returns ErrUnavailable.
	Close() error
}

// Sweeper is a store that needs to be told to drop expired records. Sweep removes at most limit of them and reports
// how many it removed.
type Sweeper interface {
	Store
	Sweep(ctx context.Context, limit int) (int, error)
}
