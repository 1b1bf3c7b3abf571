package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with its surroundings as arguments: it returns the exit code, 0 when ctx ended the stand-in.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	o, err := parseFlags(args, out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(errs, "peers: %v\n", err)
		return 2
	}
	if err := stand(ctx, o, out); err != nil {
		fmt.Fprintf(errs, "peers: %v\n", err)
		return 1
	}
	return 0
}
