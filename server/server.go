package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/config"
	"github.com/sessionward/sessionward/session"
)

// sweepEvery and sweepAtOnce bound the work of dropping expired records from a store.
const (
	sweepEvery  = time.Minute
	sweepAtOnce = 1000
)

// adminTimeout bounds one request of an operator, and its answer.
const adminTimeout = 30 * time.Second

// Server is a whole gateway, opened but not yet listening. Run it once, or Close it.
type Server struct {
	cfg     *config.Config
	log     *slog.Logger
	house   *house
	handler http.Handler
	health  *admin.Health
	api     *admin.API
	admin   net.Listener // of operators; nil: there is none
}

// Open builds everything cfg names. It asks no authority: those may be down. What it opened before it failed is closed
// again.
func Open(cfg *config.Config, log *slog.Logger) (*Server, error) {
	h, err := build(cfg, log)
	if err != nil {
		h.close()
		return nil, err
	}
	s := &Server{cfg: cfg, log: log, house: h, handler: h.handler(), health: h.health()}
	if s.api, err = h.api(s.health); err != nil {
		h.close()
		return nil, err
	}
	return s, nil
}

// Handler returns the gateway as a plain handler, for tests and for servers of one's own. Run serves the same.
func (s *Server) Handler() http.Handler { return s.handler }

// Close releases what Open opened. Only for a server that was not run.
func (s *Server) Close() { s.house.close() }

// Run opens what cfg names, listens, and serves until ctx ends; then it lets requests under way complete, for no longer
// than cfg.ShutdownTimeout, and returns when everything it started has ended.
func Run(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	s, err := Open(cfg, log)
	if err != nil {
		return err
	}
	defer s.Close()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	if cfg.AdminListens() {
		if s.admin, err = lc.Listen(ctx, "tcp", cfg.Admin.Listen); err != nil {
			_ = l.Close()
			return fmt.Errorf("admin.listen: listen on %s: %w", cfg.Admin.Listen, err)
		}
		if s.admin, err = adminTLS(cfg.Admin.TLS, s.admin); err != nil {
			_ = l.Close()
			return err
		}
	}
	return s.Serve(ctx, l)
}

// Serve serves on l, which it closes, until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	defer background.Wait()
	defer stopWork()
	for _, run := range s.house.background() {
		background.Go(func() {
			if err := run(work); err != nil {
				s.log.Error("work in the background ended early", "error", err)
			}
		})
	}
	requests, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	closeAdmin := s.serveAdmin(&background)
	defer closeAdmin() // after the drain: it tells that the gateway is stopping
	srv := s.httpServer(requests)
	failed := make(chan error, 1)
	background.Go(func() { failed <- s.listen(srv, pacedListener{Listener: l, pause: writePause}) })
	s.log.Info("listening", "address", l.Addr().String(), "public_url", s.cfg.PublicURL)
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	return s.drain(srv, breakOff)
}

// serveAdmin serves operators, where they have a listener, until the returned function is called.
func (s *Server) serveAdmin(background *sync.WaitGroup) (stop func()) {
	if s.admin == nil {
		return func() {}
	}
	srv := &http.Server{
		Handler: s.api.Handler(), ReadHeaderTimeout: s.cfg.Limits.ReadHeaderTimeout, ReadTimeout: adminTimeout,
		WriteTimeout: adminTimeout, IdleTimeout: s.cfg.Limits.IdleTimeout, MaxHeaderBytes: s.cfg.Limits.MaxHeaderBytes,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	background.Go(func() {
		if err := srv.Serve(s.admin); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the listener for operators failed", "error", err)
		}
	})
	s.log.Info("listening for operators", "address", s.admin.Addr().String())
	return func() { _ = srv.Close() }
}

// drain lets requests under way complete and breaks off what is left when the time is up.
func (s *Server) drain(srv *http.Server, breakOff context.CancelFunc) error {
	s.health.Stop()
	s.log.Info("stopping: requests under way complete", "timeout", s.cfg.ShutdownTimeout.String())
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	err := srv.Shutdown(ctx)
	breakOff() // streams and upgraded connections, which Shutdown does not wait for
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("requests were still under way when the time was up; they are broken off")
		return srv.Close()
	}
	return err
}

func (s *Server) httpServer(base context.Context) *http.Server {
	return &http.Server{
		Handler:           paced(s.handler, bodyPause),
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: s.cfg.Limits.ReadHeaderTimeout,
		IdleTimeout:       s.cfg.Limits.IdleTimeout,
		MaxHeaderBytes:    s.cfg.Limits.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // what clients do wrong below HTTP
	}
}

func (s *Server) listen(srv *http.Server, l net.Listener) error {
	var err error
	if t := s.cfg.TLS; t.CertFile != "" {
		err = srv.ServeTLS(l, t.CertFile, t.KeyFile)
	} else {
		err = srv.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// sweep drops expired records now and then.
func sweep(ctx context.Context, st session.Sweeper, log *slog.Logger) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		for {
			n, err := st.Sweep(ctx, sweepAtOnce)
			if err != nil && ctx.Err() == nil {
				log.Warn("dropping expired sessions failed", "error", err)
			}
			if err != nil || n < sweepAtOnce {
				break
			}
		}
	}
}

// publicURL parses what config has checked.
func publicURL(cfg *config.Config) (*url.URL, error) {
	u, err := url.Parse(cfg.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("public_url: %w", err)
	}
	return u, nil
}
