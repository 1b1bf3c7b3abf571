package sessiontest_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session/sessiontest"
)

func ExampleClock() {
	c := sessiontest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	c.Advance(time.Hour)
	fmt.Println(c.Now())
	// Output: 2026-01-02 04:04:05 +0000 UTC
}

func TestClockIsSafeForConcurrentUse(t *testing.T) {
	start := time.Unix(0, 0)
	c := sessiontest.NewClock(start)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				c.Advance(time.Second)
				_ = c.Now()
			}
		})
	}
	wg.Wait()
	require.Equal(t, start.Add(800*time.Second), c.Now())
}
