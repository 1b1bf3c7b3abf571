package store

import (
	"iter"
	"slices"
	"strings"
)

// chunkSize is how many strings a chunk of a keyset holds at most.
const chunkSize = 256

// keyset is an ordered set of strings, cut into chunks so that adding to a set of a million moves a chunk and not
// the million. Finding a place costs two binary searches. The zero keyset is empty. No chunk is ever empty.
type keyset struct{ chunks [][]string }

func (k *keyset) empty() bool { return len(k.chunks) == 0 }

// chunk returns the index of the chunk s is in, or belongs in. The set must not be empty.
func (k *keyset) chunk(s string) int {
	i, found := slices.BinarySearchFunc(k.chunks, s, func(c []string, s string) int { return strings.Compare(c[0], s) })
	if !found && i > 0 {
		i--
	}
	return i
}

func (k *keyset) add(s string) {
	if k.empty() {
		k.chunks = [][]string{{s}}
		return
	}
	i := k.chunk(s)
	c := k.chunks[i]
	j, found := slices.BinarySearch(c, s)
	if found {
		return
	}
	c = slices.Insert(c, j, s)
	if len(c) > chunkSize {
		half := len(c) / 2
		k.chunks = slices.Insert(k.chunks, i+1, slices.Clone(c[half:]))
		clear(c[half:])
		c = c[:half]
	}
	k.chunks[i] = c
}

func (k *keyset) remove(s string) {
	if k.empty() {
		return
	}
	i := k.chunk(s)
	j, found := slices.BinarySearch(k.chunks[i], s)
	if !found {
		return
	}
	k.chunks[i] = slices.Delete(k.chunks[i], j, j+1)
	k.shrink(i)
}

// shrink drops chunk i when it is empty, and joins it with its neighbours where both are small.
func (k *keyset) shrink(i int) {
	if len(k.chunks[i]) == 0 {
		k.chunks = slices.Delete(k.chunks, i, i+1)
		return
	}
	k.join(i)
	if i > 0 {
		k.join(i - 1)
	}
}

// join puts chunks i and i+1 into one if that is half full at most, so that it is not soon cut again.
func (k *keyset) join(i int) {
	if i+1 < len(k.chunks) && len(k.chunks[i])+len(k.chunks[i+1]) <= chunkSize/2 {
		k.chunks[i] = append(k.chunks[i], k.chunks[i+1]...)
		k.chunks = slices.Delete(k.chunks, i+1, i+2)
	}
}

// after yields the strings greater than s in ascending order. The set must not change meanwhile.
func (k *keyset) after(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if k.empty() {
			return
		}
		i := k.chunk(s)
		j, found := slices.BinarySearch(k.chunks[i], s)
		if found {
			j++
		}
		for ; i < len(k.chunks); i, j = i+1, 0 {
			for _, v := range k.chunks[i][j:] {
				if !yield(v) {
					return
				}
			}
		}
	}
}
