package sessiontest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sessionward/sessionward/session"
)

// testModel runs random calls against the store and against a plain map, and requires the same answers. All runs
// share one store, so each has keys and terms of its own.
func testModel(t *testing.T, c *storeCase) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &storeModel{storeCase: c, run: run, records: make(map[string]session.Record)}
		actions := map[string]func(*rapid.T){
			"swap": m.swap, "get": m.get, "delete": m.delete, "find": m.find, "advance": m.advance,
		}
		if _, ok := c.Store.(session.Sweeper); ok {
			actions["sweep"] = m.sweep
		}
		rt.Repeat(actions)
	})
}

// storeModel is what the store should hold.
type storeModel struct {
	*storeCase
	run     int
	records map[string]session.Record
}

func (m *storeModel) key(rt *rapid.T) string {
	return fmt.Sprintf("%d/%s", m.run, rapid.SampledFrom([]string{"", "a", "b", "ab", "a\x00", "\xff"}).Draw(rt, "key"))
}

func (m *storeModel) term(rt *rapid.T) string {
	return fmt.Sprintf("%d:%s", m.run, rapid.SampledFrom([]string{"", "a", "ab", "\x00"}).Draw(rt, "term"))
}

// live returns the record the store should find under key.
func (m *storeModel) live(key string) (session.Record, bool) {
	r, ok := m.records[key]
	return r, ok && (r.ExpiresAt.IsZero() || m.clock.Now().Before(r.ExpiresAt))
}

func (m *storeModel) swap(rt *rapid.T) {
	key := m.key(rt)
	current, ok := m.live(key)
	if !ok {
		current.Version = 0
	}
	r := session.Record{
		Data:    rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "data"),
		Version: rapid.SampledFrom([]uint64{current.Version, current.Version, 0, 1, current.Version + 1}).Draw(rt, "version"),
	}
	for range rapid.IntRange(0, 3).Draw(rt, "terms") {
		r.Terms = append(r.Terms, m.term(rt))
	}
	if s := rapid.IntRange(-1, 6).Draw(rt, "seconds"); s < 6 {
		r.ExpiresAt = m.in(time.Duration(s) * time.Second)
	}

	version, err := m.Swap(m.ctx, key, r)
	if r.Version != current.Version {
		if !errors.Is(err, session.ErrConflict) {
			rt.Fatalf("swap %q of version %d over %d: want ErrConflict, got version %d, %v", key, r.Version, current.Version, version, err)
		}
		return
	}
	if err != nil || version != current.Version+1 {
		rt.Fatalf("swap %q: want version %d, got %d, %v", key, current.Version+1, version, err)
	}
	r.Version = version
	m.records[key] = r
}

func (m *storeModel) get(rt *rapid.T) {
	key := m.key(rt)
	want, ok := m.live(key)
	got, err := m.Get(m.ctx, key)
	if !ok {
		if !errors.Is(err, session.ErrNotFound) {
			rt.Fatalf("get %q: want ErrNotFound, got %v", key, err)
		}
		return
	}
	if d := diffRecords(want, got); err != nil || d != "" {
		rt.Fatalf("get %q: %v\n%s", key, err, d)
	}
}

func (m *storeModel) delete(rt *rapid.T) {
	key := m.key(rt)
	if err := m.Delete(m.ctx, key); err != nil {
		rt.Fatalf("delete %q: %v", key, err)
	}
	delete(m.records, key)
}

func (m *storeModel) find(rt *rapid.T) {
	term, after := m.term(rt), ""
	if rapid.Bool().Draw(rt, "paged") {
		after = m.key(rt)
	}
	var want []string
	for _, key := range slices.Sorted(maps.Keys(m.records)) {
		r, ok := m.live(key)
		if ok && key > after && slices.Contains(r.Terms, term) {
			want = append(want, key)
		}
	}
	got, err := collect(m.Find(m.ctx, term, after))
	if err != nil || !slices.Equal(want, got) {
		rt.Fatalf("find %q after %q: want %q, got %q, %v", term, after, want, got, err)
	}
}

func (m *storeModel) advance(rt *rapid.T) {
	m.clock.Advance(time.Duration(rapid.IntRange(0, 3).Draw(rt, "seconds")) * time.Second)
}

// sweep changes nothing that the other calls can see.
func (m *storeModel) sweep(rt *rapid.T) {
	limit := rapid.IntRange(0, 3).Draw(rt, "limit")
	n, err := m.Store.(session.Sweeper).Sweep(m.ctx, limit)
	if err != nil || n < 0 || n > limit {
		rt.Fatalf("sweep of at most %d: %d, %v", limit, n, err)
	}
}
