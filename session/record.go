package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Index terms of a session: by handle, by user of a source, by the authority's session id.
func termHandle(handle string) string           { return "handle:" + handle }
func termUser(source, subject string) string    { return "user:" + source + "\x00" + subject }
func termSourceSession(source, s string) string { return "sid:" + source + "\x00" + s }

func terms(s *Session) []string {
	t := []string{termHandle(s.Handle), termUser(s.Source, s.Identity.Subject)}
	if s.SourceSessionID != "" {
		t = append(t, termSourceSession(s.Source, s.SourceSessionID))
	}
	return t
}

// load returns the session with id as the store has it, or newer where the store could not take a change yet.
// ErrNotFound when there is none or it has ended.
func (m *Manager) load(ctx context.Context, id string) (*Session, error) {
	s, err := m.read(ctx, id)
	if newer := m.pendingSession(id); newer != nil && (errors.Is(err, ErrUnavailable) || (err == nil && newer.version == s.version)) {
		s, err = newer, nil
	}
	if err != nil {
		return nil, err
	}
	if s.Ended(m.now()) {
		if err := m.End(ctx, s, EndExpired); err != nil {
			m.o.Log.WarnContext(ctx, "an expired session could not be removed", "handle", s.Handle, "error", err)
		}
		return nil, ErrNotFound
	}
	return s, nil
}

// read opens one record. A record that does not open, or holds another session than the one asked for, was altered
// or swapped: the session is refused. A record sealed with a key this ring has not got is unknown, not denied.
func (m *Manager) read(ctx context.Context, id string) (*Session, error) {
	key := storeKey(id)
	rec, err := m.o.Store.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("session store: read: %w", classed(err))
	}
	plain, err := m.sealer.Open(rec.Data, []byte(key))
	if err != nil {
		if keyID, known := m.sealer.SealedBy(rec.Data); !known {
			m.o.Log.ErrorContext(ctx, "a session record is sealed with a key that is not in the key ring", "key_id", keyID)
			return nil, fmt.Errorf("session record: sealed with unknown key %q: %w", keyID, ErrUnavailable)
		}
		m.o.Log.ErrorContext(ctx, "a session record was altered or swapped and is refused", "store_key", key)
		return nil, fmt.Errorf("session record: does not open: %w", ErrRejected)
	}
	s, err := decodeSession(plain)
	if err != nil || s.ID != id {
		m.o.Log.ErrorContext(ctx, "a session record holds something else and is refused", "store_key", key)
		return nil, fmt.Errorf("session record: holds another session: %w", ErrRejected)
	}
	s.version = rec.Version
	return s, nil
}

// save writes s over the given version and returns it with the new one.
func (m *Manager) save(ctx context.Context, s *Session, version uint64) (*Session, error) {
	plain, err := encodeSession(s)
	if err != nil {
		return nil, err
	}
	if len(plain) > maxRecordBytes {
		return nil, fmt.Errorf("session %s: %d bytes of identity and tokens, at most %d are kept: %w", s.Handle, len(plain), maxRecordBytes, ErrMalformed)
	}
	key := storeKey(s.ID)
	written, err := m.o.Store.Swap(ctx, key, Record{
		Data: m.sealer.Seal(plain, []byte(key)), Terms: terms(s), ExpiresAt: s.EndsAt(), Version: version,
	})
	if err != nil {
		return nil, fmt.Errorf("session %s: write: %w", s.Handle, classed(err))
	}
	saved := *s
	saved.version = written
	return &saved, nil
}

// update applies change to the newest state of the session until it could be written without anybody having been in
// between. change returns a new session, or the one it was given when there is nothing to do. ErrNotFound when the
// session has ended: nothing brings it back.
func (m *Manager) update(ctx context.Context, s *Session, change func(newest *Session) *Session) (*Session, error) {
	for range swapAttempts {
		next := change(s)
		if next == s {
			return s, nil
		}
		saved, err := m.save(ctx, next, s.version)
		if err == nil {
			m.forgetPending(s.ID)
			return saved, nil
		}
		if errors.Is(err, ErrUnavailable) {
			m.keepPending(next, s.version)
			return next, nil
		}
		if !errors.Is(err, ErrConflict) {
			return nil, err
		}
		if s, err = m.read(ctx, s.ID); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("session %s: %d writers at once: %w", s.Handle, swapAttempts, ErrUnavailable)
}

// Retrying what the store has not taken.
const (
	pendingRetryFirst = 250 * time.Millisecond
	pendingRetryMost  = 5 * time.Second
	pendingWrite      = 5 * time.Second
)

// keepPending remembers a change the store could not take, serves it from here, and keeps trying until the store
// takes it, somebody else changed the session, or it ended. A rotated refresh token exists nowhere else.
func (m *Manager) keepPending(s *Session, version uint64) {
	kept := *s
	kept.version = version
	m.mu.Lock()
	defer m.mu.Unlock()
	retrying := m.pending[s.ID] != nil
	m.pending[s.ID] = &kept
	if !retrying {
		m.work.Go(func() { m.retryPending(s.ID) })
	}
}

func (m *Manager) retryPending(id string) {
	for wait := pendingRetryFirst; ; wait = min(2*wait, pendingRetryMost) {
		last := false
		select {
		case <-time.After(wait):
		case <-m.stopped.Done():
			last = true
		}
		s := m.pendingSession(id)
		if s == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), pendingWrite)
		_, err := m.save(ctx, s, s.version)
		cancel()
		if done := err == nil || !errors.Is(err, ErrUnavailable) || s.Ended(m.now()); !done && !last {
			continue
		}
		if m.dropPending(id, s) {
			if err != nil {
				m.o.Log.Error("a changed session was not written", "handle", s.Handle, "error", err)
			}
			return
		}
	}
}

func (m *Manager) pendingSession(id string) *Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pending[id]
}

// dropPending forgets s unless a newer change took its place.
func (m *Manager) dropPending(id string, s *Session) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pending[id] != s {
		return false
	}
	delete(m.pending, id)
	return true
}

func (m *Manager) forgetPending(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pending, id)
}
