package provider

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// introspect answers questions about tokens (RFC 7662). The library knows client_secret_basic; client_secret_post and
// the bearer token of RFC 7662 §2.1 are turned into it here. Questions by GET are refused: the token would stand in a URL.
func (p *Provider) introspect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "introspection: POST only", http.StatusMethodNotAllowed)
		return
	}
	r = r.Clone(r.Context())
	r.URL.RawQuery = "" // nothing of a question stands in its URL
	if err := r.ParseForm(); err != nil {
		http.Error(w, "introspection: the body is not a form", http.StatusBadRequest)
		return
	}
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if c, ok := p.store.clientOfBearer(r.Header.Get("Authorization")); ok {
		id, secret = c.ID, c.Secret
		r.Header.Del("Authorization")
	}
	if r.Header.Get("Authorization") == "" && secret != "" {
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) // RFC 6749 §2.3.1
	}
	p.op.ServeHTTP(w, r)
}

// clientOfBearer returns the client that proves itself with this Authorization header.
func (s *storage) clientOfBearer(header string) (*client, bool) {
	for _, c := range s.clients {
		if c.BearerToken != "" && subtle.ConstantTimeCompare([]byte(header), []byte("Bearer "+c.BearerToken)) == 1 {
			return c, true
		}
	}
	return nil, false
}

// SetIntrospectionFromToken implements op.OPStorage: the answer of the introspection endpoint (RFC 7662 §2.2). An error
// makes it {"active": false}; so does a token that is none of the asking client's business (§4).
func (s *storage) SetIntrospectionFromToken(_ context.Context, res *oidc.IntrospectionResponse, tokenID, subject, clientID string) error {
	t, err := s.accessToken(tokenID, subject)
	if err != nil {
		return err
	}
	audience := s.audience(t)
	if !slices.Contains(audience, clientID) {
		return oidc.ErrAccessDenied().WithDescription("token is for others")
	}
	info := new(oidc.UserInfo)
	if err := s.fill(info, t.subject, t.scopes); err != nil {
		return err
	}
	res.SetUserInfo(info)
	res.Scope, res.ClientID, res.TokenType = t.scopes, t.clientID, oidc.BearerToken
	res.Audience, res.Issuer, res.JWTID = audience, s.o.Issuer, tokenID
	res.IssuedAt, res.Expiration = oidc.FromTime(t.issuedAt), oidc.FromTime(t.expiresAt)
	res.AuthTime, res.AuthenticationMethodsReferences = oidc.FromTime(t.authTime), t.GetAMR()
	return nil
}

// audience is whom an access token is for: its client and the resource servers that client calls.
func (s *storage) audience(t accessToken) []string {
	audience := t.GetAudience()
	if c, ok := s.clients[t.clientID]; ok {
		audience = append(audience, c.Audiences...)
	}
	return audience
}

// AccessToken signs subject in at a client without a browser and returns its access token. The client need not be one
// that can. The token ends like every other: by its time, by revocation, by RevokeUser. An error names what is unknown.
func (p *Provider) AccessToken(clientID, subject string, scopes ...string) (string, error) {
	c, ok := p.store.clients[clientID]
	if !ok {
		return "", fmt.Errorf("provider: access token: client %q: %w", clientID, errUnknown)
	}
	p.store.mu.Lock()
	_, ok = p.store.users[subject]
	p.store.mu.Unlock()
	if !ok {
		return "", fmt.Errorf("provider: access token: subject %q: %w", subject, errUnknown)
	}
	_, b := p.store.signIn("", subject)
	g := grant{clientID: clientID, subject: subject, sid: b.sid, scopes: scopes, authTime: b.authTime, amr: b.amr}
	ctx := op.ContextWithIssuer(context.Background(), p.issuer)
	token, _, _, err := op.CreateAccessToken(ctx, g, c.AccessTokenType(), p.op, c, "")
	if err != nil {
		return "", fmt.Errorf("provider: access token: %w", err)
	}
	return token, nil
}
