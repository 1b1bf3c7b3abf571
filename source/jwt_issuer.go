package source

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// jwtIssuer is one issuer with its keys.
type jwtIssuer struct {
	opts   JWTIssuer // with defaults filled in
	client *authority.Client
	meta   *latest[*metadata] // nil when the key set's URL is configured
	keys   *keySet
}

func newJWTIssuer(o JWTIssuer, d Deps) (*jwtIssuer, error) {
	c, err := authority.NewClient(authority.ClientOptions{CAFile: o.CAFile, Timeout: o.Timeout, InsecureHTTP: o.InsecureHTTP}, d.Now)
	if err != nil {
		return nil, err
	}
	o.Claims, o.Algorithms, o.ClockSkew = o.Claims.withDefaults(), orAlgorithms(o.Algorithms), cmp.Or(o.ClockSkew, defaultSkew)
	iss := &jwtIssuer{opts: o, client: c}
	log := d.Log.With(slog.String("issuer", o.Issuer))
	address := func(context.Context) (string, error) { return o.JWKSURL, nil }
	if o.JWKSURL == "" {
		iss.meta = newDiscovery(c, o.Issuer, o.InsecureHTTP, false)
		iss.meta.changed = logChanges(log, "discovery")
		address = keyAddress(iss.meta)
	}
	iss.keys = newKeySet(c, address, o.Algorithms)
	iss.keys.set.changed = logChanges(log, "key set")
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
		return authority.Rejected("not an access token of the RFC 9068 profile (typ)")
	case !slices.Contains([]string{"", "jwt", "at+jwt"}, tok.typ):
		return authority.Rejected("a token of another kind (typ)")
	}
	if _, there := tok.claims["events"]; there {
		return authority.Rejected("a security event, not an access token")
	}
	if _, there := tok.claims["cnf"]; there {
		return authority.Rejected("bound to a key (cnf) that was not proven")
	}
	if i.opts.InsecureIDTokens {
		return nil
	}
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash"} {
		if _, there := tok.claims[name]; there {
			return authority.Rejected("an ID token, not an access token (" + name + ")")
		}
	}
	// Two widespread providers write the kind of token into a claim.
	own := strings.ToLower(authority.Text(tok.claims["typ"]) + authority.Text(tok.claims["token_use"]))
	if slices.Contains([]string{"id", "refresh", "offline", "logout"}, own) {
		return authority.Rejected("a token of another kind (typ or token_use claim)")
	}
	return nil
}

func (i *jwtIssuer) checkTimes(tok *compact, now time.Time) error {
	t, err := readTimes(tok.claims)
	switch {
	case err != nil:
		return err
	case t.exp.IsZero():
		return authority.Rejected("exp is missing")
	case !now.Before(t.exp):
		return authority.Rejected("expired")
	case i.opts.MaxTokenAge > 0 && t.iat.IsZero():
		return authority.Rejected("iat is missing, and max_token_age needs it")
	case i.opts.MaxTokenAge > 0 && now.Sub(t.iat) > i.opts.MaxTokenAge+i.opts.ClockSkew:
		return authority.Rejected("older than max_token_age")
	}
	return t.begun(now, i.opts.ClockSkew)
}

func (i *jwtIssuer) checkAudience(tok *compact, _ time.Time) error {
	for _, aud := range audiences(tok.claims) {
		if slices.Contains(i.opts.Audiences, aud) {
			return nil
		}
	}
	return authority.Rejected("made for another audience")
}

func (i *jwtIssuer) checkClaims(tok *compact, _ time.Time) error {
	if authority.Text(tok.claims["sub"]) == "" {
		return authority.Rejected("sub is missing")
	}
	if jti, there := tok.claims["jti"]; there && authority.Text(jti) == "" {
		return authority.Rejected("jti is not a string")
	}
	if i.opts.Profile == profileRFC9068 {
		for _, name := range []string{"client_id", "jti"} {
			if authority.Text(tok.claims[name]) == "" {
				return authority.Rejected(name + " is missing, and RFC 9068 demands it")
			}
		}
		if _, there := tok.claims["iat"]; !there {
			return authority.Rejected("iat is missing, and RFC 9068 demands it")
		}
	}
	granted := scopes(tok.claims)
	for _, s := range i.opts.RequiredScopes {
		if !slices.Contains(granted, s) {
			return authority.Rejected("a required scope is missing")
		}
	}
	return nil
}

// session maps verified claims. The id is a hash of issuer and jti (or the token), so that every showing of one token
// is one session.
func (i *jwtIssuer) session(name string, raw session.Secret, claims map[string]any) *session.Session {
	t, _ := readTimes(claims)
	unique := authority.Text(claims["jti"])
	if unique == "" {
		sum := sha256.Sum256([]byte(raw.Reveal()))
		unique = hex.EncodeToString(sum[:])
	}
	id := sha256.Sum256([]byte(i.opts.Issuer + "\x00" + unique))
	s := &session.Session{
		ID:                    hex.EncodeToString(id[:]),
		Handle:                authority.Handle("jwt", string(id[:])),
		Source:                name,
		SourceSessionID:       authority.Text(claims["sid"]),
		Active:                true,
		Identity:              i.opts.Claims.identity(claims),
		AuthenticationMethods: methods(claims),
		ACR:                   authority.Text(claims["acr"]),
		IssuedAt:              t.iat,
		AuthenticatedAt:       t.auth,
		ExpiresAt:             t.exp,
		Tokens:                session.Tokens{Type: "Bearer", Access: raw, ExpiresAt: t.exp},
		Properties:            map[string]string{},
	}
	if list := scopes(claims); list != nil {
		s.Properties["scope"] = strings.Join(list, " ")
	}
	if client := cmp.Or(authority.Text(claims["client_id"]), authority.Text(claims["azp"])); client != "" {
		s.Properties["client_id"] = client
	}
	return s
}
