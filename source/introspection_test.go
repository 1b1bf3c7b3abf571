package source

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/demo/provider"
	"github.com/sessionward/sessionward/cmd/peers/panel"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
	"github.com/sessionward/sessionward/source/authority"
)

// introspected tokens come from a real authorization server under a panel.
type asServer struct {
	*provider.Provider
	*panel.Panel
	t     *testing.T
	url   string
	clock *sessiontest.Clock
	logs  *syncBuffer
}

const (
	asSecret = "planted:app+secret/%"
	asBearer = "planted-endpoint-token"
)

func newAS(t *testing.T) *asServer {
	a := &asServer{t: t, clock: sessiontest.NewClock(startOfTest()), logs: &syncBuffer{}, Panel: panel.New()}
	srv := httptest.NewUnstartedServer(nil)
	a.url = "http://" + srv.Listener.Addr().String()
	p, err := provider.New(provider.Options{
		Issuer: a.url, AccessTokenTTL: time.Hour, Now: a.clock.Now,
		Clients: []provider.Client{
			{ID: "app", Secret: asSecret, RedirectURIs: []string{"http://app.example/cb"}, Audiences: []string{"api gateway"}},
			{ID: "jwt", Secret: asSecret, RedirectURIs: []string{"http://app.example/cb"}, Audiences: []string{"api gateway"}, JWTAccessTokens: true},
			{ID: "api gateway", Secret: asSecret, ResourceServer: true, BearerToken: asBearer},
		},
		Users: []provider.User{{
			Username: "alice", Password: "wonderland", Subject: "u-1", Name: "Alice", Email: "alice@example.com",
			EmailVerified: true, Groups: []string{"dev", "ops"},
		}},
	})
	require.NoError(t, err)
	a.Provider = p
	srv.Config.Handler = a.Wrap(p)
	srv.Start()
	t.Cleanup(func() {
		a.Set(panel.Up)
		srv.Close()
	})
	return a
}

// open opens a source at a, as the resource server.
func (a *asServer) open(change ...func(*IntrospectionOptions)) *Introspection {
	o := &IntrospectionOptions{Issuer: a.url, ClientID: "api gateway", ClientSecret: session.NewSecret(asSecret)}
	o.Timeout = 2 * time.Second
	for _, c := range change {
		c(o)
	}
	s, err := Open(Options{Name: "opaque", Introspection: o}, Deps{Now: a.clock.Now, Log: testLog(a.logs)})
	require.NoError(a.t, err)
	return s.(*Introspection)
}

func (a *asServer) token(client string) string {
	token, err := a.AccessToken(client, "u-1", "openid", "profile", "email", "groups", "read")
	require.NoError(a.t, err)
	return token
}

func TestIntrospectionConforms(t *testing.T) {
	for name, change := range map[string]func(*IntrospectionOptions){
		"discovered": func(*IntrospectionOptions) {},
		"configured": func(o *IntrospectionOptions) {
			o.URL, o.RevocationURL, o.Issuer = o.Issuer+provider.IntrospectionPath, o.Issuer+provider.RevocationPath, ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture { return introspectionFixture(t, change) })
		})
	}
}

func introspectionFixture(t *testing.T, change func(*IntrospectionOptions)) sessiontest.SourceFixture {
	a := newAS(t)
	good := a.token("app")
	set := func(m panel.Mode) func(*testing.T) { return func(*testing.T) { a.Set(m) } }
	nonsense := map[string]func(*testing.T){"drip": set(panel.Drip), "failing": set(panel.Failing)}
	for _, m := range panel.Nonsense() {
		nonsense[string(m)] = set(m)
	}
	return sessiontest.SourceFixture{
		Source: a.open(func(o *IntrospectionOptions) {
			o.ClientID = "app" // the token's own client, which may revoke it
		}, change),
		Good: func(*testing.T) session.Credential { return bearer(good) },
		Bad:  func(*testing.T) session.Credential { return bearer("not-a-token") },
		Foreign: func(*testing.T) []session.Credential {
			cookie := bearer(good)
			cookie.Place = session.Place{Kind: session.KindCookie, Name: "token"}
			ofAnother := strings.Join([]string{segment(`{"alg":"RS256"}`), segment(`{"iss":"https://other.example"}`), "AA"}, ".")
			return []session.Credential{bearer(""), bearer("swk_a_b"), bearer(ofAnother), bearer("eyJhbGciOiJub25lIn0.AA.AA"), cookie}
		},
		Asked: a.Asked, Down: set(panel.Down), Stall: set(panel.Stall), Nonsense: nonsense,
		Up: func(*testing.T) {
			a.Set(panel.Up)
			a.clock.Advance(15 * time.Second)
		},
		End: func(t *testing.T, c session.Credential) {
			res, err := http.PostForm(a.url+provider.RevocationPath, url.Values{
				"token": {c.Value.Reveal()}, "client_id": {"app"}, "client_secret": {asSecret},
			})
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, res.StatusCode)
			_ = res.Body.Close()
		},
		Secrets: func() []string { return []string{good, asSecret, url.QueryEscape(asSecret), "not-a-token"} },
		Logs:    a.logs.String,
	}
}

func TestIntrospectionMapsTheSession(t *testing.T) {
	a := newAS(t)
	token := a.token("app")
	got, err := a.open().Resolve(t.Context(), bearer(token))
	require.NoError(t, err)
	now := startOfTest()
	want := &session.Session{
		ID: authority.SessionID("opaque", session.NewSecret(token)), Handle: got.Handle, Source: "opaque", Active: true,
		Identity: session.Identity{
			Subject: "u-1", Username: "alice", Name: "Alice", Email: "alice@example.com", EmailVerified: true,
			Groups: []string{"dev", "ops"}, Claims: map[string]any{"preferred_username": "alice"},
		},
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "pwd"}},
		IssuedAt:              now, AuthenticatedAt: now, ExpiresAt: now.Add(time.Hour),
		Tokens:     session.Tokens{Type: "Bearer", Access: session.NewSecret(token), ExpiresAt: now.Add(time.Hour)},
		Properties: map[string]string{"scope": "openid profile email groups read", "client_id": "app"},
	}
	require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreUnexported(session.Session{})))
	require.Regexp(t, "^token-[0-9a-f]{16}$", got.Handle)
}

// TestIntrospectionProvesWhoAsks: by each method, with an id and a secret that need encoding, and by that proof alone.
func TestIntrospectionProvesWhoAsks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*IntrospectionOptions)
		shown  string
		hidden []string
	}{
		"default": {func(*IntrospectionOptions) {}, "Authorization: Basic ", []string{"client_secret="}},
		"basic":   {func(o *IntrospectionOptions) { o.AuthMethod = authBasic }, "Authorization: Basic ", []string{"client_secret="}},
		"post":    {func(o *IntrospectionOptions) { o.AuthMethod = authPost }, "client_secret=" + url.QueryEscape(asSecret), []string{"Authorization:"}},
		"bearer": {func(o *IntrospectionOptions) {
			o.AuthMethod, o.ClientSecret, o.BearerToken = authBearer, session.Secret{}, session.NewSecret(asBearer)
		}, "Authorization: Bearer " + asBearer, []string{"client_secret=", "Basic"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAS(t)
			token := a.token("app")
			_, err := a.open(c.change).Resolve(t.Context(), bearer(token))
			require.NoError(t, err)
			require.True(t, a.Saw(c.shown), c.shown)
			require.True(t, a.Saw("token_type_hint=access_token"))
			require.True(t, a.Saw("token="+url.QueryEscape(token)))
			require.False(t, a.Saw("Bearer "+token), "the token is what is asked about, not who asks")
			for _, text := range c.hidden {
				require.False(t, a.Saw(text), text)
			}
		})
	}
}

// TestOurOwnCredentialsRefusedLogNobodyOut: a secret that was rotated at the server is the operator's to mend.
func TestOurOwnCredentialsRefusedLogNobodyOut(t *testing.T) {
	a := newAS(t)
	s := a.open(func(o *IntrospectionOptions) { o.ClientSecret = session.NewSecret("planted-old") })
	_, err := s.Resolve(t.Context(), bearer(a.token("app")))
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)
	require.ErrorContains(t, s.Health(), "refuses the gateway's own credentials (401)")
	require.NotContains(t, s.Health().Error(), "planted")
}

func TestIntrospectionIssuerMakesJWTsOurs(t *testing.T) {
	a := newAS(t)
	token := a.token("jwt")
	got, err := a.open().Resolve(t.Context(), bearer(token))
	require.NoError(t, err)
	require.Equal(t, "u-1", got.Identity.Subject)
	asked := a.Asked()
	for name, change := range map[string]func(*IntrospectionOptions){
		"no issuer": func(o *IntrospectionOptions) { o.URL, o.Issuer = o.Issuer+provider.IntrospectionPath, "" },
		"another issuer": func(o *IntrospectionOptions) {
			o.URL, o.Issuer = o.Issuer+provider.IntrospectionPath, "https://x.example"
		},
		"a prefix": func(o *IntrospectionOptions) {
			o.URL, o.Issuer, o.Credentials.Prefix = o.Issuer+provider.IntrospectionPath, "", "eyJ"
		},
	} {
		for _, jwt := range []string{token, "eyJhbGciOiJub25lIn0.unreadable.AA"} {
			_, err = a.open(change).Resolve(t.Context(), bearer(jwt))
			require.ErrorIs(t, err, session.ErrNotMine, name)
		}
	}
	require.Equal(t, asked, a.Asked(), "nobody is asked")
}

func TestIntrospectionTakesWhatItWasGiven(t *testing.T) {
	a := newAS(t)
	s := a.open(func(o *IntrospectionOptions) {
		o.Credentials = authority.Credentials{Cookie: "at", Header: "x-token", Prefix: "ory_at_"}
	})
	require.Equal(t, []session.Place{{Kind: session.KindCookie, Name: "at"}, {Kind: session.KindHeader, Name: "X-Token"}}, s.Places())
	at := func(p session.Place, value string) error {
		_, err := s.Resolve(t.Context(), session.Credential{Place: p, Value: session.NewSecret(value)})
		return err
	}
	for _, p := range s.Places() {
		require.ErrorIs(t, at(p, "ory_at_x"), session.ErrRejected)
		require.ErrorIs(t, at(p, "other"), session.ErrNotMine)
	}
	require.ErrorIs(t, at(session.Place{Kind: session.KindBearer}, "ory_at_x"), session.ErrNotMine)
	prefixed := a.open(func(o *IntrospectionOptions) { o.Credentials.Prefix = "ory_at_" })
	require.Equal(t, []session.Place{{Kind: session.KindBearer}}, prefixed.Places(), "a prefix alone is of bearer tokens")
	require.False(t, prefixed.takes.CatchesAll())
	require.True(t, a.open().takes.CatchesAll())
}

func TestIntrospectionAsksNobodyAboutWhatNoTokenIs(t *testing.T) {
	a := newAS(t)
	s := a.open()
	asked := a.Asked()
	for _, text := range []string{"with space", "uml\u00e4ut", "control\x01", "\x7f", strings.Repeat("x", maxToken+1)} {
		_, err := s.Resolve(t.Context(), bearer(text))
		require.ErrorIs(t, err, session.ErrRejected, text)
	}
	require.Equal(t, asked, a.Asked())
}

// TestResourceServersCannotRevoke: RFC 7009 §2.1 lets the token's own client do that alone.
func TestResourceServersCannotRevoke(t *testing.T) {
	a := newAS(t)
	s := a.open()
	got, err := s.Resolve(t.Context(), bearer(a.token("app")))
	require.NoError(t, err)
	require.ErrorIs(t, s.Revoke(t.Context(), got), session.ErrUnsupported)
	_, err = s.Current(t.Context(), got)
	require.NoError(t, err)

	without := a.open(func(o *IntrospectionOptions) { o.URL, o.Issuer = o.Issuer+provider.IntrospectionPath, "" })
	require.ErrorIs(t, without.Revoke(t.Context(), got), session.ErrUnsupported, "no endpoint is known")
	foreign := got.Clone()
	foreign.Source = "corp"
	asked := a.Asked()
	require.ErrorIs(t, s.Revoke(t.Context(), foreign), session.ErrUnsupported)
	require.Equal(t, asked, a.Asked(), "the token of another source is shown to nobody")
}

// canned is an introspection endpoint that answers one thing.
type canned struct {
	mu     sync.Mutex
	status int
	header http.Header
	body   string
}

func (c *canned) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, values := range c.header {
		w.Header()[name] = values
	}
	w.WriteHeader(c.status)
	_, _ = w.Write([]byte(c.body))
}

// resolveAnswer asks a source whose endpoint answers c.
func (c *canned) resolve(t *testing.T, change ...func(*IntrospectionOptions)) (*session.Session, *Introspection, error) {
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	o := &IntrospectionOptions{URL: srv.URL + "/introspect", RevocationURL: srv.URL + "/revoke", ClientID: "api", ClientSecret: session.NewSecret("s")}
	for _, f := range change {
		f(o)
	}
	s, err := Open(Options{Name: "opaque", Introspection: o}, Deps{Now: sessiontest.NewClock(startOfTest()).Now})
	require.NoError(t, err)
	got, err := s.(*Introspection).Resolve(t.Context(), bearer("planted-token"))
	return got, s.(*Introspection), err
}

// TestIntrospectionRejects: one row for each check of an answer. Every row begins as an answer that is accepted.
func TestIntrospectionRejects(t *testing.T) {
	strict := func(o *IntrospectionOptions) {
		o.Issuer, o.Audiences, o.RequiredScopes = "https://id.example", []string{"api", "web"}, []string{"read", "write"}
	}
	good := map[string]any{
		"active": true, "sub": "u-1", "iss": "https://id.example", "aud": []any{"x", "api"}, "scope": "write other read",
		"exp": startOfTest().Unix() + 1, "nbf": startOfTest().Unix() + 60, "iat": startOfTest().Unix() + 60, "token_type": "bearer",
	}
	resolve := func(t *testing.T, changes map[string]any) error {
		_, _, err := (&canned{status: 200, body: jsonOf(t, overlay(good, changes))}).resolve(t, strict)
		return err
	}
	require.NoError(t, resolve(t, nil))
	for name, changes := range map[string]map[string]any{
		"inactive":          {"active": false},
		"expired":           {"exp": startOfTest().Unix()},
		"not yet":           {"nbf": startOfTest().Unix() + 61},
		"from the future":   {"iat": startOfTest().Unix() + 61},
		"no subject":        {"sub": nil},
		"empty subject":     {"sub": ""},
		"another issuer":    {"iss": "https://id.example/"},
		"another audience":  {"aud": "other"},
		"no audience":       {"aud": nil},
		"odd audience":      {"aud": []any{"api", 1}},
		"no scope":          {"scope": nil},
		"less scope":        {"scope": "read"},
		"part of a scope":   {"scope": "read writer"},
		"bound to a key":    {"cnf": map[string]any{"jkt": "x"}},
		"DPoP":              {"token_type": "DPoP"},
		"refresh token":     {"token_type": "refresh_token"},
		"refresh token use": {"token_use": "refresh_token"},
		"refresh typ":       {"typ": "Refresh"},
		"offline typ":       {"typ": "Offline"},
		"ID token":          {"typ": "ID"},
		"ID token use":      {"token_use": "id_token"},
	} {
		t.Run(name, func(t *testing.T) {
			err := resolve(t, changes)
			require.ErrorIs(t, err, session.ErrRejected)
			require.NotErrorIs(t, err, session.ErrUnavailable)
			require.NotContains(t, err.Error(), "planted")
		})
	}
	for name, changes := range map[string]map[string]any{
		"Bearer":       {"token_type": "Bearer"},
		"no type":      {"token_type": nil},
		"access_token": {"token_type": "access_token", "token_use": "access_token", "typ": "Bearer"},
		"no times":     {"exp": nil, "nbf": nil, "iat": nil},
		"no issuer":    {"iss": nil},
		"scopes":       {"scope": nil, "scp": []any{"read", "write"}},
	} {
		require.NoError(t, resolve(t, changes), name)
	}
}

// TestIntrospectionUnknownIsNotDenied: one row for each answer that says nothing.
func TestIntrospectionUnknownIsNotDenied(t *testing.T) {
	jwt := http.Header{"Content-Type": {"application/token-introspection+jwt"}}
	for name, c := range map[string]*canned{
		"active is a string":   {status: 200, body: `{"active":"true","sub":"u-1"}`},
		"active is a number":   {status: 200, body: `{"active":1,"sub":"u-1"}`},
		"active is null":       {status: 200, body: `{"active":null}`},
		"inactive as a string": {status: 200, body: `{"active":"false"}`},
		"active is missing":    {status: 200, body: `{"sub":"u-1"}`},
		"active twice":         {status: 200, body: `{"active":false,"active":true,"sub":"u-1"}`},
		"an array":             {status: 200, body: `[{"active":true,"sub":"u-1"}]`},
		"two values":           {status: 200, body: `{"active":false} {}`},
		"empty":                {status: 200},
		"a page":               {status: 200, body: `<!DOCTYPE html>`},
		"a JWT":                {status: 200, header: jwt, body: `eyJhbGciOiJSUzI1NiJ9.e30.AA`},
		"JSON that is a JWT":   {status: 200, header: jwt, body: `{"active":false}`},
		"exp is a string":      {status: 200, body: `{"active":true,"sub":"u-1","exp":"1"}`},
		"exp in milliseconds":  {status: 200, body: `{"active":true,"sub":"u-1","exp":1779537600000}`},
		"sub is a number":      {status: 200, body: `{"active":true,"sub":1}`},
		"204":                  {status: 204},
		"301":                  {status: 301, header: http.Header{"Location": {"/elsewhere"}}},
		"400":                  {status: 400, body: `{"error":"invalid_request"}`},
		"401":                  {status: 401, body: `{"error":"invalid_client"}`},
		"403":                  {status: 403},
		"404":                  {status: 404},
		"429":                  {status: 429},
		"500":                  {status: 500, body: `{"active":false}`},
		"503":                  {status: 503, body: `{"active":false}`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := c.resolve(t)
			require.ErrorIs(t, err, session.ErrUnavailable)
			require.NotErrorIs(t, err, session.ErrRejected)
			require.NotContains(t, err.Error(), "planted")
		})
	}
}

func TestIntrospectionRetryAfter(t *testing.T) {
	_, _, err := (&canned{status: 429, header: http.Header{"Retry-After": {"7"}}}).resolve(t)
	require.Equal(t, 7*time.Second, session.RetryAfter(err))
}

// TestARequestTheEndpointDislikesIsNotItsHealth: who shows odd tokens must not take the gateway out of service.
func TestARequestTheEndpointDislikesIsNotItsHealth(t *testing.T) {
	_, s, err := (&canned{status: 400}).resolve(t)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NoError(t, s.Health())
	_, s, _ = (&canned{status: 404}).resolve(t)
	require.ErrorIs(t, s.Health(), session.ErrUnavailable)
	require.ErrorContains(t, s.Health(), "compare url")
}

func TestIntrospectionSubjectClaim(t *testing.T) {
	named := func(claim string) func(*IntrospectionOptions) {
		return func(o *IntrospectionOptions) { o.SubjectClaim = claim }
	}
	body := `{"active":true,"username":"alice","preferred_username":"al","ext":{"uid":"u-9"},"sub":"u-1","team":"x","token_type":"Bearer"}`
	got, _, err := (&canned{status: 200, body: body}).resolve(t)
	require.NoError(t, err)
	require.Equal(t, []string{"u-1", "alice"}, []string{got.Identity.Subject, got.Identity.Username})
	got, _, err = (&canned{status: 200, body: body}).resolve(t, named("ext.uid"))
	require.NoError(t, err)
	require.Equal(t, "u-9", got.Identity.Subject)
	got, _, err = (&canned{status: 200, body: `{"active":true,"username":"alice","team":"x"}`}).resolve(t, named("username"))
	require.NoError(t, err)
	require.Equal(t, session.Identity{Subject: "alice", Username: "alice", Claims: map[string]any{"team": "x"}}, got.Identity)
	got, _, err = (&canned{status: 200, body: `{"active":true,"sub":"u-1","preferred_username":"al"}`}).resolve(t)
	require.NoError(t, err)
	require.Equal(t, session.Identity{Subject: "u-1", Username: "al"}, got.Identity)
	require.True(t, got.ExpiresAt.IsZero(), "an end that was not told is not guessed")
}

func TestRevocationAnswers(t *testing.T) {
	c := &canned{status: 200, body: `{"active":true,"sub":"u-1"}`}
	got, s, err := c.resolve(t)
	require.NoError(t, err)
	for _, tt := range []struct {
		status int
		body   string
		want   error
	}{
		{200, "", nil},
		{204, "", nil},
		{400, `{"error":"unsupported_token_type"}`, session.ErrUnsupported},
		{400, `{"error":"unauthorized_client"}`, session.ErrUnsupported},
		{400, `{"error":"invalid_request"}`, session.ErrUnavailable},
		{400, `<html>`, session.ErrUnavailable},
		{401, `{"error":"invalid_client"}`, session.ErrUnavailable},
		{404, "", session.ErrUnavailable},
		{503, "", session.ErrUnavailable},
	} {
		c.mu.Lock()
		c.status, c.body = tt.status, tt.body
		c.mu.Unlock()
		require.ErrorIs(t, s.Revoke(t.Context(), got), tt.want, "%d %s", tt.status, tt.body)
	}
}

func TestIntrospectionDiscoveryIsOfTheIssuer(t *testing.T) {
	const issuer = "https://id.example"
	good := map[string]any{"issuer": issuer, "introspection_endpoint": issuer + "/i", "revocation_endpoint": issuer + "/r"}
	e, err := parseEndpoints([]byte(jsonOf(t, good)), issuer, false)
	require.NoError(t, err)
	require.Equal(t, introspectionEndpoints{issuer, issuer + "/i", issuer + "/r"}, e)
	for name, changes := range map[string]map[string]any{
		"another issuer":     {"issuer": issuer + "/"},
		"no endpoint":        {"introspection_endpoint": nil},
		"plain http":         {"introspection_endpoint": "http://id.example/i"},
		"plain http, revoke": {"revocation_endpoint": "http://id.example/r"},
		"odd endpoint":       {"introspection_endpoint": 1},
	} {
		_, err := parseEndpoints([]byte(jsonOf(t, overlay(good, changes))), issuer, false)
		require.ErrorIs(t, err, session.ErrUnavailable, name)
	}
}

func jsonOf(t testing.TB, v any) string {
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func FuzzIntrospectionAnswer(f *testing.F) {
	for _, body := range []string{
		`{"active":true,"sub":"u-1","exp":4000000000,"scope":"a b","aud":["x"]}`, `{"active":false}`, `{"active":"true"}`,
		`{"active":true,"sub":null,"iat":-1}`, `{"active":true,"active":false}`, `<html>`, ``, `[]`, `{"active":true,"cnf":{}}`,
	} {
		f.Add("application/json", []byte(body))
	}
	o := &IntrospectionOptions{SubjectClaim: "sub", ClockSkew: defaultSkew, RequiredScopes: []string{"a"}}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		a, err := parseIntrospection(contentType, body)
		if err != nil {
			require.ErrorIs(t, err, session.ErrUnavailable)
			require.NotErrorIs(t, err, session.ErrRejected)
			return
		}
		if err := a.check(o, startOfTest()); err != nil {
			require.ErrorIs(t, err, session.ErrRejected)
			return
		}
		i := &Introspection{name: "opaque", opts: IntrospectionOptions{SubjectClaim: "sub", Claims: ClaimsOptions{Username: "username"}.withDefaults()}}
		s := i.session(session.NewSecret("t"), a)
		require.NotEmpty(t, s.Identity.Subject)
		require.False(t, s.Ended(startOfTest()))
		require.Contains(t, strings.Fields(s.Properties["scope"]), "a")
	})
}

func FuzzIntrospectionEndpoints(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://id.example","introspection_endpoint":"https://id.example/i","revocation_endpoint":"https://id.example/r"}`))
	f.Add([]byte(`{"issuer":"https://id.example","introspection_endpoint":"http://id.example/i"}`))
	f.Add([]byte(`{"issuer":"https://evil.example"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := parseEndpoints(body, "https://id.example", false)
		if err != nil {
			require.ErrorIs(t, err, session.ErrUnavailable)
			return
		}
		require.Equal(t, "https://id.example", e.Issuer)
		require.NoError(t, authority.CheckURL(e.Introspection, false, true))
	})
}
