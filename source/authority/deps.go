package authority

import (
	"log/slog"
	"time"
)

// Deps are what a source needs from the program around it. Both are set.
type Deps struct {
	Now func() time.Time
	Log *slog.Logger // knows the name of the source already
}
