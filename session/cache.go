package session

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	gocache "github.com/patrickmn/go-cache"
)

// Sharding keeps sweeps and evictions short: each works on one shard under a lock of its own. A shard is never so
// small that a few neighbours push each other out.
const (
	maxShards       = 256
	minShardEntries = 64
	minShardBytes   = 64 << 10
)

// clockSlack is how far the clock may step back before what was remembered is doubted.
const clockSlack = 5 * time.Second

// cacheKey is the keyed hash of a credential.
type cacheKey [32]byte

// entry is one remembered answer. All but the marks is fixed once it is in the cache. Times are Unix nanoseconds;
// 0 means never.
type entry struct {
	session  *Session // nil for a rejection
	rejected error    // why, for a rejection
	resolver Resolver // who answered

	notBefore  int64 // the clock was put back when it shows less: nothing here holds
	freshUntil int64 // served without asking
	staleUntil int64 // served while one background question is asked
	errorUntil int64 // served while the authority cannot be reached
	renewAt    int64 // tokens are renewed from here on
	touchAt    int64 // use is written down from here on
	quietUntil int64 // nothing at all is due before: the whole hot path is one comparison
	dropAt     int64 // nobody can be served any more

	failedAt     atomic.Int64 // the resolver was last found unreachable
	used         atomic.Bool  // since the clock hand last passed: second chance
	revalidating atomic.Bool
	touching     atomic.Bool
	size         int32 // bytes, see sizeOf; here for the layout: an entry is 128 bytes
}

// failedWithin reports whether the resolver was found unreachable no longer than d ago.
func (e *entry) failedWithin(d time.Duration, now int64) bool {
	at := e.failedAt.Load()
	return at != 0 && at <= now && now-at < int64(d)
}

// cache is go-cache in shards, with the bound it lacks: entries and bytes, second-chance eviction. Expiry is judged
// by the caller's clock, so go-cache's own janitor and expiry are not used.
type cache struct {
	shards     []cacheShard // a power of two of them
	maxEntries int          // in each shard
	maxBytes   int64        // in each shard
}

type cacheShard struct {
	items *gocache.Cache
	mu    sync.Mutex // guards what follows and orders writes to items
	queue []string   // keys in order of arrival; those no longer in items are skipped
	bytes int64
}

func newCache(maxEntries int, maxBytes int64) *cache {
	n := 1
	for n < maxShards && maxEntries/(2*n) >= minShardEntries && maxBytes/int64(2*n) >= minShardBytes {
		n *= 2
	}
	c := &cache{shards: make([]cacheShard, n), maxEntries: max(1, maxEntries/n), maxBytes: max(1, maxBytes/int64(n))}
	for i := range c.shards {
		c.shards[i].items = gocache.New(gocache.NoExpiration, 0)
	}
	return c
}

func (c *cache) shard(k *cacheKey) *cacheShard { return &c.shards[int(k[0])&(len(c.shards)-1)] }

// get returns the entry for k, nil when there is none. It does not allocate.
func (c *cache) get(k *cacheKey) *entry {
	v, ok := c.shard(k).items.Get(string(k[:]))
	if !ok {
		return nil
	}
	e := v.(*entry)
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e
}

// put remembers e under k and makes room for it. An entry too large for its shard is not kept.
func (c *cache) put(k *cacheKey, e *entry, now int64) {
	sh := c.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	key := string(k[:])
	if int64(e.size) > c.maxBytes {
		sh.remove(key)
		return
	}
	if old := sh.peek(key); old != nil {
		sh.bytes -= int64(old.size)
	} else {
		sh.queue = append(sh.queue, key)
	}
	sh.items.SetDefault(key, e)
	sh.bytes += int64(e.size)
	sh.evict(c.maxEntries, c.maxBytes, now)
	sh.compact()
}

// replace puts e in the place of old, and does nothing when old is no longer there: what was dropped or replaced
// meanwhile stays so.
func (c *cache) replace(k *cacheKey, old, e *entry, now int64) {
	sh := c.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	key := string(k[:])
	if sh.peek(key) != old {
		return
	}
	sh.bytes += int64(e.size) - int64(old.size)
	sh.items.SetDefault(key, e)
	sh.evict(c.maxEntries, c.maxBytes, now)
}

// replaceAll puts what f makes of an entry in its place; nil leaves it. It looks at all of them.
func (c *cache) replaceAll(now int64, f func(e *entry) *entry) {
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		for _, key := range sh.queue {
			old := sh.peek(key)
			if old == nil {
				continue
			}
			if e := f(old); e != nil {
				sh.bytes += int64(e.size) - int64(old.size)
				sh.items.SetDefault(key, e)
			}
		}
		sh.evict(c.maxEntries, c.maxBytes, now)
		sh.mu.Unlock()
	}
}

// find returns the session of the first entry that f holds for. It looks at all of them.
func (c *cache) find(f func(e *entry) bool) (*Session, bool) {
	for i := range c.shards {
		if e := c.shards[i].find(f); e != nil {
			return e.session, true
		}
	}
	return nil, false
}

func (sh *cacheShard) find(f func(e *entry) bool) *entry {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, key := range sh.queue {
		if e := sh.peek(key); e != nil && f(e) {
			return e
		}
	}
	return nil
}

// drop forgets k.
func (c *cache) drop(k *cacheKey) {
	sh := c.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.remove(string(k[:]))
}

// sweep drops what can no longer be served from shard i.
func (c *cache) sweep(i int, now int64) {
	sh := &c.shards[i%len(c.shards)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	kept := sh.queue[:0]
	for _, key := range sh.queue {
		e := sh.peek(key)
		if e == nil {
			continue
		}
		if now >= e.dropAt || now < e.notBefore {
			sh.remove(key)
			continue
		}
		kept = append(kept, key)
	}
	clear(sh.queue[len(kept):])
	sh.queue = kept
}

func (c *cache) len() int {
	n := 0
	for i := range c.shards {
		n += c.shards[i].items.ItemCount()
	}
	return n
}

func (sh *cacheShard) peek(key string) *entry {
	if v, ok := sh.items.Get(key); ok {
		return v.(*entry)
	}
	return nil
}

func (sh *cacheShard) remove(key string) {
	if e := sh.peek(key); e != nil {
		sh.bytes -= int64(e.size)
		sh.items.Delete(key)
	}
}

// evict drops entries until the shard is within its bounds: oldest first, but what was used since it was last looked
// at goes to the end of the queue once. So a flood of new keys pushes out itself and not what people use.
func (sh *cacheShard) evict(maxEntries int, maxBytes int64, now int64) {
	for chances := len(sh.queue); sh.items.ItemCount() > maxEntries || sh.bytes > maxBytes; {
		key := sh.queue[0]
		sh.queue = sh.queue[1:]
		e := sh.peek(key)
		if e == nil {
			continue
		}
		if chances > 0 && now < e.dropAt && e.used.Swap(false) {
			chances--
			sh.queue = append(sh.queue, key)
			continue
		}
		sh.remove(key)
	}
}

// compact forgets queued keys that are gone or stand twice, when they are most of the queue.
func (sh *cacheShard) compact() {
	n := sh.items.ItemCount()
	if len(sh.queue) <= 2*n+64 {
		return
	}
	seen := make(map[string]struct{}, n)
	kept := make([]string, 0, n)
	for _, key := range sh.queue {
		if _, twice := seen[key]; !twice && sh.peek(key) != nil {
			seen[key] = struct{}{}
			kept = append(kept, key)
		}
	}
	sh.queue = kept
}

// unixNano is the form times have in an entry: 0 for the zero time. Authorities write "never" as the year 9999, which
// no int64 of nanoseconds holds: what lies beyond is put at the end of what it holds.
func unixNano(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Unix() >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	case t.Unix() <= 0:
		return 1 // long past, which is not never
	}
	return t.UnixNano()
}

// firstOf returns the earliest of the times that are not 0.
func firstOf(times ...int64) int64 {
	var first int64
	for _, t := range times {
		if t != 0 && (first == 0 || t < first) {
			first = t
		}
	}
	return first
}

// sizeOf estimates the bytes s holds, so that a client with large tokens cannot fill the memory with few entries.
func sizeOf(s *Session) int32 {
	const fixed, perItem = 792, 48
	n := fixed + len(s.ID) + len(s.Handle) + len(s.Source) + len(s.SourceSessionID) + len(s.Realm) + len(s.AAL) + len(s.ACR) +
		len(s.Identity.Subject) + len(s.Identity.Username) + len(s.Identity.Email) + len(s.Identity.Name) +
		len(s.Tokens.Access.Reveal()) + len(s.Tokens.Refresh.Reveal()) + len(s.Tokens.ID.Reveal()) + len(s.Tokens.Type) + len(s.Tokenized.Reveal())
	for _, g := range s.Identity.Groups {
		n += len(g) + perItem
	}
	for k, v := range s.Properties {
		n += len(k) + len(v) + perItem
	}
	for _, m := range s.AuthenticationMethods {
		n += len(m.Method) + len(m.AAL) + perItem
	}
	for _, d := range s.Devices {
		n += len(d.IP) + len(d.UserAgent) + 2*perItem
	}
	for _, h := range s.Reissue {
		n += len(h.Name) + len(h.Value.Reveal()) + perItem
	}
	return int32(min(int64(n)+sizeOfClaim(s.Identity.Claims), math.MaxInt32))
}

func sizeOfClaim(v any) int64 {
	const perItem = 48
	switch v := v.(type) {
	case string:
		return int64(len(v)) + perItem
	case []any:
		n := int64(perItem)
		for _, item := range v {
			n += sizeOfClaim(item)
		}
		return n
	case map[string]any:
		n := int64(perItem)
		for k, item := range v {
			n += int64(len(k)) + sizeOfClaim(item)
		}
		return n
	default:
		return perItem
	}
}
