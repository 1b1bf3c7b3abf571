package store

import (
	"bytes"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sessionward/sessionward/session"
)

// The buckets of the file. How their keys and values look: encoding.go.
const (
	metaBucket    = "meta"    // schemaKey → number
	recordsBucket = "records" // key → record
	termsBucket   = "terms"   // term key → nothing
	expiryBucket  = "expiry"  // expiry key → nothing
	schemaKey     = "schema"
)

// tables are the buckets within one transaction.
type tables struct{ records, terms, expiry *bolt.Bucket }

func tablesOf(tx *bolt.Tx) tables {
	return tables{tx.Bucket([]byte(recordsBucket)), tx.Bucket([]byte(termsBucket)), tx.Bucket([]byte(expiryBucket))}
}

// get returns the record under key, the zero encoded when there is none. It shares the file's memory.
func (t tables) get(key string) (encoded, bool, error) {
	b := t.records.Get([]byte(key))
	if b == nil {
		return encoded{}, false, nil
	}
	e, err := parseRecord(b)
	return e, err == nil, err
}

// live is get without records that have expired.
func (t tables) live(key string, now time.Time) (encoded, bool, error) {
	e, ok, err := t.get(key)
	if !ok || expired(e.expiresAt, now) {
		return encoded{}, false, err
	}
	return e, true, nil
}

// swap writes value, a record without its version, if version is the current one.
func (t tables) swap(key string, value []byte, version uint64, now time.Time) (next uint64, changed bool, err error) {
	old, ok, err := t.get(key)
	if err != nil {
		return 0, false, err
	}
	var current uint64
	if ok && !expired(old.expiresAt, now) {
		current = old.version
	}
	if version != current {
		return 0, false, session.ErrConflict
	}
	setVersion(value, current+1)
	e, err := parseRecord(value)
	if err != nil {
		return 0, false, err
	}
	if err := t.reindex(key, old, e); err != nil {
		return 0, true, err
	}
	return current + 1, true, t.records.Put([]byte(key), value)
}

// delete removes the record under key. A damaged one goes too; what is left of it in the indexes is not believed.
func (t tables) delete(key string) (n uint64, changed bool, err error) {
	old, ok, err := t.get(key)
	if !ok && err == nil {
		return 0, false, nil
	}
	if err := t.reindex(key, old, encoded{}); err != nil {
		return 0, true, err
	}
	return 0, true, t.records.Delete([]byte(key))
}

// reindex changes the index entries of key from those of old to those of next. Entries that stay are not touched, so
// that moving an expiry does not rewrite the pages of the terms.
func (t tables) reindex(key string, old, next encoded) error {
	had, has := old.termList(), next.termList() // copies: the file's memory may move while it is written to
	for _, term := range had {
		if !slices.Contains(has, term) {
			if err := t.terms.Delete(termKey(term, key)); err != nil {
				return err
			}
		}
	}
	for _, term := range has {
		if !slices.Contains(had, term) {
			if err := t.terms.Put(termKey(term, key), nil); err != nil {
				return err
			}
		}
	}
	return t.reexpire(key, old.expiresAt, next.expiresAt)
}

func (t tables) reexpire(key string, old, next time.Time) error {
	if old.Equal(next) {
		return nil
	}
	if !old.IsZero() {
		if err := t.expiry.Delete(expiryKey(old, key)); err != nil {
			return err
		}
	}
	if next.IsZero() {
		return nil
	}
	return t.expiry.Put(expiryKey(next, key), nil)
}

// look returns the next page of keys after the given one whose records carry term and live. An index entry counts
// only when its record says the same. Where the record is damaged the index is believed: whoever ends all sessions of
// a user must meet it.
func (t tables) look(term, after string, now time.Time) page {
	if term == "" {
		return t.lookAll(after, now)
	}
	prefix, from := termKey(term, ""), termKey(term, after)
	var p page
	seen := 0
	c := t.terms.Cursor()
	k, _ := c.Seek(from)
	if bytes.Equal(k, from) {
		k, _ = c.Next()
	}
	for ; bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		if seen == pageSize {
			return p
		}
		seen++
		p.last = string(k[len(prefix):])
		if e, ok, err := t.live(p.last, now); err != nil || ok && e.has(term) {
			p.keys = append(p.keys, p.last)
		}
	}
	p.done = true
	return p
}

// lookAll returns the next page of all keys after the given one. A record that is damaged is there.
func (t tables) lookAll(after string, now time.Time) page {
	var p page
	seen := 0
	c := t.records.Cursor()
	k, v := c.Seek([]byte(after))
	if after != "" && string(k) == after {
		k, v = c.Next()
	}
	for ; k != nil; k, v = c.Next() {
		if seen == pageSize {
			return p
		}
		seen++
		p.last = string(k)
		if e, err := parseRecord(v); err != nil || !expired(e.expiresAt, now) {
			p.keys = append(p.keys, p.last)
		}
	}
	p.done = true
	return p
}

// sweep removes at most limit expired records, the longest expired first, and returns how many.
func (t tables) sweep(limit int, now time.Time) (n uint64, changed bool, err error) {
	var entries [][]byte // collected first: a cursor does not survive deletes
	c := t.expiry.Cursor()
	for k, _ := c.First(); k != nil && len(entries) < limit; k, _ = c.Next() {
		if at, _, ok := parseExpiryKey(k); ok && !expired(at, now) {
			break
		}
		entries = append(entries, bytes.Clone(k))
	}
	for _, entry := range entries {
		if err := t.expire(entry, now); err != nil {
			return 0, true, err
		}
	}
	return uint64(len(entries)), len(entries) > 0, nil
}

// expire removes an entry of the expiry index and the record it speaks of, if that has expired indeed or is damaged.
func (t tables) expire(entry []byte, now time.Time) error {
	if err := t.expiry.Delete(entry); err != nil {
		return err
	}
	_, key, ok := parseExpiryKey(entry)
	if !ok {
		return nil
	}
	if e, ok, err := t.get(key); err == nil && (!ok || !expired(e.expiresAt, now)) {
		return nil
	}
	_, _, err := t.delete(key)
	return err
}
