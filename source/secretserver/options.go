package secretserver

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sessionward/sessionward/source/authority"
)

// What a source accepts.
const (
	acceptForm   = "form"
	acceptTokens = "tokens"
)

// The types of token, as Secret Server's own clients name them.
const (
	TypeBearer   = "bearer"        // from a login with user name and password
	TypeExternal = "ExternalToken" // made elsewhere and shown by a client; its end is not known
	TypeSDK      = "SdkClient"     // of a registered SDK client, which renews it on its own
	TypeWindows  = "WindowsAuth"   // none: integrated Windows authentication of a connection
)

const (
	defaultMaxRefreshes = 3
	mostRefreshes       = 1000
	mostTokenTimeout    = 2 * time.Minute
)

// Options configure a Secret Server.
type Options struct {
	// URL is the address of Secret Server, with the application's path where it has one:
	// https://vault.example.com/SecretServer, or https://tenant.secretservercloud.com. Mandatory.
	URL string `yaml:"url"`
	// Accept says what is accepted: form (people log in with our form), tokens (programs show tokens of theirs). Default
	// both.
	Accept []string `yaml:"accept"`
	// Credentials say where shown tokens are carried. Default bearer.
	Credentials authority.Credentials `yaml:"credentials"`
	// TokenType is what shown tokens are: ExternalToken (default) or SdkClient.
	TokenType string `yaml:"token_type"`

	DisplayName string `yaml:"display_name"` // shown above the form; default the source's name
	Domain      string `yaml:"domain"`       // of everybody who logs in by the form; default local users
	// MaxRefreshes is how often the server lets a login be refreshed, as its setting "maximum token refreshes allowed"
	// says. After the last one the session runs to the end of its token. 0: 3, the server's default.
	MaxRefreshes int `yaml:"max_refreshes"`
	// TimeZone is the zone of the dates in lists of sessions, which the server writes without one: an IANA name such as
	// Europe/Berlin. Default UTC.
	TimeZone string `yaml:"time_zone"`
	// TokenTimeout is the timeout of logins and renewals; default 15s. It is longer than Timeout because the answer to a
	// spent refresh token cannot be had again.
	TokenTimeout time.Duration `yaml:"token_timeout"`

	authority.ClientOptions `yaml:",inline"`
}

// Takes returns which credentials are this source's, none when it accepts no tokens.
func (o *Options) Takes() authority.Credentials {
	if !o.accepts(acceptTokens) {
		return authority.Credentials{}
	}
	c := o.Credentials
	if len(c.Places()) == 0 {
		c.Bearer = true
	}
	return c
}

func (o *Options) accepts(what string) bool {
	return len(o.Accept) == 0 || slices.Contains(o.Accept, what)
}

// Check notes everything that is wrong with o. It reads no file and asks nobody.
func (o *Options) Check(p *authority.Problems) {
	o.checkURL(p)
	for i, what := range o.Accept {
		if (what != acceptForm && what != acceptTokens) || slices.Contains(o.Accept[:i], what) {
			p.Add(fmt.Sprintf("secretserver.accept[%d]", i), fmt.Sprintf("%q is not known or stands twice", what), "use form, tokens or both, each once")
		}
	}
	switch o.TokenType {
	case "", TypeExternal, TypeSDK:
	case TypeWindows:
		p.Add("secretserver.token_type", "integrated Windows authentication belongs to a connection and cannot be passed on", "let programs get a token and show that: leave it out for ExternalToken")
	default:
		p.Add("secretserver.token_type", fmt.Sprintf("%q is not known", o.TokenType), "use ExternalToken or SdkClient")
	}
	if o.accepts(acceptTokens) {
		o.Takes().Check(p, "secretserver.credentials")
	} else if !o.Credentials.Zero() {
		p.Add("secretserver.credentials", "is set although tokens are not accepted", "remove it, or add tokens to accept")
	}
	o.checkRest(p)
	o.ClientOptions.Check(p, "secretserver")
}

func (o *Options) checkURL(p *authority.Problems) {
	const such = "write the address of Secret Server itself, such as https://vault.example.com/SecretServer"
	if o.URL == "" {
		p.Add("secretserver.url", "is missing", such)
		return
	}
	if err := authority.CheckURL(o.URL, o.InsecureHTTP, false); err != nil {
		p.Add("secretserver.url", err.Error(), such)
	}
	for _, path := range []string{apiPath, tokenPath, "/winauthwebservices"} {
		if strings.HasSuffix(strings.ToLower(o.base()), path) {
			p.Add("secretserver.url", "ends in "+path, such)
		}
	}
}

func (o *Options) checkRest(p *authority.Problems) {
	if strings.ContainsFunc(o.Domain, unicode.IsControl) {
		p.Add("secretserver.domain", "has characters a domain cannot have", "write it as people do at Secret Server's own login, such as CORP")
	}
	if o.MaxRefreshes < 0 || o.MaxRefreshes > mostRefreshes {
		p.Add("secretserver.max_refreshes", fmt.Sprintf("must be between 0 and %d", mostRefreshes), "leave it out for 3, the server's default")
	}
	if strings.EqualFold(o.TimeZone, "local") {
		p.Add("secretserver.time_zone", "depends on the machine the gateway runs on", "use a name such as Europe/Berlin")
	}
	if o.TokenTimeout < 0 || o.TokenTimeout > mostTokenTimeout {
		p.Add("secretserver.token_timeout", "must be between 0 and 2m", "leave it out for 15s")
	}
}

// base is the URL without a slash at its end.
func (o *Options) base() string { return strings.TrimRight(o.URL, "/") }

func (o *Options) maxRefreshes() int { return cmp.Or(o.MaxRefreshes, defaultMaxRefreshes) }
