//go:build unix

package main

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"
)

// screen is a program on a terminal, and what that shows.
type screen struct {
	t     *testing.T
	cmd   *exec.Cmd
	tty   *os.File
	mu    sync.Mutex
	shown bytes.Buffer
	ended chan struct{}

	before *term.State // of the terminal, until the program changed it
}

func (s *screen) mode() *term.State {
	s.t.Helper()
	state, err := term.GetState(int(s.tty.Fd()))
	require.NoError(s.t, err)
	return state
}

func onTerminal(t *testing.T, dir string, args ...string) *screen {
	t.Helper()
	s := &screen{t: t, cmd: exec.Command(binary, args...), ended: make(chan struct{})}
	s.cmd.Dir, s.cmd.Env = dir, []string{"PATH=/bin", "TERM=xterm"}
	var err error
	s.tty, err = pty.Start(s.cmd)
	require.NoError(t, err)
	s.before = s.mode()
	t.Cleanup(func() { _ = s.tty.Close() })
	go func() {
		defer close(s.ended)
		buffer := make([]byte, 4096)
		for {
			n, err := s.tty.Read(buffer)
			s.mu.Lock()
			s.shown.Write(buffer[:n])
			s.mu.Unlock()
			if err != nil { // EIO once the program has ended
				return
			}
		}
	}()
	return s
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// answers waits for a question and types.
func (s *screen) answers(question, typed string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return strings.HasSuffix(s.text(), question) }, 10*time.Second, 5*time.Millisecond, "%q", question)
	_, err := s.tty.WriteString(typed)
	require.NoError(s.t, err)
}

// ends waits for the end and returns everything that was shown.
func (s *screen) ends(code int) string {
	s.t.Helper()
	err := s.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok {
		require.NoError(s.t, err)
		require.Zero(s.t, code)
	} else {
		require.Equal(s.t, code, exit.ExitCode(), s.text())
	}
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		s.t.Fatal("the terminal is not closed")
	}
	return s.text()
}

// TestRevokeAsksOnATerminal: with the count, and anything but yes is no.
func TestRevokeAsksOnATerminal(t *testing.T) {
	s := newSite(t, "")
	_, first := s.login("alice")
	kept, mine := s.login("alice")
	for _, answer := range []string{"\r", "n\r", "no\r", "yess\r", "\x04", "\x03"} {
		p := onTerminal(t, s.dir, "sessions", "revoke", "--user", "alice", "--keep", kept)
		p.answers("End 1 session? [y/N] ", answer)
		shown := p.ends(1)
		require.NotContains(t, shown, "ended here")
		require.Equal(t, http.StatusOK, s.ask("Cookie", first), "%q", answer)
	}
	p := onTerminal(t, s.dir, "sessions", "revoke", "--all-sessions")
	p.answers("End 2 sessions? [y/N] ", "y\r")
	shown := p.ends(0)
	require.Equal(t, 2, strings.Count(shown, "ended here"), shown)
	require.Contains(t, shown, "1 of 2"+eraseLine, "how far it is, and gone when a line comes")
	require.True(t, strings.HasSuffix(shown, "ended 2 sessions\r\n"), "%q", shown)
	for _, cookie := range []string{first, mine} {
		require.Equal(t, http.StatusUnauthorized, s.ask("Cookie", cookie))
	}
}

// TestLoginAsksOnATerminal: for name and password, of which the latter is not shown.
func TestLoginAsksOnATerminal(t *testing.T) {
	s := newSite(t, "")
	p := onTerminal(t, s.dir, "login", "--source", "local")
	p.answers("Username: ", "alice\r")
	p.answers("Password: ", plantedPassword+"\r")
	shown := p.ends(0)
	require.NotContains(t, shown, plantedPassword)
	require.Regexp(t, `sessionward=\S+\r\n$`, shown)
	p = onTerminal(t, s.dir, "login", "--source", "local", "--username", "alice")
	p.answers("Password: ", "")
	require.Eventually(t, func() bool { return !assert.ObjectsAreEqual(p.before, p.mode()) }, 10*time.Second, time.Millisecond, "it shows nothing")
	p.answers("Password: ", "\x03")
	require.Contains(t, p.ends(1), "interrupted")
	require.Equal(t, p.before, p.mode(), "it shows again what is typed")
}
