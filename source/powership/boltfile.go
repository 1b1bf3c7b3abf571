package powership

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sessionward/sessionward/session"
)

// openTimeout is how long another process is waited for to let go of the file.
const openTimeout = time.Second

var sessionsBucket = []byte("sessions")

// errFull keeps out new sessions, not those there are.
var errFull = fmt.Errorf("%w: there is no room for another session: raise max_sessions", session.ErrUnavailable)

// newestFirst sorts by account, then by ULID backwards.
func newestFirst(a, b Document) int {
	if n := strings.Compare(a.AccountID, b.AccountID); n != 0 {
		return n
	}
	return strings.Compare(b.ULID, a.ULID)
}

// boltFile keeps documents in one file of this machine, each under its cursor, so that those of one account stand
// together. The file is opened at first use, for whoever only checks a configuration must not need it, and every write
// that returned is on the disk.
type boltFile struct {
	path string
	most int

	mu sync.Mutex // of db
	db *bolt.DB   // nil until it is used

	count atomic.Int64 // documents in the file
}

func newBoltFile(path string, most int) *boltFile { return &boltFile{path: path, most: most} }

func (f *boltFile) open() (*bolt.DB, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.db != nil {
		return f.db, nil
	}
	db, err := bolt.Open(f.path, 0o600, &bolt.Options{Timeout: openTimeout})
	if err == nil {
		err = db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(sessionsBucket)
			if err == nil {
				f.count.Store(int64(b.Stats().KeyN))
			}
			return err
		})
	}
	if err != nil {
		if db != nil {
			_ = db.Close()
		}
		return nil, fmt.Errorf("%w: store_file %s: %w", session.ErrUnavailable, f.path, err)
	}
	f.db = db
	return db, nil
}

func (f *boltFile) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.db == nil {
		return nil
	}
	err := f.db.Close()
	f.db = nil
	return err
}

// run gives do the bucket, in a transaction that writes or one that only reads.
func (f *boltFile) run(ctx context.Context, write bool, do func(*bolt.Bucket) error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", session.ErrUnavailable, context.Cause(ctx))
	}
	db, err := f.open()
	if err != nil {
		return err
	}
	transaction := db.View
	if write {
		transaction = db.Update
	}
	var own error // of do, which has a class already
	err = transaction(func(tx *bolt.Tx) error {
		own = do(tx.Bucket(sessionsBucket))
		return own
	})
	if err != nil && own == nil {
		return fmt.Errorf("%w: store_file %s: %w", session.ErrUnavailable, f.path, err)
	}
	return own
}

// read decodes what stands in the file; what cannot be read is unavailable, not gone.
func (f *boltFile) read(text []byte) (Document, error) {
	d, err := decodeDocument(text)
	if err != nil {
		return Document{}, fmt.Errorf("%w: store_file %s: holds a session that cannot be read", session.ErrUnavailable, f.path)
	}
	return d, nil
}

func (f *boltFile) put(b *bolt.Bucket, d Document) error {
	text, err := d.encode()
	if err == nil {
		err = b.Put([]byte(d.cursor().String()), text)
	}
	if err != nil {
		return fmt.Errorf("%w: store_file %s: %w", session.ErrUnavailable, f.path, err)
	}
	return nil
}

func (f *boltFile) insert(ctx context.Context, d Document) error {
	if f.count.Load() >= int64(f.most) {
		return errFull
	}
	err := f.run(ctx, true, func(b *bolt.Bucket) error { return f.put(b, d) })
	if err == nil {
		f.count.Add(1)
	}
	return err
}

func (f *boltFile) find(ctx context.Context, c cursor) (d Document, err error) {
	err = f.run(ctx, false, func(b *bolt.Bucket) error {
		text := b.Get([]byte(c.String()))
		if text == nil {
			return SessionNotFound
		}
		d, err = f.read(text)
		return err
	})
	return d, err
}

func (f *boltFile) update(ctx context.Context, c cursor, change func(*Document) error) (d Document, err error) {
	err = f.run(ctx, true, func(b *bolt.Bucket) error {
		text := b.Get([]byte(c.String()))
		if text == nil {
			return SessionNotFound
		}
		if d, err = f.read(text); err != nil {
			return err
		}
		if err = change(&d); err != nil {
			return err
		}
		return f.put(b, d)
	})
	if err != nil {
		return Document{}, err
	}
	return d, nil
}

// page is how many documents are read at once: a list that somebody takes his time over must not hold up writers.
const page = 256

func (f *boltFile) list(ctx context.Context, accountID string) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		all, err := f.all(ctx, accountID)
		if err != nil {
			yield(Document{}, err)
			return
		}
		slices.SortFunc(all, newestFirst)
		for _, d := range all {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// all reads page by page.
func (f *boltFile) all(ctx context.Context, accountID string) ([]Document, error) {
	prefix := []byte(strings.Join([]string{accountEntity, idIndex, ""}, partMark))
	if accountID != "" {
		prefix = []byte(accountCursor(accountID).parent())
	}
	var all []Document
	after := prefix
	for {
		n := 0
		err := f.run(ctx, false, func(b *bolt.Bucket) error {
			c := b.Cursor()
			for k, text := c.Seek(after); k != nil && bytes.HasPrefix(k, prefix) && n < page; k, text = c.Next() {
				d, err := f.read(text)
				if err != nil {
					return err
				}
				all = append(all, d)
				after = append(bytes.Clone(k), 0) // the least key behind k
				n++
			}
			return nil
		})
		if err != nil || n < page {
			return all, err
		}
	}
}

func (f *boltFile) drop(ctx context.Context, before time.Time) error {
	all, err := f.all(ctx, "")
	if err != nil {
		return err
	}
	ended := slices.DeleteFunc(all, func(d Document) bool { return !d.endsAt.Before(before) })
	for chunk := range slices.Chunk(ended, page) {
		if err := f.run(ctx, true, func(b *bolt.Bucket) error { return f.dropSome(b, chunk, before) }); err != nil {
			return err
		}
	}
	return nil
}

// dropSome removes those of chunk that nobody has used meanwhile.
func (f *boltFile) dropSome(b *bolt.Bucket, chunk []Document, before time.Time) error {
	var errs []error
	for _, d := range chunk {
		key := []byte(d.cursor().String())
		now, err := f.read(b.Get(key))
		if err != nil || !now.endsAt.Before(before) {
			continue
		}
		if err := b.Delete(key); err != nil {
			errs = append(errs, fmt.Errorf("%w: store_file %s: %w", session.ErrUnavailable, f.path, err))
			continue
		}
		f.count.Add(-1)
	}
	return errors.Join(errs...)
}

var _ documents = (*boltFile)(nil)
