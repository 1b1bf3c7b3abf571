package session

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/singleflight"
)

// failureRest is how long a resolver that could not be reached is left alone by work in the background.
const failureRest = 5 * time.Second

// ask puts the question to the sources, once for all who ask it at the same time.
func (v *Validator) ask(ctx context.Context, key cacheKey, c Credential) (Answer, error) {
	freshness := Shared
	ch := v.questions.DoChan(string(key[:]), func() (any, error) {
		if e, err, ok := v.answered(&key); ok {
			freshness = Hit
			return e, err
		}
		freshness = Miss
		return v.question(ctx, key, c)
	})
	var res singleflight.Result
	select {
	case res = <-ch:
	case <-ctx.Done():
		return Answer{}, fmt.Errorf("waiting for the session's source: %w", errors.Join(ErrUnavailable, context.Cause(ctx)))
	}
	now := v.o.Now().UnixNano()
	e, _ := res.Val.(*entry)
	if errors.Is(res.Err, ErrUnavailable) {
		if e = v.staleIfError(key, now); e != nil {
			freshness, res.Err = Stale, nil
		}
	}
	if res.Err != nil {
		return Answer{}, res.Err
	}
	a, err := v.serve(ctx, &key, e, c, now)
	a.Freshness = freshness
	return a, err
}

// answered finds what was answered between the caller's look and this one.
func (v *Validator) answered(key *cacheKey) (e *entry, err error, ok bool) {
	now := v.o.Now().UnixNano()
	if e = v.answers.get(key); e != nil {
		return e, nil, now < e.freshUntil && now >= e.notBefore && !v.ended.has(e.session)
	}
	err = v.rejectedBefore(key, now)
	return nil, err, err != nil
}

// staleIfError finds an answer that may be served because its authority cannot be reached; nil when there is none.
func (v *Validator) staleIfError(key cacheKey, now int64) *entry {
	e := v.answers.get(&key)
	if e == nil {
		return nil
	}
	e.failedAt.Store(now)
	if now >= e.errorUntil || now < e.notBefore || v.ended.has(e.session) {
		return nil
	}
	return e
}

// question asks the sources apart from any visitor, with a deadline of its own, and remembers the answer.
func (v *Validator) question(ctx context.Context, key cacheKey, c Credential) (e *entry, err error) {
	if !v.work.begin() {
		return nil, errClosing
	}
	defer v.work.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.o.ResolveTimeout)
	defer cancel()
	err = guarded(ctx, v.o.Log, "resolving a credential", func() error {
		e, err = v.resolve(ctx, c)
		return err
	})
	now := v.o.Now().UnixNano()
	switch {
	case errors.Is(err, ErrRejected):
		if older := v.answers.get(&key); older != nil {
			v.ended.cut(older.session) // its streams were opened with an answer that no longer holds
		}
		v.answers.drop(&key)
		v.rejections.put(&key, v.rejection(err, now), now)
		return nil, err
	case err != nil:
		return nil, err
	case v.ended.has(e.session):
		return nil, errEnded
	}
	if cur := v.answers.get(&key); cur != nil && cur.session.ID == e.session.ID && cur.session.version > e.session.version {
		return cur, nil // written down here while the store was asked
	}
	v.answers.put(&key, e, now)
	return e, nil
}

// resolve asks, in order, the sources whose credentials are found where c was found.
func (v *Validator) resolve(ctx context.Context, c Credential) (*entry, error) {
	for _, r := range v.resolvers[c.Place] {
		s, err := r.Resolve(ctx, c)
		if errors.Is(err, ErrNotMine) && !errors.Is(err, ErrUnavailable) {
			continue
		}
		if err == nil {
			err = v.usable(ctx, r, s)
		}
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", r.Name(), answerOf(err))
		}
		return v.newEntry(r, s, v.o.Now().UnixNano()), nil
	}
	return nil, fmt.Errorf("no source recognises the credential: %w", ErrRejected)
}

// usable refuses what a resolver must not answer with. Sessions are told apart by their id, so that one without would
// share its fate with others.
func (v *Validator) usable(ctx context.Context, r Resolver, s *Session) error {
	if s == nil || s.ID == "" {
		v.o.Log.ErrorContext(ctx, "a source answered with no session or one without an id", "source", r.Name())
		return fmt.Errorf("answer without a session id: %w", ErrUnavailable)
	}
	if s.Ended(v.o.Now()) {
		return fmt.Errorf("session has ended: %w", ErrRejected)
	}
	return nil
}

func (v *Validator) rejection(err error, now int64) *entry {
	const fixed = 256
	return &entry{
		rejected: err, size: int32(min(fixed+len(err.Error()), math.MaxInt32)),
		notBefore: now - int64(clockSlack), dropAt: now + int64(v.o.Cache.RejectedFor),
	}
}

// newEntry works out until when s, as known at the given time, is served, and what is due when.
func (v *Validator) newEntry(r Resolver, s *Session, now int64) *entry {
	e := &entry{session: s, resolver: r, size: sizeOf(s), notBefore: now - int64(clockSlack)}
	if t, ok := r.(Toucher); ok {
		e.touchAt = unixNano(t.TouchAt(s))
	}
	if rn, ok := r.(Renewer); ok {
		e.renewAt = unixNano(rn.RenewAt(s))
	}
	end := unixNano(s.EndsAt())
	if tokenEnd := unixNano(s.Tokens.ExpiresAt); e.renewAt == 0 && tokenEnd > now {
		end = firstOf(end, tokenEnd) // nobody renews it here: its source may know of newer ones
	}
	o := v.o.Cache
	fresh := now + int64(o.FreshFor)
	limit := firstOf(end, unixNano(s.FreshUntil)) // that an authority cannot be reached is not for it to limit
	e.freshUntil = firstOf(fresh, limit)
	e.staleUntil = firstOf(fresh+int64(o.StaleFor), limit)
	e.errorUntil = firstOf(fresh+int64(o.StaleIfError), end)
	e.quietUntil = firstOf(e.freshUntil, e.touchAt, e.renewAt)
	e.dropAt = max(e.staleUntil, e.errorUntil)
	return e
}

// revalidate asks again in the background, once, and not right after that failed.
func (v *Validator) revalidate(ctx context.Context, key cacheKey, e *entry, c Credential, now int64) {
	if e.failedWithin(failureRest, now) || !e.revalidating.CompareAndSwap(false, true) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	started := v.work.run(ctx, "asking again about a session", func() {
		defer e.revalidating.Store(false)
		_, err, _ := v.questions.Do(string(key[:]), func() (any, error) {
			if newer, err, ok := v.answered(&key); ok {
				return newer, err
			}
			return v.question(ctx, key, c)
		})
		if err == nil {
			return
		}
		if errors.Is(err, ErrUnavailable) {
			e.failedAt.Store(v.o.Now().UnixNano())
		}
		v.o.Log.InfoContext(ctx, "asking again about a remembered session failed", "handle", e.session.Handle, "source", e.session.Source, "error", err)
		_ = v.o.Hooks.failed(ctx, err)
	})
	if !started {
		e.revalidating.Store(false)
	}
}

// touch writes the use of a session down in the background, once, and not right after that failed.
func (v *Validator) touch(ctx context.Context, key cacheKey, e *entry, c Credential, now int64) {
	if e.failedWithin(failureRest, now) || !e.touching.CompareAndSwap(false, true) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	started := v.work.run(ctx, "writing down the use of a session", func() {
		touched := false
		defer func() { e.touching.Store(touched) }()
		touched = v.touchNow(ctx, key, e, c)
	})
	if !started {
		e.touching.Store(false)
	}
}

// touchNow makes one attempt and reports whether e has done its duty.
func (v *Validator) touchNow(ctx context.Context, key cacheKey, e *entry, c Credential) bool {
	ctx, cancel := context.WithTimeout(ctx, v.o.ResolveTimeout)
	defer cancel()
	var s *Session
	err := guarded(ctx, v.o.Log, "writing down the use of a session", func() (err error) {
		if s, err = e.resolver.(Toucher).Touch(ctx, e.session, c); err == nil && s == nil {
			err = fmt.Errorf("answer without a session: %w", ErrUnavailable)
		}
		return answerOf(err)
	})
	now := v.o.Now().UnixNano()
	if errors.Is(err, ErrRejected) {
		v.End(e.session)
		return true
	}
	if err != nil {
		e.failedAt.Store(now)
		v.o.Log.WarnContext(ctx, "writing down the use of a session failed", "handle", e.session.Handle, "source", e.session.Source, "error", err)
		return false
	}
	v.answers.replace(&key, e, v.newEntry(e.resolver, s, now).noFresherThan(e), now)
	return true
}

// noFresherThan bounds how long e is served by older, which it replaces: what has changed since was written here, and the
// authority was not asked.
func (e *entry) noFresherThan(older *entry) *entry {
	e.freshUntil = min(e.freshUntil, older.freshUntil)
	e.staleUntil = min(e.staleUntil, older.staleUntil)
	e.errorUntil = min(e.errorUntil, older.errorUntil)
	e.quietUntil = firstOf(e.freshUntil, e.touchAt, e.renewAt)
	e.dropAt = max(e.staleUntil, e.errorUntil)
	return e
}
