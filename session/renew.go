package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxDevices bounds how many places of use a session remembers.
const maxDevices = 8

// Refresh implements Refresher for sessions of ours: the source that vouches for s exchanges its tokens, and the
// result is written over the state the exchange began with. A renewal that comes too late changes nothing: what was
// renewed meanwhile is returned instead, and what was ended stays ended.
func (m *Manager) Refresh(ctx context.Context, s *Session) (*Session, error) {
	before, err := m.load(ctx, s.ID)
	if err != nil {
		return nil, endedIfMissing(err)
	}
	if !before.Tokens.Access.Equal(s.Tokens.Access) {
		return before, nil // renewed by somebody else since
	}
	r, ok := m.sources[s.Source].(Refresher)
	if !ok || !before.Tokens.Renewable() {
		return nil, fmt.Errorf("session %s: source %q cannot renew it: %w", s.Handle, s.Source, ErrUnsupported)
	}
	after, err := r.Refresh(ctx, before)
	if errors.Is(err, ErrRejected) {
		return m.refused(ctx, before, err)
	}
	if err != nil {
		return nil, classed(err)
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
	case !newest.Tokens.Access.Equal(before.Tokens.Access):
		return newest, nil
	}
	if err := m.End(ctx, newest, EndRefused); err != nil {
		return nil, err
	}
	return nil, refusal
}

// keepRenewed writes a renewed session down.
func (m *Manager) keepRenewed(ctx context.Context, before, after *Session) (*Session, error) {
	after, err := m.o.Hooks.refresh(ctx, before, after)
	if err != nil {
		return nil, err
	}
	now := m.now()
	saved, err := m.update(ctx, before, func(newest *Session) *Session {
		if !newest.Tokens.Access.Equal(before.Tokens.Access) {
			return newest
		}
		return renewed(newest, after, now)
	})
	if errors.Is(err, ErrNotFound) {
		if r, ok := m.sources[after.Source].(Revoker); ok {
			m.detach(ctx, revokeTimeout, func(ctx context.Context) { m.revoke(ctx, r, after) })
		}
	}
	if err != nil {
		return nil, endedIfMissing(err)
	}
	return saved, nil
}

// renewed is the newest state of a session with what a renewal brought: tokens and the identity as the authority
// sees it now. Ids, both clocks and devices stay as they are.
func renewed(newest, after *Session, now time.Time) *Session {
	s := newest.Clone()
	s.Identity = after.Clone().Identity
	s.Tokens = after.Tokens
	s.Tokens.ObtainedAt = now
	s.AAL, s.ACR = after.AAL, after.ACR
	if after.SourceSessionID != "" {
		s.SourceSessionID = after.SourceSessionID
	}
	return s
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

// Touch implements Toucher: it moves the idle clock and notes the device. The absolute end never moves.
func (m *Manager) Touch(ctx context.Context, s *Session, c Credential) (*Session, error) {
	now := m.now()
	life := m.lifetime(s.Source)
	touched, err := m.update(ctx, s, func(newest *Session) *Session {
		if newest.LastAccessAt.Add(life.TouchEvery).After(now) {
			return newest
		}
		t := newest.Clone()
		t.LastAccessAt = now
		t.IdleExpiresAt = now.Add(life.IdleTimeout)
		t.Devices = seen(t.Devices, c, now)
		return t
	})
	if err != nil {
		return nil, endedIfMissing(err)
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
