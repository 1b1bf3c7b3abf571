package identity

import (
	"hash/maphash"
	"runtime"
	"sync"
	"weak"

	"github.com/sessionward/sessionward/session"
)

const (
	memoShards = 16
	// memoPerShard bounds what is remembered to 16,384 sessions; past it any one of the shard makes room.
	memoPerShard = 1024
)

// memo remembers something worked out from a session for as long as the session lives, and at most for a fixed number
// of them. It holds sessions weakly: remembering does not keep a session, or its tokens, in memory. Only immutable
// sessions may be remembered.
type memo[V any] struct {
	seed   maphash.Seed
	limit  int // sessions per shard
	shards [memoShards]memoShard[V]
}

type memoShard[V any] struct {
	mu      sync.RWMutex
	entries map[weak.Pointer[session.Session]]memoEntry[V]
}

type memoEntry[V any] struct {
	value   V
	cleanup runtime.Cleanup
}

// memoRef names an entry to the cleanup of its session without keeping the memo alive: sessions outlive a reload of
// the configuration, the memo of the old one must not.
type memoRef[V any] struct {
	memo  weak.Pointer[memo[V]]
	shard uint64
	key   weak.Pointer[session.Session]
}

func newMemo[V any]() *memo[V] {
	m := &memo[V]{seed: maphash.MakeSeed(), limit: memoPerShard}
	for i := range m.shards {
		m.shards[i].entries = make(map[weak.Pointer[session.Session]]memoEntry[V])
	}
	return m
}

func (m *memo[V]) load(s *session.Session) (V, bool) {
	shard := &m.shards[m.shardOf(s)]
	key := weak.Make(s)
	shard.mu.RLock()
	e, ok := shard.entries[key]
	shard.mu.RUnlock()
	return e.value, ok
}

// loadOrStore remembers v for s unless something is remembered already, and returns what is.
func (m *memo[V]) loadOrStore(s *session.Session, v V) V {
	ref := memoRef[V]{memo: weak.Make(m), shard: m.shardOf(s), key: weak.Make(s)}
	shard := &m.shards[ref.shard]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if e, ok := shard.entries[ref.key]; ok {
		return e.value
	}
	if len(shard.entries) >= m.limit {
		shard.evictOne()
	}
	shard.entries[ref.key] = memoEntry[V]{value: v, cleanup: runtime.AddCleanup(s, forget[V], ref)}
	return v
}

// evictOne forgets any one session. Its cleanup goes too, so that a session that comes and goes does not gather them.
func (s *memoShard[V]) evictOne() {
	for key, e := range s.entries {
		e.cleanup.Stop()
		delete(s.entries, key)
		return
	}
}

func forget[V any](ref memoRef[V]) {
	m := ref.memo.Value()
	if m == nil {
		return
	}
	shard := &m.shards[ref.shard]
	shard.mu.Lock()
	delete(shard.entries, ref.key)
	shard.mu.Unlock()
}

func (m *memo[V]) shardOf(s *session.Session) uint64 {
	return maphash.Comparable(m.seed, s) % memoShards
}
