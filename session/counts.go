package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bounds of one count: a store that holds more is counted in part.
const (
	countRecords = 50_000
	countTimeout = 2 * time.Second
)

// Counts is how many sessions there are now.
type Counts struct {
	Own     int            // sessions of ours that are active
	Foreign int            // sessions of others that were seen here and are active
	Sources map[string]int // both, by the name of their source
	// Complete is false when there are more than were looked at: the numbers are at least.
	Complete bool
}

// Counts counts the active sessions in the store. It looks at 50,000 records and for two seconds at most.
func (o *Operations) Counts(ctx context.Context) (Counts, error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	m, c, examined := o.o.Manager, Counts{Sources: map[string]int{}}, 0
	for key, err := range m.o.Store.Find(ctx, "", "") {
		if examined == countRecords || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return c, nil
		}
		if err != nil {
			return Counts{}, fmt.Errorf("session store: count: %w", classed(err))
		}
		examined++
		e, err := m.entry(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound), errors.Is(err, ErrRejected), errors.Is(err, ErrMalformed):
			continue // ended meanwhile, or a record nobody can read: it opens nothing
		case err != nil && ctx.Err() == nil:
			return Counts{}, err
		case err == nil && e.Active:
			c.count(e)
		}
	}
	c.Complete = ctx.Err() == nil
	return c, nil
}

func (c *Counts) count(e Entry) {
	c.Sources[e.Session.Source]++
	if e.Foreign {
		c.Foreign++
	} else {
		c.Own++
	}
}
