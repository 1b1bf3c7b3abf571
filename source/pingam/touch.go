package pingam

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	// touchEvery is how often a session is kept alive at most: the authority writes the latest access time down no more
	// often by default ("Latest Access Time Update Frequency").
	touchEvery = 60 * time.Second
	// defaultKeepAlive is how long before its idle end a session is kept alive where its idle time is not known: half of
	// the product's default.
	defaultKeepAlive = 15 * time.Minute
	// maxTouched bounds how many sessions are remembered as just kept alive. Past it some are kept alive again too early.
	maxTouched = 100_000
)

// TouchAt implements session.Toucher. It is zero for sessions without an idle clock. One whose clock the configured look
// does not tell is kept alive once a minute.
func (s *Source) TouchAt(held *session.Session) time.Time {
	switch {
	case s.o.KeepAliveBefore < 0 || tokenType(held.Tokens.Access) == typeClient:
		return time.Time{}
	case held.IdleExpiresAt.IsZero() && s.o.LookUp != LookUpValidate:
		return time.Time{}
	case held.IdleExpiresAt.IsZero():
		if last := s.touched.at(held.ID); !last.IsZero() {
			return last.Add(touchEvery).UTC()
		}
		return s.client.Now().UTC()
	}
	before := s.o.KeepAliveBefore
	switch {
	case before > 0:
	case held.LastAccessAt.IsZero():
		before = defaultKeepAlive
	default:
		before = held.IdleExpiresAt.Sub(held.LastAccessAt) / 2
	}
	at := held.IdleExpiresAt.Add(-before)
	for _, last := range []time.Time{held.LastAccessAt, s.touched.at(held.ID)} {
		if earliest := last.Add(touchEvery); !last.IsZero() && at.Before(earliest) {
			at = earliest
		}
	}
	return at.UTC()
}

// Touch implements session.Toucher: it resets the idle clock, at most once a minute. It asks about the session held, which
// is the one whose token was shown.
func (s *Source) Touch(ctx context.Context, held *session.Session, _ session.Credential) (_ *session.Session, err error) {
	defer authority.Wrap(&err, s.subject(), "keep alive")
	if !s.mine(held) {
		return nil, fmt.Errorf("%w: a session of another source", session.ErrUnsupported)
	}
	return s.keepAlive(ctx, held.ID, held.Tokens.Access)
}

// keepAlive resets the idle clock of a token's session, or only looks when that was done within the last minute.
func (s *Source) keepAlive(ctx context.Context, id string, token session.Secret) (*session.Session, error) {
	now := s.client.Now()
	if last := s.touched.at(id); !last.IsZero() && now.Before(last.Add(touchEvery)) {
		return s.lookUp(ctx, token)
	}
	n, err := s.use(ctx, token)
	if err == nil {
		s.touched.note(id, now)
	}
	return n, err
}

// use tells the authority that a session is in use.
func (s *Source) use(ctx context.Context, token session.Secret) (*session.Session, error) {
	switch {
	case s.o.LookUp == LookUpValidate:
		return s.validate(ctx, token, true)
	case !s.o.openAM():
		return s.inspect(ctx, resetIdleTime, token)
	}
	if _, err := s.refresh(ctx, token); err != nil { // OpenAM has no action that does both
		return nil, err
	}
	return s.inspect(ctx, getSessionInfo, token)
}

// Refresh implements session.Refresher: the idle clock starts again, the absolute end stays where it is.
// session.ErrUnsupported for client-side sessions, on which it has no effect.
func (s *Source) Refresh(ctx context.Context, held *session.Session) (_ *session.Session, err error) {
	defer authority.Wrap(&err, s.subject(), "refresh")
	if tokenType(held.Tokens.Access) == typeClient {
		return nil, authority.Unsupported("client-side sessions have no idle clock")
	}
	token, err := s.tokenOf(held)
	if err != nil {
		return nil, err
	}
	r, err := s.refresh(ctx, token)
	if err != nil {
		return nil, err
	}
	n := held.Clone()
	if !s.mine(held) { // its clocks are the manager's
		return n, nil
	}
	now := s.client.Now().UTC()
	n.LastAccessAt = now.Add(-r.idle)
	n.IdleExpiresAt = n.LastAccessAt.Add(r.maxIdle)
	if n.ExpiresAt.IsZero() {
		n.ExpiresAt = now.Add(r.timeLeft)
	}
	return n, nil
}

func (s *Source) refresh(ctx context.Context, token session.Secret) (refreshed, error) {
	a, err := s.ask(ctx, s.about(refresh, token))
	if err != nil {
		return refreshed{}, err
	}
	if a.Status != http.StatusOK {
		return refreshed{}, s.unknown(a)
	}
	r, err := parseRefreshed(a.Body)
	if err := s.understood(err); err != nil {
		return refreshed{}, err
	}
	if r.ended {
		return refreshed{}, s.dead()
	}
	return r, nil
}

// Verify implements session.Verifier for sessions that began with a form of ours: it looks the token up, and keeps the
// session alive at the authority when that is due.
func (s *Source) Verify(ctx context.Context, held *session.Session) (err error) {
	defer authority.Wrap(&err, s.subject(), "verify")
	token, err := s.tokenOf(held)
	if err != nil {
		return err
	}
	now, err := s.lookUp(ctx, token)
	if err != nil {
		return err
	}
	if at := s.TouchAt(now); !at.IsZero() && !s.client.Now().Before(at) {
		_, err = s.keepAlive(ctx, now.ID, token)
	}
	return err
}

// tokenOf returns the token of a session of this source.
func (s *Source) tokenOf(held *session.Session) (session.Secret, error) {
	token := held.Tokens.Access
	if held.Source != s.name || token.Empty() || !plausible(token.Reveal()) {
		return session.Secret{}, authority.Unsupported("the session holds no token of this source")
	}
	return token, nil
}

// touched remembers which sessions were kept alive within the last minute. The authority may write the use of a session
// down less often than that, so that its answers alone would ask for another try at every request.
type touched struct {
	mu    sync.Mutex
	times map[string]time.Time // by id
}

func newTouched() *touched { return &touched{times: map[string]time.Time{}} }

func (t *touched) at(id string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.times[id]
}

func (t *touched) note(id string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.times) >= maxTouched {
		for id, at := range t.times {
			if now.Sub(at) >= touchEvery {
				delete(t.times, id)
			}
		}
	}
	if len(t.times) >= maxTouched {
		clear(t.times)
	}
	t.times[id] = now
}
