package source

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

func goodIntrospection() *IntrospectionOptions {
	return &IntrospectionOptions{URL: "https://id.example.com/introspect", ClientID: "api", ClientSecret: session.NewSecret("planted")}
}

func goodHTTP() *HTTPOptions {
	return &HTTPOptions{URL: "https://app.example.com/me", Credentials: authority.Credentials{Cookie: "app"}, Fields: HTTPFields{Subject: "id"}}
}

func TestIntrospectionOptionsRejects(t *testing.T) {
	other := session.NewSecret("planted-other")
	for name, tt := range map[string]struct {
		change func(*IntrospectionOptions)
		want   []string
	}{
		"no server":        {func(o *IntrospectionOptions) { o.URL = "" }, []string{"introspection.url: is missing", "issuer"}},
		"http":             {func(o *IntrospectionOptions) { o.URL = "http://id.example.com/i" }, []string{"introspection.url", "insecure_http"}},
		"http revocation":  {func(o *IntrospectionOptions) { o.RevocationURL = "http://id.example.com/r" }, []string{"introspection.revocation_url"}},
		"no URL":           {func(o *IntrospectionOptions) { o.URL = "/introspect" }, []string{"introspection.url"}},
		"odd issuer":       {func(o *IntrospectionOptions) { o.URL, o.Issuer = "", "urn:x" }, []string{"introspection.issuer", "or set url"}},
		"issuer query":     {func(o *IntrospectionOptions) { o.URL, o.Issuer = "", "https://id.example.com/?a=b" }, []string{"introspection.issuer", "query"}},
		"no client":        {func(o *IntrospectionOptions) { o.ClientID = "" }, []string{"introspection.client_id: is missing"}},
		"no secret":        {func(o *IntrospectionOptions) { o.ClientSecret = session.Secret{} }, []string{"introspection.client_secret: is missing"}},
		"auth method":      {func(o *IntrospectionOptions) { o.AuthMethod = "none" }, []string{"introspection.auth_method", "client_secret_post"}},
		"no bearer":        {func(o *IntrospectionOptions) { o.AuthMethod, o.ClientSecret = authBearer, session.Secret{} }, []string{"introspection.bearer_token: is missing"}},
		"bearer, secret":   {func(o *IntrospectionOptions) { o.AuthMethod, o.BearerToken = authBearer, other }, []string{"introspection.client_secret", "remove one"}},
		"secret, bearer":   {func(o *IntrospectionOptions) { o.BearerToken = other }, []string{"introspection.bearer_token", "auth_method"}},
		"empty audience":   {func(o *IntrospectionOptions) { o.Audiences = []string{""} }, []string{"introspection.audiences"}},
		"empty scope":      {func(o *IntrospectionOptions) { o.RequiredScopes = []string{""} }, []string{"required_scopes"}},
		"odd cookie":       {func(o *IntrospectionOptions) { o.Credentials.Cookie = "a b" }, []string{"introspection.credentials.cookie"}},
		"odd prefix":       {func(o *IntrospectionOptions) { o.Credentials.Prefix = "a b" }, []string{"introspection.credentials.prefix"}},
		"skew":             {func(o *IntrospectionOptions) { o.ClockSkew = time.Hour }, []string{"introspection.clock_skew"}},
		"timeout":          {func(o *IntrospectionOptions) { o.Timeout = time.Hour }, []string{"introspection.timeout"}},
		"negative timeout": {func(o *IntrospectionOptions) { o.Timeout = -1 }, []string{"introspection.timeout"}},
	} {
		o := goodIntrospection()
		tt.change(o)
		requireRefused(t, name, Options{Name: "a", Introspection: o}, tt.want)
	}
}

func TestHTTPOptionsRejects(t *testing.T) {
	header := func(name, value string) func(*HTTPOptions) {
		return func(o *HTTPOptions) { o.Headers = []HTTPHeader{{Name: name, Value: session.NewSecret(value)}} }
	}
	for name, tt := range map[string]struct {
		change func(*HTTPOptions)
		want   []string
	}{
		"no URL":             {func(o *HTTPOptions) { o.URL = "" }, []string{"http.url: is missing"}},
		"http":               {func(o *HTTPOptions) { o.URL = "http://app.example.com/me" }, []string{"http.url", "insecure_http"}},
		"http login":         {func(o *HTTPOptions) { o.LoginURL = "http://app.example.com/login" }, []string{"http.login_url"}},
		"http logout":        {func(o *HTTPOptions) { o.LogoutURL = "http://app.example.com/logout" }, []string{"http.logout_url"}},
		"odd login":          {func(o *HTTPOptions) { o.LoginURL = "javascript:alert(1)" }, []string{"http.login_url"}},
		"method":             {func(o *HTTPOptions) { o.Method = "DELETE" }, []string{"http.method", "GET or POST"}},
		"logout method":      {func(o *HTTPOptions) { o.LogoutURL, o.LogoutMethod = o.URL, "TRACE" }, []string{"http.logout_method"}},
		"logout method only": {func(o *HTTPOptions) { o.LogoutMethod = "POST" }, []string{"http.logout_url: is missing"}},
		"parameter only":     {func(o *HTTPOptions) { o.ReturnParameter = "next" }, []string{"http.login_url: is missing"}},
		"parameter twice":    {func(o *HTTPOptions) { o.LoginURL = "https://app.example.com/login?return_to=/" }, []string{"http.login_url", "already"}},
		"no credential":      {func(o *HTTPOptions) { o.Credentials = authority.Credentials{} }, []string{"http.credentials", "cookie, header or bearer"}},
		"odd credential":     {func(o *HTTPOptions) { o.Credentials.Header = "Cookie" }, []string{"http.credentials.header"}},
		"two ways":           {func(o *HTTPOptions) { o.As = HTTPCarrier{Cookie: "a", Bearer: true} }, []string{"http.as", "more than one"}},
		"odd way":            {func(o *HTTPOptions) { o.As = HTTPCarrier{Header: "a b"} }, []string{"http.as.header"}},
		"odd companion":      {func(o *HTTPOptions) { o.CompanionCookies = []string{"a;b"} }, []string{"http.companion_cookies[0]"}},
		"own companion":      {func(o *HTTPOptions) { o.CompanionCookies = []string{"app"} }, []string{"http.companion_cookies[0]", "already"}},
		"companion twice":    {func(o *HTTPOptions) { o.CompanionCookies = []string{"b", "b"} }, []string{"http.companion_cookies[1]", "already"}},
		"companion, passive": {func(o *HTTPOptions) { o.CompanionCookies, o.Passive = []string{"b"}, true }, []string{"http.passive", "companion_cookies"}},
		"companion, logout":  {func(o *HTTPOptions) { o.CompanionCookies, o.LogoutURL = []string{"b"}, o.URL }, []string{"http.logout_url", "companion_cookies"}},
		"header name":        {header("a b", "x"), []string{"http.headers[0].name"}},
		"no header name":     {header("", "x"), []string{"http.headers[0].name"}},
		"header value":       {header("X-A", "planted\r\nX-B: c"), []string{"http.headers[0].value"}},
		"no header value":    {header("X-A", ""), []string{"http.headers[0].value"}},
		"a cookie":           {header("cookie", "planted"), []string{"http.headers[0].name", "gateway"}},
		"a host":             {header("Host", "planted"), []string{"http.headers[0].name"}},
		"an agent":           {header("user-agent", "planted"), []string{"http.headers[0].name"}},
		"own header":         {func(o *HTTPOptions) { header("x-a", "v")(o); o.As.Header = "X-A" }, []string{"http.headers[0].name"}},
		"credential header":  {func(o *HTTPOptions) { header("x-a", "v")(o); o.Credentials.Header = "X-A" }, []string{"http.headers[0].name"}},
		"own authorization":  {func(o *HTTPOptions) { header("authorization", "v")(o); o.As.Bearer = true }, []string{"http.headers[0].name"}},
		"200 rejects":        {func(o *HTTPOptions) { o.RejectedStatuses = []int{401, 200} }, []string{"http.rejected_statuses", "200"}},
		"500 rejects":        {func(o *HTTPOptions) { o.RejectedStatuses = []int{500} }, []string{"http.rejected_statuses"}},
		"302 rejects":        {func(o *HTTPOptions) { o.RejectedStatuses = []int{302} }, []string{"http.rejected_statuses"}},
		"429 rejects":        {func(o *HTTPOptions) { o.RejectedStatuses = []int{429} }, []string{"http.rejected_statuses"}},
		"no subject":         {func(o *HTTPOptions) { o.Fields.Subject = "" }, []string{"http.fields.subject: is missing"}},
		"value only":         {func(o *HTTPOptions) { o.ActiveValue = "1" }, []string{"http.active: is missing"}},
		"timeout":            {func(o *HTTPOptions) { o.Timeout = time.Hour }, []string{"http.timeout"}},
	} {
		o := goodHTTP()
		tt.change(o)
		requireRefused(t, name, Options{Name: "a", HTTP: o}, tt.want)
	}
	o := goodHTTP()
	header("Authorization", "Basic planted")(o)
	require.NoError(t, Options{Name: "a", HTTP: o}.Validate(), "who asks may be proved beside a cookie")
}

func requireRefused(t *testing.T, name string, o Options, want []string) {
	t.Helper()
	err := o.Validate()
	require.ErrorIs(t, err, session.ErrMalformed, name)
	for _, part := range want {
		require.ErrorContains(t, err, part, name)
	}
	require.NotContains(t, err.Error(), "planted", name)
	_, err = Open(o, Deps{})
	require.Error(t, err, name)
}

func TestForeignOptionsOpenOnlyWithTheirFiles(t *testing.T) {
	i, h := goodIntrospection(), goodHTTP()
	i.CAFile, h.CAFile = "does-not-exist.pem", "does-not-exist.pem"
	_, err := Open(Options{Name: "a", Introspection: i}, Deps{})
	require.ErrorContains(t, err, "introspection.ca_file")
	_, err = Open(Options{Name: "a", HTTP: h}, Deps{})
	require.ErrorContains(t, err, "http.ca_file")
}

func TestForeignOptionsDecodeFromYAML(t *testing.T) {
	var o Options
	require.NoError(t, yaml.Unmarshal([]byte(`
name: legacy
http:
  url: https://app.example.com/me
  credentials: {cookie: app}
  headers: [{name: X-Key, value: planted}]
  fields: {subject: user.id, claims: {department: user.department}}
  timeout: 3s
`), &o))
	require.NoError(t, o.Validate())
	require.Equal(t, 3*time.Second, o.HTTP.Timeout)
	require.Equal(t, "planted", o.HTTP.Headers[0].Value.Reveal())
}

// An opaque bearer token shows no sign of its issuer: whoever takes all of them comes last.
func TestAnIntrospectionThatTakesAllComesLast(t *testing.T) {
	_, hash := NewAPIKey("k")
	keys := Options{Name: "keys", Local: &LocalOptions{APIKeys: []APIKey{{ID: "k", Hash: hash, Username: "u"}}}}
	all := Options{Name: "opaque", Introspection: goodIntrospection()}
	narrow := Options{Name: "narrow", Introspection: goodIntrospection()}
	narrow.Introspection.Credentials.Prefix = "ory_at_"
	require.NoError(t, CheckTogether([]Options{keys, narrow, all}, "sid"))
	require.ErrorContains(t, CheckTogether([]Options{all, keys}, "sid"), "sources[0].introspection: takes every opaque bearer token")
	require.ErrorContains(t, CheckTogether([]Options{{Name: "a", HTTP: goodHTTP()}, {Name: "b", HTTP: goodHTTP()}}, "sid"), "the cookie app is taken")
	require.ErrorContains(t, CheckTogether([]Options{{Name: "a", HTTP: goodHTTP()}}, "app"), "gateway's own")
}

// A companion cookie is shown to an authority: it must be nobody's credential.
func TestACompanionIsNobodysCredential(t *testing.T) {
	with := func(companion string) error {
		o, other := goodHTTP(), goodHTTP()
		o.CompanionCookies, other.Credentials.Cookie = []string{companion}, "other"
		return CheckTogether([]Options{{Name: "a", HTTP: o}, {Name: "b", HTTP: other}}, "__Host-sid")
	}
	require.NoError(t, with("tenant"))
	require.ErrorContains(t, with("__Host-sid"), "sources[0].http: the companion cookie __Host-sid is the gateway's own")
	require.ErrorContains(t, with("__Host-sid-1"), "gateway's own")
	require.ErrorContains(t, with("other"), "a credential of another source")
}
