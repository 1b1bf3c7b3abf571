package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write replaces the file by what f holds now, whole or not at all: a reader sees the old file or the new one, also
// after a crash. Mode and owner stay those of the old file.
func (f *KeyFile) Write() error { return f.write(false) }

// write puts the lines into a file beside the real one and moves it there. With fresh set the real one must not exist.
func (f *KeyFile) write(fresh bool) (err error) {
	dir := filepath.Dir(f.path)
	temp, err := os.CreateTemp(dir, ".sessionward-keys-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keys: %s: %w", f.path, pathCause(err))
	}
	defer func() {
		if gone := os.Remove(temp.Name()); err == nil && gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = fmt.Errorf("keys: %s: a copy is left at %s: %w", f.path, temp.Name(), pathCause(gone))
		}
	}()
	if err := errors.Join(f.fill(temp, fresh), temp.Close()); err != nil {
		return fmt.Errorf("keys: %s: write: %w", f.path, err)
	}
	move := os.Rename
	if fresh {
		move = os.Link // fails when the file is there, where Rename would replace it
	}
	if err := move(temp.Name(), f.path); err != nil {
		return fmt.Errorf("keys: %s: %w", f.path, pathCause(err))
	}
	return syncDir(dir)
}

func (f *KeyFile) fill(temp *os.File, fresh bool) error {
	var text bytes.Buffer
	for _, l := range f.lines {
		text.WriteString(l.text() + "\n")
	}
	if _, err := temp.Write(text.Bytes()); err != nil {
		return err
	}
	if !fresh {
		if err := keepOwner(temp, f.path); err != nil {
			return err
		}
	}
	return temp.Sync()
}

// pathCause takes operation and paths out of errors of the os package; the caller names the path people know.
func pathCause(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
