package source

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
)

// JWT recognises bearer tokens of its issuers (RFC 7519, RFC 8725). A token is shown to nobody: only its issuer's
// published keys are asked for.
type JWT struct {
	name    string
	now     func() time.Time
	issuers map[string]*jwtIssuer
}

func openJWT(o Options, d Deps) (session.Source, error) {
	s := &JWT{name: o.Name, now: d.Now, issuers: map[string]*jwtIssuer{}}
	for i, opts := range o.JWT.Issuers {
		iss, err := newJWTIssuer(opts, d)
		if err != nil {
			return nil, fmt.Errorf("jwt.issuers[%d].%w", i, err)
		}
		s.issuers[opts.Issuer] = iss
	}
	return s, nil
}

// Name implements session.Source.
func (j *JWT) Name() string { return j.name }

// Kind implements session.Source.
func (j *JWT) Kind() string { return "jwt" }

// Places implements session.Resolver.
func (j *JWT) Places() []session.Place { return []session.Place{{Kind: session.KindBearer}} }

// Resolve implements session.Resolver. session.ErrNotMine: no bearer token, not of the shape of a signed JWT, or of
// another issuer. Everything that is decided without the issuer's keys is decided before they are asked for.
func (j *JWT) Resolve(ctx context.Context, c session.Credential) (*session.Session, error) {
	if c.Kind != session.KindBearer {
		return nil, session.ErrNotMine
	}
	tok, ok := readCompact(c.Value.Reveal())
	if !ok {
		return nil, session.ErrNotMine
	}
	iss, ok := j.issuers[tok.issuer()]
	if !ok {
		return nil, session.ErrNotMine
	}
	if err := iss.verify(ctx, tok, j.now()); err != nil {
		return nil, fmt.Errorf("jwt %s: %w", j.name, err)
	}
	return iss.session(j.name, c.Value, tok.claims), nil
}

// Run implements session.Starter: it fetches the keys of all issuers and keeps them fresh.
func (j *JWT) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, iss := range j.issuers {
		wg.Go(func() { iss.keys.set.run(ctx) })
		if iss.meta != nil {
			wg.Go(func() { iss.meta.run(ctx) })
		}
	}
	wg.Wait()
	return nil
}

// Health implements session.HealthChecker.
func (j *JWT) Health() error {
	for name, iss := range j.issuers {
		for _, err := range []error{iss.keys.set.health(), iss.client.Health()} {
			if err != nil {
				return fmt.Errorf("jwt %s: issuer %s: %w", j.name, name, err)
			}
		}
	}
	return nil
}

var (
	_ session.Resolver      = (*JWT)(nil)
	_ session.Starter       = (*JWT)(nil)
	_ session.HealthChecker = (*JWT)(nil)
)
