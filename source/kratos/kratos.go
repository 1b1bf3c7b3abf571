package kratos

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// The two kinds of credential Kratos gives out, as types of session.Tokens.
const (
	typeCookie = "cookie"
	typeToken  = "session_token"
)

// Source is one Kratos.
type Source struct {
	name   string
	o      Options
	fields FieldsOptions
	public *authority.Client
	admin  *authority.Client // nil without admin_url
	// reach is how long before their end sessions can usefully be extended, as experience shows, in nanoseconds; 0: not
	// known to be less than ExtendBefore.
	reach    atomic.Int64
	pageSize int // of lists
}

// Open returns the source that o, which has been checked, describes. It reads the file o names and asks nobody.
func Open(name string, o Options, d authority.Deps) (*Source, error) {
	s := &Source{name: name, o: o, fields: o.Identity.withDefaults(), pageSize: defaultPageSize}
	var err error
	if s.public, err = authority.NewClient(o.ClientOptions, d.Now); err != nil {
		return nil, fmt.Errorf("kratos.%w", err)
	}
	if o.AdminURL == "" {
		return s, nil
	}
	if s.admin, err = authority.NewClient(o.ClientOptions, d.Now); err != nil {
		return nil, fmt.Errorf("kratos.%w", err)
	}
	return s, nil
}

// Name implements session.Source.
func (s *Source) Name() string { return s.name }

// Kind implements session.Source.
func (s *Source) Kind() string { return "kratos" }

// DisplayName is what people choose this login by.
func (s *Source) DisplayName() string { return cmp.Or(s.o.DisplayName, s.name) }

// Places implements session.Resolver.
func (s *Source) Places() []session.Place { return s.o.Takes().Places() }

// LoginURL implements session.ExternalLogin. It is "" when no cookie is taken: a browser has nothing else to come back
// with.
func (s *Source) LoginURL(returnTo string) string {
	if s.o.Takes().Cookie == "" {
		return ""
	}
	return withQuery(s.o.loginURL(), "return_to", returnTo)
}

// Health implements session.HealthChecker for the public listener.
func (s *Source) Health() error {
	if err := s.public.Health(); err != nil {
		return fmt.Errorf("kratos %s: %w", s.name, err)
	}
	return nil
}

// Resolve implements session.Resolver. session.ErrInsufficient, with the page to go to, when Kratos wants a second factor
// before it shows the session.
func (s *Source) Resolve(ctx context.Context, c session.Credential) (_ *session.Session, err error) {
	if !s.o.mine(c) {
		return nil, session.ErrNotMine
	}
	defer authority.Wrap(&err, "kratos "+s.name, "whoami")
	if !presentable(c.Value.Reveal()) {
		return nil, authority.Rejected("no credential that Kratos makes")
	}
	shown := proof{kind: typeToken, value: c.Value}
	if c.Kind == session.KindCookie {
		shown.kind = typeCookie
	}
	return s.whoami(ctx, shown)
}

// Current implements session.Keeper. Asking does not prolong a session: Kratos has no idle clock.
func (s *Source) Current(ctx context.Context, held *session.Session) (_ *session.Session, err error) {
	if !s.made(held) {
		return nil, session.ErrNotMine
	}
	defer authority.Wrap(&err, "kratos "+s.name, "whoami")
	return s.whoami(ctx, proofOf(held))
}

// made reports whether held is a session this source has resolved.
func (s *Source) made(held *session.Session) bool {
	return held.Source == s.name && held.ID == s.id(held.SourceSessionID) && !held.Tokens.Access.Empty()
}

// id is the id of Kratos' session with that name: the same for every credential of the session, so that a cookie written
// anew is not another session.
func (s *Source) id(kratosID string) string {
	return authority.SessionID(s.name, session.NewSecret(kratosID))
}

// maxCredential bounds what is shown to Kratos, in bytes. A browser keeps no cookie of that size.
const maxCredential = 8 << 10

// presentable reports whether value can be sent in a header. Everything Kratos gives out can.
func presentable(value string) bool {
	for _, c := range []byte(value) {
		if c <= ' ' || c >= 0x7f || c == ';' || c == ',' || c == '"' {
			return false
		}
	}
	return len(value) <= maxCredential
}

// proof is the one credential a question carries.
type proof struct {
	kind  string // typeCookie or typeToken
	value session.Secret
}

// proofOf is the credential held was resolved with.
func proofOf(held *session.Session) proof {
	return proof{kind: held.Tokens.Type, value: held.Tokens.Access}
}

// header shows p, and nothing else, the way Kratos expects it. Tokens go into X-Session-Token wherever they came from.
func (s *Source) header(p proof) http.Header {
	h := http.Header{"Accept": {"application/json"}}
	if p.kind == typeCookie {
		h["Cookie"] = []string{s.o.Takes().Cookie + "=" + p.value.Reveal()}
	} else {
		h[tokenHeader] = []string{p.value.Reveal()}
	}
	return h
}

var (
	_ session.Keeper        = (*Source)(nil)
	_ session.HealthChecker = (*Source)(nil)
	_ session.ExternalLogin = (*Source)(nil)
)
