package password

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session/sessiontest"
)

func TestAttemptsAreBounded(t *testing.T) {
	clock := sessiontest.NewClock(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	a := NewAttempts(5, time.Minute, clock.Now)
	for i := range maxAttemptKeys + 1000 {
		a.Begin(fmt.Sprint("user", i))
	}
	require.Len(t, a.keys, maxAttemptKeys)
	require.Equal(t, maxAttemptKeys, a.order.Len())
	require.Contains(t, a.keys, fmt.Sprint("user", maxAttemptKeys+999))
	require.NotContains(t, a.keys, "user0", "the oldest went")
}

func TestFailuresAreForgottenAfterTheWindow(t *testing.T) {
	clock := sessiontest.NewClock(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	a := NewAttempts(5, time.Minute, clock.Now)
	for range 4 {
		require.Zero(t, a.Begin("u"))
	}
	clock.Advance(time.Minute)
	for range 5 {
		require.Zero(t, a.Begin("u"))
	}
	require.NotZero(t, a.Begin("u"))
}
