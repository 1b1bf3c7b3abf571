package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fits requires that no chunk is empty or too large and that all are in order.
func (k *keyset) fits(t require.TestingT) {
	var all []string
	for _, c := range k.chunks {
		require.NotEmpty(t, c)
		require.LessOrEqual(t, len(c), chunkSize)
		all = append(all, c...)
	}
	require.True(t, slices.IsSorted(all))
}

func TestKeysetAgreesWithASortedSlice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var k keyset
		var want []string
		space := rapid.IntRange(1, 3000).Draw(rt, "space")
		steps := rapid.IntRange(0, 5000).Draw(rt, "steps")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		for range steps {
			n := random.IntN(2*space+1) - space
			s := fmt.Sprintf("%05d", max(n, -n))
			i, found := slices.BinarySearch(want, s)
			switch {
			case n > 0 && !found:
				want = slices.Insert(want, i, s)
			case n <= 0 && found:
				want = slices.Delete(want, i, i+1)
			}
			if n > 0 {
				k.add(s)
			} else {
				k.remove(s)
			}
		}
		k.fits(rt)
		require.True(rt, slices.Equal(want, slices.Collect(k.after(""))))
		from := fmt.Sprintf("%05d", rapid.IntRange(0, space).Draw(rt, "from"))
		i, found := slices.BinarySearch(want, from)
		if found {
			i++
		}
		require.True(rt, slices.Equal(want[i:], slices.Collect(k.after(from))))
		require.Equal(rt, len(want) == 0, k.empty())
	})
}

func TestKeysetShrinks(t *testing.T) {
	var k keyset
	const n = 100_000
	for i := range n {
		k.add(fmt.Sprintf("%06d", i))
	}
	for i := range n {
		if i%500 != 0 {
			k.remove(fmt.Sprintf("%06d", i))
		}
	}
	k.fits(t)
	require.Len(t, slices.Collect(k.after("")), n/500)
	require.LessOrEqual(t, len(k.chunks), 10, "chunks that became small are joined")
}
