package password

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
)

// FileCheckEvery is how often a File is looked at, at most.
const FileCheckEvery = time.Second

// maxFile bounds a file, in bytes.
const maxFile = 16 << 20

// FileOptions describe a file of users. All fields are set.
type FileOptions[T any] struct {
	// Setting is the key the file is configured by: errors begin with it.
	Setting string
	Path    string
	// Read makes sense of the file's text. Its errors show nothing of it.
	Read func(text []byte) (T, error)
	// Count is how many users there are, for the log.
	Count func(T) int
	Now   func() time.Time
	Log   *slog.Logger
}

// File is a file of users as it last made sense. It is read again when it changes; one that cannot be read leaves the
// users as they were.
type File[T any] struct {
	o FileOptions[T]

	mu       sync.Mutex
	users    T
	lookedAt time.Time
	seen     os.FileInfo // of the file users come from
	err      error       // why the file was not taken when it was last looked at
}

// OpenFile reads the file for the first time, when it has to be right.
func OpenFile[T any](o FileOptions[T]) (*File[T], error) {
	f := &File[T]{o: o, lookedAt: o.Now()}
	return f, f.reload()
}

// Current returns the users, from the file if it has changed since it was last looked at.
func (f *File[T]) Current() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since := f.o.Now().Sub(f.lookedAt); since >= 0 && since < FileCheckEvery {
		return f.users
	}
	f.lookedAt = f.o.Now()
	err := f.reload()
	if err != nil {
		if f.err == nil {
			f.o.Log.Error("file of users not taken: they stay as they were", slog.Any("error", err))
		}
		err = fmt.Errorf("%w: %w", session.ErrUnavailable, err)
	}
	f.err = err
	return f.users
}

// Health returns why the file was not taken, nil when it was.
func (f *File[T]) Health() error {
	f.Current()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// reload reads the file if it is another one than before. f.mu is held.
func (f *File[T]) reload() error {
	now, err := os.Stat(f.o.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", f.o.Setting, err)
	}
	if f.seen != nil && os.SameFile(now, f.seen) && now.ModTime().Equal(f.seen.ModTime()) && now.Size() == f.seen.Size() {
		return nil
	}
	text, err := f.text(now)
	if err != nil {
		return fmt.Errorf("%s: %w", f.o.Setting, err)
	}
	users, err := f.o.Read(text)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", f.o.Setting, f.o.Path, err)
	}
	f.seen, f.users = now, users
	f.o.Log.Info("file of users read", slog.Int("users", f.o.Count(users)))
	return nil
}

// text reads a regular file: a pipe could keep everybody waiting.
func (f *File[T]) text(info os.FileInfo) ([]byte, error) {
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s: is no file of at most %d bytes: %w", f.o.Path, maxFile, session.ErrMalformed)
	}
	file, err := os.Open(f.o.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxFile))
}
