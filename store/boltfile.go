package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/sessionward/sessionward/session"
)

// BoltOptions sets up the store of kind "bolt". The zero value is ready to use.
type BoltOptions struct {
	// Path is the file, made with mode 0600 when there is none; its directory must be there. A relative path is
	// relative to the working directory. Empty: "sessionward.db".
	Path string `yaml:"path,omitempty"`
	// Timeout is how long opening waits for another process to let go of the file. Zero: 1 s.
	Timeout time.Duration `yaml:"timeout,omitempty"`
}

const (
	defaultPath    = "sessionward.db"
	defaultTimeout = time.Second
	// schema is the number of the layout this program writes. A higher one comes from a newer program.
	schema = 1
)

// Validate reports what is wrong with o without touching the file. A nil o is right.
func (o *BoltOptions) Validate() error {
	if o == nil {
		return nil
	}
	var errs []error
	if strings.ContainsRune(o.Path, 0) {
		errs = append(errs, fmt.Errorf("store.bolt.path: %q holds a NUL byte: give the path of a file", o.Path))
	}
	if o.Timeout < 0 {
		errs = append(errs, fmt.Errorf("store.bolt.timeout: %s is negative: give how long to wait for the file, or leave it out for %s",
			o.Timeout, defaultTimeout))
	}
	return errors.Join(errs...)
}

// errDamaged is what every failure wraps that only a file with wrong content can cause.
var errDamaged = errors.New("the file is damaged")

// guard runs f and returns what it panics with as errDamaged. bbolt trusts its file: where a page is wrong it panics,
// or reads beyond the end of its memory map. Within a transaction that ends well, as bbolt rolls back. Where it
// begins or commits one it would leave bbolt's locks held, so there the process ends instead, and its next start
// says what is wrong.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return f()
}

// view runs f in a transaction that reads. What f is given must not leave it.
func view(db *bolt.DB, f func(*bolt.Tx) error) error {
	return db.View(func(tx *bolt.Tx) error { return guard(func() error { return f(tx) }) })
}

// update runs f in a transaction that is on the disk when update returns nil.
func update(db *bolt.DB, f func(*bolt.Tx) error) error {
	return db.Update(func(tx *bolt.Tx) error { return guard(func() error { return f(tx) }) })
}

// openFile opens and checks the file. When it is damaged its lock may stay until the process ends.
func openFile(o BoltOptions) (db *bolt.DB, err error) {
	err = guard(func() (err error) {
		db, err = bolt.Open(o.Path, 0o600, &bolt.Options{Timeout: o.Timeout, FreelistType: bolt.FreelistMapType, NoStatistics: true})
		return err
	})
	if err != nil {
		return nil, explain(o, err)
	}
	if err := errors.Join(prepare(db), syncDir(filepath.Dir(o.Path))); err != nil {
		return nil, explain(o, errors.Join(err, db.Close()))
	}
	return db, nil
}

// explain adds to an error of opening what to do about it.
func explain(o BoltOptions, err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("another process has the file (waited %s): stop it, or give this one a file of its own in store.bolt.path: %w: %w",
			o.Timeout, session.ErrUnavailable, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("directory %q is missing: make it, or change store.bolt.path: %w", filepath.Dir(o.Path), err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not permitted: give this user the right to read and write the file and its directory, or change store.bolt.path: %w", err)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, errDamaged):
		return fmt.Errorf("not a session file, or damaged: restore it, or move it away to begin without sessions: %w", err)
	default:
		return err
	}
}

// prepare makes the buckets of a new file and checks the schema of an old one.
func prepare(db *bolt.DB) error {
	isNew := false
	err := view(db, func(tx *bolt.Tx) error {
		if k, _ := tx.Cursor().First(); k == nil {
			isNew = true
			return nil
		}
		return checkSchema(tx)
	})
	if err != nil || !isNew {
		return err
	}
	return update(db, create)
}

func checkSchema(tx *bolt.Tx) error {
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		return fmt.Errorf("%w: it has no bucket %q, so another program made it", errDamaged, metaBucket)
	}
	v := meta.Get([]byte(schemaKey))
	if len(v) != 4 {
		return fmt.Errorf("%w: it names no schema", errDamaged)
	}
	if n := binary.BigEndian.Uint32(v); n > schema {
		return fmt.Errorf("the file has schema %d and this program knows %d: run the newer program that wrote it, or move the file away to begin without sessions", n, schema)
	} else if n < schema {
		return fmt.Errorf("%w: schema %d was never in use", errDamaged, n)
	}
	for _, name := range []string{recordsBucket, termsBucket, expiryBucket} {
		if tx.Bucket([]byte(name)) == nil {
			return fmt.Errorf("%w: bucket %q is missing", errDamaged, name)
		}
	}
	return nil
}

func create(tx *bolt.Tx) error {
	for _, name := range []string{metaBucket, recordsBucket, termsBucket, expiryBucket} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(metaBucket)).Put([]byte(schemaKey), binary.BigEndian.AppendUint32(nil, schema))
}

// syncDir makes the name of a new file survive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
