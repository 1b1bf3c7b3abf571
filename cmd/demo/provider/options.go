package provider

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Options configure a Provider. Issuer, at least one client and at least one user are required.
type Options struct {
	// Issuer is the URL the provider is reached at, and its name in every token, byte for byte: scheme and host, with
	// or without a trailing slash. Example: "http://localhost:4000".
	Issuer  string   `yaml:"issuer"`
	Clients []Client `yaml:"clients"`
	Users   []User   `yaml:"users"`

	AccessTokenTTL  time.Duration `yaml:"access_token_ttl"`  // of ID tokens too; 0: 60 s
	RefreshTokenTTL time.Duration `yaml:"refresh_token_ttl"` // 0: 24 h; counted anew with each rotation

	// DeviceInterval is how long a client waits between two questions about a sign-in on another device, in whole seconds; 0: 5 s.
	DeviceInterval time.Duration `yaml:"device_interval"`

	// Now is the clock everything is judged by; nil: time.Now. The iat and exp written into signed tokens, and
	// expires_in, follow the system's clock whatever Now says.
	Now func() time.Time `yaml:"-"`
	// Log gets one line for every sign-in, refusal and end of a session; nil: nothing is logged. No line carries a
	// password, token or cookie.
	Log *slog.Logger `yaml:"-"`
}

// Client is one application that may send its users here.
type Client struct {
	ID string `yaml:"id"`
	// Secret authenticates the client by client_secret_basic or client_secret_post. "" makes a public client.
	Secret string `yaml:"secret"`
	// RedirectURIs and PostLogoutRedirectURIs are compared byte for byte.
	RedirectURIs           []string `yaml:"redirect_uris"`
	PostLogoutRedirectURIs []string `yaml:"post_logout_redirect_uris"`
	// LoopbackRedirects also allows http://127.0.0.1:PORT/callback and http://[::1]:PORT/callback with any port (RFC 8252 §7.3).
	LoopbackRedirects bool `yaml:"loopback_redirects"`
	// DeviceLogin allows sign-ins on another device (RFC 8628).
	DeviceLogin bool `yaml:"device_login"`
	// JWTAccessTokens makes its access tokens RS256 JWTs; otherwise they are opaque.
	JWTAccessTokens bool `yaml:"jwt_access_tokens"`
	// Audiences are the ids of the clients its opaque access tokens are for beside itself: they may ask the
	// introspection endpoint about them. Nobody else gets more than "active": false.
	Audiences []string `yaml:"audiences"`
	// ResourceServer makes a client nobody signs in at: it has a secret and no RedirectURIs, and only asks about tokens.
	ResourceServer bool `yaml:"resource_server"`
	// BearerToken authenticates the client at the introspection endpoint in place of its secret (RFC 7662 §2.1). "": none.
	BearerToken string `yaml:"bearer_token"`
}

// User is one person who can sign in. Scope "profile" tells a client Name and Username, "email" Email and
// EmailVerified, "groups" Groups.
type User struct {
	Username      string   `yaml:"username"`
	Password      string   `yaml:"password"`
	Subject       string   `yaml:"subject"` // without ':'
	Name          string   `yaml:"name"`
	Email         string   `yaml:"email"`
	EmailVerified bool     `yaml:"email_verified"`
	Groups        []string `yaml:"groups"`
}

func (o Options) withDefaults() Options {
	o.AccessTokenTTL = cmp.Or(o.AccessTokenTTL, time.Minute)
	o.DeviceInterval = cmp.Or(o.DeviceInterval, 5*time.Second)
	o.RefreshTokenTTL = cmp.Or(o.RefreshTokenTTL, 24*time.Hour)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// check returns all that is wrong with o, one error a line.
func (o Options) check() error {
	return errors.Join(o.checkIssuer(), o.checkTimes(), o.checkClients(), o.checkUsers())
}

func (o Options) checkIssuer() error {
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("provider: issuer: %q is not an http or https URL, such as http://localhost:4000", o.Issuer)
	}
	if (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("provider: issuer: %q must be scheme and host only: remove what follows the host", o.Issuer)
	}
	return nil
}

func (o Options) checkTimes() error {
	var errs []error
	for name, d := range map[string]time.Duration{
		"access_token_ttl": o.AccessTokenTTL, "refresh_token_ttl": o.RefreshTokenTTL, "device_interval": o.DeviceInterval,
	} {
		if d != 0 && d < time.Second {
			errs = append(errs, fmt.Errorf("provider: %s: %s is too short: use at least 1s", name, d))
		}
	}
	return errors.Join(errs...)
}

func (o Options) checkClients() error {
	if len(o.Clients) == 0 {
		return errors.New("provider: clients: none given: add one with its id and redirect_uris")
	}
	var errs []error
	seen := map[string]bool{}
	for i, c := range o.Clients {
		if c.ID == "" || seen[c.ID] {
			errs = append(errs, fmt.Errorf("provider: clients[%d].id: %q must not be empty or given twice", i, c.ID))
		}
		if c.ResourceServer && (c.Secret == "" || len(c.RedirectURIs) > 0) {
			errs = append(errs, fmt.Errorf("provider: clients[%d].resource_server: client %q needs a secret and no redirect_uris", i, c.ID))
		}
		if len(c.RedirectURIs) == 0 && !c.ResourceServer {
			errs = append(errs, fmt.Errorf("provider: clients[%d].redirect_uris: none given: sign-in could not return to client %q", i, c.ID))
		}
		seen[c.ID] = true
	}
	return errors.Join(errs...)
}

func (o Options) checkUsers() error {
	if len(o.Users) == 0 {
		return errors.New("provider: users: none given: nobody could sign in")
	}
	var errs []error
	names, subjects := map[string]bool{}, map[string]bool{}
	for i, u := range o.Users {
		if err := u.check(); err != nil {
			errs = append(errs, fmt.Errorf("provider: users[%d].%w", i, err))
		}
		if names[u.Username] || subjects[u.Subject] {
			errs = append(errs, fmt.Errorf("provider: users[%d]: username %q or subject %q is taken by an earlier user", i, u.Username, u.Subject))
		}
		names[u.Username], subjects[u.Subject] = true, true
	}
	return errors.Join(errs...)
}

// check returns what makes u unusable, beginning with the field's name.
func (u User) check() error {
	if u.Username == "" || u.Password == "" {
		return errors.New("username and password must not be empty")
	}
	// The library joins token id and subject with a colon inside opaque access tokens.
	if u.Subject == "" || strings.Contains(u.Subject, ":") {
		return fmt.Errorf("subject: %q must not be empty or contain ':'", u.Subject)
	}
	return nil
}
