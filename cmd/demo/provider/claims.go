package provider

import (
	"context"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// SetUserinfoFromScopes implements op.OPStorage. The library wants it empty: see SetUserinfoFromRequest.
func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest: the claims of an ID token, as the user is now.
func (s *storage) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	g, ok := grantOf(ctx, r)
	if !ok {
		return oidc.ErrUnsupportedGrantType()
	}
	if err := s.fill(info, r.GetSubject(), scopes); err != nil {
		return err
	}
	info.AppendClaims("sid", g.sid)
	return nil
}

// SetUserinfoFromToken implements op.OPStorage: the answer of the userinfo endpoint.
func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, tokenID, subject, _ string) error {
	t, err := s.accessToken(tokenID, subject)
	if err != nil {
		return err
	}
	return s.fill(info, t.subject, t.scopes)
}

// GetPrivateClaimsFromScopes implements op.OPStorage: what a JWT access token says beside the registered claims.
func (s *storage) GetPrivateClaimsFromScopes(_ context.Context, subject, _ string, scopes []string) (map[string]any, error) {
	info := new(oidc.UserInfo)
	if err := s.fill(info, subject, scopes); err != nil {
		return nil, err
	}
	return info.Claims, nil
}

func (s *storage) accessToken(id, subject string) (accessToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.access[id]
	if !ok || t.subject != subject || t.ended(s.o.Now()) {
		return accessToken{}, oidc.ErrAccessDenied().WithDescription("access token is unknown or has ended")
	}
	return *t, nil
}

// fill writes the claims the scopes allow.
func (s *storage) fill(info *oidc.UserInfo, subject string, scopes []string) error {
	s.mu.Lock()
	u, ok := s.users[subject]
	s.mu.Unlock()
	if !ok {
		return oidc.ErrAccessDenied().WithDescription("user is gone")
	}
	info.Subject = u.Subject
	if slices.Contains(scopes, oidc.ScopeProfile) {
		info.Name, info.PreferredUsername = u.Name, u.Username
	}
	if slices.Contains(scopes, oidc.ScopeEmail) {
		info.Email, info.EmailVerified = u.Email, oidc.Bool(u.EmailVerified)
	}
	if slices.Contains(scopes, scopeGroups) {
		info.AppendClaims("groups", slices.Clone(u.Groups))
	}
	return nil
}
