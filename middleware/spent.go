package middleware

import (
	"sync"
	"time"
)

const (
	spentLifetime = attemptLifetime + time.Minute // an attempt has expired by itself before that
	maxSpent      = 50_000                        // attempts in one of the two generations
)

// spent remembers which attempts were answered, in two generations: each is kept for at least spentLifetime. Answers
// cost their sender nothing, so a flood of them must neither take memory without bound nor close the login to others:
// then the oldest are forgotten early, and the authority alone, which takes a code once, and the cookie of the browser
// stand between a thief and a second use.
type spent struct {
	mu              sync.Mutex
	newer, older    map[string]struct{}
	newGenerationAt time.Time
}

// add reports whether id is new.
func (s *spent) add(id string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newer == nil || !now.Before(s.newGenerationAt) || len(s.newer) >= maxSpent {
		s.older, s.newer, s.newGenerationAt = s.newer, map[string]struct{}{}, now.Add(spentLifetime)
	}
	_, inNewer := s.newer[id]
	_, inOlder := s.older[id]
	if inNewer || inOlder {
		return false
	}
	s.newer[id] = struct{}{}
	return true
}
