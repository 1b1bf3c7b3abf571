package source

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionward/sessionward/session"
)

// checkFileEvery is how often a password file is looked at, at most.
const checkFileEvery = time.Second

// passwordFile is the htpasswd file as it last made sense. A file that cannot be read leaves the users as they were.
type passwordFile struct {
	path string
	now  func() time.Time
	log  *slog.Logger

	users atomic.Pointer[passwords]

	mu       sync.Mutex
	lookedAt time.Time
	seen     os.FileInfo
	err      error
}

// openPasswordFile reads the file for the first time, when it has to be right.
func openPasswordFile(path string, now func() time.Time, log *slog.Logger) (*passwordFile, error) {
	f := &passwordFile{path: path, now: now, log: log, lookedAt: now()}
	seen, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("htpasswd_file: %w", err)
	}
	users, err := readPasswordFile(path)
	if err != nil {
		return nil, err
	}
	f.seen = seen
	f.users.Store(users)
	return f, nil
}

// current returns the users, from the file if it has changed since it was last looked at.
func (f *passwordFile) current() *passwords {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since := f.now().Sub(f.lookedAt); since >= 0 && since < checkFileEvery {
		return f.users.Load()
	}
	f.lookedAt = f.now()
	if err := f.reload(); err != nil {
		if f.err == nil {
			f.log.Error("password file not taken: the users stay as they were", slog.Any("error", err))
		}
		f.err = fmt.Errorf("%w: %w", session.ErrUnavailable, err)
	}
	return f.users.Load()
}

// reload reads the file if it is another one than before. f.mu is held.
func (f *passwordFile) reload() error {
	now, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("htpasswd_file: %w", err)
	}
	same := f.seen != nil && os.SameFile(now, f.seen) && now.ModTime().Equal(f.seen.ModTime()) && now.Size() == f.seen.Size()
	if same {
		return nil
	}
	users, err := readPasswordFile(f.path)
	if err != nil {
		return err
	}
	f.seen, f.err = now, nil
	f.users.Store(users)
	f.log.Info("password file read again", slog.Int("users", len(users.hash)))
	return nil
}

// health returns why the file was not taken, nil when it was.
func (f *passwordFile) health() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
