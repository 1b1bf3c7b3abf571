package session

import (
	"sync"
	"time"
)

// maxSpent is how many attempts one of the two generations of Spent holds.
const maxSpent = 50_000

// Spent remembers which login attempts were answered, in two generations: each is kept for at least Lifetime. Answers
// cost their sender nothing, so a flood of them must neither take memory without bound nor close the login to others:
// then the oldest are forgotten early, and the authority alone, which takes a code once, and what the attempt is bound to
// stand between a thief and a second use. It is safe for concurrent use.
type Spent struct {
	// Lifetime is longer than an attempt can be answered.
	Lifetime time.Duration

	mu              sync.Mutex
	newer, older    map[string]struct{}
	newGenerationAt time.Time
}

// Add notes id and reports whether it is new.
func (s *Spent) Add(id string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newer == nil || !now.Before(s.newGenerationAt) || len(s.newer) >= maxSpent {
		s.older, s.newer, s.newGenerationAt = s.newer, map[string]struct{}{}, now.Add(s.Lifetime)
	}
	_, inNewer := s.newer[id]
	_, inOlder := s.older[id]
	if inNewer || inOlder {
		return false
	}
	s.newer[id] = struct{}{}
	return true
}
