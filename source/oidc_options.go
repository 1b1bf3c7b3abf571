package source

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// The ways a client proves to the token endpoint who it is (OIDC Core §9).
const (
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
	authNone  = "none"
)

// OIDCOptions configure an OpenID Connect provider people log in at (authorization code flow, OIDC Core §3.1).
type OIDCOptions struct {
	// Issuer is the provider's identifier, exactly as its discovery document and tokens write it. Mandatory.
	Issuer   string `yaml:"issuer"`
	ClientID string `yaml:"client_id"` // mandatory
	// ClientSecret, or the file that holds it, read once at start. Not both.
	ClientSecret     session.Secret `yaml:"client_secret"`
	ClientSecretFile string         `yaml:"client_secret_file"`
	// AuthMethod is client_secret_basic (default), client_secret_post, or none for a public client.
	AuthMethod string `yaml:"auth_method"`
	// Scopes asked for; openid is always among them. Default openid, profile, email, offline_access.
	Scopes []string `yaml:"scopes"`

	DisplayName  string   `yaml:"display_name"`  // shown where people choose a provider; default the source's name
	EmailDomains []string `yaml:"email_domains"` // users of these domains are sent here

	Claims   ClaimsOptions `yaml:"claims"`
	Userinfo bool          `yaml:"userinfo"` // also ask the userinfo endpoint, at login and at every renewal
	// Audience lists further audiences an ID token may carry beside the client id. Without it a token for anybody
	// else as well is refused.
	Audience   []string      `yaml:"audience"`
	Algorithms []string      `yaml:"algorithms"` // of ID tokens; default all asymmetric ones
	ClockSkew  time.Duration `yaml:"clock_skew"` // tolerated difference of clocks; default 60s

	// AuthorizationParameters are added to the authorization request. The protocol's own cannot be set here.
	AuthorizationParameters map[string]string `yaml:"authorization_parameters"`
	Prompt                  string            `yaml:"prompt"`     // unless a login asks for another
	ACRValues               []string          `yaml:"acr_values"` // unless a login asks for others

	CAFile  string        `yaml:"ca_file"` // PEM certificates to trust instead of the system's
	Timeout time.Duration `yaml:"timeout"` // of one call; default 5s
	// TokenTimeout is the timeout of calls that spend a code or a refresh token; default 15s. It is longer because the
	// answer to a spent token cannot be had again: whoever stops waiting too early has logged the user out.
	TokenTimeout time.Duration `yaml:"token_timeout"`
	// InsecureHTTP allows plain http to hosts other than this one. Tokens and the client secret then travel in the
	// clear.
	InsecureHTTP bool `yaml:"insecure_http"`
}

// reservedParameters are the parameters of an authorization request that are set by the protocol or by options of
// their own.
func reservedParameters() []string {
	return []string{
		"response_type", "response_mode", "client_id", "client_secret", "redirect_uri", "scope", "state", "nonce",
		"code_challenge", "code_challenge_method", "code_verifier", "request", "request_uri", "prompt", "acr_values",
		"max_age", "iss", "code", "grant_type", "client_assertion", "client_assertion_type",
	}
}

func (o *OIDCOptions) check(p *authority.Problems) {
	if err := authority.CheckURL(o.Issuer, o.InsecureHTTP, false); err != nil {
		p.Add("oidc.issuer", err.Error(), "write the provider's issuer, such as https://id.example.com")
	}
	if o.ClientID == "" {
		p.Add("oidc.client_id", "is missing", "set it to the id the provider gave this gateway")
	}
	o.checkSecret(p)
	for _, name := range slices.Sorted(maps.Keys(o.AuthorizationParameters)) {
		if slices.Contains(reservedParameters(), strings.ToLower(name)) {
			p.Add("oidc.authorization_parameters."+name, "belongs to the protocol", "remove it; scopes, prompt and acr_values have options of their own")
		}
	}
	if o.TokenTimeout < 0 || o.TokenTimeout > 2*time.Minute {
		p.Add("oidc.token_timeout", "must be between 0 and 2m", "leave it out for 15s")
	}
	checkCommon(p, "oidc", o.Algorithms, o.ClockSkew, o.Timeout)
}

func (o *OIDCOptions) checkSecret(p *authority.Problems) {
	has := !o.ClientSecret.Empty() || o.ClientSecretFile != ""
	switch {
	case !slices.Contains([]string{"", authBasic, authPost, authNone}, o.AuthMethod):
		p.Add("oidc.auth_method", fmt.Sprintf("%q is not known", o.AuthMethod), "use client_secret_basic, client_secret_post or none")
	case o.AuthMethod == authNone && has:
		p.Add("oidc.client_secret", "is set although auth_method is none", "remove one of them")
	case o.AuthMethod != authNone && !has:
		p.Add("oidc.client_secret", "is missing", "set client_secret or client_secret_file, or auth_method: none for a public client")
	case !o.ClientSecret.Empty() && o.ClientSecretFile != "":
		p.Add("oidc.client_secret_file", "is set beside client_secret", "keep one of them")
	}
}

// checkCommon checks what all sources of signed tokens have in common.
func checkCommon(p *authority.Problems, at string, algorithms []string, skew, timeout time.Duration) {
	for _, a := range algorithms {
		if !slices.Contains(asymmetric(), a) {
			p.Add(at+".algorithms", fmt.Sprintf("%q is not accepted", a), "choose from "+strings.Join(asymmetric(), ", "))
		}
	}
	if skew < 0 || skew > 10*time.Minute {
		p.Add(at+".clock_skew", "must be between 0 and 10m", "leave it out for 60s")
	}
	if timeout < 0 || timeout > time.Minute {
		p.Add(at+".timeout", "must be between 0 and 1m", "leave it out for 5s")
	}
}

// secret returns the client secret, from its file if it has one.
func (o *OIDCOptions) secret() (session.Secret, error) {
	if o.ClientSecretFile == "" {
		return o.ClientSecret, nil
	}
	b, err := os.ReadFile(o.ClientSecretFile)
	if err != nil {
		return session.Secret{}, fmt.Errorf("oidc.client_secret_file: %w", err)
	}
	text := strings.TrimRight(string(b), "\r\n")
	if text == "" {
		return session.Secret{}, fmt.Errorf("oidc.client_secret_file: %s is empty: %w", o.ClientSecretFile, session.ErrMalformed)
	}
	return session.NewSecret(text), nil
}

// scopes returns the scopes to ask for, openid among them.
func (o *OIDCOptions) scopes() []string {
	if len(o.Scopes) == 0 {
		return []string{"openid", "profile", "email", "offline_access"}
	}
	if slices.Contains(o.Scopes, "openid") {
		return slices.Clone(o.Scopes)
	}
	return append([]string{"openid"}, o.Scopes...)
}

// authStyle is how golang.org/x/oauth2 calls the way the client secret is sent.
func (o *OIDCOptions) authStyle() oauth2.AuthStyle {
	if o.AuthMethod == authPost || o.AuthMethod == authNone {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

func orAlgorithms(algs []string) []string {
	if len(algs) == 0 {
		return asymmetric()
	}
	return slices.Clone(algs)
}
