package sessiontest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// fill writes n records that carry term and returns their keys in ascending order. Every other one is written out of
// order and every key has a neighbour that carries another term.
func (c *storeCase) fill(t *testing.T, n int, term string) []string {
	t.Helper()
	var keys []string
	for i := range n {
		key := fmt.Sprintf("key-%06d", (i*7919)%n) // a prime: every number below n comes once
		c.put(t, key, session.Record{Terms: []string{term}})
		c.put(t, key+"-other", session.Record{Terms: []string{term + "-other"}})
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func testFindOrdered(t *testing.T, c *storeCase) {
	keys := c.fill(t, 40, "user:a")
	require.Equal(t, keys, c.find(t, "user:a", ""))
}

func testFindAfter(t *testing.T, c *storeCase) {
	keys := c.fill(t, 20, "user:a")
	for i, k := range keys {
		require.Equal(t, keys[i+1:], append([]string{}, c.find(t, "user:a", k)...), "after %s", k)
	}
	require.Equal(t, keys[3:], c.find(t, "user:a", keys[2]+"\x00"), "a key that is not there is a place too")
	require.Equal(t, keys, c.find(t, "user:a", "a"))
	require.Empty(t, c.find(t, "user:a", "zzz"))

	// Pages of 7 still meet every key when the one they go on from is gone.
	var met []string
	after := ""
	for {
		page := c.firstOf(t, "user:a", after, 7)
		if len(page) == 0 {
			break
		}
		met = append(met, page...)
		after = page[len(page)-1]
		require.NoError(t, c.Delete(c.ctx, after))
	}
	require.Equal(t, keys, met)
}

// firstOf returns the first n keys Find yields, and leaves the rest.
func (c *storeCase) firstOf(t *testing.T, term, after string, n int) []string {
	t.Helper()
	var keys []string
	for k, err := range c.Find(c.ctx, term, after) {
		require.NoError(t, err)
		keys = append(keys, k)
		if len(keys) == n {
			break
		}
	}
	return keys
}

func testFindBreak(t *testing.T, c *storeCase) {
	keys := c.fill(t, 10, "user:a")
	for n := 1; n <= len(keys); n++ {
		require.Equal(t, keys[:n], c.firstOf(t, "user:a", "", n))
	}
	c.put(t, "later", session.Record{}) // nothing is held by the iterators that were left
}

func testFindAgain(t *testing.T, c *storeCase) {
	keys := c.fill(t, 10, "user:a")
	seq := c.Find(c.ctx, "user:a", "")
	for range 2 {
		got, err := collect(seq)
		require.NoError(t, err)
		require.Equal(t, keys, got)
	}
}

// testFindAndWrite writes while it iterates: a store that holds a lock or a transaction over yield hangs here. The
// large data makes stores that map files into memory map them anew.
func testFindAndWrite(t *testing.T, c *storeCase) {
	keys := c.fill(t, 12, "user:a")
	large := make([]byte, largeData)
	done := make(chan error, 1)
	go func() {
		for k, err := range c.Find(c.ctx, "user:a", "") {
			if err == nil {
				_, err = c.Swap(c.ctx, k+"-large", session.Record{Data: large, Terms: []string{"large"}})
			}
			if err == nil {
				err = c.Delete(c.ctx, k)
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Fatal("Find holds something while it yields: the writes in its loop hang")
	}
	require.Empty(t, c.find(t, "user:a", ""))
	require.Len(t, c.find(t, "large", ""), len(keys))
}

func testFindExact(t *testing.T, c *storeCase) {
	terms := append(awkward(), "user:a", "user:ab", "user:", "user:a\x00", "user:a/", "user:a:", "USER:A", "user:ä")
	keys := func(i int) (keys []string) {
		for _, begin := range []string{"\x00b", ":b", "a", "b", "k"} {
			keys = append(keys, fmt.Sprintf("%s-%03d", begin, i))
		}
		return keys
	}
	for i, term := range terms {
		for _, key := range keys(i) {
			c.put(t, key, session.Record{Terms: []string{term}})
		}
	}
	for i, term := range terms {
		require.Equal(t, keys(i), c.find(t, term, ""), "term %q", term)
	}
	for _, term := range []string{"user", "user:abc", "ser:a", "a\x00\x00", "user:a\x00b"} {
		require.Empty(t, c.find(t, term, ""), "term %q", term)
	}
}

func testFindAll(t *testing.T, c *storeCase) {
	require.Empty(t, c.find(t, "", ""))
	keys := c.fill(t, 300, "user:a")
	var all []string
	for _, key := range keys {
		all = append(all, key, key+"-other")
	}
	c.put(t, "no-terms", session.Record{})
	all = append(all, "no-terms")
	require.Equal(t, all, c.find(t, "", ""))
	require.Equal(t, all[3:], c.find(t, "", all[2]))
	require.NoError(t, c.Delete(c.ctx, all[0]))
	c.put(t, "expiring", session.Record{ExpiresAt: c.clock.Now().Add(time.Minute)})
	require.Equal(t, append([]string{"expiring"}, all[1:]...), c.find(t, "", ""))
	c.clock.Advance(time.Minute)
	require.Equal(t, all[1:], c.find(t, "", ""))
}
