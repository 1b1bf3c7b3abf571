package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/sessionward/sessionward/session"
)

// commits returns how many transactions the file has seen.
func (b *Bolt) commits(t testing.TB) int {
	t.Helper()
	var id int
	require.NoError(t, b.db.View(func(tx *bolt.Tx) error { id = tx.ID(); return nil }))
	return id
}

// inBubble runs f with a store of its own where synctest.Wait tells when all goroutines wait.
func inBubble(t *testing.T, f func(t *testing.T, b *Bolt)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	synctest.Test(t, func(t *testing.T) {
		b, err := OpenBolt(BoltOptions{Path: path}, Deps{})
		require.NoError(t, err)
		f(t, b)
		require.NoError(t, b.Close())
	})
}

// hold keeps the committing goroutine busy within a transaction until release is called.
func (b *Bolt) hold(t *testing.T) (release func()) {
	t.Helper()
	held, gate := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = b.write(context.Background(), "hold", maxBatchBytes, func(tables) (uint64, bool, error) { // nobody joins a write of that size
			close(held)
			<-gate
			return 0, false, nil
		})
	}()
	<-held
	return func() { close(gate) }
}

func TestBoltConcurrentWritesShareACommit(t *testing.T) {
	inBubble(t, func(t *testing.T, b *Bolt) {
		release, before := b.hold(t), b.commits(t)
		errs := make(chan error, 64)
		for i := range cap(errs) {
			go func() {
				_, err := b.Swap(t.Context(), fmt.Sprint(i%60), session.Record{})
				errs <- err
			}()
		}
		synctest.Wait()
		release()
		conflicts := 0
		for range cap(errs) {
			if err := <-errs; err != nil {
				require.ErrorIs(t, err, session.ErrConflict)
				conflicts++
			}
		}
		require.Equal(t, 4, conflicts, "each write of a commit has its own result")
		require.Equal(t, before+1, b.commits(t))
	})
}

func TestBoltWritesThatChangeNothingCostNoCommit(t *testing.T) {
	b, ctx := newBolt(t, nil), t.Context()
	_, err := b.Swap(ctx, "k", session.Record{})
	require.NoError(t, err)
	before := b.commits(t)
	_, err = b.Swap(ctx, "k", session.Record{})
	require.ErrorIs(t, err, session.ErrConflict)
	require.NoError(t, b.Delete(ctx, "absent"))
	_, err = b.Sweep(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, before, b.commits(t))
}

func TestBoltSwapThatNeverBeganIsNotWritten(t *testing.T) {
	inBubble(t, func(t *testing.T, b *Bolt) {
		release := b.hold(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := b.Swap(ctx, "k", session.Record{})
			done <- err
		}()
		synctest.Wait() // behind the held commit
		cancel()
		err := <-done
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.ErrorIs(t, err, context.Canceled)
		release()
		_, err = b.Swap(t.Context(), "other", session.Record{})
		require.NoError(t, err)
		_, err = b.Get(t.Context(), "k")
		require.ErrorIs(t, err, session.ErrNotFound)
	})
}

func TestBoltCallerThatLeavesMayChangeItsMemory(t *testing.T) {
	inBubble(t, func(t *testing.T, b *Bolt) {
		release := b.hold(t)
		gate := make(chan struct{})
		blocked := func(tables) (uint64, bool, error) { <-gate; return 0, false, nil }
		go func() { _, _ = b.write(context.Background(), "hold", 0, blocked) }()
		ctx, cancel := context.WithCancel(t.Context())
		data, terms := []byte("mine"), []string{"user:a"}
		done := make(chan error, 1)
		go func() {
			_, err := b.Swap(ctx, "k", session.Record{Data: data, Terms: terms})
			done <- err
		}()
		synctest.Wait()
		release()
		synctest.Wait() // the swap is now in the batch that waits for gate
		cancel()
		require.ErrorIs(t, <-done, session.ErrUnavailable)
		copy(data, "HERS")
		terms[0] = "user:b"
		close(gate)

		_, err := b.Swap(t.Context(), "other", session.Record{})
		require.NoError(t, err)
		r, err := b.Get(t.Context(), "k")
		require.NoError(t, err, "what was taken is written")
		require.Equal(t, session.Record{Data: []byte("mine"), Terms: []string{"user:a"}, Version: 1}, r)
	})
}

func TestBoltCommitThatFailsWritesNothingOfItsBatch(t *testing.T) {
	failures := map[string]func(tables) (uint64, bool, error){
		"error": func(tables) (uint64, bool, error) { return 0, true, errors.New("disk is gone") },
		"panic": func(tables) (uint64, bool, error) { panic("page is wrong") },
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *Bolt) {
				_, err := b.Swap(t.Context(), "old", session.Record{Terms: []string{"user:a"}})
				require.NoError(t, err)
				release := b.hold(t)
				errs := make(chan error, 3)
				go func() { _, err := b.Swap(t.Context(), "k", session.Record{Terms: []string{"user:a"}}); errs <- err }()
				go func() { errs <- b.Delete(t.Context(), "old") }()
				synctest.Wait()
				go func() { _, err := b.write(t.Context(), "fail", 0, fail); errs <- err }()
				synctest.Wait()
				release()
				for range cap(errs) {
					require.ErrorIs(t, <-errs, session.ErrUnavailable)
				}
				for key, err := range b.Find(t.Context(), "user:a", "") {
					require.NoError(t, err)
					require.Equal(t, "old", key)
				}
				_, err = b.Swap(t.Context(), "k", session.Record{})
				require.NoError(t, err, "the next commit is not the worse for it")
			})
		})
	}
}

func TestBoltCloseSettlesWhatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, b *Bolt) {
		release := b.hold(t)
		errs := make(chan error, 10)
		for i := range cap(errs) {
			go func() {
				_, err := b.Swap(t.Context(), fmt.Sprint(i), session.Record{})
				errs <- err
			}()
		}
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- b.Close() }()
		for range cap(errs) {
			require.ErrorIs(t, <-errs, session.ErrUnavailable)
		}
		synctest.Wait()
		require.Empty(t, closed, "close waits for the commit that runs")
		release()
		require.NoError(t, <-closed)
		require.NoError(t, b.Close(), "closing again does nothing")
	})
}

func TestBoltBatchesAreBounded(t *testing.T) {
	tests := []struct {
		name         string
		writes, size int
		commits      int
	}{
		{"in number", maxBatch + 1, 1, 2},
		{"in bytes", 6, maxBatchBytes / 2, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *Bolt) {
				release, before := b.hold(t), b.commits(t)
				errs := make(chan error, tt.writes)
				for i := range tt.writes {
					go func() {
						_, err := b.write(t.Context(), "test", tt.size, func(tb tables) (uint64, bool, error) {
							return 0, true, tb.records.Put([]byte(fmt.Sprint(i)), nil)
						})
						errs <- err
					}()
				}
				synctest.Wait()
				release()
				for range tt.writes {
					require.NoError(t, <-errs)
				}
				require.Equal(t, before+tt.commits, b.commits(t))
			})
		})
	}
}
