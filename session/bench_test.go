package session

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hitValidator returns a validator that remembers the answer to c.
func hitValidator(tb testing.TB, c Credential) *Validator {
	v := newTestValidator(tb, ValidatorOptions{
		Resolvers: []Resolver{&scripted{name: "corp", resolve: alwaysAnswer}},
		Cache:     CacheOptions{FreshFor: time.Hour},
		Tally:     NewTally(nil),
	})
	_, err := v.Validate(context.Background(), c)
	require.NoError(tb, err)
	return v
}

var longBearer = bearer(strings.Repeat("eyJhbGciOi", 92)) // 0.9 KB, as JWTs are

func TestValidator_HitDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates, and empties pools")
	}
	for name, c := range map[string]Credential{"short": bearer("short"), "0.9 KB": longBearer, "16 KB": bearer(strings.Repeat("x", MaxCredentialBytes))} {
		v := hitValidator(t, c)
		v.End(answer("another")) // so that looking for ended sessions is part of it
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if a, err := v.Validate(context.Background(), c); err != nil || a.Freshness != Hit {
				t.Fatal(a, err)
			}
		}), name)
	}
}

func BenchmarkValidatorHit(b *testing.B) {
	c := bearer("MTc2Mzg5NDQwMHxjMlZ6YzJsdmJpMXBaQzF2WmkxemJXVmliMlI1TFdWc2MyVT18bWFj")
	v := hitValidator(b, c)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = v.Validate(context.Background(), c)
	}
}

func BenchmarkValidatorHitParallel(b *testing.B) {
	c := bearer("MTc2Mzg5NDQwMHxjMlZ6YzJsdmJpMXBaQzF2WmkxemJXVmliMlI1TFdWc2MyVT18bWFj")
	v := hitValidator(b, c)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = v.Validate(context.Background(), c)
		}
	})
}

func BenchmarkValidatorBearerHit(b *testing.B) {
	v := hitValidator(b, longBearer)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = v.Validate(context.Background(), longBearer)
	}
}

func BenchmarkValidatorMiss(b *testing.B) {
	v := newTestValidator(b, ValidatorOptions{Resolvers: []Resolver{&scripted{name: "corp", resolve: alwaysAnswer}}})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		_, _ = v.Validate(context.Background(), bearer(fmt.Sprint("token-", i)))
	}
}

func BenchmarkManagerResolve(b *testing.B) {
	w := newWorld(b, worldOptions{})
	_, value, err := w.manager.Create(context.Background(), fullAnswer(), Device{})
	require.NoError(b, err)
	c := cookieOf(testCookie, value.Reveal())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.manager.Resolve(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkManagerCreate(b *testing.B) {
	w := newWorld(b, worldOptions{})
	s := fullAnswer()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := w.manager.Create(context.Background(), s, Device{}); err != nil {
			b.Fatal(err)
		}
	}
}

func fullAnswer() *Session {
	s := fullSession()
	s.ExpiresAt = time.Time{}
	return s
}

func BenchmarkKeyRingSeal(b *testing.B) {
	sealer := testRing(b, "k1", "k2").Sealer("session")
	plain, aad := make([]byte, 4096), []byte("key")
	b.SetBytes(4096)
	b.ReportAllocs()
	for b.Loop() {
		_ = sealer.Seal(plain, aad)
	}
}

func BenchmarkKeyRingOpen(b *testing.B) {
	sealer := testRing(b, "k1", "k2").Sealer("session")
	aad := []byte("key")
	sealed := sealer.Seal(make([]byte, 4096), aad)
	b.SetBytes(4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sealer.Open(sealed, aad); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCacheMemory fills a cache with a million entries, and reports what each costs beside the session it points
// to, and the longest a look took while all of it was swept.
func BenchmarkCacheMemory(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		s := answer("shared")
		before := heap()
		c := newCache(n+n/8, 1<<40)
		for i := range n {
			c.put(numberedKey(i), &entry{session: s, size: 1, dropAt: later}, 0)
			c.get(numberedKey(i))
		}
		b.ReportMetric(float64(heap()-before)/n, "B/entry")
		began := time.Now()
		b.ReportMetric(micros(longestGetWhile(c, n, func() {
			for i := range c.shards {
				c.sweep(i, 1)
			}
		})), "µs-stall")
		swept := time.Since(began)
		b.ReportMetric(micros(longestGetWhile(c, n, func() { // as long, with another processor as busy, but no sweep
			for began = time.Now(); time.Since(began) < swept; {
			}
		})), "µs-stall-quiet")
		runtime.KeepAlive(c)
		runtime.KeepAlive(s)
	}
	b.ReportMetric(0, "ns/op")
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// longestGetWhile looks up entries until work is done. The 99.99th percentile is given: the one look the scheduler
// takes the processor from says nothing of the cache.
func longestGetWhile(c *cache, n int, work func()) time.Duration {
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() { work(); done.Store(true) })
	took := make([]time.Duration, 0, 1<<20)
	for i := 0; !done.Load(); i++ {
		began := time.Now()
		c.get(numberedKey(i % n))
		took = append(took, time.Since(began))
	}
	wg.Wait()
	slices.Sort(took)
	return took[len(took)*9999/10000]
}
