// Command demo shows what sessionward does, on one machine and in one minute: it starts an OpenID provider, an
// application that shows its headers, and the gateway between them, and says what to open.
//
// It owns the three and stops them all; what they do is in the packages provider and application and in the gateway's
// binary. The gateway runs as a process of its own, from a configuration written into the data folder, so that it can
// be killed, restarted and reconfigured as in real life.
//
// One rule: everything listens on this machine only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// The provider's protocol library logs to the default logger, in between what this program has to say.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with its surroundings as arguments: it returns the exit code, 0 when ctx ended the demonstration.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	o, err := parseFlags(args, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(errs, "demo:", err)
		return 2
	}
	if err := demonstrate(ctx, o, out); err != nil {
		fmt.Fprintln(errs, "demo:", err)
		return 1
	}
	return 0
}
