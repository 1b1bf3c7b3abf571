package session

import (
	"context"
	"sync/atomic"
	"time"
)

// Revoking tokens at authorities, in the background.
const (
	revokeTimeout   = 10 * time.Second
	revokesAtOnce   = 32     // further ones wait
	revokesWaiting  = 10_000 // beyond which tokens are not revoked: the sessions have ended here all the same
	revokesEaseFor  = time.Second
	revokesEaseLook = 10 * time.Millisecond
)

// revocations bounds how much is asked of authorities at once when many sessions end together.
type revocations struct {
	places  chan struct{} // those that wait, and those under way
	turns   chan struct{} // those under way
	failing atomic.Bool   // the last one failed
}

func newRevocations() *revocations {
	return &revocations{places: make(chan struct{}, revokesWaiting), turns: make(chan struct{}, revokesAtOnce)}
}

// enter takes a place in the queue; false when there is none. leave gives it back.
func (r *revocations) enter() bool {
	select {
	case r.places <- struct{}{}:
		return true
	default:
		return false
	}
}

func (r *revocations) leave() { <-r.places }

// turn waits for a turn and calls f; false, and f not called, when stopped was closed before there was one.
func (r *revocations) turn(stopped <-chan struct{}, f func() error) (bool, error) {
	if !r.begin(stopped) {
		return false, nil
	}
	defer func() { <-r.turns }()
	err := f()
	r.failing.Store(err != nil)
	return true, err
}

func (r *revocations) begin(stopped <-chan struct{}) bool {
	select {
	case r.turns <- struct{}{}: // at once: also while shutting down
		return true
	default:
	}
	select {
	case r.turns <- struct{}{}:
		return true
	case <-stopped:
		return false
	}
}

// ease waits a little while the queue is more than half full, so that who ends very many sessions does not run away
// from an authority that answers. One that does not answer is not waited for.
func (r *revocations) ease(ctx context.Context) {
	look := time.NewTicker(revokesEaseLook)
	defer look.Stop()
	for end := time.Now().Add(revokesEaseFor); len(r.places) > cap(r.places)/2 && !r.failing.Load() && time.Now().Before(end); {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}
