package powership

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Kind is the kind of this source.
const Kind = "powership"

// tokenType is the type of the tokens of its sessions.
const tokenType = "jwt"

// Source is the sessions of Powership accounts, kept here or by an application.
type Source struct {
	name   string
	o      Options
	places authority.Credentials
	now    func() time.Time
	log    *slog.Logger
	keeper keeper
	native *native // nil in bridge mode
	hooks  Hooks
}

// Open returns the source o describes. It reads the accounts file and asks nobody.
func Open(name string, o Options, d authority.Deps) (*Source, error) {
	s := &Source{name: name, o: o.withDefaults(), places: o.carried(), now: d.Now, log: d.Log}
	if o.Native != nil {
		n, err := openNative(s.o, d)
		if err != nil {
			return nil, fmt.Errorf("powership.native.%w", err)
		}
		s.native, s.keeper = n, n
	} else {
		b, err := openBridge(s.o, d)
		if err != nil {
			return nil, fmt.Errorf("powership.bridge.%w", err)
		}
		s.keeper = b
	}
	return s, s.hooks.OnRequest.Push(s.sessionHandler)
}

// sessionHandler is the first hook of onRequest.
func (s *Source) sessionHandler(ctx context.Context, r *Request, _ struct{}) (Outcome[*Request], error) {
	_, err := s.TrySetSession(ctx, r)
	return Replace(r), err
}

// Hooks returns the hooks around this source's sessions. Register before the source is used.
func (s *Source) Hooks() *Hooks { return &s.hooks }

// Name implements session.Source.
func (s *Source) Name() string { return s.name }

// Kind implements session.Source.
func (s *Source) Kind() string { return Kind }

// DisplayName is what people choose this login by.
func (s *Source) DisplayName() string { return cmp.Or(s.o.DisplayName, s.name) }

// HasPasswords reports whether people can log in here with a form.
func (s *Source) HasPasswords() bool { return !s.o.NoForm }

// Places implements session.Resolver.
func (s *Source) Places() []session.Place { return s.places.Places() }

// BindsUserAgent implements session.UserAgentBinder: a token holds for the user agent it was made for.
func (s *Source) BindsUserAgent() bool { return true }

// Health implements session.HealthChecker.
func (s *Source) Health() error {
	if err := s.keeper.health(); err != nil {
		return fmt.Errorf("powership %s: %w", s.name, err)
	}
	return nil
}

// Run implements session.Starter: it drops sessions no token can be used for, and closes the store at the end.
func (s *Source) Run(ctx context.Context) error { return s.keeper.run(ctx) }

// Close lets go of the store. A source that is used again opens it again.
func (s *Source) Close() error { return s.keeper.close() }

// mine reports whether c is of this source's making, without asking anybody. Where only tokens of this kind are carried,
// everything is; of bearer tokens, which all sorts of issuers make, those of its form.
func (s *Source) mine(c session.Credential) bool {
	if c.Kind == session.KindBearer {
		return s.places.Bearer && isToken(c.Value.Reveal())
	}
	return s.places.Mine(c)
}

// Resolve implements session.Resolver: the library's handleRequest. Of an account that is deactivated
// session.ErrInsufficient.
func (s *Source) Resolve(ctx context.Context, c session.Credential) (_ *session.Session, err error) {
	if !s.mine(c) {
		return nil, session.ErrNotMine
	}
	defer authority.Wrap(&err, "powership "+s.name, "resolve")
	r, err := s.HandleRequest(ctx, &Request{AuthToken: c.Value, RequestIP: c.RemoteIP, UserAgent: s.userAgent(c.UserAgent)})
	switch {
	case err != nil:
		return nil, answered(err)
	case r == nil || r.User == nil || r.Session == nil || r.AuthToken.Empty():
		return nil, authority.Rejected("a hook took the user away")
	}
	found := s.session(r)
	if !r.AuthToken.Equal(c.Value) {
		found.Reissue = s.reissue(c, r)
	}
	return found, nil
}

// userAgent is the text an application sees of a User-Agent header.
func (s *Source) userAgent(header string) string {
	if !s.o.BytewiseUserAgent {
		return header
	}
	text := make([]rune, len(header))
	for i := range len(header) {
		text[i] = rune(header[i])
	}
	return string(text)
}

// Current implements session.Keeper. It moves nothing the client can see. In bridge mode a strict application cannot be
// asked without spending the token: session.ErrUnavailable.
func (s *Source) Current(ctx context.Context, known *session.Session) (_ *session.Session, err error) {
	if !s.made(known) {
		return nil, session.ErrNotMine
	}
	defer authority.Wrap(&err, "powership "+s.name, "look")
	result, err := s.keeper.look(ctx, known.Tokens.Access, connectionOf(known))
	if err != nil {
		return nil, answered(err)
	}
	r := &Request{}
	r.take(result)
	r.AuthToken, r.expiresAt = known.Tokens.Access, known.Tokens.ExpiresAt
	return s.session(r), nil
}

// made reports whether a session is one that Resolve made.
func (s *Source) made(known *session.Session) bool {
	if known.Source != s.name {
		return false
	}
	t, err := readToken(known.Tokens.Access.Reveal())
	return err == nil && known.ID == t.id(s.name)
}

var (
	_ session.UserAgentBinder = (*Source)(nil)
	_ session.Keeper          = (*Source)(nil)
	_ session.Starter         = (*Source)(nil)
	_ session.HealthChecker   = (*Source)(nil)
)
