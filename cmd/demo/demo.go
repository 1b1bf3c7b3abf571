package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/sessionward/sessionward/cmd/demo/application"
	"github.com/sessionward/sessionward/cmd/demo/provider"
)

// demo is the running demonstration.
type demo struct {
	o           options
	out         *printer
	provider    *provider.Provider
	gateway     *gateway
	config      configuration
	configPath  string
	providerAt  net.Listener
	application net.Listener
	// operatorToken opens the page for operators until the demonstration ends.
	operatorToken string
}

// demonstrate starts everything, says so, and returns when ctx has ended (nil) or a part has failed; everything it
// started has ended then.
func demonstrate(ctx context.Context, o options, out io.Writer) error {
	d := &demo{o: o, out: &printer{w: out}}
	if err := d.prepare(); err != nil {
		return err
	}
	log, err := os.OpenFile(d.gateway.log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		closeAll(d.providerAt, d.application)
		return fmt.Errorf("gateway log: %w", err)
	}
	defer log.Close()

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serve(ctx, d.providerAt, d.provider) })
	g.Go(func() error { return serve(ctx, d.application, application.New(application.Options{Facts: d.facts})) })
	g.Go(func() error { return d.gateway.run(ctx, log) })
	g.Go(func() error { return d.welcome(ctx) })
	err = g.Wait()
	d.out.say("Stopped.")
	return err
}

// prepare takes the ports, makes the provider and writes the configuration. When it fails nothing is left open.
func (d *demo) prepare() (err error) {
	if _, err := os.Stat(d.o.gateway); err != nil {
		return fmt.Errorf("gateway %s: %w: build it with 'make build', or name it with --gateway", d.o.gateway, err)
	}
	defer func() {
		if err != nil {
			closeAll(d.providerAt, d.application)
		}
	}()
	if d.providerAt, err = listen("provider", d.o.address(0)); err != nil {
		return err
	}
	if d.application, err = listen("application", d.o.address(applicationAt)); err != nil {
		return err
	}
	if err = d.configure(); err != nil {
		return err
	}
	d.provider, err = provider.New(d.providerOptions())
	return err
}

// configure decides where everything is and writes the gateway's configuration.
func (d *demo) configure() error {
	at, err := freeAddress("gateway", cmp.Or(d.o.listen, d.o.address(gatewayAt)))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.o.data, 0o700); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	operators, err := freeAddress("listener for operators", d.o.address(adminAt))
	if err != nil {
		return err
	}
	d.operatorToken = rand.Text()
	d.config = configuration{
		Listen: at, PublicURL: publicURL(at), Admin: operators, OperatorHash: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(d.operatorToken))),
		Issuer: publicURL(d.providerAt.Addr().String()), ClientID: clientID, ClientSecret: clientSecret,
		Application: "http://" + d.application.Addr().String(),
	}
	if d.configPath, err = d.config.write(d.o.data); err != nil {
		return err
	}
	d.gateway = &gateway{binary: d.o.gateway, config: d.configPath, log: filepath.Join(d.o.data, logFile), out: d.out}
	return nil
}

func (d *demo) providerOptions() provider.Options {
	return provider.Options{
		Issuer: d.config.Issuer,
		Clients: []provider.Client{{
			ID: clientID, Secret: clientSecret, DeviceLogin: true, LoopbackRedirects: true,
			RedirectURIs:           []string{d.config.PublicURL + "/_session/callback/demo"},
			PostLogoutRedirectURIs: []string{d.config.PublicURL + "/_session/signed-out"},
		}},
		Users:          users(),
		AccessTokenTTL: d.o.tokenTTL,
	}
}

func users() []provider.User {
	return []provider.User{
		{
			Username: "alice", Password: "wonderland", Subject: "u-1001", Name: "Alice Liddell", Email: "alice@example.com",
			EmailVerified: true, Groups: []string{"admins", "staff"},
		},
		{
			Username: "bob", Password: "builder", Subject: "u-1002", Name: "Bob Builder", Email: "bob@example.com",
			EmailVerified: true, Groups: []string{"staff"},
		},
	}
}
