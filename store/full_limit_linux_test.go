package store

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func TestBoltFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	out, err := child(t, "fill", path).CombinedOutput()
	require.NoError(t, err, string(out))

	b := openAt(t, path, nil)
	for i := range 10 {
		_, err := b.Get(t.Context(), fmt.Sprint(i))
		require.NoError(t, err)
	}
	_, err = b.Get(t.Context(), "after")
	require.NoError(t, err)
}

// fillJob runs in a process that may write files of 400 kB: to it, the disk is full beyond that.
func fillJob(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	full := limit
	full.Cur = 400_000
	b, err := OpenBolt(BoltOptions{Path: path}, Deps{})
	if err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		return err
	}
	n, err := fill(b)
	if err != nil {
		return err
	}
	if n < 10 {
		return fmt.Errorf("only %d records fit", n)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if _, err := b.Swap(context.Background(), "after", session.Record{}); err != nil {
		return fmt.Errorf("after there was room again: %w", err)
	}
	return b.Close()
}

// fill writes until that fails, and then reads everything again and again between more failures.
func fill(b *Bolt) (n int, err error) {
	ctx := context.Background()
	r := session.Record{Data: make([]byte, 8000), Terms: []string{"all"}}
	for ; err == nil; n++ {
		_, err = b.Swap(ctx, fmt.Sprint(n), r)
	}
	n--
	if !errors.Is(err, session.ErrUnavailable) {
		return n, fmt.Errorf("want ErrUnavailable, got %w", err)
	}
	for range 5 {
		if _, err := b.Swap(ctx, "more", session.Record{Data: make([]byte, 100_000)}); !errors.Is(err, session.ErrUnavailable) {
			return n, fmt.Errorf("want ErrUnavailable, got %v", err)
		}
		for i := range n {
			if _, err := b.Get(ctx, fmt.Sprint(i)); err != nil {
				return n, fmt.Errorf("reads do not go on: %w", err)
			}
		}
	}
	found := 0
	for _, err := range b.Find(ctx, "all", "") {
		if err != nil {
			return n, fmt.Errorf("find does not go on: %w", err)
		}
		found++
	}
	if found != n {
		return n, fmt.Errorf("found %d of %d", found, n)
	}
	return n, nil
}
