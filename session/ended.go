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
	closed   bool // nobody looks any more
}

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
	e.cutLocked(nameOf(s))
}

// cut ends the streams of s and remembers nothing: another request may be told otherwise.
func (e *endedSet) cut(s *Session) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	e.cutLocked(nameOf(s))
}

func (e *endedSet) cutLocked(name sessionName) {
	for w := range e.watchers[name] {
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

// watch has w look after wait, and ends it at once where that is due already.
func (e *endedSet) watch(name sessionName, w *watcher, wait time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.watchers[name] == nil {
		e.watchers[name] = map[*watcher]struct{}{}
	}
	e.watchers[name][w] = struct{}{}
	if _, over := e.until[name]; over || e.closed {
		w.end()
		return
	}
	w.timer = time.AfterFunc(wait, w.look)
}

// again has w look after wait, unless it ended or was released meanwhile.
func (e *endedSet) again(name sessionName, w *watcher, wait time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, watching := e.watchers[name][w]; watching && !w.over() {
		w.timer.Reset(wait)
	}
}

func (e *endedSet) release(name sessionName, w *watcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w.stop()
	delete(e.watchers[name], w)
	if len(e.watchers[name]) == 0 {
		delete(e.watchers, name)
	}
}

// close ends all streams, for nobody looks after them any more.
func (e *endedSet) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for _, watchers := range e.watchers {
		for w := range watchers {
			w.stop()
			w.end()
		}
	}
}

// End makes the validator refuse s from this moment, whatever it remembers or is being told, and closes the channels
// that Watch gave out for it. It does not end s anywhere else.
func (v *Validator) End(s *Session) {
	c := v.o.Cache
	late := c.FreshFor + max(c.StaleFor, c.StaleIfError) + v.o.ResolveTimeout + v.o.RefreshTimeout
	v.ended.add(s, v.o.Now().Add(late).UnixNano())
}
