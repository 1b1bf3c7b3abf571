package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	cullAtOnce  = 64   // writes of one cull under way
	cullSamples = 2048 // records looked at to know which are among the first to be forgotten
)

// roomForSighting reports whether a new sighting may be written.
func (m *Manager) roomForSighting(ctx context.Context) bool {
	room, cull := m.sightings.room(m.now())
	if !cull {
		return room
	}
	started := m.work.run(context.WithoutCancel(ctx), "counting foreign sessions", func() {
		before := m.sightings.begun()
		found, err := m.cull(context.WithoutCancel(ctx))
		m.sightings.culled(before, found, err, m.now())
		if err != nil && !errors.Is(err, errClosing) {
			m.o.Log.Warn("foreign sessions were not counted", "error", err)
		}
	})
	return room && started
}

// cull counts the sightings and, when there is no room, forgets some. It returns how many there are.
func (m *Manager) cull(ctx context.Context) (int, error) {
	found, err := m.countSightings(ctx)
	if err != nil || found < m.sightings.max {
		return found, err
	}
	excess := found - m.sightings.max*3/4
	before, err := m.firstToBeForgotten(ctx, found, excess)
	if err != nil {
		return found, err
	}
	gone, err := m.forgetSightings(ctx, before, excess)
	m.o.Log.Warn("too many foreign sessions: those that end first are no longer listed", "there_were", found, "forgotten", gone, "at_most", m.sightings.max)
	return found - gone, err
}

// eachSighting calls f with the key of every sighting until f returns false, the store fails or the manager is closed.
func (m *Manager) eachSighting(ctx context.Context, f func(key string) bool) error {
	for key, err := range m.o.Store.Find(ctx, termForeign, "") {
		if err != nil {
			return fmt.Errorf("session store: find: %w", classed(err))
		}
		select {
		case <-m.work.stopped:
			return errClosing
		default:
		}
		if !f(key) {
			return nil
		}
	}
	return nil
}

func (m *Manager) countSightings(ctx context.Context) (n int, err error) {
	err = m.eachSighting(ctx, func(string) bool { n++; return true })
	return n, err
}

// firstToBeForgotten returns, from a sample, the time before which about excess of the found sightings end.
func (m *Manager) firstToBeForgotten(ctx context.Context, found, excess int) (time.Time, error) {
	var ends []time.Time
	every, i := max(1, found/cullSamples), 0
	err := m.eachSighting(ctx, func(key string) bool {
		if i++; i%every == 0 {
			if r, err := m.o.Store.Get(ctx, key); err == nil && !r.ExpiresAt.IsZero() {
				ends = append(ends, r.ExpiresAt)
			}
		}
		return true
	})
	if err != nil || len(ends) == 0 {
		return time.Time{}, err
	}
	slices.SortFunc(ends, time.Time.Compare)
	return ends[min(len(ends)-1, len(ends)*excess/found)], nil
}

// forgetSightings forgets sightings that end at the given time or before until limit or a few more are gone, many at
// once, and returns how many.
func (m *Manager) forgetSightings(ctx context.Context, before time.Time, limit int) (int, error) {
	var gone atomic.Int64
	var workers sync.WaitGroup
	keys := make(chan string)
	for range cullAtOnce {
		workers.Go(func() {
			for key := range keys {
				if m.forgetSighting(ctx, key, before) {
					gone.Add(1)
				}
			}
		})
	}
	err := m.eachSighting(ctx, func(key string) bool {
		keys <- key
		return gone.Load() < int64(limit)
	})
	close(keys)
	workers.Wait()
	return int(gone.Load()), err
}

// forgetSighting forgets one, unless it ends later than before or was ended here. It is written over and not deleted: a
// refusal written meanwhile stays.
func (m *Manager) forgetSighting(ctx context.Context, key string, before time.Time) bool {
	if r, err := m.o.Store.Get(ctx, key); err != nil || r.ExpiresAt.IsZero() || r.ExpiresAt.After(before) {
		return false
	}
	s, err := m.readSighting(ctx, key)
	if err != nil || !s.RefusedAt.IsZero() {
		return false
	}
	_, err = m.o.Store.Swap(ctx, key, Record{ExpiresAt: m.now().Add(-time.Second), Version: s.version})
	return err == nil
}
