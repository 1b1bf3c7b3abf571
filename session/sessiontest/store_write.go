package sessiontest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func testGetAbsent(t *testing.T, c *storeCase) {
	c.wantAbsent(t, "nobody")
	c.wantAbsent(t, "")
	require.Empty(t, c.find(t, "user:nobody", ""))
}

func testVersionsCount(t *testing.T, c *storeCase) {
	for i := range uint64(5) {
		require.Equal(t, i+1, c.put(t, "k", session.Record{Data: []byte{byte(i)}, Version: i}))
		c.want(t, "k", session.Record{Data: []byte{byte(i)}, Version: i + 1})
	}
}

func testRoundTrip(t *testing.T, c *storeCase) {
	r := session.Record{
		Data:      []byte("\x00data\xff"),
		Terms:     []string{"user:b", "sid:a", "handle:c"},
		ExpiresAt: c.in(time.Hour + 7*time.Millisecond),
	}
	r.Version = c.put(t, "k", r)
	c.want(t, "k", r)
}

func testStaleSwap(t *testing.T, c *storeCase) {
	first := session.Record{Data: []byte("one"), Terms: []string{"user:one"}}
	first.Version = c.put(t, "k", first)
	second := session.Record{Data: []byte("two"), Terms: []string{"user:two"}, ExpiresAt: c.in(time.Hour), Version: 1}
	second.Version = c.put(t, "k", second)

	for _, stale := range []uint64{1, 3, 1 << 63} {
		_, err := c.Swap(c.ctx, "k", session.Record{Data: []byte("three"), Terms: []string{"user:three"}, Version: stale})
		require.ErrorIs(t, err, session.ErrConflict, "version %d", stale)
	}
	c.want(t, "k", second)
	require.Equal(t, []string{"k"}, c.find(t, "user:two", ""))
	require.Empty(t, c.find(t, "user:three", ""))
}

func testCreateOverLive(t *testing.T, c *storeCase) {
	r := session.Record{Data: []byte("one"), Terms: []string{"user:one"}, ExpiresAt: c.in(time.Minute)}
	r.Version = c.put(t, "k", r)
	_, err := c.Swap(c.ctx, "k", session.Record{Data: []byte("two"), Terms: []string{"user:two"}})
	require.ErrorIs(t, err, session.ErrConflict)
	c.want(t, "k", r)
	require.Empty(t, c.find(t, "user:two", ""))
}

func testSwapAbsent(t *testing.T, c *storeCase) {
	_, err := c.Swap(c.ctx, "k", session.Record{Data: []byte("x"), Terms: []string{"user:x"}, Version: 1})
	require.ErrorIs(t, err, session.ErrConflict)
	c.wantAbsent(t, "k")
	require.Empty(t, c.find(t, "user:x", ""))
}

func testCreateOverExpired(t *testing.T, c *storeCase) {
	old := session.Record{Data: []byte("old"), Terms: []string{"user:old"}, ExpiresAt: c.in(time.Second)}
	c.put(t, "k", old)
	c.put(t, "k", session.Record{Data: []byte("old"), Terms: []string{"user:old"}, ExpiresAt: c.in(time.Second), Version: 1})
	c.clock.Advance(time.Second)

	_, err := c.Swap(c.ctx, "k", session.Record{Data: []byte("x"), Version: 2})
	require.ErrorIs(t, err, session.ErrConflict, "an expired record has no version to swap")

	fresh := session.Record{Data: []byte("new"), Terms: []string{"user:new"}, ExpiresAt: c.in(time.Minute)}
	fresh.Version = c.put(t, "k", fresh)
	require.Equal(t, uint64(1), fresh.Version, "an expired record is absent: versions begin again")
	c.want(t, "k", fresh)
	require.Empty(t, c.find(t, "user:old", ""))
	require.Equal(t, []string{"k"}, c.find(t, "user:new", ""))
}

func testEmptyKey(t *testing.T, c *storeCase) {
	_, err := c.Swap(c.ctx, "", session.Record{Data: []byte("x"), Terms: []string{"user:x"}})
	require.Error(t, err, "Find could never name it: after \"\" means all")
	require.Empty(t, c.find(t, "user:x", ""))
	require.NoError(t, c.Delete(c.ctx, ""))
}

func testDeleteIdempotent(t *testing.T, c *storeCase) {
	require.NoError(t, c.Delete(c.ctx, "k"))
	c.put(t, "k", session.Record{Terms: []string{"user:x"}, ExpiresAt: c.in(time.Minute)})
	c.put(t, "l", session.Record{Terms: []string{"user:x"}})
	for range 2 {
		require.NoError(t, c.Delete(c.ctx, "k"))
		c.wantAbsent(t, "k")
		require.Equal(t, []string{"l"}, c.find(t, "user:x", ""), "only the deleted record leaves the index")
	}
}

func testNoResurrection(t *testing.T, c *storeCase) {
	r := session.Record{Data: []byte("x"), Terms: []string{"user:x"}, ExpiresAt: c.in(time.Hour)}
	r.Version = c.put(t, "k", r)
	require.NoError(t, c.Delete(c.ctx, "k"))
	_, err := c.Swap(c.ctx, "k", r)
	require.ErrorIs(t, err, session.ErrConflict)
	c.wantAbsent(t, "k")
	require.Empty(t, c.find(t, "user:x", ""))
	require.Equal(t, uint64(1), c.put(t, "k", session.Record{}), "versions begin again after a delete")
}

func testExpiry(t *testing.T, c *storeCase) {
	r := session.Record{Data: []byte("x"), Terms: []string{"user:x"}, ExpiresAt: c.in(10 * time.Second)}
	r.Version = c.put(t, "k", r)

	c.clock.Advance(10*time.Second - time.Millisecond)
	c.want(t, "k", r)
	require.Equal(t, []string{"k"}, c.find(t, "user:x", ""))
	_, err := c.Swap(c.ctx, "k", session.Record{})
	require.ErrorIs(t, err, session.ErrConflict)

	c.clock.Advance(time.Millisecond)
	c.wantAbsent(t, "k")
	require.Empty(t, c.find(t, "user:x", ""))
	_, err = c.Swap(c.ctx, "k", r)
	require.ErrorIs(t, err, session.ErrConflict)
	require.NoError(t, c.Delete(c.ctx, "k"))
}

func testNoExpiry(t *testing.T, c *storeCase) {
	r := session.Record{Data: []byte("x"), Terms: []string{"user:x"}}
	r.Version = c.put(t, "k", r)
	c.clock.Advance(200 * 365 * 24 * time.Hour)
	c.want(t, "k", r)
	require.Equal(t, []string{"k"}, c.find(t, "user:x", ""))
}

func testMovedExpiry(t *testing.T, c *storeCase) {
	c.put(t, "k", session.Record{ExpiresAt: c.in(time.Second)})
	c.put(t, "k", session.Record{ExpiresAt: c.in(time.Hour), Version: 1})
	c.clock.Advance(time.Minute)
	c.sweepAll(t)
	_, err := c.Get(c.ctx, "k")
	require.NoError(t, err, "the earlier end no longer counts")

	c.put(t, "k", session.Record{ExpiresAt: c.in(time.Second), Version: 2})
	c.clock.Advance(time.Minute)
	c.wantAbsent(t, "k")
}

func testTermsReplaced(t *testing.T, c *storeCase) {
	c.put(t, "k", session.Record{Terms: []string{"user:a", "sid:1", "sid:1"}})
	require.Equal(t, []string{"k"}, c.find(t, "sid:1", ""), "a term that stands twice counts once")

	c.put(t, "k", session.Record{Terms: []string{"user:a", "sid:2"}, Version: 1})
	require.Equal(t, []string{"k"}, c.find(t, "user:a", ""))
	require.Equal(t, []string{"k"}, c.find(t, "sid:2", ""))
	require.Empty(t, c.find(t, "sid:1", ""))

	c.put(t, "k", session.Record{Version: 2})
	for _, term := range []string{"user:a", "sid:1", "sid:2"} {
		require.Empty(t, c.find(t, term, ""), term)
	}
}

// awkward holds strings that naive composite keys, prefixes, patterns and text encodings mistake for each other.
func awkward() []string {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	return []string{
		"a", "b", "ab", "a:", ":a", "a:b", "a/b", "a\x00", "\x00a", "a\x00b", "\x00", "\x00\x00", "\xff", "\xff\xff", "a\xff",
		"*", "?", "[a]", "{a}", "a*", "%", "a b", " a", "a ", "\r\n", "a\\", "'", `"`, "ä", "a\u0308", "日本", "\xc3\x28", "\x01a", "\x00\x01a",
		string(every), strings.Repeat("a", 511), strings.Repeat("a", 512),
	}
}

func testAwkwardKeys(t *testing.T, c *storeCase) {
	for i, k := range awkward() {
		c.put(t, k, session.Record{Data: fmt.Appendf(nil, "data %d", i), Terms: []string{"all"}})
	}
	for i, k := range awkward() {
		c.want(t, k, session.Record{Data: fmt.Appendf(nil, "data %d", i), Terms: []string{"all"}, Version: 1})
	}
	require.ElementsMatch(t, awkward(), c.find(t, "all", ""))
	require.IsIncreasing(t, c.find(t, "all", ""))
}
