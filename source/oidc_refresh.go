package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"golang.org/x/oauth2"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Refresh implements session.Refresher (RFC 6749 §6, OIDC Core §12).
//
// A refreshed ID token gets every check of the first one, and its sub must be the session's and its nonce, if it has
// one, the first one's. One that fails is never believed and the tokens that came with it are not taken: the answer is
// session.ErrUnavailable, the session keeps its old claims and tokens, and ends with them unless a later renewal works.
// It is not a rejection, because only the authority's own word ends a session.
//
// When the tokens are there but the keys or the userinfo endpoint cannot be asked, the new tokens are taken and the old
// claims stay: a refresh token that was rotated must not be lost because of another endpoint's outage.
//
// When, how and by what means the user logged in stays as it was at the login: a renewal proves nothing new.
// session.ErrUnsupported when s has no refresh token.
func (o *OIDC) Refresh(ctx context.Context, s *session.Session) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "oidc "+o.name, "refresh")
	if !s.Tokens.Renewable() {
		return nil, fmt.Errorf("%w: the session has no refresh token", session.ErrUnsupported)
	}
	meta, err := o.meta.get(ctx)
	if err != nil {
		return nil, err
	}
	old := &oauth2.Token{RefreshToken: s.Tokens.Refresh.Reveal()}
	token, err := o.oauth(meta, session.Transaction{}).TokenSource(o.withClient(ctx), old).Token()
	if err != nil {
		return nil, o.tokenError(ctx, meta, err)
	}
	tokens, err := o.readTokens(token)
	if err != nil {
		return nil, err
	}
	return o.renewed(ctx, meta, s, tokens)
}

// renewed makes the renewed clone. From here on the old refresh token may be spent.
func (o *OIDC) renewed(ctx context.Context, meta *metadata, s *session.Session, tokens session.Tokens) (*session.Session, error) {
	n := s.Clone()
	claims, err := o.refreshedClaims(ctx, s, tokens)
	if err != nil {
		return nil, err
	}
	if claims == nil || tokens.ID.Empty() {
		tokens.ID = s.Tokens.ID
	}
	n.Tokens = tokens
	if claims == nil && !o.opts.Userinfo {
		return n, nil
	}
	fresh := claims != nil
	if claims == nil {
		claims = map[string]any{"sub": s.Identity.Subject}
	}
	claims, err = o.withUserinfo(ctx, meta, claims, tokens.Access)
	if errors.Is(err, errOtherUser) {
		return nil, authority.Unavailable("the new access token is another user's: not taken")
	}
	if err != nil {
		o.log.WarnContext(ctx, "renewed without userinfo: claims stay as they were", slog.String("session", s.Handle), slog.Any("error", err))
		return n, nil
	}
	n.Identity = o.renewedIdentity(s.Identity, claims, fresh)
	if sid := authority.Text(claims["sid"]); sid != "" {
		n.SourceSessionID = sid
	}
	return n, nil
}

// refreshedClaims checks the ID token of a renewal, if there is one. Nil claims without an error: there is none, or
// its keys cannot be had now.
func (o *OIDC) refreshedClaims(ctx context.Context, s *session.Session, tokens session.Tokens) (map[string]any, error) {
	if tokens.ID.Empty() {
		return nil, nil
	}
	claims, err := o.verifyIDToken(ctx, tokens.ID, tokens.Access)
	if errors.Is(err, session.ErrUnavailable) {
		if !o.speaksOf(tokens.ID, s.Identity.Subject) {
			return nil, authority.Unavailable("the new ID token is another user's: not taken")
		}
		o.log.WarnContext(ctx, "renewed without the new ID token: claims stay as they were", slog.String("session", s.Handle), slog.Any("error", err))
		return nil, nil
	}
	if err != nil {
		return nil, authority.Unavailable("the new ID token fails its checks: not taken (" + err.Error() + ")")
	}
	if authority.Text(claims["sub"]) != s.Identity.Subject {
		return nil, authority.Unavailable("the new ID token is another user's: not taken")
	}
	if nonce, there := claims["nonce"]; there && nonce != o.firstNonce(s, nonce) {
		return nil, authority.Unavailable("the new ID token has another nonce: not taken")
	}
	return claims, nil
}

// speaksOf holds an ID token that cannot be verified now against what is known: it must at least claim to be ours and
// the user's. It came from the token endpoint itself over TLS (OIDC Core §3.1.3.7, 6).
func (o *OIDC) speaksOf(raw session.Secret, subject string) bool {
	tok, err := parseCompact(raw.Reveal(), o.opts.Algorithms)
	if err != nil {
		return false
	}
	return tok.claims["iss"] == o.opts.Issuer && tok.claims["sub"] == subject && slices.Contains(audiences(tok.claims), o.opts.ClientID)
}

// firstNonce returns the nonce of the ID token the session has, or otherwise when it has none to compare with.
func (o *OIDC) firstNonce(s *session.Session, otherwise any) any {
	tok, err := parseCompact(s.Tokens.ID.Reveal(), o.opts.Algorithms)
	if err != nil {
		return otherwise
	}
	if nonce, there := tok.claims["nonce"]; there {
		return nonce
	}
	return otherwise
}

// renewedIdentity is the identity as the authority sees it now: groups and further claims are what it says, also when
// it no longer says any. Names and the address stay when a renewal does not repeat them, which many providers do not.
// Without a fresh ID token the further claims stay too, under those of userinfo.
func (o *OIDC) renewedIdentity(old session.Identity, claims map[string]any, fresh bool) session.Identity {
	id := o.opts.Claims.identity(claims)
	id.Username = cmp.Or(id.Username, old.Username)
	id.Name = cmp.Or(id.Name, old.Name)
	if id.Email == "" {
		id.Email, id.EmailVerified = old.Email, old.EmailVerified
	}
	if kept := (&session.Session{Identity: old}).Clone().Identity.Claims; kept != nil && !fresh {
		maps.Copy(kept, id.Claims)
		id.Claims = kept
	}
	return id
}
