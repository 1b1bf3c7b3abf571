package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// ballast is a file beside the store whose removal gives room again.
const ballast = "ballast"

// TestBoltFullTmpfs differs from TestBoltFullDisk in how the disk refuses: growing the file succeeds there, and
// writing into it fails.
func TestBoltFullTmpfs(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	require.NoError(t, os.WriteFile(filepath.Join(dir, ballast), make([]byte, 300_000), 0o600))

	path := filepath.Join(dir, "s.db")
	out, err := child(t, "fill-tmpfs", path).CombinedOutput()
	require.NoError(t, err, string(out))
	b := openAt(t, path, nil)
	_, err = b.Get(t.Context(), "after")
	require.NoError(t, err)
	require.NoError(t, b.Close())
}

// fillTmpfsJob fills the disk for good. It has a process of its own because a fault in a memory map would end it.
func fillTmpfsJob(path string) error {
	b, err := OpenBolt(BoltOptions{Path: path}, Deps{})
	if err != nil {
		return err
	}
	n, err := fill(b)
	if err != nil {
		return err
	}
	if n < 10 {
		return fmt.Errorf("only %d records fit", n)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(path), ballast)); err != nil {
		return err
	}
	if _, err := b.Swap(context.Background(), "after", session.Record{}); err != nil {
		return fmt.Errorf("after there was room again: %w", err)
	}
	return b.Close()
}

func platformJobs() map[string]func(path string) error {
	return map[string]func(path string) error{"fill": fillJob, "fill-tmpfs": fillTmpfsJob}
}
