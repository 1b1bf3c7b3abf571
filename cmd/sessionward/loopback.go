package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sessionward/sessionward/admin"
)

const (
	landingPath     = "/callback"      // what is registered at the authority, with any port
	loopbackTimeout = 10 * time.Minute // for which the gateway remembers a login
	pageTimeout     = 2 * time.Second  // for a browser to take its last page
)

// errNobodySignedIn ends a login that took too long.
var errNobodySignedIn = errors.New("nobody signed in within ten minutes; where the browser showed an error instead of coming back, " +
	"http://127.0.0.1" + landingPath + " may not be registered at the authority with any port: try --device")

// loopback signs in in a browser of this machine, which comes back here (RFC 8252 §7.3). open opens it; nil: the person does.
func (l *login) loopback(ctx context.Context, g *gatewayClient, open func(address string) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, loopbackTimeout, errNobodySignedIn)
	defer cancel()
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0") // this machine's programs alone can reach it
	if err != nil {
		return err
	}
	host := listener.Addr().String()
	begun, err := g.BeginLoopback(ctx, admin.LoopbackLogin{Login: l.forWhom(), RedirectURI: "http://" + host + landingPath})
	if err != nil {
		_ = listener.Close()
		return l.broken(ctx, err)
	}
	u, err := url.Parse(begun.AuthorizationURL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.Query().Get("state") == "" {
		_ = listener.Close()
		return errors.New("the gateway named an address that no browser should be sent to")
	}
	land := &landing{host: host, state: u.Query().Get("state"), over: make(chan ending, 1), finish: func(query string) (admin.Created, error) {
		return g.FinishLoopback(ctx, admin.LoopbackAnswer{Attempt: begun.Attempt, Query: query})
	}}
	srv := &http.Server{Handler: land, ReadHeaderTimeout: pageTimeout, MaxHeaderBytes: 64 << 10}
	go func() { _ = srv.Serve(listener) }()
	defer func() { _ = srv.Close() }()
	l.tellAddress(begun.AuthorizationURL, open)
	select {
	case o := <-land.over:
		last, done := context.WithTimeout(context.WithoutCancel(ctx), pageTimeout)
		defer done()
		_ = srv.Shutdown(last)
		if o.err != nil {
			return l.broken(ctx, o.err)
		}
		return l.showMade(o.made, *l.format)
	case <-ctx.Done():
		return l.broken(ctx, context.Cause(ctx))
	}
}

// tellAddress tells the person where to sign in, and opens it.
func (l *login) tellAddress(address string, open func(string) error) {
	_, _ = fmt.Fprintf(l.err, "Sign in in a browser of this machine, at\n\n  %s\n\n", harmless(address))
	if open != nil {
		if err := open(address); err != nil {
			_, _ = fmt.Fprintf(l.err, "The browser could not be opened: %v. Open the address yourself.\n", err)
		}
	}
	_, _ = fmt.Fprintf(l.err, "Waiting for that for %s. Ctrl-C ends it.\n", span(loopbackTimeout))
}

// ending is what became of a login in a browser.
type ending struct {
	made admin.Created
	err  error
}

// landing is where the browser comes back to. Anything else that finds the port learns nothing and ends nothing: the state
// is known to the browser alone.
type landing struct {
	host, state string
	finish      func(query string) (admin.Created, error)
	once        sync.Once
	over        chan ending
}

// ServeHTTP implements http.Handler.
func (l *landing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	params, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case r.Host != l.host || r.Method != http.MethodGet || r.URL.Path != landingPath:
		writePage(w, http.StatusNotFound, "There is nothing here.")
		return
	case err != nil || len(params["state"]) != 1 || params.Get("state") != l.state:
		writePage(w, http.StatusBadRequest, "This answer belongs to another login.")
		return
	}
	status, text := http.StatusConflict, "This login is over. You can close this window."
	l.once.Do(func() {
		made, err := l.finish(r.URL.RawQuery)
		status, text = http.StatusOK, "You are signed in. You can close this window."
		if err != nil {
			status, text = http.StatusBadRequest, "That did not work; the terminal says why. You can close this window."
		}
		l.over <- ending{made, err}
	})
	writePage(w, status, text)
}

func writePage(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>sessionward</title></head><body><main><p>%s</p></main></body></html>
`, html.EscapeString(text))
}
