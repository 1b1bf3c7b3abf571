package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// maxDevices bounds how many places of use a session remembers.
const maxDevices = 8

// Refresh implements Refresher for sessions of ours: the source that vouches for s exchanges its tokens, and the
// result is written over the state the exchange began with. A renewal that comes too late changes nothing: what was
// renewed meanwhile is returned instead, and what was ended stays ended. A result the store cannot take is returned
// all the same, kept, and written as soon as the store takes it.
func (m *Manager) Refresh(ctx context.Context, s *Session) (*Session, error) {
	before, err := m.load(ctx, s.ID)
	if err != nil {
		return nil, endedIfMissing(err)
	}
	if !sameTokens(before.Tokens, s.Tokens) {
		return before, nil // renewed by somebody else since
	}
	r, ok := m.sources[before.Source].(Refresher)
	if !ok || !before.Tokens.Renewable() {
		return nil, fmt.Errorf("session %s: source %q cannot renew it: %w", before.Handle, before.Source, ErrUnsupported)
	}
	after, err := r.Refresh(ctx, before)
	if err == nil && after == nil {
		err = fmt.Errorf("source %s: answer without a session: %w", before.Source, ErrUnavailable)
	}
	err = answerOf(err)
	if err == nil && after.Identity.Subject != before.Identity.Subject {
		m.o.Log.ErrorContext(ctx, "a renewal came back for another user and is refused", "handle", before.Handle, "source", before.Source)
		err = fmt.Errorf("source %s: renewed for another subject: %w", before.Source, ErrRejected) // OpenID Connect Core §12.2
	}
	if errors.Is(err, ErrRejected) {
		return m.refused(ctx, before, err)
	}
	if err != nil {
		return nil, err
	}
	return m.keepRenewed(ctx, before, after)
}

// refused handles a definite no. The tokens may have been spent by another replica a moment ago: what the store says
// now decides, and only a session that nobody renewed ends.
func (m *Manager) refused(ctx context.Context, before *Session, refusal error) (*Session, error) {
	newest, err := m.load(ctx, before.ID)
	switch {
	case err != nil:
		return nil, endedIfMissing(err)
	case !sameTokens(newest.Tokens, before.Tokens):
		return newest, nil
	}
	if err := m.End(ctx, newest, EndRefused); err != nil {
		return nil, err
	}
	return nil, refusal
}

// keepRenewed lets the hooks judge a renewed session and writes it down. A hook that rejects it ends the session. One
// that cannot say keeps the identity as it was; the new tokens are kept all the same, for the old ones are spent.
func (m *Manager) keepRenewed(ctx context.Context, before, after *Session) (*Session, error) {
	judged, hookErr := m.o.Hooks.refresh(ctx, before, after)
	if errors.Is(hookErr, ErrRejected) {
		if err := m.End(ctx, before, EndRefused); err != nil {
			return nil, err
		}
		m.revokeAside(ctx, after)
		return nil, hookErr
	}
	if hookErr != nil {
		judged = withTokens(before, after.Tokens)
	}
	saved, err := m.writeRenewed(ctx, before, judged)
	if err != nil {
		return nil, err
	}
	if hookErr != nil {
		return nil, hookErr
	}
	return saved, nil
}

// withTokens is before with newer tokens and nothing else that is new.
func withTokens(before *Session, t Tokens) *Session {
	c := before.Clone()
	c.Tokens = t
	return c
}

// fitting is what a renewal brought, as far as a record can hold it. Where it cannot, the identity stays as it was;
// the new tokens are kept all the same, for the old ones are spent.
func (m *Manager) fitting(ctx context.Context, before, after *Session, now time.Time) *Session {
	_, err := encodeRecord(renewed(before, before, after, now))
	if err == nil {
		return after
	}
	m.o.Log.WarnContext(ctx, "a renewal brought what cannot be kept; only its tokens are", "handle", before.Handle, "source", before.Source, "error", err)
	return withTokens(before, after.Tokens)
}

// writeRenewed writes what a renewal brought over the state it began with.
func (m *Manager) writeRenewed(ctx context.Context, before, after *Session) (*Session, error) {
	now := m.now()
	after = m.fitting(ctx, before, after, now)
	earlier := m.pendingFor(before.ID) // what before was made with and the store may not have yet
	change := func(newest *Session) *Session {
		if earlier != nil {
			newest = earlier.change(newest)
		}
		if !sameTokens(newest.Tokens, before.Tokens) {
			return newest
		}
		return renewed(newest, before, after, now)
	}
	saved, err := m.update(ctx, before, change)
	switch {
	case errors.Is(err, ErrNotFound):
		m.revokeAside(ctx, after) // ended meanwhile: nobody else knows the new tokens
		return nil, endedIfMissing(err)
	case errors.Is(err, ErrUnavailable):
		m.keepPending(ctx, before, change)
		return renewed(before, before, after, now), nil
	}
	return saved, err
}

// renewed is the newest state of a session with what a renewal brought: tokens, the identity as the authority sees it
// now, and what a hook changed of the properties. Ids, both clocks and devices stay as they are.
func renewed(newest, before, after *Session, now time.Time) *Session {
	s, after := newest.Clone(), after.Clone()
	s.Identity = after.Identity
	s.Tokens = after.Tokens
	s.Tokens.ObtainedAt = now
	s.AAL, s.ACR = after.AAL, after.ACR
	if after.SourceSessionID != "" {
		s.SourceSessionID = after.SourceSessionID
	}
	if !maps.Equal(before.Properties, after.Properties) {
		s.Properties = after.Properties
	}
	if !before.Tokenized.Equal(after.Tokenized) {
		s.Tokenized = after.Tokenized
	}
	return s
}

// sameTokens reports whether nobody has renewed a into b.
func sameTokens(a, b Tokens) bool {
	return a.Access.Equal(b.Access) && a.Refresh.Equal(b.Refresh) && a.ExpiresAt.Equal(b.ExpiresAt)
}

// TouchAt implements Toucher.
func (m *Manager) TouchAt(s *Session) time.Time {
	return s.LastAccessAt.Add(m.lifetime(s.Source).TouchEvery)
}

// RenewAt implements Renewer.
func (m *Manager) RenewAt(s *Session) time.Time {
	if _, ok := m.sources[s.Source].(Refresher); !ok {
		return time.Time{}
	}
	return m.lifetime(s.Source).renewAt(s.Tokens, s.Handle)
}

// Touch implements Toucher: it moves the idle clock and notes the device. The absolute end never moves, and a session
// that has ended is not brought back.
func (m *Manager) Touch(ctx context.Context, s *Session, c Credential) (*Session, error) {
	now := m.now()
	life := m.lifetime(s.Source)
	touched, err := m.update(ctx, s, func(newest *Session) *Session {
		if newest.Ended(now) || newest.LastAccessAt.Add(life.TouchEvery).After(now) {
			return newest
		}
		t := newest.Clone()
		t.LastAccessAt = now
		t.IdleExpiresAt = earliest(now.Add(life.IdleTimeout), t.ExpiresAt)
		t.Devices = seen(t.Devices, c, now)
		return t
	})
	if err != nil {
		return nil, endedIfMissing(err)
	}
	if touched.Ended(now) {
		return nil, fmt.Errorf("session %s: has ended: %w", s.Handle, ErrRejected)
	}
	return touched, nil
}

// seen notes a use from the client that showed c: the oldest place but the first makes room.
func seen(devices []Device, c Credential, now time.Time) []Device {
	ua := clip(c.UserAgent, maxUserAgent)
	i := slices.IndexFunc(devices, func(d Device) bool { return d.IP == c.RemoteIP && d.UserAgent == ua })
	if i >= 0 {
		devices[i].LastSeenAt = now
		return devices
	}
	if len(devices) >= maxDevices {
		devices = slices.Delete(devices, 1, 2)
	}
	return append(devices, Device{IP: c.RemoteIP, UserAgent: ua, FirstSeenAt: now, LastSeenAt: now})
}

// endedIfMissing: a session that is not there any more has ended, which is an answer.
func endedIfMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("session ended: %w", ErrRejected)
	}
	return err
}

// SetProperties changes properties of s; an empty value removes one. It returns the session as it is then.
func (m *Manager) SetProperties(ctx context.Context, s *Session, changes map[string]string) (*Session, error) {
	changed, err := m.update(ctx, s, func(newest *Session) *Session {
		n := newest.Clone()
		if n.Properties == nil {
			n.Properties = map[string]string{}
		}
		for name, value := range changes {
			if n.Properties[name] = value; value == "" {
				delete(n.Properties, name)
			}
		}
		return n
	})
	return changed, endedIfMissing(err)
}
