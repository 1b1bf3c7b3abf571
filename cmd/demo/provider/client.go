package provider

import (
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// scopeGroups is the scope that tells a client the user's groups. It is no standard scope of OpenID Connect, but a
// common one.
const scopeGroups = "groups"

// client shows a Client to the protocol library.
type client struct {
	Client
	idTokenTTL time.Duration
}

func (c *client) GetID() string                       { return c.ID }
func (c *client) RedirectURIs() []string              { return c.Client.RedirectURIs }
func (c *client) PostLogoutRedirectURIs() []string    { return c.Client.PostLogoutRedirectURIs }
func (c *client) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c *client) IDTokenLifetime() time.Duration      { return c.idTokenTTL }
func (c *client) ClockSkew() time.Duration            { return 0 }

// AuthMethod is client_secret_basic; the library then takes the secret from a form as well.
func (c *client) AuthMethod() oidc.AuthMethod {
	if c.Secret == "" {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodBasic
}

func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

func (c *client) GrantTypes() []oidc.GrantType {
	grants := []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
	if c.DeviceLogin {
		grants = append(grants, oidc.GrantTypeDeviceCode)
	}
	return grants
}

func (c *client) LoginURL(id string) string {
	return LoginPath + "?" + url.Values{"request": {id}}.Encode()
}

func (c *client) AccessTokenType() op.AccessTokenType {
	if c.JWTAccessTokens {
		return op.AccessTokenTypeJWT
	}
	return op.AccessTokenTypeBearer
}

// DevMode is off: redirect URIs are compared byte for byte, also for http.
func (c *client) DevMode() bool { return false }

func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string { return slices.Clone }

func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return slices.Clone }

func (c *client) IsScopeAllowed(scope string) bool { return scope == scopeGroups }

// IDTokenUserinfoClaimsAssertion puts the claims of profile and email into ID tokens too, also beside an access token.
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return true }

var _ op.Client = (*client)(nil)
