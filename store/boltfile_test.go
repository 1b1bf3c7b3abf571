package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/sessionward/sessionward/session"
)

// closedFile returns a file with some records in it, changed by f.
func closedFile(t *testing.T, f func(tx *bolt.Tx) error) string {
	t.Helper()
	b := newBolt(t, nil)
	for i := range 20 {
		_, err := b.Swap(t.Context(), fmt.Sprint(i), session.Record{Data: make([]byte, 500), Terms: []string{"user:a"}})
		require.NoError(t, err)
	}
	require.NoError(t, b.db.Update(f))
	require.NoError(t, b.Close())
	return b.path
}

func unchanged(*bolt.Tx) error { return nil }

func TestOpenBoltRefuses(t *testing.T) {
	write := func(t *testing.T, content []byte) string {
		path := filepath.Join(t.TempDir(), "s.db")
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
	setSchema := func(b []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket([]byte(metaBucket)).Put([]byte(schemaKey), b) }
	}
	tests := []struct {
		name string
		path func(t *testing.T) string
		want []string
	}{
		{"missing directory", func(t *testing.T) string { return filepath.Join(t.TempDir(), "nowhere", "s.db") }, []string{"nowhere", "is missing: make it", "store.bolt.path"}},
		{"a directory", func(t *testing.T) string { return t.TempDir() }, []string{"is a directory"}},
		{"text", func(t *testing.T) string { return write(t, []byte("hello")) }, []string{"not a session file", "move it away"}},
		{"other bytes", func(t *testing.T) string { return write(t, bytes.Repeat([]byte("sessions"), 1<<13)) }, []string{"not a session file"}},
		{"newer schema", func(t *testing.T) string {
			return closedFile(t, setSchema(binary.BigEndian.AppendUint32(nil, schema+1)))
		}, []string{"schema 2", "knows 1", "newer program"}},
		{"schema 0", func(t *testing.T) string { return closedFile(t, setSchema(make([]byte, 4))) }, []string{"schema 0"}},
		{"unreadable schema", func(t *testing.T) string { return closedFile(t, setSchema([]byte("1"))) }, []string{"names no schema"}},
		{"bucket missing", func(t *testing.T) string {
			return closedFile(t, func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(expiryBucket)) })
		}, []string{`"expiry" is missing`}},
		{"file of another program", func(t *testing.T) string {
			return closedFile(t, func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(metaBucket)) })
		}, []string{"another program"}},
		{"cut off", func(t *testing.T) string {
			path := closedFile(t, unchanged)
			require.NoError(t, os.Truncate(path, 2*int64(os.Getpagesize())))
			return path
		}, []string{"damaged"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.path(t)
			before, _ := os.ReadFile(path)
			_, err := OpenBolt(BoltOptions{Path: path}, Deps{})
			require.ErrorContains(t, err, path)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			after, _ := os.ReadFile(path)
			require.True(t, bytes.Equal(before, after), "a refused file is left as it is")

			if tt.name == "cut off" {
				return // its lock stays
			}
			// Nothing is left open: a second attempt fails for the same reason and not because of the first.
			_, err = OpenBolt(BoltOptions{Path: path}, Deps{})
			require.ErrorContains(t, err, tt.want[0])
		})
	}
}

// TestBoltFileCutOffWhileOpen: the memory map then has no file behind it, and reading it is a fault that would end
// the process.
func TestBoltFileCutOffWhileOpen(t *testing.T) {
	b := openAt(t, closedFile(t, unchanged), nil)
	require.NoError(t, os.Truncate(b.path, 2*int64(os.Getpagesize())))

	_, err := b.Get(t.Context(), "10")
	require.ErrorIs(t, err, session.ErrUnavailable)
	_, err = b.Swap(t.Context(), "new", session.Record{})
	require.ErrorIs(t, err, session.ErrUnavailable)
	for _, err := range b.Find(t.Context(), "user:a", "") {
		require.ErrorIs(t, err, session.ErrUnavailable)
	}
}

func TestBoltFlushesEveryCommit(t *testing.T) {
	b := newBolt(t, nil)
	require.False(t, b.db.NoSync)
	require.False(t, b.db.NoGrowSync)
	require.False(t, b.db.NoFreelistSync, "a large file would take long to open")
}

func TestOpenBoltOfANewFileThatWasNeverFinished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	db, err := bolt.Open(path, 0o600, nil) // killed before the buckets were made
	require.NoError(t, err)
	require.NoError(t, db.Close())
	b := openAt(t, path, nil)
	_, err = b.Swap(t.Context(), "k", session.Record{})
	require.NoError(t, err)
}

func TestBoltTimeoutWaitsForTheFile(t *testing.T) {
	b := newBolt(t, nil)
	begun := time.Now()
	_, err := OpenBolt(BoltOptions{Path: b.path, Timeout: 100 * time.Millisecond}, Deps{})
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.ErrorContains(t, err, "waited 100ms")
	require.Less(t, time.Since(begun), time.Second)

	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	again, err := OpenBolt(BoltOptions{Path: b.path, Timeout: 10 * time.Second}, Deps{})
	require.NoError(t, err)
	require.NoError(t, <-closed)
	require.NoError(t, again.Close())
}
