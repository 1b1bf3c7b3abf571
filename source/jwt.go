package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
)

// profileRFC9068 is the JWT profile for OAuth 2.0 access tokens.
const profileRFC9068 = "rfc9068"

// JWTOptions configure bearer tokens signed by issuers we trust.
type JWTOptions struct {
	Issuers []JWTIssuer `yaml:"issuers"` // at least one; no issuer twice
}

// JWTIssuer is one issuer of bearer tokens.
type JWTIssuer struct {
	Issuer string `yaml:"issuer"` // exactly as the tokens' iss. Mandatory.
	// Audiences: a token must be made for one of them, compared whole. Mandatory: without it a token made for any
	// other service of the issuer would open this one.
	Audiences []string `yaml:"audiences"`
	// JWKSURL is where the issuer's keys are; default what its discovery document
	// (ISSUER/.well-known/openid-configuration) names.
	JWKSURL    string   `yaml:"jwks_url"`
	Algorithms []string `yaml:"algorithms"` // default all asymmetric ones
	// Profile "rfc9068" demands typ at+jwt and the claims of that profile; "" takes at+jwt, JWT and no typ at all.
	Profile string        `yaml:"profile"`
	Claims  ClaimsOptions `yaml:"claims"`
	// RequiredScopes must all be in the token's scope (or scp).
	RequiredScopes []string      `yaml:"required_scopes"`
	MaxTokenAge    time.Duration `yaml:"max_token_age"` // since iat, which is then mandatory; 0: no limit
	// ClockSkew is tolerated for iat and nbf; default 60s. exp is the end of the session and holds to the second.
	ClockSkew time.Duration `yaml:"clock_skew"`
	// InsecureIDTokens takes ID tokens as bearer tokens. They are meant for the client that logged the user in and
	// are handed around more freely than access tokens.
	InsecureIDTokens bool `yaml:"insecure_id_tokens"`

	CAFile  string        `yaml:"ca_file"` // PEM certificates to trust instead of the system's
	Timeout time.Duration `yaml:"timeout"` // of one call; default 5s
	// InsecureHTTP allows plain http to hosts other than this one. Whoever can change the traffic can then sign
	// tokens.
	InsecureHTTP bool `yaml:"insecure_http"`
}

func (o *JWTOptions) check(p *problems) {
	if len(o.Issuers) == 0 {
		p.add("jwt.issuers", "is empty", "name at least one issuer and its audiences")
	}
	for i := range o.Issuers {
		iss, at := &o.Issuers[i], fmt.Sprintf("jwt.issuers[%d]", i)
		iss.check(p, at)
		if slices.ContainsFunc(o.Issuers[:i], func(other JWTIssuer) bool { return other.Issuer == iss.Issuer }) {
			p.add(at+".issuer", "stands twice", "join the audiences of both entries")
		}
	}
}

func (o *JWTIssuer) check(p *problems, at string) {
	if o.Issuer == "" {
		p.add(at+".issuer", "is missing", "write the iss of the issuer's tokens")
	}
	if len(o.Audiences) == 0 || slices.Contains(o.Audiences, "") {
		p.add(at+".audiences", "must name at least one audience", "write the aud of tokens that are made for this gateway")
	}
	if o.JWKSURL == "" {
		if err := checkURL(o.Issuer, o.InsecureHTTP, false); err != nil {
			p.add(at+".issuer", err.Error(), "or set jwks_url, so that discovery is not needed")
		}
	} else if err := checkURL(o.JWKSURL, o.InsecureHTTP, true); err != nil {
		p.add(at+".jwks_url", err.Error(), "write the URL of the issuer's key set")
	}
	if o.Profile != "" && o.Profile != profileRFC9068 {
		p.add(at+".profile", fmt.Sprintf("%q is not known", o.Profile), "use rfc9068 or leave it out")
	}
	if o.MaxTokenAge < 0 {
		p.add(at+".max_token_age", "is negative", "leave it out for no limit")
	}
	checkCommon(p, at, o.Algorithms, o.ClockSkew, o.Timeout)
}

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
		iss, err := newJWTIssuer(opts, d.Now)
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
		for _, err := range []error{iss.keys.set.health(), iss.client.health()} {
			if err != nil {
				return fmt.Errorf("jwt %s: issuer %s: %w", j.name, name, err)
			}
		}
	}
	return nil
}

// jwtIssuer is one issuer with its keys.
type jwtIssuer struct {
	opts   JWTIssuer // with defaults filled in
	client *client
	meta   *latest[*metadata] // nil when the key set's URL is configured
	keys   *keySet
}

func newJWTIssuer(o JWTIssuer, now func() time.Time) (*jwtIssuer, error) {
	c, err := newClient(clientOptions{CAFile: o.CAFile, Timeout: o.Timeout, InsecureHTTP: o.InsecureHTTP}, now)
	if err != nil {
		return nil, err
	}
	o.Claims, o.Algorithms, o.ClockSkew = o.Claims.withDefaults(), orAlgorithms(o.Algorithms), orSkew(o.ClockSkew)
	iss := &jwtIssuer{opts: o, client: c}
	address := func(context.Context) (string, error) { return o.JWKSURL, nil }
	if o.JWKSURL == "" {
		iss.meta = newDiscovery(c, o.Issuer, o.InsecureHTTP, false)
		address = func(ctx context.Context) (string, error) {
			meta, err := iss.meta.get(ctx)
			if err != nil {
				return "", err
			}
			return meta.JWKSURI, nil
		}
	}
	iss.keys = newKeySet(c, address, o.Algorithms)
	return iss, nil
}

// verify returns nil when tok passes every check, its signature last. That tok is of this issuer has been seen.
func (i *jwtIssuer) verify(ctx context.Context, tok *compact, now time.Time) error {
	if err := tok.check(i.opts.Algorithms); err != nil {
		return err
	}
	for _, check := range []func(*compact, time.Time) error{i.checkKind, i.checkTimes, i.checkAudience, i.checkClaims} {
		if err := check(tok, now); err != nil {
			return err
		}
	}
	_, err := i.keys.VerifySignature(ctx, tok.raw)
	return err
}

// checkKind refuses tokens that were made for something else (RFC 8725 §2.8): logout tokens and security events,
// DPoP proofs, ID and refresh tokens, and tokens bound to a key the client has not shown.
func (i *jwtIssuer) checkKind(tok *compact, _ time.Time) error {
	switch {
	case i.opts.Profile == profileRFC9068 && tok.typ != "at+jwt":
		return rejected("not an access token of the RFC 9068 profile (typ)")
	case !slices.Contains([]string{"", "jwt", "at+jwt"}, tok.typ):
		return rejected("a token of another kind (typ)")
	}
	if _, there := tok.claims["events"]; there {
		return rejected("a security event, not an access token")
	}
	if _, there := tok.claims["cnf"]; there {
		return rejected("bound to a key (cnf) that was not proven")
	}
	if i.opts.InsecureIDTokens {
		return nil
	}
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash"} {
		if _, there := tok.claims[name]; there {
			return rejected("an ID token, not an access token (" + name + ")")
		}
	}
	// Two widespread providers write the kind of token into a claim.
	own := strings.ToLower(text(tok.claims["typ"]) + text(tok.claims["token_use"]))
	if slices.Contains([]string{"id", "refresh", "offline", "logout"}, own) {
		return rejected("a token of another kind (typ or token_use claim)")
	}
	return nil
}

func (i *jwtIssuer) checkTimes(tok *compact, now time.Time) error {
	t, err := readTimes(tok.claims)
	switch {
	case err != nil:
		return err
	case t.exp.IsZero():
		return rejected("exp is missing")
	case !now.Before(t.exp):
		return rejected("expired")
	case i.opts.MaxTokenAge > 0 && t.iat.IsZero():
		return rejected("iat is missing, and max_token_age needs it")
	case i.opts.MaxTokenAge > 0 && now.Sub(t.iat) > i.opts.MaxTokenAge+i.opts.ClockSkew:
		return rejected("older than max_token_age")
	}
	return t.begun(now, i.opts.ClockSkew)
}

func (i *jwtIssuer) checkAudience(tok *compact, _ time.Time) error {
	for _, aud := range audiences(tok.claims) {
		if slices.Contains(i.opts.Audiences, aud) {
			return nil
		}
	}
	return rejected("made for another audience")
}

func (i *jwtIssuer) checkClaims(tok *compact, _ time.Time) error {
	if text(tok.claims["sub"]) == "" {
		return rejected("sub is missing")
	}
	if jti, there := tok.claims["jti"]; there && text(jti) == "" {
		return rejected("jti is not a string")
	}
	if i.opts.Profile == profileRFC9068 {
		for _, name := range []string{"client_id", "jti"} {
			if text(tok.claims[name]) == "" {
				return rejected(name + " is missing, and RFC 9068 demands it")
			}
		}
		if _, there := tok.claims["iat"]; !there {
			return rejected("iat is missing, and RFC 9068 demands it")
		}
	}
	granted := scopes(tok.claims)
	for _, s := range i.opts.RequiredScopes {
		if !slices.Contains(granted, s) {
			return rejected("a required scope is missing")
		}
	}
	return nil
}

// session maps verified claims. The id is a hash of issuer and jti (or the token), so that every showing of one token
// is one session.
func (i *jwtIssuer) session(name string, raw session.Secret, claims map[string]any) *session.Session {
	t, _ := readTimes(claims)
	unique := text(claims["jti"])
	if unique == "" {
		sum := sha256.Sum256([]byte(raw.Reveal()))
		unique = hex.EncodeToString(sum[:])
	}
	id := sha256.Sum256([]byte(i.opts.Issuer + "\x00" + unique))
	s := &session.Session{
		ID:                    hex.EncodeToString(id[:]),
		Handle:                publicHandle("jwt", id[:]),
		Source:                name,
		SourceSessionID:       text(claims["sid"]),
		Active:                true,
		Identity:              i.opts.Claims.identity(claims),
		AuthenticationMethods: methods(claims),
		ACR:                   text(claims["acr"]),
		IssuedAt:              t.iat,
		AuthenticatedAt:       t.auth,
		ExpiresAt:             t.exp,
		Tokens:                session.Tokens{Type: "Bearer", Access: raw, ExpiresAt: t.exp},
	}
	for property, value := range map[string]string{
		"scope":     strings.Join(scopes(claims), " "),
		"client_id": orDefault(text(claims["client_id"]), text(claims["azp"])),
	} {
		if value != "" {
			if s.Properties == nil {
				s.Properties = map[string]string{}
			}
			s.Properties[property] = value
		}
	}
	return s
}

// publicHandle makes a name that is safe to show from an id that is not.
func publicHandle(prefix string, id []byte) string {
	sum := sha256.Sum256(append([]byte("handle\x00"), id...))
	return prefix + "-" + hex.EncodeToString(sum[:8])
}

var (
	_ session.Resolver      = (*JWT)(nil)
	_ session.Starter       = (*JWT)(nil)
	_ session.HealthChecker = (*JWT)(nil)
)
