package source

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/sessionward/sessionward/session"
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
	client   *client
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
	c, err := newClient(clientOptions{CAFile: opts.CAFile, Timeout: opts.Timeout, InsecureHTTP: opts.InsecureHTTP}, d.Now)
	if err != nil {
		return nil, fmt.Errorf("oidc.%w", err)
	}
	opts.Claims, opts.Algorithms = opts.Claims.withDefaults(), orAlgorithms(opts.Algorithms)
	s := &OIDC{
		name: o.Name, opts: opts, secret: secret, callback: d.CallbackURL, skew: orSkew(opts.ClockSkew),
		client: c, now: d.Now, log: d.Log,
		meta: newDiscovery(c, opts.Issuer, opts.InsecureHTTP, true),
	}
	s.keys = newKeySet(c, s.jwksURL, opts.Algorithms)
	s.meta.changed, s.keys.set.changed = logChanges(d.Log, "discovery"), logChanges(d.Log, "key set")
	return s, nil
}

// Name implements session.Source.
func (o *OIDC) Name() string { return o.name }

// Kind implements session.Source.
func (o *OIDC) Kind() string { return "oidc" }

// Issuer returns the configured issuer, by which logout tokens and callbacks are told apart.
func (o *OIDC) Issuer() string { return o.opts.Issuer }

// DisplayName returns what people see where they choose a provider.
func (o *OIDC) DisplayName() string { return orDefault(o.opts.DisplayName, o.name) }

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
	for _, err := range []error{o.meta.health(), o.keys.set.health(), o.client.health()} {
		if err != nil {
			return fmt.Errorf("oidc %s: %w", o.name, err)
		}
	}
	return nil
}

// AuthorizationURL implements session.RedirectLogin. The request always carries state, nonce and an S256 challenge,
// whatever the provider says it supports. session.ErrMalformed when t lacks one of them.
func (o *OIDC) AuthorizationURL(ctx context.Context, t session.Transaction) (string, error) {
	u, err := o.authorizationURL(ctx, t)
	if err != nil {
		return "", fmt.Errorf("oidc %s: begin login: %w", o.name, err)
	}
	return u, nil
}

func (o *OIDC) authorizationURL(ctx context.Context, t session.Transaction) (string, error) {
	if t.State == "" || t.Nonce == "" || t.CodeVerifier.Empty() || o.redirectURI(t) == "" {
		return "", fmt.Errorf("%w: state, nonce, code verifier and redirect URI are all needed", session.ErrMalformed)
	}
	meta, err := o.meta.get(ctx)
	if err != nil {
		return "", err
	}
	params := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("nonce", t.Nonce),
		oauth2.S256ChallengeOption(t.CodeVerifier.Reveal()),
	}
	set := func(name, value string) {
		if value != "" {
			params = append(params, oauth2.SetAuthURLParam(name, value))
		}
	}
	for name, value := range o.opts.AuthorizationParameters {
		set(name, value)
	}
	set("prompt", orDefault(t.Prompt, o.opts.Prompt))
	acr := t.ACRValues
	if len(acr) == 0 {
		acr = o.opts.ACRValues
	}
	set("acr_values", strings.Join(acr, " "))
	if t.MaxAge > 0 {
		set("max_age", fmt.Sprint(int64(t.MaxAge/time.Second)))
	}
	return o.oauth(meta, t).AuthCodeURL(t.State, params...), nil
}

// Exchange implements session.RedirectLogin. The session has no ID, Handle, IssuedAt and ExpiresAt yet: it is the
// manager's to keep.
func (o *OIDC) Exchange(ctx context.Context, t session.Transaction, cb session.Callback) (*session.Session, error) {
	s, err := o.exchange(ctx, t, cb)
	if err != nil {
		return nil, fmt.Errorf("oidc %s: exchange code: %w", o.name, err)
	}
	return s, nil
}

func (o *OIDC) exchange(ctx context.Context, t session.Transaction, cb session.Callback) (*session.Session, error) {
	meta, err := o.meta.get(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.checkCallback(meta, t, cb); err != nil {
		return nil, err
	}
	token, err := o.oauth(meta, t).Exchange(o.withClient(ctx), cb.Code, oauth2.VerifierOption(t.CodeVerifier.Reveal()))
	if err != nil {
		return nil, o.tokenError(ctx, meta, err)
	}
	tokens, err := o.readTokens(token)
	if err != nil {
		return nil, err
	}
	claims, err := o.verifyIDToken(ctx, tokens.ID, tokens.Access)
	if err != nil {
		return nil, err
	}
	if err := o.checkLogin(claims, t); err != nil {
		return nil, err
	}
	if claims, err = o.withUserinfo(ctx, meta, claims, tokens.Access); err != nil {
		return nil, err
	}
	return o.session(claims, tokens), nil
}

// checkCallback holds the provider's answer against the transaction before anything is asked. iss comes first: an
// answer of another provider says nothing, not even that there was an error (RFC 9207 §2.4, mix-up).
func (o *OIDC) checkCallback(meta *metadata, t session.Transaction, cb session.Callback) error {
	switch {
	case cb.Issuer != "" && cb.Issuer != meta.Issuer:
		return rejected("the answer is another provider's (iss)")
	case cb.Issuer == "" && meta.PromisesIssuer:
		return rejected("the answer lacks iss, which the provider promises")
	case slices.Contains([]string{"temporarily_unavailable", "server_error"}, cb.Error):
		return unavailable("the provider reported " + cb.Error)
	case cb.Error != "":
		return rejected("the provider refused the login (" + oauthCode(cb.Error) + ")")
	case cb.Code == "":
		return rejected("the answer lacks a code")
	case t.Nonce == "" || t.CodeVerifier.Empty() || o.redirectURI(t) == "":
		return fmt.Errorf("%w: nonce, code verifier and redirect URI are all needed", session.ErrMalformed)
	}
	return nil
}

// session maps verified claims.
func (o *OIDC) session(claims map[string]any, tokens session.Tokens) *session.Session {
	t, _ := readTimes(claims)
	return &session.Session{
		Source:                o.name,
		SourceSessionID:       text(claims["sid"]),
		Active:                true,
		Identity:              o.opts.Claims.identity(claims),
		AuthenticationMethods: methods(claims),
		ACR:                   text(claims["acr"]),
		AuthenticatedAt:       t.auth,
		Tokens:                tokens,
	}
}

func (o *OIDC) redirectURI(t session.Transaction) string { return orDefault(t.RedirectURI, o.callback) }

func (o *OIDC) jwksURL(ctx context.Context) (string, error) {
	meta, err := o.meta.get(ctx)
	if err != nil {
		return "", err
	}
	return meta.JWKSURI, nil
}

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
	return context.WithValue(ctx, oauth2.HTTPClient, o.client.http)
}

var (
	_ session.RedirectLogin = (*OIDC)(nil)
	_ session.Refresher     = (*OIDC)(nil)
	_ session.Revoker       = (*OIDC)(nil)
	_ session.EndSession    = (*OIDC)(nil)
	_ session.Starter       = (*OIDC)(nil)
	_ session.HealthChecker = (*OIDC)(nil)
)
