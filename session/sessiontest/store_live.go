package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// everyone calls f in n goroutines and returns the errors they returned, when all have ended.
func everyone(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func testManyKeys(t *testing.T, c *storeCase) {
	const writers, users = 32, 10
	name := func(i int) (key, user string) { return fmt.Sprintf("key-%06d", i), fmt.Sprintf("user:%d", i%users) }
	require.NoError(t, everyone(writers, func(w int) error {
		for i := w; i < manyKeys; i += writers {
			key, user := name(i)
			r := session.Record{Data: []byte(key), Terms: []string{user, "all"}, ExpiresAt: c.in(time.Hour)}
			if _, err := c.Swap(c.ctx, key, r); err != nil {
				return err
			}
		}
		return nil
	}))
	want := make(map[string][]string)
	for i := range manyKeys {
		key, user := name(i)
		want[user], want["all"] = append(want[user], key), append(want["all"], key)
		r, err := c.Get(c.ctx, key)
		require.NoError(t, err)
		require.Equal(t, key, string(r.Data))
	}
	for term, keys := range want {
		require.Equal(t, keys, c.find(t, term, ""), term)
	}
}

// testConcurrentSwaps counts in one record from 16 goroutines.
func testConcurrentSwaps(t *testing.T, c *storeCase) {
	const writers, rounds = 16, 6
	var mu sync.Mutex
	versions := make(map[uint64]bool)
	c.put(t, "k", session.Record{Data: []byte("0")})

	require.NoError(t, everyone(writers, func(int) error {
		for done := 0; done < rounds; {
			r, err := c.Get(c.ctx, "k")
			if err != nil {
				return err
			}
			count, err := strconv.Atoi(string(r.Data))
			if err != nil {
				return err
			}
			v, err := c.Swap(c.ctx, "k", session.Record{Data: []byte(strconv.Itoa(count + 1)), Version: r.Version})
			if errors.Is(err, session.ErrConflict) {
				continue
			}
			if err != nil {
				return err
			}
			mu.Lock()
			twice := versions[v]
			versions[v] = true
			mu.Unlock()
			if twice {
				return fmt.Errorf("version %d was given twice", v)
			}
			done++
		}
		return nil
	}))
	require.Len(t, versions, writers*rounds)
	c.want(t, "k", session.Record{Data: []byte(strconv.Itoa(writers * rounds)), Version: writers*rounds + 1})
}

func testConcurrentCreates(t *testing.T, c *storeCase) {
	const writers = 16
	won := make([]bool, writers)
	require.NoError(t, everyone(writers, func(i int) error {
		_, err := c.Swap(c.ctx, "k", session.Record{Data: []byte{byte(i)}, Terms: []string{fmt.Sprint(i)}})
		if errors.Is(err, session.ErrConflict) {
			return nil
		}
		won[i] = err == nil
		return err
	}))
	winners := 0
	for i, ok := range won {
		if ok {
			winners++
			c.want(t, "k", session.Record{Data: []byte{byte(i)}, Terms: []string{fmt.Sprint(i)}, Version: 1})
		} else {
			require.Empty(t, c.find(t, fmt.Sprint(i), ""), "the loser left a term")
		}
	}
	require.Equal(t, 1, winners)
}

func testCancelled(t *testing.T, c *storeCase) {
	r := session.Record{Data: []byte("x"), Terms: []string{"user:x"}}
	r.Version = c.put(t, "k", r)
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()

	for name, err := range callAll(ctx, c.Store) {
		unavailable := errors.Is(err, session.ErrUnavailable) || errors.Is(err, context.Canceled)
		require.True(t, unavailable, "%s: %v", name, err)
	}
	c.want(t, "k", r)
	c.wantAbsent(t, "new")

	// Many times, because a store that chooses at random between a context that has ended and its work is right now
	// and then. The write after them is behind whatever they left.
	const times = 50
	for i := range times {
		_, err := c.Swap(ctx, fmt.Sprintf("new-%d", i), session.Record{})
		require.Error(t, err)
	}
	c.put(t, "last", session.Record{})
	for i := range times {
		c.wantAbsent(t, fmt.Sprintf("new-%d", i))
	}
}

func testClosed(t *testing.T, c *storeCase) {
	c.put(t, "k", session.Record{Terms: []string{"user:x"}})
	require.NoError(t, c.Close())
	for name, err := range callAll(c.ctx, c.Store) {
		require.ErrorIs(t, err, session.ErrUnavailable, name)
	}
	_ = c.Close() // may say what it likes, but not panic or hang
}

// callAll makes every call there is and returns their errors by name.
func callAll(ctx context.Context, s session.Store) map[string]error {
	errs := make(map[string]error)
	_, errs["get"] = s.Get(ctx, "k")
	_, errs["swap"] = s.Swap(ctx, "k", session.Record{Data: []byte("y"), Version: 1})
	_, errs["create"] = s.Swap(ctx, "new", session.Record{})
	errs["delete"] = s.Delete(ctx, "k")
	_, errs["find"] = collect(s.Find(ctx, "user:x", ""))
	if sw, ok := s.(session.Sweeper); ok {
		_, errs["sweep"] = sw.Sweep(ctx, 1)
	}
	return errs
}

// sweepAll drops everything that has expired, when the store must be told to.
func (c *storeCase) sweepAll(t *testing.T) {
	t.Helper()
	sw, ok := c.Store.(session.Sweeper)
	for ok {
		n, err := sw.Sweep(c.ctx, 1000)
		require.NoError(t, err)
		ok = n > 0
	}
}

func testSweep(t *testing.T, c *storeCase) {
	sw, ok := c.Store.(session.Sweeper)
	if !ok {
		t.Skip("the store drops expired records by itself")
	}
	for i := range 10 {
		c.put(t, fmt.Sprintf("short-%d", i), session.Record{Terms: []string{"user:a"}, ExpiresAt: c.in(time.Second)})
		c.put(t, fmt.Sprintf("long-%d", i), session.Record{Terms: []string{"user:a"}, ExpiresAt: c.in(time.Hour)})
		c.put(t, fmt.Sprintf("ever-%d", i), session.Record{Terms: []string{"user:a"}})
	}
	c.wantSweep(t, sw, 100, 0)
	c.clock.Advance(time.Second)
	c.wantSweep(t, sw, 0, 0)
	c.wantSweep(t, sw, -1, 0)
	c.wantSweep(t, sw, 4, 4)
	c.wantSweep(t, sw, 100, 6)
	c.wantSweep(t, sw, 100, 0)
	require.Len(t, c.find(t, "user:a", ""), 20)

	// Were a record or a term left behind, the clock turned back would show it.
	c.clock.Advance(-time.Second)
	require.Len(t, c.find(t, "user:a", ""), 20)
	c.wantAbsent(t, "short-0")
	c.put(t, "short-0", session.Record{Terms: []string{"user:b"}})
	require.Len(t, c.find(t, "user:a", ""), 20)
}

func (c *storeCase) wantSweep(t *testing.T, sw session.Sweeper, limit, want int) {
	t.Helper()
	n, err := sw.Sweep(c.ctx, limit)
	require.NoError(t, err)
	require.Equal(t, want, n, "sweep of at most %d", limit)
}
