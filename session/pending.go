package session

import (
	"context"
	"errors"
	"time"
)

// Retrying what the store has not taken.
const (
	pendingRetryFirst = 250 * time.Millisecond
	pendingRetryMost  = 5 * time.Second
	pendingWrite      = 5 * time.Second // for one attempt; for all of the last one at Close
)

// pendingChange is a renewal the store could not take. The rotated refresh token exists nowhere else.
type pendingChange struct {
	base   *Session // the state it was made from
	change func(newest *Session) *Session
}

// keepPending remembers a change and keeps trying until the store takes it, it is overtaken by another one, or the
// session has ended. One goroutine tries for all of them, so that a store that recovers is not run down.
func (m *Manager) keepPending(ctx context.Context, base *Session, change func(newest *Session) *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending[storeKey(base.ID)] = &pendingChange{base: base, change: change}
	if m.retrying {
		return
	}
	m.retrying = m.work.run(context.WithoutCancel(ctx), "writing down renewed sessions", m.retryPending)
	if !m.retrying {
		delete(m.pending, storeKey(base.ID))
		m.o.Log.ErrorContext(ctx, "a renewed session was not written: shutting down", "handle", base.Handle)
	}
}

// retryPending tries until nothing is left, and once more when the manager is closed.
func (m *Manager) retryPending() {
	for wait := pendingRetryFirst; ; wait = min(2*wait, pendingRetryMost) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			m.writePending()
		case <-m.work.stopped:
			timer.Stop()
			m.writePending()
			m.giveUpPending()
		}
		if m.nonePending() {
			return
		}
	}
}

// writePending makes one round. It ends with the first change the store is too busy for; the next round begins
// somewhere else.
func (m *Manager) writePending() {
	m.mu.Lock()
	round := make([]*pendingChange, 0, len(m.pending))
	for _, p := range m.pending {
		round = append(round, p)
	}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), pendingWrite)
	defer cancel()
	for _, p := range round {
		_, err := m.update(ctx, p.base, p.change)
		if errors.Is(err, ErrUnavailable) && !past(p.base.ExpiresAt, m.now()) {
			return
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			m.o.Log.Error("a renewed session was not written", "handle", p.base.Handle, "error", err)
		}
		m.dropPending(p)
	}
}

func past(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }

// nonePending reports whether the retrying may end, and says so to those who come after.
func (m *Manager) nonePending() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retrying = len(m.pending) > 0
	return !m.retrying
}

func (m *Manager) giveUpPending() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pending {
		m.o.Log.Error("a renewed session was not written: shutting down", "handle", p.base.Handle)
	}
	clear(m.pending)
}

func (m *Manager) pendingFor(id string) *pendingChange {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pending[storeKey(id)]
}

// dropPending forgets p unless a newer change took its place.
func (m *Manager) dropPending(p *pendingChange) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if key := storeKey(p.base.ID); m.pending[key] == p {
		delete(m.pending, key)
	}
}
