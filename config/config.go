package config

import (
	"net/url"
	"time"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/proxy"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source"
	"github.com/sessionward/sessionward/store"
)

// Config is a whole configuration. Load returns it complete: defaults filled in, environment applied, secrets read,
// relative paths made relative to the folder of the file. Nobody may change it after that.
type Config struct {
	// Listen is where the gateway accepts connections, as host:port. Default 127.0.0.1:4180. Without a host it
	// listens on all addresses of the machine.
	Listen string `yaml:"listen"`
	// TLS lets the gateway speak https itself. Default: plain http, for use behind something that ends TLS.
	TLS TLSOptions `yaml:"tls"`
	// Admin is the door for operators: health, and everything that can be done with sessions.
	Admin AdminOptions `yaml:"admin"`
	// PublicURL is where browsers reach the gateway: scheme://host[:port] and nothing after it. Required. It must be
	// https unless the host is this machine or cookie.insecure is set.
	PublicURL string `yaml:"public_url"`
	// Prefix is the path below which the gateway's own pages are. Default /_session.
	Prefix string `yaml:"prefix"`
	// TrustedProxies are addresses and networks whose X-Forwarded headers are believed. Default: nobody's.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// ReturnOrigins are further origins, besides that of public_url, a login may return to: scheme://host[:port],
	// compared exactly. Default: none.
	ReturnOrigins []string `yaml:"return_origins"`
	// KeysFile holds the key ring that seals sessions and signs assertions. Default sessionward.keys. It is made at
	// the first start when it is not there.
	KeysFile string `yaml:"keys_file"`
	// Session sets how long sessions last.
	Session session.Lifetime `yaml:"session"`
	// SessionProperties are names of properties of sessions that operators may set. Default: none.
	SessionProperties []string `yaml:"session_properties"`
	// Cookie is the session cookie.
	Cookie CookieOptions `yaml:"cookie"`
	// Cache says how long answers of sources are remembered, and how many.
	Cache session.CacheOptions `yaml:"cache"`
	// Store is where sessions are kept. Default: bolt.
	Store store.Options `yaml:"store"`
	// Sources are the authorities that can say whose a credential is, asked in this order. At least one, unless all
	// routes are public.
	Sources []Source `yaml:"sources"`
	// Routes say which requests go where and who may pass. The first that matches decides; what matches none is
	// refused. At least one.
	Routes []Route `yaml:"routes"`
	// Identity says which identity headers applications get, for all routes that do not say otherwise.
	Identity identity.Options `yaml:"identity"`
	// Signer names the issuer of signed assertions.
	Signer SignerOptions `yaml:"signer"`
	// Pages sets the look of the gateway's own pages.
	Pages PagesOptions `yaml:"pages"`
	// Log sets what is logged and how.
	Log LogOptions `yaml:"log"`
	// Limits bound what one client can ask for.
	Limits LimitOptions `yaml:"limits"`
	// ShutdownTimeout is how long requests under way may take to complete when the gateway stops. Default 30s.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`

	places map[string]position
	file   string
}

// Source is one source and the lifetime of its sessions.
type Source struct {
	source.Options `yaml:",inline"`
	// Session sets how long sessions of this source last. Keys left out are those of the session section.
	Session session.Lifetime `yaml:"session"`
}

// Route is one route, the application behind it and what it is told.
type Route struct {
	policy.RouteOptions `yaml:",inline"`
	// Upstream is the application requests are forwarded to. Required.
	Upstream proxy.Options `yaml:"upstream"`
	// Identity says which identity headers this application gets. Keys left out are those of the identity section.
	Identity identity.Options `yaml:"identity"`
	// Session makes this route stricter about the age of sessions than the session section.
	Session RouteLifetime `yaml:"session"`
}

// RouteLifetime tightens the two clocks of sessions for one route. 0 leaves a clock as it is.
type RouteLifetime struct {
	// IdleTimeout refuses a session that was not used for so long.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// MaxLifetime refuses a session that began so long ago.
	MaxLifetime time.Duration `yaml:"max_lifetime"`
}

// AdminOptions describe the listener for operators.
type AdminOptions struct {
	// Listen is where it accepts connections, as host:port; none switches it off. Default 127.0.0.1:4181. Who can reach
	// it can read how the gateway is; everything else needs a token or a client certificate.
	Listen string `yaml:"listen"`
	// Hosts are names it is reached by, besides addresses and localhost. Default: none.
	Hosts []string `yaml:"hosts"`
	// TLS lets it speak https, and know operators by their certificates. Required unless it listens on this machine
	// alone.
	TLS AdminTLSOptions `yaml:"tls"`
	// Tokens are those of operators and scripts. Whoever can read the key file needs none. Default: none.
	Tokens []admin.Token `yaml:"tokens"`
	// Clients are those of client certificates that may ask. Default: none.
	Clients []AdminClient `yaml:"clients"`
	// TokenAudiences are names of applications for which operators may have an assertion made of a session. Default:
	// none.
	TokenAudiences []string `yaml:"token_audiences"`
}

// AdminTLSOptions name the certificate of the listener for operators.
type AdminTLSOptions struct {
	// CertFile holds the certificate and its chain, in PEM.
	CertFile string `yaml:"cert_file"`
	// KeyFile holds the private key, in PEM.
	KeyFile string `yaml:"key_file"`
	// ClientCAFile holds the certificates that sign those of operators, in PEM.
	ClientCAFile string `yaml:"client_ca_file"`
}

// AdminClient is what the holder of a client certificate may do.
type AdminClient struct {
	// Name is the common name of the certificate.
	Name string `yaml:"name"`
	// Scope is read or write. Default read.
	Scope admin.Scope `yaml:"scope"`
}

// TLSOptions name the certificate the gateway shows. Both or neither.
type TLSOptions struct {
	// CertFile holds the certificate and its chain, in PEM.
	CertFile string `yaml:"cert_file"`
	// KeyFile holds the private key, in PEM.
	KeyFile string `yaml:"key_file"`
}

// CookieOptions describe the session cookie. It is always HttpOnly, and Secure unless Insecure.
type CookieOptions struct {
	// Name of the cookie. Default __Host-sessionward; __Secure-sessionward when domain is set; sessionward when the
	// cookie is insecure.
	Name string `yaml:"name"`
	// Domain sends the cookie to all hosts below this one, which then all can read it. Default: the gateway's host
	// alone.
	Domain string `yaml:"domain"`
	// SameSite is lax (the default) or none. There is no strict: the browser would withhold the cookie on the way back
	// from a login, which would never end.
	SameSite string `yaml:"same_site"`
	// Insecure leaves out the Secure attribute and allows plain http for public_url and return_origins: whoever
	// can read the network can take over sessions. Load sets it when public_url is plain http on this machine,
	// because browsers keep no Secure cookie there.
	Insecure bool `yaml:"insecure"`
}

// SignerOptions describe who signs.
type SignerOptions struct {
	// Issuer (iss) of signed assertions. Default: public_url.
	Issuer string `yaml:"issuer"`
}

// PagesOptions set the look of the gateway's pages.
type PagesOptions struct {
	// Dir holds templates and style sheets that replace the built-in ones of the same name. Default: none.
	Dir string `yaml:"dir"`
	// Title stands on the pages. Default: the host of public_url.
	Title string `yaml:"title"`
}

// LogOptions set what is logged.
type LogOptions struct {
	// Level is debug, info (the default), warn or error.
	Level string `yaml:"level"`
	// Format is json (the default) or text.
	Format string `yaml:"format"`
}

// LimitOptions bound what a client can ask for.
type LimitOptions struct {
	// MaxHeaderBytes bounds the header of a request. Default 65536.
	MaxHeaderBytes int `yaml:"max_header_bytes"`
	// ReadHeaderTimeout is how long a client may take to send the header of a request. Default 10s.
	ReadHeaderTimeout time.Duration `yaml:"read_header_timeout"`
	// IdleTimeout is how long a connection without a request is kept. Default 120s.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
}

// Defaults returns the configuration that a file is read over. Zero values in the sections of other rooms mean the
// defaults those rooms document.
func Defaults() Config {
	return Config{
		Listen:   "127.0.0.1:4180",
		Admin:    AdminOptions{Listen: "127.0.0.1:4181"},
		Prefix:   "/_session",
		KeysFile: "sessionward.keys",
		Cookie:   CookieOptions{SameSite: "lax"},
		Log:      LogOptions{Level: "info", Format: "json"},
		Limits: LimitOptions{MaxHeaderBytes: 64 << 10, ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout: 120 * time.Second},
		ShutdownTimeout: 30 * time.Second,
	}
}

// AdminListens reports whether there is a listener for operators.
func (c *Config) AdminListens() bool { return c.Admin.Listen != "none" }

// complete fills in the defaults that follow from other settings, and makes the default paths relative to dir.
func (c *Config) complete(d *decoder) {
	if _, given := d.places["keys_file"]; !given {
		c.KeysFile = d.resolve(c.KeysFile)
	}
	if c.Store.Kind() == "bolt" && (c.Store.Bolt == nil || c.Store.Bolt.Path == "") {
		bolt := store.BoltOptions{Path: d.resolve("sessionward.db")}
		if c.Store.Bolt != nil {
			bolt.Timeout = c.Store.Bolt.Timeout
		}
		c.Store.Bolt = &bolt
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return // reported by validate
	}
	if u.Scheme == "http" && isLoopback(u.Hostname()) {
		c.Cookie.Insecure = true
	}
	if c.Cookie.Name == "" {
		c.Cookie.Name = defaultCookieName(c.Cookie)
	}
	if c.Signer.Issuer == "" {
		c.Signer.Issuer = c.PublicURL
	}
	if c.Pages.Title == "" {
		c.Pages.Title = u.Hostname()
	}
}

func defaultCookieName(o CookieOptions) string {
	switch {
	case o.Insecure:
		return "sessionward"
	case o.Domain != "":
		return "__Secure-sessionward"
	}
	return "__Host-sessionward"
}
