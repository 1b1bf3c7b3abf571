package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// stand runs o's stand-in until ctx ends (nil) or it fails. Everything it started has ended then.
func stand(ctx context.Context, o options, out io.Writer) (err error) {
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("%w: choose another port with --listen, or port 0 for any free one", err)
	}
	base := "http://" + l.Addr().String()
	s, err := o.kind.open(ctx, base)
	if err != nil {
		_ = l.Close()
		return err
	}
	if s.closer != nil {
		defer func() { err = errors.Join(err, s.closer.Close()) }()
	}
	announce(out, o.kind, base, s)
	return serve(ctx, l, s.handler)
}

// announce says what runs where, and what to try.
func announce(out io.Writer, k kind, base string, s standIn) {
	fmt.Fprintf(out, "%s\n\nAddress  %s\nUsers    %s\n\nTry\n", k.about, base, s.users)
	for _, command := range s.try {
		fmt.Fprintf(out, "  %s\n", command)
	}
	fmt.Fprintf(out, "  curl -d advance=10m %[1]s/_panel/clock     (peers --help tells more)\n\nStop with Ctrl-C.\n", base)
}

// serve answers on l until ctx ends. Requests under way are cut off: some of them wait on purpose.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
