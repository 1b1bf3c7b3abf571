package provider

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The paths the provider answers on.
const (
	DiscoveryPath     = "/.well-known/openid-configuration"
	AuthorizePath     = "/authorize"
	CallbackPath      = "/authorize/callback"
	LoginPath         = "/authorize/login"
	TokenPath         = "/oauth/token"
	UserinfoPath      = "/userinfo"
	IntrospectionPath = "/oauth/introspect"
	RevocationPath    = "/revoke"
	EndSessionPath    = "/end_session"
	KeysPath          = "/keys"

	DeviceAuthorizationPath = "/device_authorization"
	DevicePath              = "/authorize/device" // where people type the code; below the path of the cookies
)

// DeviceGrant is the grant a device code is exchanged with (RFC 8628 §3.4).
const DeviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// maxBody bounds every request body, in bytes. The largest honest one is a token request.
const maxBody = 64 << 10

// Provider is an OpenID provider as an http.Handler. It is safe for concurrent use, holds everything in memory and
// starts no goroutines. The methods that watch and disturb it are in control.go.
type Provider struct {
	issuer  string
	op      *op.Provider
	store   *storage
	pages   *pages
	control *control
	log     *slog.Logger
	secure  bool // cookies only over TLS
}

// New checks o and returns a provider with a signing key of its own. Errors name every field that is wrong.
func New(o Options) (*Provider, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("provider: make signing key: %w", err)
	}
	p := &Provider{
		issuer:  o.Issuer,
		store:   newStorage(o, key),
		pages:   newPages(),
		control: newControl(),
		log:     o.Log,
		secure:  strings.HasPrefix(o.Issuer, "https://"),
	}
	options := []op.Option{op.WithCORSOptions(nil)} // the library's default lets every origin read answers with the user's cookies
	if !p.secure {
		options = append(options, op.WithAllowInsecure())
	}
	if p.op, err = op.NewProvider(protocolConfig(o), p.store, op.StaticIssuer(o.Issuer), options...); err != nil {
		return nil, fmt.Errorf("provider: set up protocol: %w", err)
	}
	return p, nil
}

func protocolConfig(o Options) *op.Config {
	c := &op.Config{
		DefaultLogoutRedirectURI: "/",
		CodeMethodS256:           true,
		AuthMethodPost:           true,
		GrantTypeRefreshToken:    true,
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: deviceTTL, PollInterval: o.DeviceInterval, UserFormPath: DevicePath, UserCode: op.UserCodeBase20,
		},
		SupportedScopes: []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, scopeGroups, oidc.ScopeOfflineAccess},
		SupportedClaims: []string{
			"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "azp", "at_hash", "sid",
			"name", "preferred_username", "email", "email_verified", "groups",
		},
	}
	_, _ = rand.Read(c.CryptoKey[:]) // never fails: crypto/rand ends the process instead
	return c
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if p.control.interferes(w, r) {
		return
	}
	switch r.URL.Path {
	case "/":
		p.pages.home(w)
	case DiscoveryPath:
		p.discovery(w, r)
	case AuthorizePath:
		p.authorize(w, r)
	case LoginPath:
		p.login(w, r)
	case CallbackPath:
		p.callback(w, r)
	case TokenPath:
		p.token(w, r)
	case DeviceAuthorizationPath:
		p.beginDevice(w, r)
	case DevicePath:
		p.device(w, r)
	case EndSessionPath:
		p.endSession(w, r)
	case IntrospectionPath:
		p.introspect(w, r)
	default:
		p.op.ServeHTTP(w, r)
	}
}
