package sessiontest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func testMemoryWritten(t *testing.T, c *storeCase) {
	r := session.Record{Data: []byte("hello"), Terms: []string{"user:a", "sid:a"}}
	c.put(t, "k", r)
	copy(r.Data, "other")
	r.Terms[0], r.Terms[1] = "user:b", "sid:b"

	c.want(t, "k", session.Record{Data: []byte("hello"), Terms: []string{"user:a", "sid:a"}, Version: 1})
	require.Equal(t, []string{"k"}, c.find(t, "user:a", ""))
	require.Empty(t, c.find(t, "user:b", ""))

	// The index still knows which terms to forget.
	c.put(t, "k", session.Record{Version: 1})
	require.Empty(t, c.find(t, "user:a", ""))
}

func testMemoryRead(t *testing.T, c *storeCase) {
	r := session.Record{Data: []byte("hello"), Terms: []string{"user:a", "sid:a"}}
	r.Version = c.put(t, "k", r)
	got, err := c.Get(c.ctx, "k")
	require.NoError(t, err)
	copy(got.Data, "other")
	_ = append(got.Data, "and over the end"...)
	got.Terms[0], got.Terms[1] = "user:b", "sid:b"
	_ = append(got.Terms, "user:c")

	c.want(t, "k", r)
	require.NoError(t, c.Delete(c.ctx, "k"))
	require.Empty(t, c.find(t, "user:a", ""))
}

// testMemoryOutlives keeps what was read over many later writes. Stores that hand out memory of a mapped file show
// zeros or other records here.
func testMemoryOutlives(t *testing.T, c *storeCase) {
	const n = 40
	var want, kept []session.Record
	var wantKeys []string
	for i := range n {
		r := session.Record{Data: bytes.Repeat([]byte{byte(i + 1)}, 300), Terms: []string{"user:a", fmt.Sprintf("sid:%d", i)}}
		key := fmt.Sprintf("key-%02d", i)
		r.Version = c.put(t, key, r)
		want, wantKeys = append(want, r), append(wantKeys, key)
	}
	for _, key := range wantKeys {
		r, err := c.Get(c.ctx, key)
		require.NoError(t, err)
		kept = append(kept, r)
	}
	keptKeys := c.find(t, "user:a", "")

	for i := range n {
		data := bytes.Repeat([]byte{0xee}, 300+i)
		c.put(t, wantKeys[i], session.Record{Data: data, Terms: []string{strings.Repeat("x", 20)}, Version: 1})
	}
	for i := range n {
		require.Empty(t, diffRecords(want[i], kept[i]), "record %d", i)
	}
	require.Equal(t, wantKeys, keptKeys)
}

func testDataSizes(t *testing.T, c *storeCase) {
	for i, size := range []int{0, 1, 4095, 4096, 4097, largeData} {
		r := session.Record{Data: bytes.Repeat([]byte("ab\x00c"), size/4+1)[:size], Terms: []string{"all"}}
		key := fmt.Sprintf("size-%d", i)
		c.put(t, key, r)
		got, err := c.Get(c.ctx, key)
		require.NoError(t, err)
		require.True(t, bytes.Equal(r.Data, got.Data), "%d bytes", size)
		require.Equal(t, []string{"all"}, got.Terms)
	}
}
