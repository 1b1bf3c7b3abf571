package source

import (
	"fmt"
	"slices"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// authBearer proves who asks with a token of the endpoint's own (RFC 7662 §2.1), beside authBasic and authPost.
const authBearer = "bearer"

// IntrospectionOptions configure tokens an authorization server is asked about (RFC 7662).
type IntrospectionOptions struct {
	// Issuer is the authorization server's identifier. It makes JWTs of its making ours. Without URL its discovery
	// document (ISSUER/.well-known/openid-configuration) names the endpoints.
	Issuer string `yaml:"issuer"`
	// URL is the introspection endpoint. Mandatory without Issuer.
	URL string `yaml:"url"`
	// RevocationURL is where tokens are taken back (RFC 7009); default what discovery names, none where URL is set.
	RevocationURL string `yaml:"revocation_url"`

	ClientID     string         `yaml:"client_id"`
	ClientSecret session.Secret `yaml:"client_secret"`
	// AuthMethod is client_secret_basic (default), client_secret_post, or bearer for BearerToken.
	AuthMethod  string         `yaml:"auth_method"`
	BearerToken session.Secret `yaml:"bearer_token"`
	// TokenTypeHint helps the server find the token (RFC 7662 §2.1); default access_token.
	TokenTypeHint string `yaml:"token_type_hint"`

	// Credentials default to bearer tokens. A token of a signed JWT's shape is ours only when its iss is Issuer, whatever
	// else is set here.
	Credentials authority.Credentials `yaml:"credentials"`

	// Audiences: a token must be made for one of them, compared whole. Empty: the server checks that alone.
	Audiences []string `yaml:"audiences"`
	// RequiredScopes must all be in the token's scope.
	RequiredScopes []string `yaml:"required_scopes"`
	// SubjectClaim names whose token it is; default sub. A server that tells no sub may tell username.
	SubjectClaim string        `yaml:"subject_claim"`
	Claims       ClaimsOptions `yaml:"claims"` // username is taken from username, or preferred_username, by default
	// ClockSkew is tolerated for iat and nbf; default 60s. exp is the end of the session and holds to the second.
	ClockSkew time.Duration `yaml:"clock_skew"`

	authority.ClientOptions `yaml:",inline"`
}

// takes returns the credentials that are this source's, defaults filled in.
func (o *IntrospectionOptions) takes() authority.Credentials {
	if o.Credentials.Zero() {
		return authority.Credentials{Bearer: true}
	}
	if len(o.Credentials.Places()) == 0 {
		c := o.Credentials
		c.Bearer = true // a prefix alone
		return c
	}
	return o.Credentials
}

func (o *IntrospectionOptions) check(p *authority.Problems) {
	if o.Issuer == "" && o.URL == "" {
		p.Add("introspection.url", "is missing", "set it to the introspection endpoint, or issuer to discover it")
	}
	if o.Issuer != "" && o.URL == "" {
		if err := authority.CheckURL(o.Issuer, o.InsecureHTTP, false); err != nil {
			p.Add("introspection.issuer", err.Error(), "or set url, so that discovery is not needed")
		}
	}
	for name, url := range map[string]string{"url": o.URL, "revocation_url": o.RevocationURL} {
		if url == "" {
			continue
		}
		if err := authority.CheckURL(url, o.InsecureHTTP, true); err != nil {
			p.Add("introspection."+name, err.Error(), "write the URL of the endpoint")
		}
	}
	o.checkProof(p)
	if slices.Contains(o.Audiences, "") || slices.Contains(o.RequiredScopes, "") {
		p.Add("introspection.audiences", "holds an empty text, as required_scopes may", "remove it")
	}
	o.takes().Check(p, "introspection.credentials")
	checkCommon(p, "introspection", nil, o.ClockSkew, o.Timeout)
}

// checkProof: the endpoint must not answer anybody, so that there is always a proof of who asks (RFC 7662 §2.1).
func (o *IntrospectionOptions) checkProof(p *authority.Problems) {
	switch o.AuthMethod {
	case "", authBasic, authPost:
		if o.ClientID == "" {
			p.Add("introspection.client_id", "is missing", "set it to the id the authorization server gave this gateway")
		}
		if o.ClientSecret.Empty() {
			p.Add("introspection.client_secret", "is missing", "set it, or auth_method: bearer and bearer_token")
		}
		if !o.BearerToken.Empty() {
			p.Add("introspection.bearer_token", "is set although auth_method is another", "remove it, or set auth_method: bearer")
		}
	case authBearer:
		if o.BearerToken.Empty() {
			p.Add("introspection.bearer_token", "is missing", "set it to the token that may ask the endpoint")
		}
		if !o.ClientSecret.Empty() {
			p.Add("introspection.client_secret", "is set although auth_method is bearer", "remove one of them")
		}
	default:
		p.Add("introspection.auth_method", fmt.Sprintf("%q is not known", o.AuthMethod), "use client_secret_basic, client_secret_post or bearer")
	}
}
