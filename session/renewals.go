package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	renewalsAtOnce  = 32               // renewals under way in the whole process
	renewRetryFirst = 10 * time.Second // least time between two attempts for one session
	renewRetryMost  = 2 * time.Minute
)

// renewals keeps at most one renewal per session under way and lets failures rest.
type renewals struct {
	mu    sync.Mutex
	by    map[sessionName]*renewal
	slots chan struct{}
}

// renewal is one attempt, under way until done is closed, or the memory of the last failure.
type renewal struct {
	done     chan struct{}
	over     bool // guarded by renewals.mu
	session  *Session
	err      error
	failures int
	retryAt  int64 // no new attempt before, after a failure
}

func (r *renewals) init() {
	r.by = map[sessionName]*renewal{}
	r.slots = make(chan struct{}, renewalsAtOnce)
}

// start has e's session renewed in the background unless that is under way or failed a moment ago.
func (r *renewals) start(ctx context.Context, v *Validator, key cacheKey, e *entry) *renewal {
	name := nameOf(e.session)
	now := v.o.Now().UnixNano()
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.by[name]
	if last != nil && (!last.over || now < last.retryAt) {
		return last
	}
	next := &renewal{done: make(chan struct{})}
	if last != nil {
		next.failures = last.failures
	}
	r.by[name] = next
	v.work.Go(func() { r.run(context.WithoutCancel(ctx), v, key, e, next) })
	return next
}

// wait has e's session renewed and waits for it, no longer than ctx. After a failure it answers at once with that
// failure and when to come back.
func (r *renewals) wait(ctx context.Context, v *Validator, key cacheKey, e *entry) (*Session, error) {
	n := r.start(ctx, v, key, e)
	select {
	case <-n.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the session to be renewed: %w", errors.Join(ErrUnavailable, context.Cause(ctx)))
	}
	if n.err != nil && !errors.Is(n.err, ErrRejected) {
		return nil, WithRetryAfter(n.err, time.Duration(n.retryAt-v.o.Now().UnixNano()))
	}
	return n.session, n.err
}

// run makes one attempt with a deadline of its own, whoever is waiting.
func (r *renewals) run(ctx context.Context, v *Validator, key cacheKey, e *entry, n *renewal) {
	r.slots <- struct{}{}
	ctx, cancel := context.WithTimeout(ctx, v.o.RefreshTimeout)
	s, err := e.resolver.(Renewer).Refresh(ctx, e.session)
	cancel()
	<-r.slots
	now := v.o.Now().UnixNano()
	switch {
	case err == nil:
		n.session = s
		v.answers.put(&key, v.newEntry(e.resolver, s, now), now)
	case errors.Is(err, ErrRejected):
		n.err = err
		v.End(e.session)
	default:
		n.err = classed(err)
		n.failures++
		n.retryAt = now + int64(retryIn(n.failures, RetryAfter(err)))
		v.o.Log.WarnContext(ctx, "renewing a session failed; it is kept", "handle", e.session.Handle, "source", e.session.Source, "attempts", n.failures, "error", err)
	}
	r.mu.Lock()
	n.over = true
	if n.err == nil {
		delete(r.by, nameOf(e.session))
	}
	r.mu.Unlock()
	close(n.done)
}

// retryIn grows with each failure, and is never shorter than the authority asked for.
func retryIn(failures int, advised time.Duration) time.Duration {
	wait := renewRetryMost
	if failures < 5 {
		wait = min(wait, renewRetryFirst<<(failures-1))
	}
	return max(wait, advised)
}

// sweep forgets failures whose rest is long over.
func (r *renewals) sweep(now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, n := range r.by {
		if n.over && now > n.retryAt+int64(renewRetryMost) {
			delete(r.by, name)
		}
	}
}
