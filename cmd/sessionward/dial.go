package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/config"
	"github.com/sessionward/sessionward/session"
)

// dial finds the gateway and what to show it. Only a gateway of this machine's own configuration is shown a token made of
// its key file.
func (c *cli) dial(ctx context.Context, r *remote) (*gatewayClient, error) {
	if r.url == "" {
		return c.dialConfigured(ctx, r)
	}
	u, err := url.Parse(r.url)
	switch {
	case err != nil || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https"):
		return nil, errors.New("--admin-url: write such as https://10.0.0.5:4181, without a password")
	case u.Scheme == "http" && !isThisMachine(u.Hostname()):
		return nil, fmt.Errorf("--admin-url: %s is another machine, and the token would travel there in the clear; use https", u.Hostname())
	}
	token, shown, err := c.adminToken(r)
	if err != nil {
		return nil, err
	}
	if token.Empty() && r.certFile == "" {
		return nil, fmt.Errorf("--admin-url needs a token of that gateway's admin.tokens, in %s or --admin-token-file, or --admin-cert-file; one made of the key file is shown to the gateway of --config alone", config.EnvAdminToken)
	}
	client, err := c.httpClient(r, u.Hostname(), r.caFile)
	if err != nil {
		return nil, err
	}
	return newGatewayClient(r.url, u.Host, token, shown, client)
}

func newGatewayClient(base, host string, token session.Secret, shown string, client *http.Client) (*gatewayClient, error) {
	a, err := admin.NewClient(admin.ClientOptions{URL: base, Token: token, HTTP: client})
	if err != nil {
		return nil, err
	}
	return &gatewayClient{Client: a, host: host, shown: shown}, nil
}

// dialConfigured reaches the gateway of a configuration of this machine.
func (c *cli) dialConfigured(ctx context.Context, r *remote) (*gatewayClient, error) {
	if _, err := os.Stat(r.config); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: name the configuration of a gateway on this machine with --config, or another gateway with --admin-url", r.config)
	}
	cfg, err := config.LoadAdmin(r.config, c.env)
	if err != nil {
		return nil, err
	}
	host, err := reachable(cfg)
	if err != nil {
		return nil, err
	}
	scheme, name, caFile := "http", "", r.caFile
	if cert := cfg.Admin.TLS.CertFile; cert != "" {
		scheme = "https"
		if name, err = nameOf(cert); err != nil {
			return nil, fmt.Errorf("%s: admin.tls.cert_file: %w", r.config, err)
		}
		if caFile == "" {
			caFile = cert
		}
	}
	client, err := c.httpClient(r, name, caFile)
	if err != nil {
		return nil, err
	}
	token, shown, err := c.adminToken(r)
	if err != nil {
		return nil, err
	}
	if !token.Empty() || r.certFile != "" {
		return newGatewayClient(scheme+"://"+host, host, token, shown, client)
	}
	return dialLocally(ctx, cfg, scheme+"://"+host, host, client)
}

// dialLocally shows a token made of the key file: the first one the gateway knows, which is not that of the newest key when
// keys were rotated since it was started.
func dialLocally(ctx context.Context, cfg *config.Config, base, host string, client *http.Client) (*gatewayClient, error) {
	keys, err := config.LoadKeys(cfg.KeysFile)
	if err != nil {
		return nil, fmt.Errorf("%w: run this as a user who may read the key file, or show a token of admin.tokens (%s)", err, config.EnvAdminToken)
	}
	tokens := admin.LocalTokens(keys)
	var first *gatewayClient
	for i, token := range tokens {
		g, err := newGatewayClient(base, host, token, "a token made of the key file "+cfg.KeysFile, client)
		if err != nil || len(tokens) == 1 {
			return g, err
		}
		if i == 0 {
			first = g
		}
		if _, err = g.Sources(ctx); !refuses(err) {
			return g, nil
		}
	}
	return first, nil
}

// reachable is the address of the listener of cfg as this machine reaches it.
func reachable(cfg *config.Config) (string, error) {
	if !cfg.AdminListens() {
		return "", fmt.Errorf("%s: admin.listen is none: this gateway answers no operator; set it and restart", cfg.Where("admin.listen"))
	}
	host, port, err := net.SplitHostPort(cfg.Admin.Listen)
	if err != nil || port == "0" {
		return "", fmt.Errorf("%s: admin.listen: %q names no fixed address; say where the gateway is with --admin-url", cfg.Where("admin.listen"), cfg.Admin.Listen)
	}
	if addr, err := netip.ParseAddr(host); host == "" || (err == nil && addr.IsUnspecified()) {
		host = "127.0.0.1"
		if err == nil && addr.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port), nil
}

func isThisMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && addr.IsLoopback())
}
