package store

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// millionEnv, set to anything, adds a million sessions to the sizes Find is measured with. Filling the file takes
// minutes.
const millionEnv = "SESSIONWARD_BENCH_MILLION"

func eachStore(b *testing.B, f func(b *testing.B, open func(testing.TB) session.Store)) {
	b.Run("memory", func(b *testing.B) {
		f(b, func(t testing.TB) session.Store { return newMemory(t, MemoryOptions{MaxRecords: 10_000_000}, nil) })
	})
	b.Run("bolt", func(b *testing.B) {
		f(b, func(t testing.TB) session.Store { return newBolt(t, nil) })
	})
}

// benchRecord is a session of 2 kB with the terms a session usually has; every user has 10.
func benchRecord(i int) (string, session.Record) {
	return fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15), session.Record{
		Data:      make([]byte, 2000),
		Terms:     []string{fmt.Sprintf("user:%d", i/10), fmt.Sprintf("handle:%d", i), "all"},
		ExpiresAt: time.Now().Add(time.Hour + time.Duration(i)*time.Millisecond),
	}
}

// fillBench writes n records from many goroutines.
func fillBench(b *testing.B, s session.Store, n int) {
	b.Helper()
	const writers = maxBatch
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n; i += writers {
				key, r := benchRecord(i)
				if _, err := s.Swap(context.Background(), key, r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkGet(b *testing.B) {
	eachStore(b, func(b *testing.B, open func(testing.TB) session.Store) {
		s := open(b)
		fillBench(b, s, 10_000)
		key, _ := benchRecord(5000)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Get(b.Context(), key); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSwap(b *testing.B) {
	eachStore(b, func(b *testing.B, open func(testing.TB) session.Store) {
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%d-goroutines", writers), func(b *testing.B) {
				s := open(b)
				var next atomic.Int64
				var wg sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for range writers {
					wg.Go(func() {
						for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
							key, r := benchRecord(int(i))
							if _, err := s.Swap(b.Context(), key, r); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	})
}

// BenchmarkSwapTerms says what each index term costs whoever writes a session.
func BenchmarkSwapTerms(b *testing.B) {
	eachStore(b, func(b *testing.B, open func(testing.TB) session.Store) {
		for _, terms := range []int{0, 2, 4, 6} {
			b.Run(fmt.Sprint(terms), func(b *testing.B) {
				s := open(b)
				fillTerms(b, s, 0, termsFilled, terms) // an index of one page costs nothing
				b.ResetTimer()
				fillTerms(b, s, termsFilled, termsFilled+b.N, terms)
			})
		}
	})
}

const termsFilled = 2_000

// fillTerms writes records first to last-1 with so many terms of their own, from many goroutines.
func fillTerms(b *testing.B, s session.Store, first, last, terms int) {
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := first + w; i < last; i += 64 {
				key, r := benchRecord(i)
				r.Terms = nil
				for t := range terms {
					r.Terms = append(r.Terms, fmt.Sprintf("%d:%016x", t, uint64(i)*0xbf58476d1ce4e5b9))
				}
				if _, err := s.Swap(context.Background(), key, r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkFind(b *testing.B) {
	sizes := []int{100_000}
	if os.Getenv(millionEnv) != "" {
		sizes = append(sizes, 1_000_000)
	}
	eachStore(b, func(b *testing.B, open func(testing.TB) session.Store) {
		for _, n := range sizes {
			s := open(b)
			fillBench(b, s, n)
			middle, _ := benchRecord(n / 2)
			b.Run(fmt.Sprintf("user-with-10-of-%d", n), func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					benchFind(b, s, fmt.Sprintf("user:%d", i*7919%(n/10)), "", 10)
				}
			})
			b.Run(fmt.Sprintf("page-of-100-of-%d", n), func(b *testing.B) {
				for b.Loop() {
					benchFind(b, s, "all", middle, 100)
				}
			})
		}
	})
}

// benchFind reads want keys and stops.
func benchFind(b *testing.B, s session.Store, term, after string, want int) {
	got := 0
	for _, err := range s.Find(b.Context(), term, after) {
		require.NoError(b, err)
		if got++; got == want {
			return
		}
	}
	b.Fatalf("%s: %d keys, want %d", term, got, want)
}
