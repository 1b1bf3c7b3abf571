package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/sessionward/sessionward/admin"
)

// progressEvery is how often progress is shown, and eraseLine takes it away again.
const (
	progressEvery = 100 * time.Millisecond
	eraseLine     = "\r\x1b[K"
)

// tally tells of sessions as they end, and of how far it is on a terminal.
type tally struct {
	list          *listing
	err           io.Writer
	now           func() time.Time
	expected      int
	ended, failed int
	live          bool // standard error is a terminal
	shownAt       time.Time
	broken        error // of the output
}

func (s *sessionCommands) newTally(expected int) *tally {
	return &tally{list: s.newListing(*s.format), err: s.err, now: s.now, expected: expected, live: isTerminal(s.err)}
}

// outcome says what became of one session, and what its authority said.
func outcome(e admin.Ended) string {
	switch {
	case !e.Here:
		return "not ended: " + harmless(e.Error)
	case e.AtAuthority == "ended" || e.AtAuthority == "":
		return "ended here and at its authority"
	case e.AtAuthority == "asked":
		return "ended here; its authority is being asked"
	}
	return "ended here; its authority: " + harmless(e.AtAuthority)
}

// tell reports whether there is anybody to go on for.
func (t *tally) tell(e admin.Ended) bool {
	if e.Here {
		t.ended++
	} else {
		t.failed++
	}
	t.erase()
	if t.broken = t.list.add(e, fmt.Sprintf("%-20s", cell(e.Handle)), outcome(e)); t.broken == nil {
		t.broken = t.list.page() // each line as it comes
	}
	t.progress()
	return t.broken == nil
}

func (t *tally) progress() {
	if now := t.now(); t.live && now.Sub(t.shownAt) >= progressEvery {
		t.shownAt = now
		_, _ = fmt.Fprintf(t.err, "%d of %d", t.ended+t.failed, max(t.expected, t.ended+t.failed))
	}
}

func (t *tally) erase() {
	if t.live && !t.shownAt.IsZero() {
		t.shownAt = t.now().Add(-progressEvery) // what follows may show it again
		_, _ = io.WriteString(t.err, eraseLine)
	}
}

// close sums up, and completes the list unless the work broke off with err.
func (t *tally) close(err error) error {
	t.erase()
	sum := "ended " + count(t.ended, "session")
	if t.failed > 0 {
		sum += fmt.Sprintf("; %d did not end", t.failed)
	}
	_, _ = fmt.Fprintln(t.err, sum)
	switch {
	case t.broken != nil:
		return fmt.Errorf("the rest was not ended: %w", t.broken)
	case err != nil:
		return err
	}
	return t.list.end()
}

// isTerminal reports whether a person is at the other end of f.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
