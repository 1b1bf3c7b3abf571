package main

import (
	"context"
	"io"
	"log/slog"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/config"
	"github.com/sessionward/sessionward/server"
)

func (c *cli) serveCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Run the gateway until it is told to stop.

SIGTERM or SIGINT (Ctrl-C) let requests under way complete, for no longer than shutdown_timeout; a second
one ends the process at once. The log goes to standard error, one line for each event.`,
		Example: `  sessionward serve --config /etc/sessionward/sessionward.yaml
  SESSIONWARD_LOG_LEVEL=debug sessionward serve`,
		Args: cobra.NoArgs,
		RunE: work(func([]string) error { return c.serve(path) }),
	}
	c.configFlag(cmd, &path)
	return cmd
}

func (c *cli) serve(path string) error {
	cfg, err := config.Load(path, c.env)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from then on a signal has its usual effect
	ballast := make([]byte, ballastBytes)
	defer runtime.KeepAlive(ballast)
	return server.Run(ctx, cfg, newLog(c.err, cfg.Log))
}

// ballastBytes has the garbage collector run as seldom as in a process that keeps so much more alive: a gateway with few
// sessions keeps little and makes much that is soon garbage, and would collect many times a second. Nothing ever touches
// the pages, so this is address space and not memory; GOGC and GOMEMLIMIT mean what they always do.
const ballastBytes = 4 << 20

// newLog returns the logger o describes. Load has checked o.
func newLog(w io.Writer, o config.LogOptions) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(o.Level)) // info when it is not known
	options := &slog.HandlerOptions{Level: level}
	if o.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
