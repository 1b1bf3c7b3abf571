package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sessionward/sessionward/session"
)

// Problem is one thing wrong with a configuration.
type Problem struct {
	// File is the file as it was named to Load, or the name of the environment variable the value came from.
	File string `json:"file"`
	// Line and Column count from 1. They are 0 where there is no place to point at, as in the environment.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Key is the path of the setting: "routes[2].upstream.url". "" is the whole file.
	Key string `json:"key,omitempty"`
	// Message says what is wrong, in one line. It never holds the value of a secret.
	Message string `json:"message"`
	// Hint says what to write instead, "" when the message has said it.
	Hint string `json:"hint,omitempty"`
}

// String returns the problem in one line, in the form compilers use: "file:line:column: message; hint".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": " + p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems is everything wrong with a configuration, in the order of the file, environment last. It is the error of
// Load and Parse, and is session.ErrMalformed.
type Problems []Problem

// Error prints one problem per line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes Problems a session.ErrMalformed.
func (ps Problems) Unwrap() error { return session.ErrMalformed }

// add notes a problem at a place.
func (ps *Problems) add(at position, key, hint, format string, args ...any) {
	*ps = append(*ps, Problem{File: at.file, Line: at.line, Column: at.column, Key: key, Hint: hint,
		Message: oneLine(fmt.Sprintf(format, args...))})
}

// err returns the problems sorted and without repetitions, nil when there are none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return b.Line - a.Line // what has a line comes first
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return slices.Compact(ps)
}

// plain takes the name of the error class off a message for people: that it is malformed they see.
func plain(message string) string {
	return oneLine(strings.TrimSuffix(strings.TrimSpace(message), ": "+session.ErrMalformed.Error()))
}

// oneLine keeps values with line breaks or control bytes from forging further lines of output.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

// position is where a value was written.
type position struct {
	file         string
	line, column int
}

func (p position) String() string {
	if p.line == 0 {
		return p.file
	}
	return p.file + ":" + strconv.Itoa(p.line) + ":" + strconv.Itoa(p.column)
}

// nearestPlace returns the place of key, or of the nearest group around it that was written, with its key.
func nearestPlace(places map[string]position, key string, fallback position) (string, position) {
	for key != "" {
		if at, ok := places[key]; ok {
			return key, at
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return "", fallback
}
