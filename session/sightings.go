package session

import (
	"cmp"
	"sync"
	"time"
)

const (
	defaultMaxSightings = 1_000_000
	cullAgain           = time.Minute // after a cull that made no room
)

// Bounded is a store that keeps at most so many records, and refuses further ones.
type Bounded interface {
	Store
	MaxRecords() int
}

// sightings counts the sightings in the store and keeps them within a bound: whoever has an authority make sessions
// without end must not fill the store that logins need. Where there is no room, the fourth that would be forgotten first
// is forgotten, and until that is done no further ones are noted: they pass all the same, and are noted when they are
// shown again. Those that were ended here are never forgotten for it.
type sightings struct {
	max int

	mu      sync.Mutex
	count   int  // more than there are, never fewer: what expires is not seen
	counted bool // count is of the whole store and not only of what this process noted
	culling bool
	nextAt  time.Time // no cull before
}

func newSightings(st Store, limit int) *sightings {
	limit = cmp.Or(limit, defaultMaxSightings)
	if b, ok := st.(Bounded); ok {
		limit = min(limit, b.MaxRecords()/2)
	}
	return &sightings{max: limit}
}

// room reports whether one more may be noted, and whether the caller is to see to it that sightings are counted anew.
func (s *sightings) room(now time.Time) (room, cull bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	room = s.count < s.max
	if s.culling || s.counted && room || now.Before(s.nextAt) {
		return room, false
	}
	s.culling = true
	return room, true
}

func (s *sightings) noted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
}

// begun returns what to subtract from the count when the cull that begins now knows better.
func (s *sightings) begun() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

func (s *sightings) culled(before, found int, err error, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.culling = false
	if err == nil {
		s.counted = true
		s.count += found - before
	}
	if err != nil || s.count >= s.max {
		s.nextAt = now.Add(cullAgain)
	}
}
