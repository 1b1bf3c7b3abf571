package source

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
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

	mu       sync.Mutex
	users    *passwords
	lookedAt time.Time
	seen     os.FileInfo // of the file users come from
	err      error       // why the file was not taken when it was last looked at
}

// openPasswordFile reads the file for the first time, when it has to be right.
func openPasswordFile(path string, now func() time.Time, log *slog.Logger) (*passwordFile, error) {
	f := &passwordFile{path: path, now: now, log: log, lookedAt: now()}
	return f, f.reload()
}

// current returns the users, from the file if it has changed since it was last looked at.
func (f *passwordFile) current() *passwords {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since := f.now().Sub(f.lookedAt); since >= 0 && since < checkFileEvery {
		return f.users
	}
	f.lookedAt = f.now()
	err := f.reload()
	if err != nil {
		if f.err == nil {
			f.log.Error("password file not taken: the users stay as they were", slog.Any("error", err))
		}
		err = fmt.Errorf("%w: %w", session.ErrUnavailable, err)
	}
	f.err = err
	return f.users
}

// reload reads the file if it is another one than before. f.mu is held.
func (f *passwordFile) reload() error {
	now, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("htpasswd_file: %w", err)
	}
	if f.seen != nil && os.SameFile(now, f.seen) && now.ModTime().Equal(f.seen.ModTime()) && now.Size() == f.seen.Size() {
		return nil
	}
	users, err := readPasswordFile(f.path)
	if err != nil {
		return err
	}
	f.seen, f.users = now, users
	f.log.Info("password file read", slog.Int("users", len(users.hash)))
	return nil
}

func readPasswordFile(path string) (*passwords, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("htpasswd_file: %w", err)
	}
	defer func() { _ = file.Close() }()
	p, err := readPasswords(io.LimitReader(file, maxHtpasswd))
	if err != nil {
		return nil, fmt.Errorf("htpasswd_file: %s: %w", path, err)
	}
	return p, nil
}

// health returns why the file was not taken, nil when it was.
func (f *passwordFile) health() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
