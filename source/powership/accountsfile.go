package powership

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
)

// lookEvery is how often the accounts file is looked at, at most.
const lookEvery = time.Second

// accountsFile is the file as it last made sense. A file that cannot be read leaves the accounts as they were.
type accountsFile struct {
	path string
	now  func() time.Time
	log  *slog.Logger

	mu       sync.Mutex
	accounts *accounts
	lookedAt time.Time
	seen     os.FileInfo // of the file accounts come from
	err      error       // why the file was not taken when it was last looked at
}

// openAccounts reads the file for the first time, when it has to be right.
func openAccounts(path string, now func() time.Time, log *slog.Logger) (*accountsFile, error) {
	f := &accountsFile{path: path, now: now, log: log, lookedAt: now()}
	return f, f.reload()
}

// current returns the accounts, from the file if it has changed since it was last looked at.
func (f *accountsFile) current() *accounts {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since := f.now().Sub(f.lookedAt); since >= 0 && since < lookEvery {
		return f.accounts
	}
	f.lookedAt = f.now()
	err := f.reload()
	if err != nil {
		if f.err == nil {
			f.log.Error("accounts file not taken: the accounts stay as they were", slog.Any("error", err))
		}
		err = fmt.Errorf("%w: %w", session.ErrUnavailable, err)
	}
	f.err = err
	return f.accounts
}

// reload reads the file if it is another one than before. f.mu is held.
func (f *accountsFile) reload() error {
	now, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("accounts_file: %w", err)
	}
	if f.seen != nil && os.SameFile(now, f.seen) && now.ModTime().Equal(f.seen.ModTime()) && now.Size() == f.seen.Size() {
		return nil
	}
	text, err := readRegular(f.path, now)
	if err != nil {
		return err
	}
	list, err := readAccounts(text)
	if err != nil {
		return fmt.Errorf("accounts_file: %s: %w", f.path, err)
	}
	f.seen, f.accounts = now, list
	f.log.Info("accounts file read", slog.Int("accounts", len(list.byCursor)))
	return nil
}

// readRegular reads a file that is one: a pipe could keep everybody waiting.
func readRegular(path string, info os.FileInfo) ([]byte, error) {
	if !info.Mode().IsRegular() || info.Size() > maxAccountsFile {
		return nil, fmt.Errorf("accounts_file: %s: is no file of at most %d bytes: %w", path, maxAccountsFile, session.ErrMalformed)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("accounts_file: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxAccountsFile))
	if err != nil {
		return nil, fmt.Errorf("accounts_file: %w", err)
	}
	return text, nil
}

// health returns why the file was not taken, nil when it was.
func (f *accountsFile) health() error {
	f.current()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
