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
	renewTurn       = 5 * time.Second  // the longest wait for one's turn
	renewRetryFirst = 10 * time.Second // least time between two attempts for one session
	renewRetryMost  = 2 * time.Minute
	renewRest       = time.Second // after a success, whatever the new tokens say of their end
	renewAdviceMost = time.Hour   // the longest Retry-After that is believed
)

// renewals keeps at most one renewal per session under way, lets failures rest, and remembers successes long enough
// for those who still hold the state before.
type renewals struct {
	mu    sync.Mutex
	by    map[sessionName]*renewal
	slots chan struct{}
}

// renewal is one attempt, under way until done is closed, or the memory of the last one.
type renewal struct {
	from Tokens // what it began with
	done chan struct{}
	over bool // guarded by renewals.mu

	// Set before done is closed.
	session  *Session
	err      error
	failures int           // in a row
	overAt   int64         // when it ended
	rest     time.Duration // no new attempt for so long
}

func (n *renewal) resting(now int64) bool {
	since := now - n.overAt
	return since >= -int64(clockSlack) && since < int64(n.rest)
}

// answers reports whether n, being over, is also the answer for one who holds s.
func (n *renewal) answers(s *Session) bool { return n.session != nil && sameTokens(n.from, s.Tokens) }

func (r *renewals) init() {
	r.by = map[sessionName]*renewal{}
	r.slots = make(chan struct{}, renewalsAtOnce)
}

// start has e's session renewed in the background, unless that is under way, was done from the same tokens, or failed
// a moment ago. nil once the validator is closed.
func (r *renewals) start(ctx context.Context, v *Validator, key cacheKey, e *entry) *renewal {
	name := nameOf(e.session)
	now := v.o.Now().UnixNano()
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.by[name]
	if last != nil && (!last.over || last.resting(now) || last.answers(e.session)) {
		return last
	}
	next := &renewal{from: e.session.Tokens, done: make(chan struct{})}
	if last != nil {
		next.failures = last.failures
	}
	ctx = context.WithoutCancel(ctx)
	if !v.work.run(ctx, "renewing a session", func() { r.run(ctx, v, key, e, next) }) {
		return nil
	}
	r.by[name] = next
	return next
}

// aside has e's session renewed without waiting and returns what is known now.
func (r *renewals) aside(ctx context.Context, v *Validator, key cacheKey, e *entry) *Session {
	n := r.start(ctx, v, key, e)
	if n == nil {
		return e.session
	}
	select {
	case <-n.done:
		if n.answers(e.session) {
			n.adopt(v, key, e)
			return n.session
		}
	default:
	}
	return e.session
}

// wait has e's session renewed and waits for it, no longer than ctx. After a failure it answers at once with that
// failure and when to come back.
func (r *renewals) wait(ctx context.Context, v *Validator, key cacheKey, e *entry) (*Session, error) {
	n := r.start(ctx, v, key, e)
	if n == nil {
		return nil, errClosing
	}
	select {
	case <-n.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the session to be renewed: %w", errors.Join(ErrUnavailable, context.Cause(ctx)))
	}
	if n.err == nil {
		n.adopt(v, key, e)
		return n.session, nil
	}
	if errors.Is(n.err, ErrRejected) {
		return nil, n.err
	}
	return nil, WithRetryAfter(n.err, time.Duration(n.overAt+int64(n.rest)-v.o.Now().UnixNano()))
}

// adopt remembers the renewed session for a credential other than the one it was renewed for. It is no fresher than
// the renewal.
func (n *renewal) adopt(v *Validator, key cacheKey, e *entry) {
	if v.answers.get(&key) == e && n.answers(e.session) && !v.ended.has(n.session) {
		v.answers.replace(&key, e, v.newEntry(e.resolver, n.session, n.overAt), v.o.Now().UnixNano())
	}
}

// run makes one attempt, whoever is waiting.
func (r *renewals) run(ctx context.Context, v *Validator, key cacheKey, e *entry, n *renewal) {
	var next *entry
	err := guarded(ctx, v.o.Log, "renewing a session", func() (err error) {
		next, err = r.attempt(ctx, v, e)
		return err
	})
	n.overAt, n.err, n.rest = v.o.Now().UnixNano(), err, renewRest
	switch {
	case err == nil:
		n.session, n.failures = next.session, 0
		v.o.Tally.Add(Refreshes)
		if !v.ended.has(e.session) {
			v.answers.put(&key, next, n.overAt)
		}
	case errors.Is(err, ErrRejected):
		v.End(e.session)
	default:
		n.failures++
		n.rest = retryIn(n.failures, RetryAfter(err))
		v.o.Log.WarnContext(ctx, "renewing a session failed; it is kept", "handle", e.session.Handle, "source", e.session.Source, "attempts", n.failures, "error", err)
	}
	r.mu.Lock()
	n.over = true
	r.mu.Unlock()
	close(n.done)
}

var errBusy = WithRetryAfter(fmt.Errorf("%d renewals are under way: %w", renewalsAtOnce, ErrUnavailable), renewRetryFirst)

// turn waits for one of the slots, and not for long: behind an authority that hangs the queue would be minutes long.
func (r *renewals) turn(v *Validator) error {
	timer := time.NewTimer(renewTurn)
	defer timer.Stop()
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return errBusy
	case <-v.work.stopped:
		return errClosing
	}
}

// attempt asks for the renewal when it is its turn, with a deadline of its own that begins then.
func (r *renewals) attempt(ctx context.Context, v *Validator, e *entry) (*entry, error) {
	if err := r.turn(v); err != nil {
		return nil, err
	}
	defer func() { <-r.slots }()
	if v.ended.has(e.session) {
		return nil, errEnded
	}
	ctx, cancel := context.WithTimeout(ctx, v.o.RefreshTimeout)
	defer cancel()
	s, err := e.resolver.(Renewer).Refresh(ctx, e.session)
	if err == nil && s == nil {
		err = fmt.Errorf("answer without a session: %w", ErrUnavailable)
	}
	if err != nil {
		return nil, answerOf(err)
	}
	return v.newEntry(e.resolver, s, v.o.Now().UnixNano()), nil
}

// retryIn grows with each failure, and is not shorter than the authority asked for, within reason.
func retryIn(failures int, advised time.Duration) time.Duration {
	wait := renewRetryMost
	if failures < 5 {
		wait = min(wait, renewRetryFirst<<(failures-1))
	}
	return max(wait, min(advised, renewAdviceMost))
}

// sweep forgets attempts that nobody can hold the state before of any more.
func (r *renewals) sweep(now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, n := range r.by {
		since := now - n.overAt
		if n.over && (since < -int64(clockSlack) || since > int64(n.rest+renewRetryMost)) {
			delete(r.by, name)
		}
	}
}
