package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
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

	answered atomic.Bool // it has answered once
	pid      atomic.Int64
	restarts atomic.Int64
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
		if !g.answered.Load() || bad >= maxBadStarts {
			return fmt.Errorf("the gateway does not stay up (%w); the end of %s:\n%s", err, g.log, tail(g.log))
		}
		g.restarts.Add(1)
		g.out.say(fmt.Sprintf("The gateway has ended (%v). Starting it again.", err))
	}
}

// once runs the process until it ends, which is an error, or ctx does; then it is asked to stop, and waited for.
func (g *gateway) once(ctx context.Context, log *os.File) error {
	cmd := exec.CommandContext(ctx, g.binary, "serve", "--config", g.config)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return askToStop(cmd.Process) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		return err
	}
	g.pid.Store(int64(cmd.Process.Pid))
	if g.restarts.Load() > 0 {
		g.out.say(fmt.Sprintf("Gateway pid %d", cmd.Process.Pid))
	}
	return cmp.Or(cmd.Wait(), errors.New("exit status 0"))
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
