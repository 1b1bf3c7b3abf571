package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSpentFloodKeepsLoginOpen: a flood of answers takes bounded memory and keeps nobody from logging in.
func TestSpentFloodKeepsLoginOpen(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := Spent{Lifetime: time.Minute}
	require.True(t, s.Add("first", now))
	for i := range 3 * maxSpent {
		require.True(t, s.Add(time.Duration(i).String(), now))
	}
	require.LessOrEqual(t, len(s.newer)+len(s.older), 2*maxSpent)
	require.True(t, s.Add("honest", now))
	require.False(t, s.Add("honest", now))
}

// TestSpentIsRememberedAsLongAsAttemptsLive.
func TestSpentIsRememberedAsLongAsAttemptsLive(t *testing.T) {
	const attempt, lifetime = 10 * time.Minute, 11 * time.Minute
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, offset := range []time.Duration{0, time.Minute, lifetime - 1, lifetime, lifetime + time.Minute} {
		s := Spent{Lifetime: lifetime}
		s.Add("other", began)
		require.True(t, s.Add("id", began.Add(offset)))
		for after := time.Duration(0); after <= attempt; after += 30 * time.Second {
			require.False(t, s.Add("id", began.Add(offset+after)), "%s %s", offset, after)
		}
	}
}
