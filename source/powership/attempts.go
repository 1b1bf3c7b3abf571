package powership

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

const (
	maxAttemptKeys = 10_000
	firstWait      = 30 * time.Second
	maxWait        = 15 * time.Minute
)

// attempts counts failed attempts per key and makes their makers wait. An attempt is counted when it begins and taken
// back when it succeeds, so that many at once cannot slip through together. Bounded: the key touched longest ago goes
// first.
type attempts struct {
	limit  int
	window time.Duration
	now    func() time.Time

	mu    sync.Mutex
	keys  map[string]*list.Element
	order *list.List // of *attempt, newest first
}

type attempt struct {
	key   string
	count int
	since time.Time // of the first in this window
	until time.Time // no attempt before
}

func newAttempts(limit int, window time.Duration, now func() time.Time) *attempts {
	return &attempts{limit: limit, window: window, now: now, keys: map[string]*list.Element{}, order: list.New()}
}

// begin counts an attempt under key. When the key has to wait it returns how long, and counts nothing.
func (a *attempts) begin(key string) (wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	e := a.entry(key, now)
	if left := e.until.Sub(now); left > 0 {
		return left
	}
	if e.until.IsZero() && now.Sub(e.since) >= a.window {
		e.count, e.since = 0, now
	}
	e.count++
	if over := e.count - a.limit; over >= 0 {
		e.until = now.Add(min(firstWait<<min(over, 10), maxWait))
	}
	return 0
}

// undo takes back one attempt that was not a failure.
func (a *attempts) undo(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	el, ok := a.keys[key]
	if !ok {
		return
	}
	e := el.Value.(*attempt)
	e.count = max(e.count-1, 0)
	if e.count < a.limit {
		e.until = time.Time{}
	}
}

// forget drops key: whoever it was has proven who they are.
func (a *attempts) forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if el, ok := a.keys[key]; ok {
		a.order.Remove(el)
		delete(a.keys, key)
	}
}

// entry returns the entry of key, as the newest. a.mu is held.
func (a *attempts) entry(key string, now time.Time) *attempt {
	if el, ok := a.keys[key]; ok {
		a.order.MoveToFront(el)
		e := el.Value.(*attempt)
		if !e.until.IsZero() && now.Sub(e.until) >= a.window {
			e.count, e.since, e.until = 0, now, time.Time{} // a quiet window after the wait: begin anew
		}
		return e
	}
	if a.order.Len() >= maxAttemptKeys {
		oldest := a.order.Back()
		a.order.Remove(oldest)
		delete(a.keys, oldest.Value.(*attempt).key)
	}
	e := &attempt{key: key, since: now}
	a.keys[key] = a.order.PushFront(e)
	return e
}

// clientKey is the address attempts are counted under: an IPv6 client has a whole /64 to choose from.
func clientKey(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	prefix, _ := addr.Prefix(64) // 64 bits are always there
	return prefix.String()
}
