package session

import (
	"testing"

	"go.uber.org/goleak"
)

// Whoever starts a goroutine owns its end: no test leaves one behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
