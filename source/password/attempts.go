package password

import (
	"container/list"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
)

const (
	maxAttemptKeys = 10_000
	firstWait      = 30 * time.Second
	maxWait        = 15 * time.Minute
)

// How many wrong passwords there may be, and for how long they are counted, where nothing else is configured.
const (
	DefaultWindow  = 5 * time.Minute
	DefaultPerUser = 5
	DefaultPerIP   = 20
)

// Attempts counts failed attempts per key and makes their makers wait. An attempt is counted when it begins and taken
// back when it succeeds, so that many at once cannot slip through together. Bounded: the key touched longest ago goes
// first.
type Attempts struct {
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

// NewAttempts returns an empty count: after limit failures within window whoever makes them has to wait.
func NewAttempts(limit int, window time.Duration, now func() time.Time) *Attempts {
	return &Attempts{limit: limit, window: window, now: now, keys: map[string]*list.Element{}, order: list.New()}
}

// Begin counts an attempt under key. When the key has to wait it returns how long, and counts nothing.
func (a *Attempts) Begin(key string) (wait time.Duration) {
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

// Undo takes back one attempt that was not a failure.
func (a *Attempts) Undo(key string) {
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

// Forget drops key: whoever it was has proven who they are.
func (a *Attempts) Forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if el, ok := a.keys[key]; ok {
		a.order.Remove(el)
		delete(a.keys, key)
	}
}

// entry returns the entry of key, as the newest. a.mu is held.
func (a *Attempts) entry(key string, now time.Time) *attempt {
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

// ClientKey is the address attempts are counted under: an IPv6 client has a whole /64 to choose from.
func ClientKey(ip string) string {
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

// TooMany is the error for somebody who has to wait.
func TooMany(who string, wait time.Duration) error {
	return session.WithRetryAfter(fmt.Errorf("%w: %s has to wait", session.ErrTooMany, who), wait)
}
