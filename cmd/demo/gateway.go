package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

const (
	stopTimeout  = 15 * time.Second // for the gateway to drain; then it is killed
	soundAfter   = time.Second      // a gateway that ran this long did start
	maxBadStarts = 3                // in a row, after a good one
)

// gateway is the gateway's process, started anew when it ends.
type gateway struct {
	binary, config, log string
	out                 *printer

	mu       sync.Mutex
	answered bool // it has answered once
	pid      int
	restarts int
}

func newGateway(binary, config, log string, out *printer) *gateway {
	return &gateway{binary: binary, config: config, log: log, out: out}
}

// run keeps the process running until ctx ends, stops it then and returns nil. It gives up when the process ends before
// it has answered once, or several times in a row just after its start.
func (g *gateway) run(ctx context.Context, log *os.File) error {
	for bad := 0; ; {
		began := time.Now()
		err := g.once(ctx, log)
		if ctx.Err() != nil {
			return nil
		}
		if bad++; time.Since(began) >= soundAfter {
			bad = 0
		}
		if !g.restart() || bad >= maxBadStarts {
			return fmt.Errorf("the gateway does not stay up (%v); the end of %s:\n%s", describe(err), g.log, tail(g.log))
		}
		g.out.say(fmt.Sprintf("The gateway has ended (%v). Starting it again.", describe(err)))
	}
}

// once runs the process until it ends or ctx does; then it is asked to stop, and waited for.
func (g *gateway) once(ctx context.Context, log *os.File) error {
	cmd := exec.CommandContext(ctx, g.binary, "serve", "--config", g.config)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return askToStop(cmd.Process) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		return err
	}
	g.mu.Lock()
	g.pid = cmd.Process.Pid
	again := g.restarts > 0
	g.mu.Unlock()
	if again {
		g.out.say(fmt.Sprintf("Gateway pid %d", cmd.Process.Pid))
	}
	return cmd.Wait()
}

// restart counts a restart; false when there shall be none, because the gateway has never answered.
func (g *gateway) restart() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.restarts++
	return g.answered
}

func (g *gateway) hasAnswered() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answered = true
}

// state returns the process id and how often it has been restarted.
func (g *gateway) state() (pid, restarts int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pid, g.restarts
}

func describe(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// tail returns the last lines of a file.
func tail(path string) []byte {
	const most = 2 << 10
	b, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	if len(b) > most {
		b = b[len(b)-most:]
		b = b[bytes.IndexByte(b, '\n')+1:]
	}
	return bytes.TrimSpace(b)
}
