package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// maxCell bounds a text in a table, in characters: names come from elsewhere and may be of any length.
const maxCell = 60

// hidden reports whether a terminal would not show r but do something: control characters, which begin its commands, and
// those that turn the direction of what follows.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// harmless is a text from elsewhere as it may reach a terminal.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if hidden(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// cell is a text from elsewhere in a table.
func cell(s string) string {
	s = harmless(s)
	if s == "" {
		return "-"
	}
	if r := []rune(s); len(r) > maxCell {
		return string(r[:maxCell-1]) + "…"
	}
	return s
}

// span writes a duration in one unit, as people say it.
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// since writes how long ago at was, "-" when it is not known.
func (c *cli) since(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return span(c.now().Sub(at))
}

// moment writes a time and how far off it is, "" when it is not known.
func (c *cli) moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	far := "in " + span(at.Sub(c.now()))
	if !at.After(c.now()) {
		far = span(c.now().Sub(at)) + " ago"
	}
	return at.UTC().Format(time.RFC3339) + " (" + far + ")"
}
