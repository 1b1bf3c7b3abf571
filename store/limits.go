package store

import (
	"fmt"
	"time"

	"github.com/sessionward/sessionward/session"
)

// The limits of a record, the same for every kind of store so that none accepts what another could not keep. Swap
// refuses what is beyond them with session.ErrMalformed. Sizes are in bytes.
const (
	MaxKey   = 1 << 10  // a key has 1 to MaxKey bytes
	MaxTerm  = 4 << 10  // one term
	MaxTerms = 256      // terms of one record
	MaxData  = 16 << 20 // Data of one record
)

// The first and the last second ExpiresAt may lie in, counted from 1970: the years 1 to 9999, which RFC 3339 can write
// and every place can keep.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// check reports why no store would keep r under key.
func check(key string, r session.Record) error {
	if key == "" || len(key) > MaxKey {
		return fmt.Errorf("key of %d bytes, allowed are 1 to %d: %w", len(key), MaxKey, session.ErrMalformed)
	}
	if len(r.Data) > MaxData {
		return fmt.Errorf("data of %d bytes, allowed are %d: %w", len(r.Data), MaxData, session.ErrMalformed)
	}
	if len(r.Terms) > MaxTerms {
		return fmt.Errorf("%d terms, allowed are %d: %w", len(r.Terms), MaxTerms, session.ErrMalformed)
	}
	for i, term := range r.Terms {
		if term == "" || len(term) > MaxTerm {
			return fmt.Errorf("term %d of %d bytes, allowed are 1 to %d: %w", i+1, len(term), MaxTerm, session.ErrMalformed)
		}
	}
	if at := r.ExpiresAt.Unix(); at < firstSecond || at > lastSecond {
		return fmt.Errorf("expiry in year %d, allowed are 1 to 9999: %w", r.ExpiresAt.UTC().Year(), session.ErrMalformed)
	}
	return nil
}

// expired reports whether a record that ends at the given time has ended; the zero time is no end.
func expired(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }
