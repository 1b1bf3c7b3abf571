package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// refusalCodes are the OAuth error codes of a token endpoint that are a definite no about this grant: the code or
// refresh token is spent, revoked, or the user has to come back. invalid_request is among them because some providers
// answer it for a refresh token they do not know.
func refusalCodes() []string {
	return []string{
		"invalid_grant", "invalid_request", "access_denied", "interaction_required", "login_required", "consent_required",
	}
}

// otherCodes are known codes that say nothing about the grant: invalid_client and its kin are a mistake of ours, and
// an operator's mistake must not log everybody out.
func otherCodes() []string {
	return []string{
		"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_target",
		"unsupported_response_type", "unsupported_token_type", "server_error", "temporarily_unavailable", "slow_down",
		"account_selection_required", "invalid_token", "insufficient_scope",
	}
}

// oauthCode returns code if it is a known one: anything else is the other side's text and stays out of ours.
func oauthCode(code string) string {
	if slices.Contains(refusalCodes(), code) || slices.Contains(otherCodes(), code) {
		return code
	}
	return "unknown code"
}

// tokenRefusal classes an answer of the token endpoint that holds no tokens (RFC 6749 §5.2): by status and parsed
// code, never by text. Only a 4xx with a code that is a definite no is session.ErrRejected.
func tokenRefusal(r authority.Reply, now time.Time) error {
	code := ""
	if body, err := authority.DecodeObject(r.Body); err == nil {
		code = authority.Text(body["error"])
	}
	about := fmt.Sprintf("the token endpoint answered %d (%s)", r.Status, oauthCode(code))
	refused := r.Status >= 400 && r.Status < 500 && r.Status != http.StatusTooManyRequests && r.Status != http.StatusRequestTimeout
	if refused && slices.Contains(refusalCodes(), code) && (r.Status != http.StatusUnauthorized || code == "invalid_grant") {
		return authority.Rejected(about)
	}
	return session.WithRetryAfter(authority.Unavailable(about), authority.RetryAfter(r.Header, now))
}

// tokenError classes a failed call of the token endpoint. The text of golang.org/x/oauth2's errors is left out: it
// holds the answer's body.
func (o *OIDC) tokenError(ctx context.Context, meta *metadata, err error) error {
	if re, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		err := tokenRefusal(authority.Reply{Status: re.Response.StatusCode, Header: re.Response.Header, Body: re.Body}, o.now())
		if errors.Is(err, session.ErrRejected) {
			o.client.Understood()
		}
		return err
	}
	if ctx.Err() != nil {
		return authority.GaveUp(ctx)
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		u, _ := url.Parse(meta.TokenEndpoint) // checked at discovery
		return authority.ContactError(u.Host, ue)
	}
	return o.client.Nonsense("the token endpoint's answer is not JSON with tokens in it")
}

// readTokens maps a token authority.Reply (RFC 6749 §5.1).
func (o *OIDC) readTokens(t *oauth2.Token) (session.Tokens, error) {
	if t.TokenType != "" && !strings.EqualFold(t.TokenType, "bearer") {
		return session.Tokens{}, authority.Unavailable("the provider gave tokens of a type that is not Bearer")
	}
	o.client.Understood()
	id, _ := t.Extra("id_token").(string)
	tokens := session.Tokens{
		Type:    "Bearer",
		Access:  session.NewSecret(t.AccessToken),
		Refresh: session.NewSecret(t.RefreshToken),
		ID:      session.NewSecret(id),
	}
	if t.ExpiresIn > 0 {
		tokens.ExpiresAt = o.now().Add(time.Duration(t.ExpiresIn) * time.Second).UTC()
	}
	return tokens, nil
}

// verifyIDToken runs the checks of OIDC Core §3.1.3.7 that hold for every ID token, and returns its claims. Nonce,
// auth_time and sub are held against what the caller knows, by the caller. session.ErrUnavailable when the keys could
// not be had.
func (o *OIDC) verifyIDToken(ctx context.Context, raw, access session.Secret) (map[string]any, error) {
	tok, err := parseCompact(raw.Reveal(), o.opts.Algorithms)
	if err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	if err := o.checkIDClaims(tok); err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	keys := &tracedKeys{keys: o.keys}
	id, err := oidc.NewVerifier(o.opts.Issuer, keys, &oidc.Config{
		ClientID:             o.opts.ClientID,
		SupportedSigningAlgs: o.opts.Algorithms,
		Now:                  func() time.Time { return o.now().Add(-o.skew) },
	}).Verify(ctx, tok.raw)
	if keys.err != nil {
		return nil, fmt.Errorf("ID token: %w", keys.err)
	}
	if err != nil {
		return nil, authority.Rejected("ID token: wrong issuer, audience or lifetime")
	}
	if id.AccessTokenHash != "" && id.VerifyAccessToken(access.Reveal()) != nil {
		return nil, authority.Rejected("ID token: made for another access token (at_hash)")
	}
	return tok.claims, nil
}

// checkIDClaims checks what go-oidc leaves to its caller: the kind of token, dates, subject and authorised party.
func (o *OIDC) checkIDClaims(tok *compact) error {
	if tok.typ != "" && tok.typ != "jwt" {
		return authority.Rejected("a token of another kind (typ)")
	}
	if _, there := tok.claims["events"]; there {
		return authority.Rejected("a security event, not an ID token")
	}
	t, err := readTimes(tok.claims)
	if err != nil {
		return err
	}
	if t.exp.IsZero() || t.iat.IsZero() {
		return authority.Rejected("exp or iat is missing")
	}
	if authority.Text(tok.claims["sub"]) == "" {
		return authority.Rejected("sub is missing")
	}
	if err := t.begun(o.now(), o.skew); err != nil {
		return err
	}
	for _, aud := range audiences(tok.claims) {
		if aud != o.opts.ClientID && !slices.Contains(o.opts.Audience, aud) {
			return authority.Rejected("an audience beside us that is not configured")
		}
	}
	if azp, there := tok.claims["azp"]; there && azp != o.opts.ClientID {
		return authority.Rejected("the authorised party is another client (azp)")
	}
	return nil
}

// checkLogin holds verified claims against the login they answer.
func (o *OIDC) checkLogin(claims map[string]any, t session.Transaction) error {
	if claims["nonce"] != t.Nonce {
		return authority.Rejected("ID token: the nonce is not this login's")
	}
	auth, there, _ := seconds(claims, "auth_time")
	if t.MaxAge > 0 && (!there || auth.Before(o.now().Add(-t.MaxAge-o.skew))) {
		return authority.Rejected("ID token: the user proved who they are too long ago (auth_time)")
	}
	return nil
}

// errOtherUser: userinfo speaks of somebody else (OIDC Core §5.3.2).
var errOtherUser = authority.Rejected("userinfo is another user's (sub)")

// withUserinfo lays the userinfo endpoint's claims over those of the ID token, if that is configured. The dates and
// other marks of the protocol stay the ID token's.
func (o *OIDC) withUserinfo(ctx context.Context, meta *metadata, claims map[string]any, access session.Secret) (map[string]any, error) {
	if !o.opts.Userinfo {
		return claims, nil
	}
	info, err := o.userinfo(ctx, meta, access, authority.Text(claims["sub"]))
	if err != nil {
		return nil, err
	}
	if _, there := info["email"]; there {
		delete(claims, "email_verified") // it spoke of the other address
	}
	kept := noise()
	for name, value := range info {
		if name == "email_verified" || !slices.Contains(kept, name) {
			claims[name] = value
		}
	}
	return claims, nil
}

func (o *OIDC) userinfo(ctx context.Context, meta *metadata, access session.Secret, subject string) (map[string]any, error) {
	if meta.UserinfoEndpoint == "" {
		return nil, authority.Unavailable("userinfo is configured, but the provider names no userinfo_endpoint")
	}
	r, err := o.client.Get(ctx, meta.UserinfoEndpoint, http.Header{
		"Accept":        {"application/json"},
		"Authorization": {"Bearer " + access.Reveal()},
	})
	if err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	info, err := authority.DecodeObject(r.Body)
	if err != nil {
		return nil, authority.Unavailable("userinfo is " + err.Error())
	}
	if sub := authority.Text(info["sub"]); sub == "" || sub != subject {
		return nil, errOtherUser
	}
	return info, nil
}

// tracedKeys remembers the class of a signature check's error, which go-oidc turns into text.
type tracedKeys struct {
	keys *keySet
	err  error
}

// VerifySignature implements oidc.KeySet.
func (t *tracedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := t.keys.VerifySignature(ctx, jwt)
	t.err = err
	return payload, err
}
