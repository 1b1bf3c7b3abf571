package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/sessionward/sessionward/cmd/demo/application"
	"github.com/sessionward/sessionward/cmd/demo/provider"
)

const (
	startTimeout = 30 * time.Second
	askEvery     = 50 * time.Millisecond
)

// printer writes whole messages, from any goroutine.
type printer struct {
	mu sync.Mutex
	w  io.Writer
}

func (p *printer) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.w, text)
}

// welcome waits until every part answers and says what to open.
func (d *demo) welcome(ctx context.Context) error {
	for _, part := range []struct{ name, url string }{
		{"provider", d.config.Issuer + provider.DiscoveryPath},
		{"application", d.config.Application + "/healthz"},
		{"gateway", d.config.PublicURL + "/healthz"},
	} {
		if err := waitFor(ctx, part.name, part.url); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	d.gateway.answered.Store(true)
	d.out.say(d.message())
	return nil
}

// waitFor returns nil when url has answered 200, or when ctx has ended.
func waitFor(ctx context.Context, name, url string) error {
	ask, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		err := answers(ask, client, url)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ask.Done():
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("the %s does not answer at %s after %s: %w", name, url, startTimeout, err)
		}
	}
}

func answers(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", res.Status)
	}
	return nil
}

func (d *demo) message() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprint(w, "\nThe demonstration is running.\n\n")
	line("Open", "%s/", d.config.PublicURL)
	for i, u := range users() {
		line([]string{"Sign in as", ""}[min(i, 1)], "%s / %s (groups %s)", u.Username, u.Password, strings.Join(u.Groups, ", "))
	}
	line("Operators", "http://%s/#token=%s", d.config.Admin, d.operatorToken)
	line("Tokens", "live %s: reload the page now and then and see them renewed", d.o.tokenTTL)
	line("Configuration", "%s", d.configPath)
	line("Sessions", "%s", filepath.Join(d.o.data, storeFile))
	line("Gateway pid", "%d (kill it: it is started again, and you are still signed in)", d.gateway.pid.Load())
	line("Gateway log", "%s", d.gateway.log)
	line("Provider", "%s/", d.config.Issuer)
	line("Application", "%s/ (without the gateway: nobody is signed in)", d.config.Application)
	line("Stop", "Ctrl-C")
	_ = w.Flush()
	return b.String()
}

// facts are the page's lines about what happens behind the scenes.
func (d *demo) facts() []application.Fact {
	return []application.Fact{
		{ID: "renewals", Name: "Times the gateway has renewed tokens", Value: fmt.Sprint(d.provider.TokenCalls("refresh_token"))},
		{ID: "token-ttl", Name: "Tokens live", Value: d.o.tokenTTL.String()},
		{ID: "gateway-pid", Name: "The gateway's process", Value: fmt.Sprint(d.gateway.pid.Load())},
		{ID: "restarts", Name: "Times it was started again", Value: fmt.Sprint(d.gateway.restarts.Load())},
	}
}
