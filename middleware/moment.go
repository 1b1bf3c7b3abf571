package middleware

import (
	"fmt"
	"time"
)

// moment is a time as a page shows it: how long ago, to the minute, and for programs. A page of ours runs no script, so that
// nobody knows the reader's own clock: exact times are UTC and say so.
type moment struct{ Ago, Exact, ISO string }

// momentOf returns nil for a time that is not known.
func momentOf(t, now time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &moment{Ago: ago(now.Sub(t), t), Exact: t.Format("2 Jan 2006, 15:04 UTC"), ISO: t.Format(time.RFC3339)}
}

func ago(d time.Duration, t time.Time) string {
	switch {
	case d < 2*time.Minute: // use is written down once a minute, and clocks differ
		return "just now"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", d/time.Hour)
	case d < 60*24*time.Hour:
		return fmt.Sprintf("%d days ago", d/(24*time.Hour))
	default:
		return t.Format("2 Jan 2006")
	}
}
