package session

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func (c *cache) bytes() (n int64) {
	for i := range c.shards {
		c.shards[i].mu.Lock()
		n += c.shards[i].bytes
		c.shards[i].mu.Unlock()
	}
	return n
}

func (c *cache) queued() (n int) {
	for i := range c.shards {
		c.shards[i].mu.Lock()
		n += len(c.shards[i].queue)
		c.shards[i].mu.Unlock()
	}
	return n
}

// numberedKey spreads i over the shards as a hash would.
func numberedKey(i int) *cacheKey {
	var k cacheKey
	binary.LittleEndian.PutUint64(k[:], uint64(i)*0x9E3779B97F4A7C15>>8)
	k[0] = byte(i)
	binary.LittleEndian.PutUint64(k[8:], uint64(i))
	return &k
}

func entryOf(size int32, dropAt int64) *entry {
	return &entry{size: size, dropAt: dropAt, session: &Session{}}
}

const later = math.MaxInt64

func TestCache_BoundsHoldWhateverTheSize(t *testing.T) {
	for _, o := range []struct {
		entries int
		bytes   int64
	}{{1, 1 << 20}, {7, 1 << 20}, {100, 1 << 20}, {1000, 100_000}, {20_000, 1 << 30}, {20_000, 1 << 20}} {
		t.Run(fmt.Sprintf("%d entries %d bytes", o.entries, o.bytes), func(t *testing.T) {
			c := newCache(o.entries, o.bytes)
			for i := range 25_000 {
				c.put(numberedKey(i), entryOf(500, later), 0)
				if i%2500 == 0 {
					require.LessOrEqual(t, c.len(), o.entries)
					require.LessOrEqual(t, c.bytes(), o.bytes)
				}
			}
			require.LessOrEqual(t, c.len(), o.entries)
			require.LessOrEqual(t, c.bytes(), o.bytes)
			require.Positive(t, c.len())
			require.LessOrEqual(t, c.queued(), 2*c.len()+65*len(c.shards))
		})
	}
}

func TestCache_SmallBoundsAreNotWastedOnShards(t *testing.T) {
	c := newCache(100, 1<<20)
	for i := range 100 {
		c.put(numberedKey(i), entryOf(500, later), 0)
	}
	require.Equal(t, 100, c.len(), "100 neighbours fit where 100 are allowed")
}

func TestCache_WhatIsUsedSurvivesAFlood(t *testing.T) {
	c := newCache(1000, 1<<30)
	for i := range 20 {
		c.put(numberedKey(i), entryOf(500, later), 0)
	}
	for i := 100; i < rounds(100_000); i++ {
		c.put(numberedKey(i), entryOf(500, later), 0)
		if i%50 == 0 {
			for j := range 20 {
				require.NotNil(t, c.get(numberedKey(j)), "after %d", i)
			}
		}
	}
}

func TestCache_ReplaceKeepsTheBounds(t *testing.T) {
	c := newCache(64, 10_000)
	for i := range 10 {
		k, small := numberedKey(i), entryOf(500, later)
		c.put(k, small, 0)
		c.replace(k, small, entryOf(3000, later), 0)
		require.LessOrEqual(t, c.bytes(), int64(10_000))
	}
	k := numberedKey(99)
	e := entryOf(10, later)
	c.put(k, e, 0)
	c.replace(k, e, entryOf(20_000, later), 0)
	require.LessOrEqual(t, c.bytes(), int64(10_000))
	require.Nil(t, c.get(k), "too large to be kept")
}

func TestCache_ReplaceBringsNothingBack(t *testing.T) {
	c := newCache(64, 10_000)
	k, e := numberedKey(1), entryOf(10, later)
	c.replace(k, e, entryOf(10, later), 0)
	require.Nil(t, c.get(k))
	c.put(k, e, 0)
	c.drop(k)
	c.replace(k, e, entryOf(10, later), 0)
	require.Nil(t, c.get(k))
	newer := entryOf(10, later)
	c.put(k, newer, 0)
	c.replace(k, e, entryOf(10, later), 0)
	require.Same(t, newer, c.get(k))
}

// Sessions that come and go leave nothing in the queue.
func TestCache_QueueDoesNotGrowByWhatIsDropped(t *testing.T) {
	c := newCache(64, 1<<20)
	for i := range 10_000 {
		c.put(numberedKey(i), entryOf(10, later), 0)
		c.drop(numberedKey(i))
	}
	c.put(numberedKey(1), entryOf(10, later), 0)
	require.LessOrEqual(t, c.queued(), 2*c.len()+64)
	for range 10_000 { // one key over and over
		c.drop(numberedKey(1))
		c.put(numberedKey(1), entryOf(10, later), 0)
	}
	require.LessOrEqual(t, c.queued(), 2*c.len()+64)
	require.NotNil(t, c.get(numberedKey(1)))
}

func TestCache_SweepForgetsWhatIsOver(t *testing.T) {
	c := newCache(10_000, 1<<30)
	for i := range 1000 {
		c.put(numberedKey(i), entryOf(10, int64(100+i%2*100)), 0)
	}
	c.put(numberedKey(5000), &entry{size: 10, dropAt: later, notBefore: 500, session: &Session{}}, 0)
	for i := range c.shards {
		c.sweep(i, 150)
	}
	require.Equal(t, 500, c.len(), "what is over is gone, and what a clock put back makes doubtful")
	require.EqualValues(t, 5000, c.bytes())
	require.Equal(t, 500, c.queued())
}

// Any order of operations keeps the books: every entry is queued, bytes are the sum of sizes, bounds hold.
func TestCache_BooksAlwaysBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCache(20, 4000)
		for range rapid.IntRange(1, 300).Draw(t, "n") {
			k := numberedKey(rapid.IntRange(0, 40).Draw(t, "key"))
			e := entryOf(rapid.Int32Range(1, 1000).Draw(t, "size"), rapid.Int64Range(1, 100).Draw(t, "drop"))
			now := rapid.Int64Range(0, 100).Draw(t, "now")
			switch rapid.IntRange(0, 4).Draw(t, "op") {
			case 0, 1:
				c.put(k, e, now)
			case 2:
				c.drop(k)
			case 3:
				c.sweep(0, now)
			case 4:
				if old := c.get(k); old != nil {
					c.replace(k, old, e, now)
				}
			}
			sh := &c.shards[0]
			sum, queued := int64(0), map[string]bool{}
			for _, key := range sh.queue {
				queued[key] = true
			}
			for key, item := range sh.items.Items() {
				sum += int64(item.Object.(*entry).size)
				if !queued[key] {
					t.Fatalf("an entry is not queued: it would never go")
				}
			}
			if sum != sh.bytes || sum > 4000 || c.len() > 20 {
				t.Fatalf("sum %d, counted %d, entries %d", sum, sh.bytes, c.len())
			}
		}
	})
}

func TestCache_TimesAtTheEndsOfTheScale(t *testing.T) {
	require.Zero(t, unixNano(time.Time{}))
	require.EqualValues(t, math.MaxInt64, unixNano(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)))
	require.EqualValues(t, math.MaxInt64, unixNano(time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC)))
	require.EqualValues(t, 1, unixNano(time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.EqualValues(t, 1, unixNano(time.Unix(0, 0)))
	require.Equal(t, testStart.UnixNano(), unixNano(testStart))
	require.EqualValues(t, 3, firstOf(0, 5, 3, 0, 9))
	require.Zero(t, firstOf(0, 0))
}

func TestCache_AnEntryIsSmall(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(entry{}), uintptr(128), "the next size the allocator has is 144")
}

func TestCache_SizeCountsWhatAClientCanInflate(t *testing.T) {
	base := sizeOf(&Session{})
	big := strings.Repeat("x", 10_000)
	for name, s := range map[string]*Session{
		"access":     {Tokens: Tokens{Access: NewSecret(big)}},
		"id token":   {Tokens: Tokens{ID: NewSecret(big)}},
		"groups":     {Identity: Identity{Groups: []string{big}}},
		"claims":     {Identity: Identity{Claims: map[string]any{"a": []any{map[string]any{"b": big}}}}},
		"claim name": {Identity: Identity{Claims: map[string]any{big: nil}}},
		"properties": {Properties: map[string]string{"a": big}},
		"device":     {Devices: []Device{{UserAgent: big}}},
		"tokenized":  {Tokenized: NewSecret(big)},
		"methods":    {AuthenticationMethods: []AuthenticationMethod{{Method: big}}},
		"acr":        {ACR: big},
	} {
		require.GreaterOrEqual(t, sizeOf(s), base+10_000, name)
	}
}
