package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// listen takes an address for a part of the demonstration.
func listen(who, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the %s cannot listen on %s (%w): choose other ports with --port N, which moves all of them, or the gateway's alone with --listen", who, address, err)
	}
	return l, nil
}

// freeAddress returns address, with a port that is free now in place of port 0. The gateway binds it itself.
func freeAddress(who, address string) (string, error) {
	l, err := listen(who, address)
	if err != nil {
		return "", err
	}
	address = l.Addr().String()
	return address, l.Close()
}

func closeAll(ls ...net.Listener) {
	for _, l := range ls {
		if l != nil {
			_ = l.Close()
		}
	}
}

// serve answers on l until ctx ends, lets requests under way finish for a moment, and returns when all have ended.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("%s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if s.Shutdown(last) != nil {
		_ = s.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s: %w", l.Addr(), err)
	}
	return nil
}
