package sessiontest

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// What every store must be able to keep.
const (
	largeData = 1 << 20 // bytes of one record's Data
	manyKeys  = 1000
)

// TestStore holds a store against the contract of session.Store, and of session.Sweeper when it is one. open returns
// a new and empty store each time it is called, which takes the time from now; TestStore closes it.
func TestStore(t *testing.T, open func(t *testing.T, now func() time.Time) session.Store) {
	tests := []struct {
		name string
		run  func(t *testing.T, c *storeCase)
	}{
		{"get of what is absent is ErrNotFound", testGetAbsent},
		{"swap creates with version 0 and counts 1, 2, 3", testVersionsCount},
		{"get returns what swap wrote", testRoundTrip},
		{"swap with a stale version is ErrConflict and changes nothing", testStaleSwap},
		{"swap with version 0 over a live record is ErrConflict", testCreateOverLive},
		{"swap with a version where nothing is, is ErrConflict", testSwapAbsent},
		{"swap with version 0 over an expired record succeeds", testCreateOverExpired},
		{"swap of an empty key is refused", testEmptyKey},
		{"delete is idempotent", testDeleteIdempotent},
		{"delete then swap with the old version is ErrConflict", testNoResurrection},
		{"expiry follows the clock", testExpiry},
		{"a record without expiry stays", testNoExpiry},
		{"a moved expiry counts", testMovedExpiry},
		{"terms are replaced whole", testTermsReplaced},
		{"find is ordered", testFindOrdered},
		{"find begins after a key", testFindAfter},
		{"find stops when told to", testFindBreak},
		{"find runs again", testFindAgain},
		{"find allows writes while it runs", testFindAndWrite},
		{"find matches terms exactly", testFindExact},
		{"find without a term meets every record", testFindAll},
		{"keys are told apart by every byte", testAwkwardKeys},
		{"memory is not shared with what was written", testMemoryWritten},
		{"memory is not shared with what was read", testMemoryRead},
		{"what was read outlives later writes", testMemoryOutlives},
		{"data may be empty and large", testDataSizes},
		{"many keys", testManyKeys},
		{"concurrent swaps lose no update", testConcurrentSwaps},
		{"concurrent creations have one winner", testConcurrentCreates},
		{"a cancelled context is an error and writes nothing", testCancelled},
		{"after close all is ErrUnavailable", testClosed},
		{"sweep is bounded and removes only what expired", testSweep},
		{"the store agrees with a map", testModel},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, newStoreCase(t, open)) })
	}
}

// storeCase is one store under test with its clock.
type storeCase struct {
	session.Store
	clock *Clock
	ctx   context.Context
}

func newStoreCase(t *testing.T, open func(*testing.T, func() time.Time) session.Store) *storeCase {
	t.Helper()
	clock := NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	c := &storeCase{Store: open(t, clock.Now), clock: clock, ctx: t.Context()}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// put swaps r in and requires success.
func (c *storeCase) put(t *testing.T, key string, r session.Record) uint64 {
	t.Helper()
	v, err := c.Swap(c.ctx, key, r)
	require.NoError(t, err)
	return v
}

// want requires that key holds r.
func (c *storeCase) want(t *testing.T, key string, r session.Record) {
	t.Helper()
	got, err := c.Get(c.ctx, key)
	require.NoError(t, err)
	require.Empty(t, diffRecords(r, got))
}

// wantAbsent requires that nothing is found under key.
func (c *storeCase) wantAbsent(t *testing.T, key string) {
	t.Helper()
	_, err := c.Get(c.ctx, key)
	require.ErrorIs(t, err, session.ErrNotFound)
}

// find returns all keys Find yields.
func (c *storeCase) find(t *testing.T, term, after string) []string {
	t.Helper()
	keys, err := collect(c.Find(c.ctx, term, after))
	require.NoError(t, err)
	return keys
}

// in returns the time d from now.
func (c *storeCase) in(d time.Duration) time.Time { return c.clock.Now().Add(d) }

// collect reads seq to its end or first error. A pair after the error is reported as an error of its own.
func collect(seq iter.Seq2[string, error]) (keys []string, err error) {
	for k, e := range seq {
		if err != nil {
			return keys, fmt.Errorf("find went on after its error %w", err)
		}
		if e != nil {
			err = e
			continue
		}
		keys = append(keys, k)
	}
	return keys, err
}

// diffRecords tells want and got apart; nil and empty are the same to it, and so are equal instants.
func diffRecords(want, got session.Record) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}
