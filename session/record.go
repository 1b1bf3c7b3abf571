package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// Index terms of a session: by handle, by user of a source, by name, by the authority's session id. Each costs
// a write to an index for every session that begins or ends, so there is none for what is rarely asked.
func termHandle(handle string) string           { return term("handle:", handle) }
func termUser(source, subject string) string    { return term("user:", source+"\x00"+subject) }
func termName(username string) string           { return term("name:", folded(username)) }
func termSourceSession(source, s string) string { return term("sid:", source+"\x00"+s) }

// maxTerm bounds, in bytes, a value that is a term as it is. A longer one is known by its hash: stores take no term of any
// length, and nobody is kept out of the list of sessions by a long name.
const maxTerm = 512

func term(kind, value string) string {
	if len(value) > maxTerm {
		sum := sha256.Sum256([]byte(value))
		value = "\x00" + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return kind + value
}

// termForeign is what sightings carry.
const termForeign = "foreign"

func terms(s *Session) []string {
	t := []string{termHandle(s.Handle), termUser(s.Source, s.Identity.Subject)}
	if s.Identity.Username != "" {
		t = append(t, termName(s.Identity.Username))
	}
	if s.SourceSessionID != "" {
		t = append(t, termSourceSession(s.Source, s.SourceSessionID))
	}
	return t
}

// load returns the session with id as the store has it, with the change the store could not take yet. ErrNotFound
// when there is none or it has ended. The store always has the last word: while it cannot be read, nothing is known.
//
// A session whose clock has run out is refused and nothing more: the clock may be wrong, and put back. Only when it
// stands long after that end, the session ends for good.
func (m *Manager) load(ctx context.Context, id string) (*Session, error) {
	s, err := m.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if p := m.pendingFor(id); p != nil {
		s = p.change(s)
	}
	now := m.now()
	if !s.Ended(now) {
		return s, nil
	}
	if past(keptUntil(s), now) {
		if err := m.End(ctx, s, EndExpired); err != nil {
			m.o.Log.WarnContext(ctx, "an expired session could not be removed", "handle", s.Handle, "error", err)
		}
	}
	return nil, ErrNotFound
}

// keptUntil is when the record of s may be forgotten; zero: never.
func keptUntil(s *Session) time.Time {
	end := s.EndsAt()
	if end.IsZero() || end.Year() >= 9999 { // the last year that stores and JSON can write
		return end
	}
	return end.Add(keepEnded)
}

// read opens one record. A record that does not open, or holds another session than the one asked for, was altered
// or swapped: the session is refused. A record sealed with a key this ring has not got is unknown, not denied.
func (m *Manager) read(ctx context.Context, id string) (*Session, error) {
	key := storeKey(id)
	plain, version, err := m.open(ctx, key)
	if err != nil {
		return nil, err
	}
	s, err := decodeSession(plain)
	if err != nil || s.ID != id {
		m.o.Log.ErrorContext(ctx, "a session record holds something else and is refused", "store_key", key)
		return nil, fmt.Errorf("session record: holds another session: %w", ErrRejected)
	}
	s.version = version
	return s, nil
}

// open returns the plain bytes of the record under key.
func (m *Manager) open(ctx context.Context, key string) (plain []byte, version uint64, err error) {
	rec, err := m.o.Store.Get(ctx, key)
	if err != nil {
		return nil, 0, fmt.Errorf("session store: read: %w", classed(err))
	}
	plain, err = m.sealer.Open(rec.Data, []byte(key))
	if err == nil {
		return plain, rec.Version, nil
	}
	if keyID, known := m.sealer.SealedBy(rec.Data); !known {
		m.o.Log.ErrorContext(ctx, "a session record is sealed with a key that is not in the key ring", "key_id", keyID)
		return nil, 0, fmt.Errorf("session record: sealed with unknown key %q: %w", keyID, ErrUnavailable)
	}
	m.o.Log.ErrorContext(ctx, "a session record was altered or swapped and is refused", "store_key", key)
	return nil, 0, fmt.Errorf("session record: does not open: %w", ErrRejected)
}

// encodeRecord returns the plain bytes of a record for s, ErrMalformed when there are more than are kept.
func encodeRecord(s *Session) ([]byte, error) {
	plain, err := encodeSession(s)
	if err == nil && len(plain) > maxRecordBytes {
		err = fmt.Errorf("session %s: %d bytes of identity and tokens, at most %d are kept: %w", s.Handle, len(plain), maxRecordBytes, ErrMalformed)
	}
	return plain, err
}

// save writes s over the given version and returns it with the new one.
func (m *Manager) save(ctx context.Context, s *Session, version uint64) (*Session, error) {
	plain, err := encodeRecord(s)
	if err != nil {
		return nil, err
	}
	key := storeKey(s.ID)
	written, err := m.o.Store.Swap(ctx, key, Record{
		Data: m.sealer.Seal(plain, []byte(key)), Terms: terms(s), ExpiresAt: keptUntil(s), Version: version,
	})
	if err != nil {
		return nil, fmt.Errorf("session %s: write: %w", s.Handle, classed(err))
	}
	saved := *s
	saved.version = written
	return &saved, nil
}

// update applies change to s and writes it; where somebody was in between, to the newest state, until it could be
// written. change returns a new session, or the one it was given when there is nothing to do. ErrNotFound when the
// session has ended: nothing brings it back.
func (m *Manager) update(ctx context.Context, s *Session, change func(newest *Session) *Session) (*Session, error) {
	for range swapAttempts {
		next := change(s)
		if next == s {
			return s, nil
		}
		saved, err := m.save(ctx, next, s.version)
		if !errors.Is(err, ErrConflict) {
			return saved, err
		}
		if s, err = m.read(ctx, s.ID); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("session %s: %d writers at once: %w", s.Handle, swapAttempts, ErrUnavailable)
}
