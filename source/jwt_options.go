package source

import (
	"fmt"
	"slices"
	"time"

	"github.com/sessionward/sessionward/source/authority"
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

func (o *JWTOptions) check(p *authority.Problems) {
	if len(o.Issuers) == 0 {
		p.Add("jwt.issuers", "is empty", "name at least one issuer and its audiences")
	}
	for i := range o.Issuers {
		iss, at := &o.Issuers[i], fmt.Sprintf("jwt.issuers[%d]", i)
		iss.check(p, at)
		if slices.ContainsFunc(o.Issuers[:i], func(other JWTIssuer) bool { return other.Issuer == iss.Issuer }) {
			p.Add(at+".issuer", "stands twice", "join the audiences of both entries")
		}
	}
}

func (o *JWTIssuer) check(p *authority.Problems, at string) {
	if o.Issuer == "" {
		p.Add(at+".issuer", "is missing", "write the iss of the issuer's tokens")
	}
	if len(o.Audiences) == 0 || slices.Contains(o.Audiences, "") {
		p.Add(at+".audiences", "must name at least one audience", "write the aud of tokens that are made for this gateway")
	}
	if o.JWKSURL == "" {
		if err := authority.CheckURL(o.Issuer, o.InsecureHTTP, false); err != nil {
			p.Add(at+".issuer", err.Error(), "or set jwks_url, so that discovery is not needed")
		}
	} else if err := authority.CheckURL(o.JWKSURL, o.InsecureHTTP, true); err != nil {
		p.Add(at+".jwks_url", err.Error(), "write the URL of the issuer's key set")
	}
	if o.Profile != "" && o.Profile != profileRFC9068 {
		p.Add(at+".profile", fmt.Sprintf("%q is not known", o.Profile), "use rfc9068 or leave it out")
	}
	if o.MaxTokenAge < 0 {
		p.Add(at+".max_token_age", "is negative", "leave it out for no limit")
	}
	checkCommon(p, at, o.Algorithms, o.ClockSkew, o.Timeout)
}
