package session

import (
	"sync"
	"sync/atomic"
	"time"
)

// sessionName names a session across sources.
type sessionName struct{ source, id string }

func nameOf(s *Session) sessionName { return sessionName{s.Source, s.ID} }

// endedSet holds the sessions that ended here for as long as anybody may remember or be about to remember them, and
// the streams to close when one ends.
type endedSet struct {
	some     atomic.Bool // whether until has entries: the hot path's only cost
	mu       sync.RWMutex
	until    map[sessionName]int64
	watchers map[sessionName]map[*watcher]struct{}
}

type watcher struct {
	done  chan struct{}
	once  sync.Once
	timer *time.Timer
}

func (w *watcher) end() { w.once.Do(func() { close(w.done) }) }

func (e *endedSet) init() {
	e.until = map[sessionName]int64{}
	e.watchers = map[sessionName]map[*watcher]struct{}{}
}

func (e *endedSet) has(s *Session) bool {
	if !e.some.Load() {
		return false
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	_, ok := e.until[nameOf(s)]
	return ok
}

func (e *endedSet) add(s *Session, until int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.until[nameOf(s)] = until
	e.some.Store(true)
	for w := range e.watchers[nameOf(s)] {
		w.end()
	}
}

func (e *endedSet) sweep(now int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, until := range e.until {
		if now >= until {
			delete(e.until, name)
		}
	}
	e.some.Store(len(e.until) > 0)
}

// End makes the validator refuse s from this moment, whatever it remembers or is being told, and closes the channels
// that Watch gave out for it. It does not end s anywhere else.
func (v *Validator) End(s *Session) {
	c := v.o.Cache
	late := c.FreshFor + max(c.StaleFor, c.StaleIfError) + v.o.ResolveTimeout + v.o.RefreshTimeout
	v.ended.add(s, v.o.Now().Add(late).UnixNano())
}

// Watch returns a channel that is closed when s ends here, by End or at its absolute end: for streams that outlive the
// request that was judged. Call release when the stream is over.
func (v *Validator) Watch(s *Session) (ended <-chan struct{}, release func()) {
	w := &watcher{done: make(chan struct{})}
	name := nameOf(s)
	e := &v.ended
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.watchers[name] == nil {
		e.watchers[name] = map[*watcher]struct{}{}
	}
	e.watchers[name][w] = struct{}{}
	if !s.ExpiresAt.IsZero() {
		w.timer = time.AfterFunc(s.ExpiresAt.Sub(v.o.Now()), w.end)
	}
	if _, over := e.until[name]; over {
		w.end()
	}
	return w.done, func() { e.release(name, w) }
}

func (e *endedSet) release(name sessionName, w *watcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	delete(e.watchers[name], w)
	if len(e.watchers[name]) == 0 {
		delete(e.watchers, name)
	}
}
