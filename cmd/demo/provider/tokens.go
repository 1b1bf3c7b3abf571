package provider

import (
	"context"
	"crypto/rand"
	"maps"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// family is all tokens that came of one sign-in at one client.
type family struct {
	grant
	expiring
	revoked bool
}

// refreshToken is one generation of a family. A used one is kept until it expires: to know it again is to detect reuse.
type refreshToken struct {
	expiring
	familyID string
	used     bool
}

// accessToken is what an access token stands for.
type accessToken struct {
	grant
	expiring
	issuedAt time.Time
}

// refreshRequest is a grant as it is renewed, perhaps with fewer scopes.
type refreshRequest struct{ grant }

// SetCurrentScopes narrows the scopes of this renewal.
func (r *refreshRequest) SetCurrentScopes(scopes []string) { r.scopes = scopes }

// granted is implemented by every request the library hands back to us.
type granted interface{ allowed() grant }

// errSignedOut refuses a code whose browser session ended between the code and its exchange.
func errSignedOut() error { return oidc.ErrInvalidGrant().WithDescription("the user has signed out") }

// CreateAccessToken implements op.AuthStorage.
func (s *storage) CreateAccessToken(ctx context.Context, r op.TokenRequest) (string, time.Time, error) {
	g, ok := grantOf(ctx, r)
	if !ok {
		return "", time.Time{}, oidc.ErrUnsupportedGrantType()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.signedIn(g.sid) {
		return "", time.Time{}, errSignedOut()
	}
	id, end := s.newAccess(g)
	return id, end, nil
}

// newAccess makes an access token. The end it returns is for the wire, by the system's clock; the end it keeps is by
// Now. The caller holds s.mu.
func (s *storage) newAccess(g grant) (id string, end time.Time) {
	now := s.o.Now()
	s.sweep(now)
	id = rand.Text()
	s.access[id] = &accessToken{grant: g, expiring: expiring{now.Add(s.o.AccessTokenTTL)}, issuedAt: now}
	return id, time.Now().Add(s.o.AccessTokenTTL)
}

// CreateAccessAndRefreshTokens implements op.AuthStorage. With a current token it is the rotation: spending that token
// and making the next are one step, so that of two concurrent uses one is a reuse.
func (s *storage) CreateAccessAndRefreshTokens(ctx context.Context, r op.TokenRequest, current string) (string, string, time.Time, error) {
	g, ok := grantOf(ctx, r)
	if !ok {
		return "", "", time.Time{}, oidc.ErrUnsupportedGrantType()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.familyFor(g, current)
	if err != nil {
		return "", "", time.Time{}, err
	}
	if current != "" {
		s.refresh[current].used = true
	}
	f.expiresAt = s.o.Now().Add(s.o.RefreshTokenTTL)
	next := rand.Text()
	s.refresh[next] = &refreshToken{expiring: f.expiring, familyID: f.familyID}
	id, end := s.newAccess(g)
	return id, next, end, nil
}

// familyFor returns the family the next token belongs to: that of current, or a new one. The caller holds s.mu.
func (s *storage) familyFor(g grant, current string) (*family, error) {
	if current != "" {
		return s.live(current)
	}
	if f, ok := s.families[g.familyID]; ok && f.revoked {
		return nil, oidc.ErrInvalidGrant().WithDescription("code was used twice")
	}
	if !s.signedIn(g.sid) {
		return nil, errSignedOut()
	}
	f := &family{grant: g}
	s.families[g.familyID] = f
	return f, nil
}

// live returns the family of a refresh token that may be used. A token that has been used ends its family. The caller
// holds s.mu.
func (s *storage) live(token string) (*family, error) {
	t, ok := s.refresh[token]
	if !ok || t.ended(s.o.Now()) {
		return nil, oidc.ErrInvalidGrant().WithDescription("refresh token is unknown or has expired")
	}
	if t.used {
		s.endFamily(t.familyID)
		s.o.Log.Warn("refresh token reused, its family is ended")
		return nil, oidc.ErrInvalidGrant().WithDescription("refresh token was used before")
	}
	f, ok := s.families[t.familyID]
	if !ok || f.revoked {
		return nil, oidc.ErrInvalidGrant().WithDescription("refresh token was revoked")
	}
	if _, ok := s.users[f.subject]; !ok {
		return nil, oidc.ErrInvalidGrant().WithDescription("user is gone")
	}
	return f, nil
}

// endFamily ends all tokens of a family, also when its first one is only about to be made. The caller holds s.mu.
func (s *storage) endFamily(id string) {
	f, ok := s.families[id]
	if !ok {
		f = &family{grant: grant{familyID: id}, expiring: expiring{s.o.Now().Add(s.o.RefreshTokenTTL)}}
		s.families[id] = f
	}
	f.revoked = true
	maps.DeleteFunc(s.access, func(_ string, t *accessToken) bool { return t.familyID == id })
}

// TokenRequestByRefreshToken implements op.AuthStorage.
func (s *storage) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.live(token)
	if err != nil {
		return nil, err
	}
	return &refreshRequest{f.grant}, nil
}

// GetRefreshTokenInfo implements op.AuthStorage.
func (s *storage) GetRefreshTokenInfo(_ context.Context, _, token string) (userID, tokenID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.refresh[token]; ok {
		if f, ok := s.families[t.familyID]; ok {
			return f.subject, token, nil
		}
	}
	return "", "", op.ErrInvalidRefreshToken
}

// RevokeToken implements op.AuthStorage (RFC 7009 §2.1): a refresh token ends its family, an access token itself. A
// client can end only its own; an unknown token is no error.
func (s *storage) RevokeToken(_ context.Context, token, _, clientID string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.refresh[token]; ok {
		if f, ok := s.families[t.familyID]; ok && f.clientID != clientID {
			return oidc.ErrUnauthorizedClient().WithDescription("token was issued to another client")
		}
		s.endFamily(t.familyID)
		return nil
	}
	if t, ok := s.access[token]; ok {
		if t.clientID != clientID {
			return oidc.ErrUnauthorizedClient().WithDescription("token was issued to another client")
		}
		delete(s.access, token)
	}
	return nil
}

var _ op.RefreshTokenRequest = (*refreshRequest)(nil)
