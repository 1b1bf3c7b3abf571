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

// pageSize is how many documents are read at once: a list that somebody takes his time over must not hold up writers.
const pageSize = 256

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

func (f *boltFile) list(ctx context.Context, accountID string) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		var group []Document // of one account
		flush := func() bool {
			slices.SortFunc(group, newestFirst)
			for _, d := range group {
				if !yield(d, nil) {
					return false
				}
			}
			group = nil
			return true
		}
		err := f.pages(ctx, accountID, func(docs []Document) error {
			for _, d := range docs {
				if len(group) > 0 && group[0].AccountID != d.AccountID && !flush() {
					return errEnough
				}
				group = append(group, d)
			}
			return nil
		})
		switch {
		case err == nil:
			flush()
		case !errors.Is(err, errEnough):
			yield(Document{}, err)
		}
	}
}

// errEnough ends a list early.
var errEnough = errors.New("enough")

// pages gives take the documents of one account, or of all, page by page and outside any transaction. Those of one
// account stand together.
func (f *boltFile) pages(ctx context.Context, accountID string, take func([]Document) error) error {
	prefix := []byte(strings.Join([]string{accountEntity, idIndex, ""}, partMark))
	if accountID != "" {
		prefix = []byte(accountCursor(accountID).parent())
	}
	for after := prefix; after != nil; {
		var docs []Document
		err := f.run(ctx, false, func(b *bolt.Bucket) (err error) {
			docs, after, err = f.page(b, after, prefix)
			return err
		})
		if err == nil {
			err = take(docs)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// page reads the documents from a key on, and returns the key the next page begins with; nil after the last.
func (f *boltFile) page(b *bolt.Bucket, from, prefix []byte) (docs []Document, next []byte, err error) {
	c := b.Cursor()
	for k, text := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, text = c.Next() {
		if len(docs) == pageSize {
			return docs, bytes.Clone(k), nil
		}
		d, err := f.read(text)
		if err != nil {
			return nil, nil, err
		}
		docs = append(docs, d)
	}
	return docs, nil, nil
}

func (f *boltFile) drop(ctx context.Context, before time.Time) error {
	return f.pages(ctx, "", func(docs []Document) error {
		ended := slices.DeleteFunc(docs, func(d Document) bool { return !d.endsAt.Before(before) })
		if len(ended) == 0 {
			return nil
		}
		return f.run(ctx, true, func(b *bolt.Bucket) error { return f.dropSome(b, ended, before) })
	})
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
