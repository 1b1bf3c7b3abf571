//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// gateway is a running program and the address it listens at.
type gateway struct {
	cmd   *exec.Cmd
	url   string
	admin string // address operators are answered at
	done  chan error
	mu    sync.Mutex
	log   bytes.Buffer
}

// serve starts the program on a file in dir and waits until it listens.
func serve(t *testing.T, dir string, env ...string) *gateway {
	t.Helper()
	g := &gateway{cmd: exec.Command(binary, "serve"), done: make(chan error, 1)}
	g.cmd.Dir, g.cmd.Env = dir, append([]string{"PATH=/bin"}, env...)
	stderr, err := g.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, g.cmd.Start())
	listening := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			g.note(lines.Bytes(), listening)
		}
		g.done <- g.cmd.Wait()
	}()
	t.Cleanup(func() { _ = g.cmd.Process.Kill() })
	select {
	case address := <-listening:
		g.url = "http://" + address
	case err := <-g.done:
		t.Fatalf("ended before it listened: %v\n%s", err, g.output())
	case <-time.After(20 * time.Second):
		t.Fatal("does not listen")
	}
	return g
}

func (g *gateway) note(line []byte, listening chan<- string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.log.Write(append(line, '\n'))
	var event struct{ Msg, Address string }
	if json.Unmarshal(line, &event) != nil {
		return
	}
	switch event.Msg {
	case "listening for operators": // comes first
		g.admin = event.Address
	case "listening":
		listening <- event.Address
	}
}

func (g *gateway) output() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.String()
}

// wait returns how the program ended.
func (g *gateway) wait(t *testing.T, limit time.Duration) error {
	t.Helper()
	select {
	case err := <-g.done:
		return err
	case <-time.After(limit):
		t.Fatalf("still runs after %s\n%s", limit, g.output())
		return nil
	}
}

// application answers every request once release is closed; began gets one value for each request.
func application(t *testing.T) (url string, began chan struct{}, release chan struct{}) {
	t.Helper()
	began, release = make(chan struct{}, 8), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(s.Close)
	return s.URL, began, release
}

func publicSite(t *testing.T, upstream string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("public_url: http://localhost:4180\nlisten: 127.0.0.1:0\nadmin: {listen: none}\nroutes:\n- name: site\n  access: public\n  upstream: {url: %q}\n", upstream)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sessionward.yaml"), []byte(text), 0o600))
	return dir
}

// TestServeStopsAfterWhatItBegan: SIGTERM lets the request under way complete, and the exit status is 0.
func TestServeStopsAfterWhatItBegan(t *testing.T) {
	upstream, began, release := application(t)
	g := serve(t, publicSite(t, upstream))
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get(g.url + "/")
		if err != nil {
			answer <- err.Error()
			return
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		answer <- string(body)
	}()
	<-began
	require.NoError(t, g.cmd.Process.Signal(syscall.SIGTERM))
	close(release)
	require.Equal(t, "hello", <-answer)
	require.NoError(t, g.wait(t, 10*time.Second), g.output())
}

// TestServeSecondSignalEndsAtOnce: whoever presses Ctrl-C twice means it.
func TestServeSecondSignalEndsAtOnce(t *testing.T) {
	upstream, began, release := application(t)
	defer close(release)
	g := serve(t, publicSite(t, upstream))
	go func() {
		res, err := http.Get(g.url + "/")
		if err == nil {
			_ = res.Body.Close()
		}
	}()
	<-began
	require.NoError(t, g.cmd.Process.Signal(syscall.SIGINT))
	deadline := time.After(10 * time.Second)
	for {
		require.NoError(t, ignoreDone(g.cmd.Process.Signal(syscall.SIGINT)))
		select {
		case err := <-g.done:
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			status, ok := exit.Sys().(syscall.WaitStatus)
			require.True(t, ok)
			require.Equal(t, syscall.SIGINT, status.Signal(), "ended by the signal, not by itself")
			return
		case <-deadline:
			t.Fatal("a second signal did not end it")
		case <-time.After(10 * time.Millisecond): // the first signal may not have been taken yet
		}
	}
}

func ignoreDone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// TestServeSecondProcessOnOneStore: it ends within two seconds, with one line that names the file.
func TestServeSecondProcessOnOneStore(t *testing.T) {
	upstream, _, release := application(t)
	defer close(release)
	dir := publicSite(t, upstream)
	serve(t, dir)
	began := time.Now()
	r := run(t, dir, "", nil, "serve")
	require.Equal(t, 1, r.code)
	require.Less(t, time.Since(began), 4*time.Second, "1 s to wait for the file, the rest for a busy machine")
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	require.True(t, strings.HasPrefix(lines[len(lines)-1], "sessionward: "), r.stderr)
	require.Contains(t, lines[len(lines)-1], "sessionward.db")
}
