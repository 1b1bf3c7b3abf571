package source

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/kratos"
	"github.com/sessionward/sessionward/source/pingam"
	"github.com/sessionward/sessionward/source/powership"
	"github.com/sessionward/sessionward/source/secretserver"
	"github.com/sessionward/sessionward/source/vsphere"
)

func testLog(b *syncBuffer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func goodOIDC() *OIDCOptions {
	return &OIDCOptions{Issuer: "https://id.example.com", ClientID: "gateway", ClientSecret: session.NewSecret("s")}
}

func goodJWT() *JWTOptions {
	return &JWTOptions{Issuers: []JWTIssuer{{Issuer: "https://id.example.com", Audiences: []string{"api"}}}}
}

// Each row is a configuration that must not start, and the part of the message that says where and what to do.
func TestValidateRejects(t *testing.T) {
	_, hash := NewAPIKey("k")
	key := APIKey{ID: "k", Hash: hash, Username: "svc"}
	tests := map[string]struct {
		o    Options
		want []string
	}{
		"no name":        {Options{OIDC: goodOIDC()}, []string{"name"}},
		"odd name":       {Options{Name: "a/b", OIDC: goodOIDC()}, []string{`source "a/b"`, "letters"}},
		"no kind":        {Options{Name: "a"}, []string{"exactly one"}},
		"two kinds":      {Options{Name: "a", OIDC: goodOIDC(), JWT: goodJWT()}, []string{"exactly one"}},
		"no issuer":      {withOIDC(func(o *OIDCOptions) { o.Issuer = "" }), []string{"oidc.issuer", "https://id.example.com"}},
		"http issuer":    {withOIDC(func(o *OIDCOptions) { o.Issuer = "http://id.example.com" }), []string{"oidc.issuer", "insecure_http"}},
		"issuer query":   {withOIDC(func(o *OIDCOptions) { o.Issuer += "?x=1" }), []string{"oidc.issuer", "query"}},
		"no client id":   {withOIDC(func(o *OIDCOptions) { o.ClientID = "" }), []string{"oidc.client_id"}},
		"no secret":      {withOIDC(func(o *OIDCOptions) { o.ClientSecret = session.Secret{} }), []string{"oidc.client_secret", "auth_method: none"}},
		"two secrets":    {withOIDC(func(o *OIDCOptions) { o.ClientSecretFile = "x" }), []string{"client_secret_file", "keep one"}},
		"public secret":  {withOIDC(func(o *OIDCOptions) { o.AuthMethod = authNone }), []string{"client_secret", "none"}},
		"auth method":    {withOIDC(func(o *OIDCOptions) { o.AuthMethod = "mtls" }), []string{"oidc.auth_method", "client_secret_basic"}},
		"own state":      {withOIDC(func(o *OIDCOptions) { o.AuthorizationParameters = map[string]string{"state": "x"} }), []string{"authorization_parameters.state"}},
		"own nonce":      {withOIDC(func(o *OIDCOptions) { o.AuthorizationParameters = map[string]string{"Nonce": "x"} }), []string{"authorization_parameters.Nonce"}},
		"own challenge":  {withOIDC(func(o *OIDCOptions) { o.AuthorizationParameters = map[string]string{"code_challenge_method": "plain"} }), []string{"code_challenge_method"}},
		"alg none":       {withOIDC(func(o *OIDCOptions) { o.Algorithms = []string{"none"} }), []string{"oidc.algorithms", "RS256"}},
		"alg hs256":      {withOIDC(func(o *OIDCOptions) { o.Algorithms = []string{"HS256"} }), []string{"oidc.algorithms", "HS256"}},
		"skew":           {withOIDC(func(o *OIDCOptions) { o.ClockSkew = time.Hour }), []string{"oidc.clock_skew"}},
		"timeout":        {withOIDC(func(o *OIDCOptions) { o.Timeout = time.Hour }), []string{"oidc.timeout"}},
		"token timeout":  {withOIDC(func(o *OIDCOptions) { o.TokenTimeout = time.Hour }), []string{"oidc.token_timeout"}},
		"no issuers":     {Options{Name: "a", JWT: &JWTOptions{}}, []string{"jwt.issuers"}},
		"no audience":    {withJWT(func(o *JWTIssuer) { o.Audiences = nil }), []string{"jwt.issuers[0].audiences", "at least one"}},
		"empty audience": {withJWT(func(o *JWTIssuer) { o.Audiences = []string{""} }), []string{"audiences"}},
		"jwt issuer":     {withJWT(func(o *JWTIssuer) { o.Issuer = "urn:x" }), []string{"jwt.issuers[0].issuer", "jwks_url"}},
		"jwks url":       {withJWT(func(o *JWTIssuer) { o.JWKSURL = "http://keys.example" }), []string{"jwks_url"}},
		"profile":        {withJWT(func(o *JWTIssuer) { o.Profile = "x" }), []string{"profile", "rfc9068"}},
		"jwt hs256":      {withJWT(func(o *JWTIssuer) { o.Algorithms = []string{"HS256"} }), []string{"algorithms"}},
		"token age":      {withJWT(func(o *JWTIssuer) { o.MaxTokenAge = -1 }), []string{"max_token_age"}},
		"issuer twice":   {Options{Name: "a", JWT: &JWTOptions{Issuers: append(goodJWT().Issuers, goodJWT().Issuers...)}}, []string{"jwt.issuers[1].issuer", "twice"}},
		"local empty":    {withLocal(LocalOptions{}), []string{"htpasswd_file", "api_keys"}},
		"local user":     {withLocal(LocalOptions{HtpasswdFile: "x", Users: []LocalUser{{Username: "a b"}}}), []string{"local.users[0].username"}},
		"local twins":    {withLocal(LocalOptions{HtpasswdFile: "x", Users: []LocalUser{{Username: "a"}, {Username: "A"}}}), []string{"local.users[1].username", "twice"}},
		"key id":         {withLocal(LocalOptions{APIKeys: []APIKey{{ID: "a_b", Hash: hash, Username: "u"}}}), []string{"local.api_keys[0].id"}},
		"key twice":      {withLocal(LocalOptions{APIKeys: []APIKey{key, key}}), []string{"local.api_keys[1].id"}},
		"key hash":       {withLocal(LocalOptions{APIKeys: []APIKey{{ID: "k", Hash: "swk_planted", Username: "u"}}}), []string{"local.api_keys[0].hash"}},
		"key user":       {withLocal(LocalOptions{APIKeys: []APIKey{{ID: "k", Hash: hash}}}), []string{"local.api_keys[0].username"}},
		"key header":     {withLocal(LocalOptions{APIKeys: []APIKey{key}, APIKeyHeader: "cookie"}), []string{"local.api_key_header"}},
		"failures":       {withLocal(LocalOptions{APIKeys: []APIKey{key}, MaxFailuresPerIP: -1}), []string{"max_failures"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.o.Validate()
			require.ErrorIs(t, err, session.ErrMalformed)
			for _, part := range tt.want {
				require.ErrorContains(t, err, part)
			}
			require.NotContains(t, err.Error(), "planted")
			_, err = Open(tt.o, Deps{})
			require.Error(t, err)
		})
	}
}

func withOIDC(change func(*OIDCOptions)) Options {
	o := goodOIDC()
	change(o)
	return Options{Name: "corp", OIDC: o}
}

func withJWT(change func(*JWTIssuer)) Options {
	o := goodJWT()
	change(&o.Issuers[0])
	return Options{Name: "api", JWT: o}
}

func withLocal(o LocalOptions) Options { return Options{Name: "house", Local: &o} }

func TestAllProblemsAreToldAtOnce(t *testing.T) {
	err := Options{Name: "a", OIDC: &OIDCOptions{}}.Validate()
	for _, field := range []string{"oidc.issuer", "oidc.client_id", "oidc.client_secret"} {
		require.ErrorContains(t, err, field)
	}
}

func TestOpenReadsFiles(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("from file\n"), 0o600))
	o := withOIDC(func(o *OIDCOptions) { o.ClientSecret, o.ClientSecretFile = session.Secret{}, secret })
	s, err := Open(o, Deps{})
	require.NoError(t, err)
	require.Equal(t, "from file", s.(*OIDC).secret.Reveal())

	require.NoError(t, os.WriteFile(secret, []byte("\n"), 0o600))
	missing := filepath.Join(dir, "missing")
	for name, bad := range map[string]Options{
		"client_secret_file": o,
		"oidc.ca_file":       withOIDC(func(o *OIDCOptions) { o.CAFile = missing }),
		"issuers[0].ca_file": withJWT(func(o *JWTIssuer) { o.CAFile = missing }),
		"htpasswd_file":      withLocal(LocalOptions{HtpasswdFile: missing}),
	} {
		_, err = Open(bad, Deps{})
		require.ErrorContains(t, err, name)
	}
	for _, callback := range []string{"/callback", "ftp://x/y", "https://x/y#z"} {
		_, err = Open(withOIDC(func(*OIDCOptions) {}), Deps{CallbackURL: callback})
		require.ErrorContains(t, err, "callback URL")
	}
}

// The gateway starts while its authorities are down: Open asks nobody.
func TestOpenAsksNobody(t *testing.T) {
	a := newTestProvider(t)
	a.oidc()
	a.jwt()
	require.Zero(t, a.total())
}

func TestKindsAreTheTable(t *testing.T) {
	require.Equal(t, []string{"oidc", "jwt", "introspection", "http", "kratos", "pingam", "vsphere", "secretserver", "powership", "local"}, Kinds())
	_, hash := NewAPIKey("k")
	for i, o := range []Options{
		{Name: "a", OIDC: goodOIDC()}, {Name: "a", JWT: goodJWT()},
		{Name: "a", Introspection: goodIntrospection()}, {Name: "a", HTTP: goodHTTP()},
		{Name: "a", Kratos: &kratos.Options{URL: "https://id.example.com"}},
		{Name: "a", PingAM: &pingam.Options{URL: "https://id.example.com/am"}},
		{Name: "a", VSphere: &vsphere.Options{URL: "https://vcenter.example.com"}},
		{Name: "a", SecretServer: &secretserver.Options{URL: "https://vault.example.com"}},
		{Name: "a", Powership: &powership.Options{Bridge: &powership.BridgeOptions{URL: "https://app.example.com"}}},
		{Name: "a", Local: &LocalOptions{APIKeys: []APIKey{{ID: "k", Hash: hash, Username: "u"}}}},
	} {
		s, err := Open(o, Deps{})
		require.NoError(t, err)
		require.Equal(t, Kinds()[i], s.Kind())
		require.Equal(t, "a", s.Name())
		if h, ok := s.(session.HealthChecker); ok {
			require.NoError(t, h.Health())
		}
	}
}

func TestOptionsDecodeFromYAML(t *testing.T) {
	var o Options
	require.NoError(t, yaml.Unmarshal([]byte(`
name: corp
oidc:
  issuer: https://id.example.com
  client_id: gateway
  client_secret: planted
  claims: {groups: realm_access.roles}
  clock_skew: 30s
  authorization_parameters: {hd: example.com}
`), &o))
	require.NoError(t, o.Validate())
	require.Equal(t, "planted", o.OIDC.ClientSecret.Reveal())
	require.Equal(t, 30*time.Second, o.OIDC.ClockSkew)

	var l Options
	require.NoError(t, yaml.Unmarshal([]byte("name: keys\nlocal:\n  api_keys:\n  - {id: k, expires_at: 2027-01-02T03:04:05Z}\n"), &l))
	require.Equal(t, time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC), l.Local.APIKeys[0].Expires.UTC())
}

// Every option can be written in YAML: a snake_case name on every field.
func TestEveryOptionHasAYAMLName(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || !strings.Contains(typ.PkgPath(), "/source") {
			return
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if f.Anonymous && f.Tag.Get("yaml") == ",inline" {
				walk(f.Type)
				continue
			}
			require.Regexp(t, "^[a-z_0-9]+$", name, "%s.%s", typ, f.Name)
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Options]())
}

func TestDiscoveryRejects(t *testing.T) {
	for name, change := range map[string]map[string]any{
		"issuer mismatch":           {"issuer": "https://evil.example"},
		"issuer with a slash more":  {"issuer": "SELF/"},
		"no issuer":                 {"issuer": nil},
		"no authorization endpoint": {"authorization_endpoint": nil},
		"no token endpoint":         {"token_endpoint": nil},
		"no key set":                {"jwks_uri": nil},
		"plain http endpoint":       {"token_endpoint": "http://id.example.com/token"},
		"odd scheme":                {"authorization_endpoint": "javascript:alert(1)"},
		"endpoint of odd type":      {"token_endpoint": 7},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestProvider(t)
			a.metadata = change
			if change["issuer"] == "SELF/" {
				a.metadata = map[string]any{"issuer": a.URL + "/"}
			}
			s := a.oidc()
			_, err := s.AuthorizationURL(t.Context(), transaction())
			require.ErrorIs(t, err, session.ErrUnavailable)
			require.Positive(t, session.RetryAfter(err))
			require.ErrorIs(t, s.Health(), session.ErrUnavailable)
		})
	}
}

func TestDiscoveryKeepsTheLastGoodDocument(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	a.mustLogin(s)
	a.answer("/.well-known/openid-configuration", 200, "<html>")
	a.clock.Advance(2 * maxMetadataAge)
	a.mustLogin(s)
	require.Error(t, s.Health())
}

func TestOIDCRunDiscovers(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(t, func() bool { return a.times("/keys") == 1 }, 5*time.Second, time.Millisecond)
	require.Equal(t, 1, a.times("/.well-known/openid-configuration"))
	cancel()
	require.NoError(t, <-ended)
}
