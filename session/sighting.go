package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	sightingFormat  = 2                   // first byte of the plain record of a sighting
	sightingsAtOnce = 64                  // writes under way; further ones are left to the next question
	keepRefusal     = 30 * 24 * time.Hour // since it was last shown: authorities prolong sessions as they like
	maxNoted        = 1 << 10             // bytes of a name: users may choose theirs, and a record that is too large is not kept
	noteRefused     = 24 * time.Hour      // how often it is written down that a refused session was shown again
)

// sighting is what is kept of a session that is not ours: who, by which source, from where, first and last seen. It holds
// no token and no claim, and opens nothing.
type sighting struct {
	Session   *Session
	RefusedAt time.Time // an operator or its user ended it here; zero: it may pass
	version   uint64
}

type storedSighting struct {
	storedSession
	RefusedAt time.Time `json:"refused_at,omitzero"`
}

// sightingKey is what the store knows of a foreign session: a hash of its name.
func sightingKey(s *Session) string {
	sum := sha256.Sum256([]byte("sessionward/sighting\x00" + s.Source + "\x00" + s.ID))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Admit takes note of a foreign session that its source has just vouched for, shown by c, and refuses it with ErrRejected
// when it was ended here. It implements Ledger. While the store cannot be read nobody knows whether it was:
// ErrUnavailable.
func (m *Manager) Admit(ctx context.Context, s *Session, c Credential) error {
	seen, err := m.readSighting(ctx, sightingKey(s))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	now := m.now()
	if err == nil && !seen.RefusedAt.IsZero() {
		if now.Sub(seen.Session.LastAccessAt) > noteRefused {
			seen.Session.LastAccessAt, seen.Session.ExpiresAt = now, s.ExpiresAt
			m.noteAside(ctx, seen)
		}
		return fmt.Errorf("session %s: was ended here: %w", s.Handle, ErrRejected)
	}
	if err == nil && now.Sub(seen.Session.LastAccessAt) < m.lifetime(s.Source).TouchEvery {
		return nil
	}
	if err != nil && !m.roomForSighting(ctx) {
		return nil
	}
	next := lightly(s)
	next.Devices, next.LastAccessAt = seen.devices(c, now), now
	m.noteAside(ctx, sighting{Session: next, version: seen.version})
	return nil
}

// devices are those that are known, and that of the client that showed c.
func (s sighting) devices(c Credential, now time.Time) []Device {
	var known []Device
	if s.Session != nil {
		known = s.Session.Devices
	}
	return seen(known, c, now)
}

// lightly is s without what opens anything or is nobody's business: tokens, claims, groups, properties. Names are cut short.
func lightly(s *Session) *Session {
	return &Session{
		ID: s.ID, Handle: s.Handle, Source: s.Source, SourceSessionID: s.SourceSessionID, Realm: s.Realm, Active: true,
		Identity: Identity{
			Subject: s.Identity.Subject, Username: clip(s.Identity.Username, maxNoted), Email: clip(s.Identity.Email, maxNoted),
			EmailVerified: s.Identity.EmailVerified, Name: clip(s.Identity.Name, maxNoted),
		},
		AuthenticationMethods: s.AuthenticationMethods, AAL: s.AAL, ACR: s.ACR,
		IssuedAt: s.IssuedAt, AuthenticatedAt: s.AuthenticatedAt, ExpiresAt: s.ExpiresAt, IdleExpiresAt: s.IdleExpiresAt,
	}
}

// noteAside writes a sighting in the background. One that cannot be written is no loss: the next question notes it.
func (m *Manager) noteAside(ctx context.Context, s sighting) {
	select {
	case m.noting <- struct{}{}:
	default:
		return
	}
	ctx = context.WithoutCancel(ctx)
	started := m.work.run(ctx, "noting a foreign session", func() {
		defer func() { <-m.noting }()
		ctx, cancel := context.WithTimeout(ctx, pendingWrite)
		defer cancel()
		if err := m.writeSighting(ctx, s); err != nil && !errors.Is(err, ErrConflict) {
			m.o.Log.WarnContext(ctx, "a foreign session was not noted", "handle", s.Session.Handle, "source", s.Session.Source, "error", err)
		}
	})
	if !started {
		<-m.noting
	}
}

// until is when s may be forgotten: at its own end, and before that when it has not been seen for as long as sessions of
// ours may be idle. That it is refused is remembered for longer.
func (m *Manager) until(s sighting) time.Time {
	seenAt, end := s.Session.LastAccessAt, s.Session.ExpiresAt
	if s.RefusedAt.IsZero() {
		return earliest(end, seenAt.Add(m.lifetime(s.Session.Source).IdleTimeout))
	}
	if keep := seenAt.Add(keepRefusal); end.Before(keep) {
		return keep
	}
	return end
}

func (m *Manager) writeSighting(ctx context.Context, s sighting) error {
	body, err := json.Marshal(storedSighting{storedSession: storedOf(s.Session), RefusedAt: s.RefusedAt})
	if err != nil {
		return fmt.Errorf("session %s: encode: %w: %w", s.Session.Handle, ErrMalformed, err)
	}
	key := sightingKey(s.Session)
	_, err = m.o.Store.Swap(ctx, key, Record{
		Data: m.sealer.Seal(append([]byte{sightingFormat}, body...), []byte(key)), Terms: append(terms(s.Session), termForeign),
		ExpiresAt: m.until(s), Version: s.version,
	})
	if err != nil {
		return fmt.Errorf("session %s: note: %w", s.Session.Handle, classed(err))
	}
	if s.version == 0 {
		m.sightings.noted()
	}
	return nil
}

// readSighting returns the sighting under key. ErrNotFound when there is none, or one nobody can read.
func (m *Manager) readSighting(ctx context.Context, key string) (sighting, error) {
	plain, version, err := m.open(ctx, key)
	if err != nil {
		return sighting{}, err
	}
	s, err := decodeSighting(plain)
	s.version = version
	return s, err
}

func decodeSighting(plain []byte) (sighting, error) {
	var st storedSighting
	if len(plain) == 0 || plain[0] != sightingFormat || json.Unmarshal(plain[1:], &st) != nil {
		return sighting{}, fmt.Errorf("session record: no sighting: %w", ErrMalformed)
	}
	return sighting{Session: st.session(), RefusedAt: st.RefusedAt}, nil
}

// refuse ends a foreign session here, until its own end, whatever its authority says.
func (m *Manager) refuse(ctx context.Context, s *Session) error {
	key := sightingKey(s)
	for range swapAttempts {
		now := m.now()
		seen, err := m.readSighting(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
			seen = sighting{Session: lightly(s)}
			seen.Session.LastAccessAt = now
		case err != nil:
			return err
		case !seen.RefusedAt.IsZero():
			return nil
		}
		seen.RefusedAt = now
		if err = m.writeSighting(ctx, seen); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("session %s: %d writers at once: %w", s.Handle, swapAttempts, ErrUnavailable)
}
