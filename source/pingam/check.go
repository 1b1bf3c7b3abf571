package pingam

import (
	"time"

	"github.com/sessionward/sessionward/session"
)

// ValidSession implements session.TokenChecker: a session of this source that is not known to have ended.
func (s *Source) ValidSession(held *session.Session) bool {
	return held.Source == s.name && held.Identity.Subject != "" && s.ValidToken(held)
}

// ValidToken implements session.TokenChecker by the two clocks of the session. A token has none of its own.
func (s *Source) ValidToken(held *session.Session) bool {
	return !held.Tokens.Access.Empty() && !held.Ended(s.client.Now())
}

// EndsWithin implements session.TokenChecker: the earlier of the two clocks counts.
func (s *Source) EndsWithin(held *session.Session, d time.Duration) (ends, known bool) {
	end := held.EndsAt()
	if end.IsZero() {
		return false, false
	}
	return !s.client.Now().Add(d).Before(end), true
}
