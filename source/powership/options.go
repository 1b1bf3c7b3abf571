package powership

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
	"github.com/sessionward/sessionward/source/password"
)

// The defaults of Options.
const (
	DefaultCookie        = "authToken"
	DefaultReplyHeader   = "X-Auth-Token"
	DefaultRotateAfter   = time.Minute
	DefaultTokenDuration = 7 * 24 * time.Hour
	DefaultGrace         = 10 * time.Second
	DefaultMaxSessions   = 100_000
	DefaultGroupsField   = "permissions"
)

// Options configure a source of Powership sessions. Exactly one of Native and Bridge is set.
type Options struct {
	// Native keeps accounts and sessions here. Bridge asks an application that keeps them.
	Native *NativeOptions `yaml:"native,omitempty"`
	Bridge *BridgeOptions `yaml:"bridge,omitempty"`

	// Credentials say where tokens are carried; default the cookie authToken and bearer tokens. Of bearer tokens only
	// those are taken that are signed with HS256, name no issuer and have a member data. Prefix is not used.
	Credentials authority.Credentials `yaml:"credentials"`
	DisplayName string                `yaml:"display_name"` // where people choose how to log in; default the name
	NoForm      bool                  `yaml:"no_form"`      // nobody logs in here with a form of the gateway's

	// RotateAfter is how old a token is before it is exchanged for a new one; 0: 1m; negative: at every question.
	RotateAfter time.Duration `yaml:"rotate_after"`
	// Strict takes only the newest token of a session, and the one before it for a short while. The library itself
	// takes every token until its own end. In bridge mode it says that the application is strict, so that every new
	// token must reach the client.
	Strict bool `yaml:"strict"`
	// WidenLogout lets a logout with a token that cannot be verified end all sessions of the account, as the library
	// does. Otherwise such a logout is refused.
	WidenLogout bool `yaml:"widen_logout"`
	// BytewiseUserAgent reads the bytes of the User-Agent header one by one, as Node's HTTP server does: for applications
	// that make tokens from what it hands them. Otherwise they are UTF-8.
	BytewiseUserAgent bool `yaml:"bytewise_user_agent"`

	Reissue ReissueOptions `yaml:"reissue"`
}

// ReissueOptions say how a new token reaches the client: in the cookie it came in, or in a header of the reply.
type ReissueOptions struct {
	CookieDomain   string `yaml:"cookie_domain"`    // as the application sets it; default: the host alone
	CookiePath     string `yaml:"cookie_path"`      // default /
	CookieSameSite string `yaml:"cookie_same_site"` // lax, strict or none; default lax
	// InsecureCookie lets the cookie travel over plain http.
	InsecureCookie bool   `yaml:"insecure_cookie"`
	Header         string `yaml:"header"` // for bearer tokens and headers; default X-Auth-Token
}

// NativeOptions keep accounts and sessions at the gateway.
type NativeOptions struct {
	// Secret signs tokens, by its bytes; at least 32. Mandatory.
	Secret session.Secret `yaml:"secret"`
	// PreviousSecret is the secret before this one: tokens it signed are still taken, and exchanged for new ones as they
	// come. Remove it when the last of them has ended.
	PreviousSecret session.Secret `yaml:"previous_secret"`
	// InsecureShortSecret takes a shorter secret, which can be guessed from any token (RFC 7518 §3.2).
	InsecureShortSecret bool          `yaml:"insecure_short_secret"`
	TokenDuration       time.Duration `yaml:"token_duration"` // of every token; 0: 168h
	Grace               time.Duration `yaml:"grace"`          // with strict: of the token before the newest; 0: 10s
	// AccountsFile is YAML or JSON: accounts, each with id, username, password_hash (bcrypt), email, name, groups and
	// deactivated. It is read again when it changes. Mandatory.
	AccountsFile string `yaml:"accounts_file"`
	// StoreFile keeps the sessions over a restart; "": they are in memory alone.
	StoreFile   string `yaml:"store_file"`
	MaxSessions int    `yaml:"max_sessions"` // documents kept at most; 0: 100000
	// Properties names what may be written to a session from outside. Default: nothing.
	Properties []string `yaml:"properties"`

	MaxFailuresPerUser int           `yaml:"max_failures_per_user"` // wrong passwords before a user waits; 0: 5
	MaxFailuresPerIP   int           `yaml:"max_failures_per_ip"`   // wrong passwords before an address waits; 0: 20
	FailureWindow      time.Duration `yaml:"failure_window"`        // failures are counted this long; 0: 5m
}

// BridgeOptions ask an application that has the library.
type BridgeOptions struct {
	// URL is the base of the application; its routes are below URL/sessions/. Mandatory.
	URL string `yaml:"url"`
	// Token is shown to the application with every question, as a bearer token, so that it answers nobody else.
	Token session.Secret `yaml:"token"`
	// GroupsField is the member of an account that lists groups; "": permissions.
	GroupsField string `yaml:"groups_field"`

	authority.ClientOptions `yaml:",inline"`
}

// Takes returns the cookie and the header that carry tokens, with the defaults filled in. Bearer tokens are not among them:
// which of those are taken is told by what is in them.
func (o *Options) Takes() authority.Credentials {
	c := o.carried()
	c.Bearer = false
	return c
}

// TakesBearer reports whether bearer tokens of this kind are taken: nothing in them tells two sources apart.
func (o *Options) TakesBearer() bool { return o.carried().Bearer }

// carried is where tokens are carried, with the defaults filled in.
func (o *Options) carried() authority.Credentials {
	c := o.Credentials
	if len(c.Places()) == 0 {
		c.Cookie, c.Bearer = DefaultCookie, true
	}
	c.Prefix = ""
	return c
}

// Check notes what is wrong with o. It reads no file.
func (o *Options) Check(p *authority.Problems) {
	o.carried().Check(p, "powership.credentials")
	if o.Credentials.Prefix != "" {
		p.Add("powership.credentials.prefix", "is not used here", "leave it out: tokens are known by their form")
	}
	o.Reissue.check(p)
	switch {
	case (o.Native == nil) == (o.Bridge == nil):
		p.Add("powership", "must be either native or bridge", "keep one of them: native keeps the sessions here, bridge asks an application")
	case o.Native != nil:
		o.Native.check(p)
	default:
		o.Bridge.check(p)
	}
}

func (o *ReissueOptions) check(p *authority.Problems) {
	if !slices.Contains([]string{"", "lax", "strict", "none"}, o.CookieSameSite) {
		p.Add("powership.reissue.cookie_same_site", fmt.Sprintf("%q is not known", o.CookieSameSite), "use lax, strict or none")
	}
	if o.CookieSameSite == "none" && o.InsecureCookie {
		p.Add("powership.reissue.cookie_same_site", "none needs a secure cookie", "remove insecure_cookie")
	}
	if !attributeText(o.CookieDomain) {
		p.Add("powership.reissue.cookie_domain", "is not the name of a domain", "write it as example.com")
	}
	if !attributeText(o.CookiePath) || (o.CookiePath != "" && o.CookiePath[0] != '/') {
		p.Add("powership.reissue.cookie_path", "is not a path", "begin it with /")
	}
	authority.Credentials{Header: cmp.Or(o.Header, DefaultReplyHeader)}.Check(p, "powership.reissue")
}

// attributeText reports whether s may stand in an attribute of a cookie (RFC 6265 §4.1.1).
func attributeText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ';' || r == ',' })
}

func (o *NativeOptions) check(p *authority.Problems) {
	const at = "powership.native."
	switch n := len(o.Secret.Reveal()); {
	case n == 0:
		p.Add(at+"secret", "is missing", "use the secret the application signs tokens with")
	case n < minSecret && !o.InsecureShortSecret:
		p.Add(at+"secret", fmt.Sprintf("is shorter than %d bytes", minSecret), "choose a longer one, or set insecure_short_secret")
	}
	if n := len(o.PreviousSecret.Reveal()); n > 0 && n < minSecret && !o.InsecureShortSecret {
		p.Add(at+"previous_secret", fmt.Sprintf("is shorter than %d bytes", minSecret), "set insecure_short_secret while it is in use")
	}
	if o.AccountsFile == "" {
		p.Add(at+"accounts_file", "is missing", "name the file that lists the accounts")
	}
	for name, d := range map[string]time.Duration{"token_duration": o.TokenDuration, "grace": o.Grace, "failure_window": o.FailureWindow} {
		if d < 0 {
			p.Add(at+name, "is negative", "leave it out for the default")
		}
	}
	if o.TokenDuration > 0 && o.TokenDuration < time.Minute {
		p.Add(at+"token_duration", "is shorter than 1m", "people would be logged out between two clicks")
	}
	for name, n := range map[string]int{"max_sessions": o.MaxSessions, "max_failures_per_user": o.MaxFailuresPerUser, "max_failures_per_ip": o.MaxFailuresPerIP} {
		if n < 0 {
			p.Add(at+name, "is negative", "leave it out for the default")
		}
	}
	if slices.ContainsFunc(o.Properties, func(name string) bool { return !propertyName(name) }) {
		p.Add(at+"properties", "holds what is no name of a property", "use up to 64 letters, digits, '.', '-' and '_', and neither ip nor userAgent")
	}
}

func (o *BridgeOptions) check(p *authority.Problems) {
	const at = "powership.bridge"
	if o.URL == "" {
		p.Add(at+".url", "is missing", "write where the application answers")
	} else if err := authority.CheckURL(o.URL, o.InsecureHTTP, false); err != nil {
		p.Add(at+".url", err.Error(), "write the base URL of the application, such as https://app.example.com")
	}
	if strings.ContainsFunc(o.Token.Reveal(), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		p.Add(at+".token", "has characters a header cannot have", "use letters and digits")
	}
	o.ClientOptions.Check(p, at)
}

func (o Options) withDefaults() Options {
	o.RotateAfter = cmp.Or(o.RotateAfter, DefaultRotateAfter)
	o.Reissue.CookiePath = cmp.Or(o.Reissue.CookiePath, "/")
	o.Reissue.CookieSameSite = cmp.Or(o.Reissue.CookieSameSite, "lax")
	o.Reissue.Header = cmp.Or(o.Reissue.Header, DefaultReplyHeader)
	return o
}

func (o NativeOptions) withDefaults() NativeOptions {
	o.TokenDuration = cmp.Or(o.TokenDuration, DefaultTokenDuration)
	o.Grace = cmp.Or(o.Grace, DefaultGrace)
	o.MaxSessions = cmp.Or(o.MaxSessions, DefaultMaxSessions)
	o.MaxFailuresPerUser = cmp.Or(o.MaxFailuresPerUser, password.DefaultPerUser)
	o.MaxFailuresPerIP = cmp.Or(o.MaxFailuresPerIP, password.DefaultPerIP)
	o.FailureWindow = cmp.Or(o.FailureWindow, password.DefaultWindow)
	o.Properties = slices.Clone(o.Properties)
	return o
}
