package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// How often a stream's session is looked at: as often as an answer has to be fresh, within these bounds.
const (
	minLookEvery = time.Second
	maxLookEvery = time.Minute
	leastLook    = time.Millisecond // before the next look, however near the end is
)

// watcher is one stream. Its timer and its place in endedSet are guarded by endedSet.mu; the session belongs to the
// look that is under way, and there is at most one.
type watcher struct {
	v      *Validator
	name   sessionName
	ctx    context.Context // of the looks; canceled with the stream
	cancel context.CancelFunc
	done   chan struct{}
	once   sync.Once
	timer  *time.Timer // nil when it was over from the beginning

	session *Session  // as last known
	latest  time.Time // its absolute end when the stream began; nothing that is learned later prolongs it
}

func (w *watcher) end() { w.once.Do(func() { close(w.done) }) }

func (w *watcher) over() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// stop ends the looking, not the stream.
func (w *watcher) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.cancel()
}

// Watch returns a channel that is closed when s ends: for streams that outlive the request that was judged. Call
// release when the stream is over.
//
// It is closed by End, when a question about the credential of s is answered with a rejection, at the earlier of the
// session's two ends, and at Close. The session is looked at every CacheOptions.FreshFor, but at least once a minute
// and at most once a second: where its resolver is a Keeper, a session that ended elsewhere is noticed then, and one
// that other requests prolonged goes on. That nobody can say keeps the stream, until the last end that is known.
//
// A stream alone is no use: it neither moves the idle clock nor renews tokens. A session that only streams ends at its
// idle end, whether its tokens ended before or not.
func (v *Validator) Watch(s *Session) (ended <-chan struct{}, release func()) {
	w := &watcher{v: v, name: nameOf(s), done: make(chan struct{}), session: s, latest: s.ExpiresAt}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	if now := v.o.Now(); past(w.latest, now) {
		w.end()
	} else {
		v.ended.watch(w.name, w, w.wait(now))
	}
	return w.done, func() { v.ended.release(w.name, w) }
}

// wait is how long to wait before the next look: a little less for some than for others, so that streams that began
// together do not look together.
func (w *watcher) wait(now time.Time) time.Duration {
	every := min(max(w.v.o.Cache.FreshFor, minLookEvery), maxLookEvery)
	wait := every - rand.N(every/4)
	if end := earliest(w.latest, w.session.EndsAt()); !end.IsZero() {
		wait = min(wait, end.Sub(now))
	}
	return max(wait, leastLook)
}

// look asks how the session is and ends the stream or looks again later.
func (w *watcher) look() {
	if w.over() {
		return
	}
	if !w.v.work.begin() {
		w.end()
		return
	}
	defer w.v.work.end()
	if !w.goesOn() {
		w.end()
		return
	}
	w.v.ended.again(w.name, w, w.wait(w.v.o.Now()))
}

func (w *watcher) goesOn() bool {
	if past(w.latest, w.v.o.Now()) {
		return false
	}
	s, err := w.v.current(w.ctx, w.session)
	switch {
	case err == nil:
		w.session = s
	case errors.Is(err, ErrRejected):
		return false
	}
	return !w.session.Ended(w.v.o.Now())
}

// current asks the keepers how s is. A session that one of them has is there; ErrRejected only when none of those
// whose it may be has it, and all could say. ErrNotMine when it is nobody's.
func (v *Validator) current(ctx context.Context, s *Session) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, v.o.ResolveTimeout)
	defer cancel()
	verdict := ErrNotMine
	for _, k := range v.keepers {
		newest, err := v.currentFrom(ctx, k, s)
		switch {
		case err == nil:
			return newest, nil
		case errors.Is(err, ErrNotMine):
		case !errors.Is(err, ErrRejected):
			verdict = err
		case errors.Is(verdict, ErrNotMine):
			verdict = err
		}
	}
	return nil, verdict
}

// currentFrom asks one keeper; what is not an answer is unknown.
func (v *Validator) currentFrom(ctx context.Context, k Keeper, s *Session) (newest *Session, err error) {
	err = guarded(ctx, v.o.Log, "looking after a stream", func() (err error) {
		newest, err = k.Current(ctx, s)
		return err
	})
	switch {
	case errors.Is(err, ErrUnavailable): // whatever else it claims to be
		err = answerOf(err)
	case errors.Is(err, ErrNotMine):
		return nil, ErrNotMine
	case errors.Is(err, ErrNotFound):
		return nil, endedIfMissing(err)
	case err == nil && (newest == nil || nameOf(newest) != nameOf(s)):
		err = fmt.Errorf("answer with another session: %w", ErrUnavailable)
	default:
		err = answerOf(err)
	}
	return newest, err
}
