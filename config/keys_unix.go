//go:build unix

package config

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// modesMatter says that file modes keep other users out.
const modesMatter = true

// keepOwner gives temp the mode and owner of the file at path, so that a key rotated by root is still the gateway's.
func keepOwner(temp *os.File, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := temp.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() && int(owner.Gid) == os.Getegid() {
		return nil
	}
	return temp.Chown(int(owner.Uid), int(owner.Gid))
}

// syncDir makes the move of a file in dir survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
