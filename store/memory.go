package store

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
)

// MemoryOptions sets up the store of kind "memory". The zero value is ready to use.
type MemoryOptions struct {
	// MaxRecords bounds how many records are kept. Beyond it Swap creates none, with ErrUnavailable; changing those
	// that are there goes on. Zero: 1,000,000.
	MaxRecords int `yaml:"max_records,omitempty"`
}

const defaultMaxRecords = 1_000_000

// makeRoom is how many expired records one creation in a full store drops at most.
const makeRoom = 64

// Validate reports what is wrong with o. A nil o is right.
func (o *MemoryOptions) Validate() error {
	if o != nil && o.MaxRecords < 0 {
		return fmt.Errorf("store.memory.max_records: %d is negative: give the largest number of sessions to keep, or leave it out for %d",
			o.MaxRecords, defaultMaxRecords)
	}
	return nil
}

// Memory keeps records in the memory of this process. They end with it: it is for tests and for single processes
// whose users may have to log in again after a restart.
type Memory struct {
	max int
	now func() time.Time

	mu      sync.RWMutex
	closed  bool
	records map[string]*session.Record // never changed once here, only replaced
	keys    keyset                     // of all records
	terms   map[string]*keyset         // term → keys
	expiry  keyset                     // expiryKey of all records that end
}

// OpenMemory returns an empty store.
func OpenMemory(o MemoryOptions, d Deps) (*Memory, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &Memory{
		max: cmp.Or(o.MaxRecords, defaultMaxRecords), now: d.now(),
		records: make(map[string]*session.Record), terms: make(map[string]*keyset),
	}, nil
}

// MaxRecords implements session.Bounded.
func (m *Memory) MaxRecords() int { return m.max }

// usable reports why a call may not go on. The lock must be held.
func (m *Memory) usable(ctx context.Context, doing string) error {
	if m.closed {
		return fmt.Errorf("memory: %s: store is closed: %w", doing, session.ErrUnavailable)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: %s: %w: %w", doing, session.ErrUnavailable, err)
	}
	return nil
}

// live returns the record under key unless there is none or it has expired. The lock must be held.
func (m *Memory) live(key string) (*session.Record, bool) {
	r, ok := m.records[key]
	if !ok || expired(r.ExpiresAt, m.now()) {
		return nil, false
	}
	return r, true
}

// Get implements session.Store.
func (m *Memory) Get(ctx context.Context, key string) (session.Record, error) {
	r, err := m.read(ctx, key)
	if err != nil {
		return session.Record{}, err
	}
	return copyRecord(*r), nil
}

// read returns the record itself, which never changes and so needs no lock to be copied.
func (m *Memory) read(ctx context.Context, key string) (*session.Record, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx, "get"); err != nil {
		return nil, err
	}
	r, ok := m.live(key)
	if !ok {
		return nil, fmt.Errorf("memory: get: %w", session.ErrNotFound)
	}
	return r, nil
}

// copyRecord returns r with memory of its own.
func copyRecord(r session.Record) session.Record {
	r.Data, r.Terms = slices.Clone(r.Data), slices.Clone(r.Terms)
	return r
}

// Swap implements session.Store.
func (m *Memory) Swap(ctx context.Context, key string, r session.Record) (uint64, error) {
	if err := check(key, r); err != nil {
		return 0, fmt.Errorf("memory: swap: %w", err)
	}
	r = copyRecord(r)
	r.ExpiresAt = r.ExpiresAt.Round(0).UTC()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx, "swap"); err != nil {
		return 0, err
	}
	var current uint64
	if old, ok := m.live(key); ok {
		current = old.Version
	}
	if r.Version != current {
		return 0, fmt.Errorf("memory: swap: %w", session.ErrConflict)
	}
	m.drop(key)
	if !m.room() {
		return 0, fmt.Errorf("memory: swap: full with %d records: raise store.memory.max_records or keep sessions for a shorter time: %w",
			len(m.records), session.ErrUnavailable)
	}
	r.Version = current + 1
	m.add(key, &r)
	return r.Version, nil
}

// room reports whether one more record has a place, dropping a few expired ones if need be.
func (m *Memory) room() bool {
	return len(m.records) < m.max || m.sweep(makeRoom) > 0
}

// add puts r under key and into the indexes.
func (m *Memory) add(key string, r *session.Record) {
	m.records[key] = r
	m.keys.add(key)
	for _, term := range r.Terms {
		keys := m.terms[term]
		if keys == nil {
			keys = &keyset{}
			m.terms[term] = keys
		}
		keys.add(key)
	}
	if !r.ExpiresAt.IsZero() {
		m.expiry.add(string(expiryKey(r.ExpiresAt, key)))
	}
}

// drop removes what is under key, and its index entries.
func (m *Memory) drop(key string) {
	r, ok := m.records[key]
	if !ok {
		return
	}
	delete(m.records, key)
	m.keys.remove(key)
	for _, term := range r.Terms {
		keys := m.terms[term]
		if keys == nil {
			continue // the term stands twice and was the last of its kind
		}
		keys.remove(key)
		if keys.empty() {
			delete(m.terms, term)
		}
	}
	if !r.ExpiresAt.IsZero() {
		m.expiry.remove(string(expiryKey(r.ExpiresAt, key)))
	}
}

// Delete implements session.Store.
func (m *Memory) Delete(ctx context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx, "delete"); err != nil {
		return err
	}
	m.drop(key)
	return nil
}

// Find implements session.Store. It sees each page of keys as of one moment; what is written between two pages may be
// missed or met.
func (m *Memory) Find(ctx context.Context, term, after string) iter.Seq2[string, error] {
	return pages(after, func(after string) (page, error) { return m.look(ctx, term, after) })
}

func (m *Memory) look(ctx context.Context, term, after string) (page, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx, "find"); err != nil {
		return page{}, err
	}
	keys, ok := &m.keys, true
	if term != "" {
		keys, ok = m.terms[term]
	}
	if !ok {
		return page{done: true}, nil
	}
	seen := 0
	var p page
	for key := range keys.after(after) {
		if seen == pageSize {
			return p, nil
		}
		seen++
		p.last = key
		if _, ok := m.live(key); ok {
			p.keys = append(p.keys, key)
		}
	}
	p.done = true
	return p, nil
}

// Sweep implements session.Sweeper.
func (m *Memory) Sweep(ctx context.Context, limit int) (int, error) {
	return inSteps(limit, func(most int) (int, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if err := m.usable(ctx, "sweep"); err != nil {
			return 0, err
		}
		return m.sweep(most), nil
	})
}

// sweep drops at most limit expired records, the longest expired first.
func (m *Memory) sweep(limit int) int {
	now := m.now()
	var gone []string
	for s := range m.expiry.after("") {
		at, key, _ := parseExpiryKey([]byte(s)) // made by add, so it parses
		if len(gone) == limit || !expired(at, now) {
			break
		}
		gone = append(gone, key)
	}
	for _, key := range gone {
		m.drop(key)
	}
	return len(gone)
}

// Close implements session.Store. The records are gone after it. Closing again does nothing.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.records, m.keys, m.terms, m.expiry = nil, keyset{}, nil, keyset{}
	return nil
}

var (
	_ session.Sweeper = (*Memory)(nil)
	_ session.Bounded = (*Memory)(nil)
)
