package source

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Introspection recognises tokens by asking the authorization server that made them (RFC 7662). It keeps no answer: each
// call of Resolve and Current is one question, and the validator remembers.
type Introspection struct {
	name   string
	opts   IntrospectionOptions // with defaults filled in
	takes  authority.Credentials
	client *authority.Client
	now    func() time.Time
	meta   *latest[introspectionEndpoints] // nil when the endpoint is configured
}

func openIntrospection(o Options, d Deps) (session.Source, error) {
	opts := *o.Introspection
	c, err := authority.NewClient(opts.ClientOptions, d.Now)
	if err != nil {
		return nil, fmt.Errorf("introspection.%w", err)
	}
	opts.Claims.Username = cmp.Or(opts.Claims.Username, "username")
	opts.Claims = opts.Claims.withDefaults()
	opts.ClockSkew = cmp.Or(opts.ClockSkew, defaultSkew)
	opts.SubjectClaim = cmp.Or(opts.SubjectClaim, "sub")
	opts.TokenTypeHint = cmp.Or(opts.TokenTypeHint, "access_token")
	s := &Introspection{name: o.Name, opts: opts, takes: opts.takes(), client: c, now: d.Now}
	if opts.URL == "" {
		s.meta = discoverIntrospection(c, opts.Issuer, opts.InsecureHTTP)
		s.meta.changed = logChanges(d.Log, "discovery")
	}
	return s, nil
}

// Name implements session.Source.
func (i *Introspection) Name() string { return i.name }

// Kind implements session.Source.
func (i *Introspection) Kind() string { return "introspection" }

// Places implements session.Resolver.
func (i *Introspection) Places() []session.Place { return i.takes.Places() }

// Resolve implements session.Resolver. ErrRejected: the server says that the token is not active, or the token is not
// for us: of another kind, audience or issuer, or without a scope that is required.
func (i *Introspection) Resolve(ctx context.Context, c session.Credential) (_ *session.Session, err error) {
	if !i.mine(c) {
		return nil, session.ErrNotMine
	}
	defer authority.Wrap(&err, "introspection "+i.name, "ask about a token")
	if !shapedLikeToken(c.Value.Reveal()) {
		return nil, authority.Rejected("has characters no token has")
	}
	return i.introspect(ctx, c.Value)
}

// mine decides whose c is by its place and its first characters. A JWT says whose it is. Keys of the gateway's own are
// shown to nobody.
func (i *Introspection) mine(c session.Credential) bool {
	value := c.Value.Reveal()
	if strings.HasPrefix(value, keyPrefix) {
		return false
	}
	if tok, ok := readCompact(value); ok {
		return i.opts.Issuer != "" && tok.issuer() == i.opts.Issuer && slices.Contains(i.Places(), c.Place)
	}
	return !authority.LooksLikeJWT(value) && i.takes.Mine(c)
}

// shapedLikeToken reports whether text is made of visible ASCII (RFC 6749 §A.12): nothing else was ever issued, and
// nobody needs to be asked.
func shapedLikeToken(text string) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(text) <= maxToken
}

// Current implements session.Keeper. A question is no use of a token.
func (i *Introspection) Current(ctx context.Context, s *session.Session) (_ *session.Session, err error) {
	if !i.made(s) {
		return nil, session.ErrNotMine
	}
	defer authority.Wrap(&err, "introspection "+i.name, "ask about a session")
	return i.introspect(ctx, s.Tokens.Access)
}

// made reports whether s is a session of this source.
func (i *Introspection) made(s *session.Session) bool {
	return s.Source == i.name && !s.Tokens.Access.Empty() && s.ID == authority.SessionID(i.name, s.Tokens.Access)
}

func (i *Introspection) introspect(ctx context.Context, token session.Secret) (*session.Session, error) {
	answer, err := i.ask(ctx, token)
	if err != nil {
		return nil, err
	}
	if err := answer.check(&i.opts, i.now()); err != nil {
		return nil, err
	}
	return i.session(token, answer), nil
}

// session maps an answer that passed all checks. Scopes and client are properties, for the rules of routes.
func (i *Introspection) session(token session.Secret, a introspected) *session.Session {
	id := authority.SessionID(i.name, token)
	s := &session.Session{
		ID:                    id,
		Handle:                authority.Handle("token", id),
		Source:                i.name,
		SourceSessionID:       authority.Text(a.claims["sid"]),
		Active:                true,
		Identity:              i.identity(a.claims),
		AuthenticationMethods: methods(a.claims),
		ACR:                   authority.Text(a.claims["acr"]),
		IssuedAt:              a.times.iat,
		AuthenticatedAt:       a.times.auth,
		ExpiresAt:             a.times.exp,
		Tokens:                session.Tokens{Type: "Bearer", Access: token, ExpiresAt: a.times.exp},
		Properties:            map[string]string{},
	}
	if list := scopes(a.claims); list != nil {
		s.Properties["scope"] = strings.Join(list, " ")
	}
	if client := authority.Text(a.claims["client_id"]); client != "" {
		s.Properties["client_id"] = client
	}
	return s
}

func (i *Introspection) identity(claims map[string]any) session.Identity {
	id := i.opts.Claims.identity(claims)
	id.Subject = authority.Text(authority.LookUp(claims, i.opts.SubjectClaim))
	if i.opts.Claims.Username == "username" && id.Username == "" {
		id.Username = authority.Text(claims["preferred_username"])
		delete(id.Claims, "preferred_username")
	}
	for _, name := range []string{"active", "token_type", "token_use", "typ", i.opts.SubjectClaim} {
		delete(id.Claims, name)
	}
	if len(id.Claims) == 0 {
		id.Claims = nil
	}
	return id
}

// Run implements session.Starter: it discovers the endpoints and keeps them fresh.
func (i *Introspection) Run(ctx context.Context) error {
	if i.meta == nil {
		<-ctx.Done()
		return nil
	}
	i.meta.run(ctx)
	return nil
}

// Health implements session.HealthChecker. That the endpoint refuses the gateway's own credentials is told here.
func (i *Introspection) Health() error {
	err := i.client.Health()
	if i.meta != nil && i.meta.health() != nil {
		err = i.meta.health()
	}
	if err != nil {
		return fmt.Errorf("introspection %s: %w", i.name, err)
	}
	return nil
}

var (
	_ session.Resolver      = (*Introspection)(nil)
	_ session.Keeper        = (*Introspection)(nil)
	_ session.Revoker       = (*Introspection)(nil)
	_ session.Starter       = (*Introspection)(nil)
	_ session.HealthChecker = (*Introspection)(nil)
)
