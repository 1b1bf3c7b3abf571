package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/sessionward/sessionward/session"
)

// OpenKeys is LoadOrCreateKeys for the key file of c. It makes none beside a store that is there already: new keys open
// nothing in it, and a file that is only mounted late would end every session.
func (c *Config) OpenKeys(now time.Time) (ring *session.KeyRing, created bool, err error) {
	if err := c.CheckKeys(); err != nil {
		return nil, false, err
	}
	return LoadOrCreateKeys(c.KeysFile, now)
}

// CheckKeys refuses a key file that is missing beside a store with sessions, by the existence of both files alone.
// A store in memory needs no keys of yesterday, nor does a file that is still empty.
func (c *Config) CheckKeys() error {
	if _, err := os.Stat(c.KeysFile); !errors.Is(err, fs.ErrNotExist) || c.Store.Bolt == nil {
		return nil
	}
	path := c.Store.Bolt.Path
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("keys: %s is missing, and it is not known whether there is a store: %w", c.KeysFile, fileError(path, err))
	case info.Mode().IsRegular() && info.Size() == 0:
		return nil
	}
	return fmt.Errorf("keys: %s is missing, but the store %s is there and no other key opens its sessions: put the key file back, or remove the store, which ends all sessions: %w",
		c.KeysFile, path, session.ErrMalformed)
}
