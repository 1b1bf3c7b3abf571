package source

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// OIDC is an OpenID Connect provider. It is not a session.Resolver: its sessions are carried by the gateway's own
// cookie. Discovery is lazy, so that it can be opened while the provider is down; until the provider has been reached
// every method returns session.ErrUnavailable with a RetryAfter.
type OIDC struct {
	name     string
	opts     OIDCOptions // with defaults filled in
	secret   session.Secret
	callback string
	skew     time.Duration
	client   *authority.Client
	spender  *http.Client // for calls that spend a code or a refresh token
	now      func() time.Time
	log      *slog.Logger
	meta     *latest[*metadata]
	keys     *keySet
}

func openOIDC(o Options, d Deps) (session.Source, error) {
	if err := checkCallback(d.CallbackURL); err != nil {
		return nil, err
	}
	opts := *o.OIDC
	secret, err := opts.secret()
	if err != nil {
		return nil, err
	}
	c, err := authority.NewClient(authority.ClientOptions{CAFile: opts.CAFile, Timeout: opts.Timeout, InsecureHTTP: opts.InsecureHTTP}, d.Now)
	if err != nil {
		return nil, fmt.Errorf("oidc.%w", err)
	}
	opts.Claims, opts.Algorithms = opts.Claims.withDefaults(), orAlgorithms(opts.Algorithms)
	s := &OIDC{
		name: o.Name, opts: opts, secret: secret, callback: d.CallbackURL, skew: cmp.Or(opts.ClockSkew, defaultSkew),
		client: c, now: d.Now, log: d.Log,
		meta: newDiscovery(c, opts.Issuer, opts.InsecureHTTP, true),
	}
	s.spender = c.Patient(max(c.Timeout(), cmp.Or(opts.TokenTimeout, authority.DefaultTokenTimeout)))
	s.keys = newKeySet(c, keyAddress(s.meta), opts.Algorithms)
	s.meta.changed, s.keys.set.changed = logChanges(d.Log, "discovery"), logChanges(d.Log, "key set")
	return s, nil
}

// Name implements session.Source.
func (o *OIDC) Name() string { return o.name }

// Kind implements session.Source.
func (o *OIDC) Kind() string { return "oidc" }

// DisplayName returns what people see where they choose a provider.
func (o *OIDC) DisplayName() string { return cmp.Or(o.opts.DisplayName, o.name) }

// EmailDomains returns the domains whose users belong here, in lower case.
func (o *OIDC) EmailDomains() []string {
	var out []string
	for _, d := range o.opts.EmailDomains {
		out = append(out, strings.ToLower(d))
	}
	return out
}

// Run implements session.Starter: it discovers the provider and keeps its metadata and keys fresh.
func (o *OIDC) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { o.meta.run(ctx) })
	wg.Go(func() { o.keys.set.run(ctx) })
	wg.Wait()
	return nil
}

// Health implements session.HealthChecker.
func (o *OIDC) Health() error {
	for _, err := range []error{o.meta.health(), o.keys.set.health(), o.client.Health()} {
		if err != nil {
			return fmt.Errorf("oidc %s: %w", o.name, err)
		}
	}
	return nil
}

func (o *OIDC) redirectURI(t session.Transaction) string { return cmp.Or(t.RedirectURI, o.callback) }

// oauth returns the client's side of one conversation.
func (o *OIDC) oauth(meta *metadata, t session.Transaction) *oauth2.Config {
	return &oauth2.Config{
		ClientID:     o.opts.ClientID,
		ClientSecret: o.secret.Reveal(),
		RedirectURL:  o.redirectURI(t),
		Scopes:       o.opts.scopes(),
		Endpoint: oauth2.Endpoint{
			AuthURL:   meta.AuthorizationEndpoint,
			TokenURL:  meta.TokenEndpoint,
			AuthStyle: o.opts.authStyle(),
		},
	}
}

// withClient hands our bounded client to golang.org/x/oauth2.
func (o *OIDC) withClient(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, o.spender)
}

var (
	_ session.RedirectLogin = (*OIDC)(nil)
	_ session.Refresher     = (*OIDC)(nil)
	_ session.Revoker       = (*OIDC)(nil)
	_ session.EndSession    = (*OIDC)(nil)
	_ session.Starter       = (*OIDC)(nil)
	_ session.HealthChecker = (*OIDC)(nil)
)
