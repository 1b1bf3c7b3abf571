package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/demo/provider"
	"github.com/sessionward/sessionward/cmd/peers/kratos"
	"github.com/sessionward/sessionward/cmd/peers/panel"
	"github.com/sessionward/sessionward/cmd/peers/pingam"
	"github.com/sessionward/sessionward/cmd/peers/powership"
	"github.com/sessionward/sessionward/cmd/peers/secretserver"
	"github.com/sessionward/sessionward/cmd/peers/vsphere"
	"github.com/sessionward/sessionward/cmd/peers/whoami"
	"github.com/sessionward/sessionward/source"
)

// perKind is how many people have a session of each kind.
const perKind = 8

// link is one source of a chain, with its authority behind a panel.
type link struct {
	name  string
	yaml  string
	panel *panel.Panel // nil: there is no authority
	asked bool         // the authority is shown each of its credentials
	// issue makes credentials that hold, and such as hold no more or never did. The gateway runs.
	issue func() (good, bad []carried)
}

// carried is a credential in the place a client carries it in.
type carried struct {
	owner  *link // nil: nobody in the chain made it
	secret string
	place  string // name of the header or cookie
	format string // of its value
	cookie bool
	user   string // whom the application is told of; "" when it must not pass
}

func (l *link) bearer(user, secret string) carried {
	return l.header(user, secret, "Authorization", "Bearer %s")
}

func (l *link) header(user, secret, name, format string) carried {
	return carried{owner: l, secret: secret, place: name, format: format, user: user}
}

func (l *link) cookie(user, secret, name string) carried {
	return carried{owner: l, secret: secret, place: name, format: "%s", cookie: true, user: user}
}

// serve answers with h, under p, until the test ends.
func serve(t *testing.T, p *panel.Panel, h http.Handler) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		p.Set(panel.Up)
		s.Close()
	})
	return s
}

// named is the name of the i-th person of a kind.
func named(kind string, i int) string { return fmt.Sprintf("%s-%d", kind, i) }

// people lists them, and one more whose sessions end.
func people[U any](kind string, user func(i int, name string) U) []U {
	var list []U
	for i := range perKind + 1 {
		list = append(list, user(i, named(kind, i)))
	}
	return list
}

// providerLink is a provider for people of that kind, under a panel.
func providerLink(t *testing.T, name string, clients ...provider.Client) (l *link, p *provider.Provider, issuer string) {
	l = &link{name: name, panel: panel.New()}
	srv := httptest.NewUnstartedServer(nil)
	issuer = "http://" + srv.Listener.Addr().String()
	p, err := provider.New(provider.Options{
		Issuer: issuer, AccessTokenTTL: time.Hour, Clients: clients,
		Users: people(name, func(_ int, name string) provider.User {
			return provider.User{Username: name, Password: "wonderland", Subject: name, Name: name, Email: name + "@example.com"}
		}),
	})
	require.NoError(t, err)
	srv.Config.Handler = l.panel.Wrap(p)
	srv.Start()
	t.Cleanup(func() {
		l.panel.Set(panel.Up)
		srv.Close()
	})
	return l, p, issuer
}

// corpLink is an OpenID provider: people carry our cookie.
func corpLink(t *testing.T, w *world) *link {
	l, _, issuer := providerLink(t, "corp", provider.Client{
		ID: clientID, Secret: clientSecret, RedirectURIs: []string{w.url + "/_session/callback/corp"},
		PostLogoutRedirectURIs: []string{w.url + "/_session/signed-out"},
	})
	l.yaml = fmt.Sprintf("oidc: {issuer: %q, client_id: %s, client_secret: %s}", issuer, clientID, clientSecret)
	login := func(name string) (*http.Client, string) {
		b := w.browser()
		res, err := provider.Login(t.Context(), b, w.url+"/_session/login?source=corp&return_to=/x", name, "wonderland")
		require.NoError(t, err)
		require.Equal(t, name, w.seen(res).Header.Get("X-Forwarded-User"))
		return b, cookieOf(t, b, w.url, gatewayCookie)
	}
	l.issue = func() (good, bad []carried) {
		for i := range perKind {
			_, value := login(named("corp", i))
			good = append(good, l.cookie(named("corp", i), value, gatewayCookie))
		}
		b, value := login(named("corp", perKind))
		res := w.do(b, http.MethodPost, "/_session/logout", nil, "Origin", w.url, "Sec-Fetch-Site", "same-origin", "Accept", "text/html")
		require.Equal(t, http.StatusSeeOther, res.StatusCode)
		for _, value := range []string{value, rand.Text(), altered(good[0].secret)} {
			bad = append(bad, l.cookie("", value, gatewayCookie))
		}
		return good, bad
	}
	return l
}

// gatewayCookie is what our cookie is called where the gateway speaks plain http on this machine.
const gatewayCookie = "sessionward"

// cookieOf returns one cookie that b has for rawURL. Cookies of other ports of the host are in the jar as well.
func cookieOf(t *testing.T, b *http.Client, rawURL, name string) string {
	t.Helper()
	for part := range strings.SplitSeq(cookieHeader(b, rawURL), "; ") {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			return value
		}
	}
	require.Fail(t, "there is no cookie "+name)
	return ""
}

// altered is a credential with its end changed.
func altered(secret string) string {
	const last = 8
	return secret[:len(secret)-last] + rand.Text()[:last]
}

// unseenKey is which of the bad JWTs is signed with a key nobody published.
const unseenKey = 0

// apiIssuer signs JWTs.
const apiIssuer = "https://issuer.example"

// apiLink is an issuer of JWTs, which are verified with keys it publishes.
func apiLink(t *testing.T) *link {
	l := &link{name: "api", panel: panel.New()}
	key, other := newKey(t), newKey(t)
	srv := serve(t, l.panel, l.panel.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	})))
	l.yaml = fmt.Sprintf("jwt: {issuers: [{issuer: %q, audiences: [chain], jwks_url: %q}]}", apiIssuer, srv.URL+"/keys")
	l.issue = func() (good, bad []carried) {
		for i := range perKind {
			good = append(good, l.bearer(named("api", i), signJWT(t, key, "k1", apiIssuer, "chain", named("api", i), time.Hour)))
		}
		for _, token := range []string{
			unseenKey: signJWT(t, other, "other", apiIssuer, "chain", "api-0", time.Hour),
			signJWT(t, key, "k1", apiIssuer, "chain", "api-0", -time.Minute), // has ended
			signJWT(t, key, "k1", apiIssuer, "another", "api-0", time.Hour),  // is for somebody else
			signJWT(t, other, "k1", apiIssuer, "chain", "api-0", time.Hour),  // is signed by somebody else
		} {
			bad = append(bad, l.bearer("", token))
		}
		foreign := l.bearer("", signJWT(t, other, "k1", "https://stranger.example", "chain", "api-0", time.Hour))
		foreign.owner = nil
		return good, append(bad, foreign)
	}
	return l
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

// signJWT makes a token that ends after ttl.
func signJWT(t *testing.T, key *rsa.PrivateKey, kid, iss, aud, sub string, ttl time.Duration) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: kid}},
		(&jose.SignerOptions{}).WithType("JWT"))
	require.NoError(t, err)
	now := time.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": iss, "aud": aud, "sub": sub, "iat": now.Add(-time.Hour).Unix(), "exp": now.Add(ttl).Unix(), "jti": rand.Text(),
	})
	require.NoError(t, err)
	signed, err := signer.Sign(payload)
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}

// legacyLink is an application with an endpoint of its own.
func legacyLink(t *testing.T) *link {
	p, err := whoami.New(whoami.Options{Users: people("legacy", func(i int, name string) whoami.User {
		return whoami.User{ID: int64(i + 1), Username: name, Password: "wonderland"}
	})})
	require.NoError(t, err)
	l := &link{name: "legacy", panel: p.Panel(), asked: true}
	l.yaml = fmt.Sprintf("http: {url: %q, credentials: {cookie: app_session, header: X-App-Session, bearer: true, prefix: app_}, fields: {subject: user.login}}",
		serve(t, l.panel, p).URL+whoami.MePath)
	login := func(i int) string {
		token, err := p.Login(named("legacy", i))
		require.NoError(t, err)
		return token
	}
	l.issue = func() (good, bad []carried) {
		for i := range perKind {
			good = append(good, l.anywhere(i, named("legacy", i), login(i), "app_session", "X-App-Session"))
		}
		ended := login(perKind)
		p.End(ended)
		for i, token := range []string{ended, "app_" + rand.Text(), "app_" + rand.Text(), "app_" + rand.Text()} {
			bad = append(bad, l.anywhere(i, "", token, "app_session", "X-App-Session"))
		}
		return good, bad
	}
	return l
}

// anywhere carries a secret in each place in turn.
func (l *link) anywhere(i int, user, secret, cookie, header string) carried {
	switch i % 3 {
	case 0:
		return l.cookie(user, secret, cookie)
	case 1:
		return l.header(user, secret, header, "%s")
	default:
		return l.bearer(user, secret)
	}
}

// oryLink is a real Kratos; nil where there is none and none can be built.
func oryLink(t *testing.T) *link {
	p, err := kratos.Start(t.Context(), kratos.Options{Users: people("ory", func(_ int, name string) kratos.User {
		return kratos.User{Username: name, Password: "wonderland-" + name}
	})})
	if errors.Is(err, kratos.ErrNotBuilt) {
		t.Log(err)
		return nil
	}
	require.NoError(t, err)
	t.Cleanup(p.Stop)
	l := &link{name: "ory", panel: p.Panel(), asked: true, yaml: fmt.Sprintf("kratos: {url: %q, admin_url: %q}", p.URL(), p.AdminURL())}
	login := func(i int) carried { return l.atKratos(t, p, i) }
	l.issue = func() (good, bad []carried) {
		for i := range perKind {
			good = append(good, login(i))
		}
		ended := login(perKind)
		sessions, err := p.Sessions(t.Context(), named("ory", perKind))
		require.NoError(t, err)
		require.Len(t, sessions, 1)
		require.NoError(t, p.Revoke(t.Context(), sessions[0].ID))
		ended.user = ""
		return good, append(bad, ended, l.header("", "ory_st_"+rand.Text(), "X-Session-Token", "%s"),
			l.bearer("", "ory_st_"+rand.Text()), l.cookie("", rand.Text(), "ory_kratos_session"))
	}
	return l
}

// atKratos logs the i-th person in, as a browser or as a program.
func (l *link) atKratos(t *testing.T, p *kratos.Peer, i int) carried {
	t.Helper()
	name := named("ory", i)
	if i%3 == 0 {
		b, err := p.LoginWithBrowser(t.Context(), name, "wonderland-"+name)
		require.NoError(t, err)
		return l.cookie(p.IdentityID(name), p.Cookie(b), "ory_kratos_session")
	}
	token, err := p.Login(t.Context(), name, "wonderland-"+name)
	require.NoError(t, err)
	return l.anywhere(i, p.IdentityID(name), token, "", "X-Session-Token")
}

// amLink is a PingAM.
func amLink(t *testing.T) *link {
	p, err := pingam.New(pingam.Options{Users: people("am", func(_ int, name string) pingam.User {
		return pingam.User{Username: name, Password: "wonderland"}
	})})
	require.NoError(t, err)
	l := &link{name: "am", panel: p.Panel(), asked: true}
	l.yaml = fmt.Sprintf("pingam: {url: %q}", serve(t, l.panel, p).URL+"/am")
	login := func(i int) carried {
		token, err := p.Login(named("am", i), "")
		require.NoError(t, err)
		user := "id=" + named("am", i) + ",ou=user,dc=am,dc=example,dc=com"
		if i%2 == 0 {
			return l.cookie(user, token, amCookie)
		}
		return l.header(user, token, amCookie, "%s")
	}
	l.issue = func() (good, bad []carried) {
		for i := range perKind {
			good = append(good, login(i))
		}
		ended := login(perKind)
		require.True(t, p.End(ended.secret))
		ended.user = ""
		return good, append(bad, ended, l.header("", "AQIC5"+rand.Text(), amCookie, "%s"), l.cookie("", "AQIC5"+rand.Text(), amCookie))
	}
	return l
}

// vcenterLink is a vCenter.
func vcenterLink(t *testing.T) *link {
	p, err := vsphere.New(vsphere.Options{Users: people("vcenter", func(_ int, name string) vsphere.User {
		return vsphere.User{Name: name + "@vsphere.local", Password: "wonderland"}
	})})
	require.NoError(t, err)
	l := &link{name: "vcenter", panel: p.Panel(), asked: true}
	l.yaml = fmt.Sprintf("vsphere: {url: %q}", serve(t, l.panel, p).URL)
	login := func(i int) carried {
		user := named("vcenter", i) + "@vsphere.local"
		return l.header(user, p.Login(user), vcenterHeader, "%s")
	}
	l.issue = func() (good, bad []carried) {
		for i := range perKind {
			good = append(good, login(i))
		}
		ended := login(perKind)
		p.End(ended.secret)
		ended.user = ""
		return good, append(bad, ended, l.header("", rand.Text(), vcenterHeader, "%s"), l.header("", rand.Text(), vcenterHeader, "%s"))
	}
	return l
}

// vaultLink is a Secret Server; its tokens are carried in a header of their own.
func vaultLink(t *testing.T) *link {
	p, err := secretserver.New(secretserver.Options{Users: people("vault", func(i int, name string) secretserver.User {
		return secretserver.User{ID: 500 + i, Username: name, Password: "wonderland"}
	})})
	require.NoError(t, err)
	l := &link{name: "vault", panel: p.Panel(), asked: true}
	l.yaml = fmt.Sprintf("secretserver: {url: %q, credentials: {header: X-Vault-Token}}", serve(t, l.panel, p).URL)
	login := func(i int) carried {
		return l.header(fmt.Sprint(500+i), p.Login(named("vault", i)).Access, "X-Vault-Token", "%s")
	}
	l.issue = func() (good, bad []carried) {
		for i := range perKind {
			good = append(good, login(i))
		}
		ended := login(perKind)
		p.End(ended.secret)
		ended.user = ""
		return good, append(bad, ended, l.header("", rand.Text(), "X-Vault-Token", "%s"), l.header("", "AgL"+rand.Text(), "X-Vault-Token", "%s"))
	}
	return l
}

// accountsLink is an application with Powership sessions.
func accountsLink(t *testing.T) *link {
	id := func(i int) string { return fmt.Sprintf("01GM7285ZR7MX76PNMF3G2MD%02d", i) }
	p, err := powership.New(powership.Options{Bearer: gatewayToken, Users: people("accounts", func(i int, name string) powership.User {
		return powership.User{AccountID: id(i), Username: name, Password: "wonderland", Email: name + "@example.com"}
	})})
	require.NoError(t, err)
	l := &link{name: "accounts", panel: p.Panel(), asked: true}
	l.yaml = fmt.Sprintf("powership: {bridge: {url: %q, token: %s}}", serve(t, l.panel, p).URL, gatewayToken)
	login := func(i int) carried {
		token, err := p.Login(named("accounts", i), "127.0.0.1", powershipAgent)
		require.NoError(t, err)
		if i%2 == 0 {
			return l.cookie(id(i), token, "authToken")
		}
		return l.bearer(id(i), token)
	}
	l.issue = func() (good, bad []carried) {
		for i := range perKind {
			good = append(good, login(i))
		}
		ended := login(perKind)
		require.True(t, p.End(ended.secret))
		ended.user = ""
		return good, append(bad, ended, l.bearer("", altered(good[1].secret)), l.cookie("", altered(good[0].secret), "authToken"))
	}
	return l
}

// localLink has API keys, which nobody is asked about.
func localLink(*testing.T) *link {
	l := &link{name: "local"}
	keys := map[string]string{}
	var list []string
	for i := range perKind + 1 {
		id, ends := named("key", i), ""
		if i == perKind {
			ends = ", expires_at: 2026-01-01T00:00:00Z"
		}
		key, hash := source.NewAPIKey(id)
		keys[id] = key.Reveal()
		list = append(list, fmt.Sprintf("{id: %s, hash: %q, username: %s%s}", id, hash, named("robot", i), ends))
	}
	l.yaml = "local: {api_keys: [" + strings.Join(list, ", ") + "]}"
	carry := func(i int, user, key string) carried {
		if i%2 == 0 {
			return l.bearer(user, key)
		}
		return l.header(user, key, "X-Api-Key", "%s")
	}
	l.issue = func() (good, bad []carried) {
		for i := range perKind {
			good = append(good, carry(i, named("robot", i), keys[named("key", i)]))
		}
		unknown, _ := source.NewAPIKey("nobody")
		for i, key := range []string{keys[named("key", perKind)], unknown.Reveal(), altered(keys["key-0"]), "swk_" + rand.Text()} {
			bad = append(bad, carry(i, "", key))
		}
		return good, bad
	}
	return l
}

// opaqueLink is an authorization server that is asked about whatever bearer token nobody else knows as its own.
func opaqueLink(t *testing.T) *link {
	l, p, issuer := providerLink(t, "opaque",
		provider.Client{ID: "app", Secret: "planted-app-secret", RedirectURIs: []string{"http://app.example/cb"}, Audiences: []string{"api"}},
		provider.Client{ID: "api", Secret: "planted-api-secret", ResourceServer: true})
	l.asked = true
	l.yaml = fmt.Sprintf("introspection: {issuer: %q, client_id: api, client_secret: planted-api-secret, audiences: [api]}", issuer)
	token := func(i int) string {
		token, err := p.AccessToken("app", named("opaque", i), "profile")
		require.NoError(t, err)
		return token
	}
	l.issue = func() (good, bad []carried) {
		for i := range perKind {
			good = append(good, l.bearer(named("opaque", i), token(i)))
		}
		ended := token(perKind)
		p.RevokeUser(named("opaque", perKind))
		for _, stray := range []string{ended, rand.Text(), "ory_at_" + rand.Text(), "ghp_" + rand.Text(), "sw_" + rand.Text()} {
			bad = append(bad, l.bearer("", stray))
		}
		return good, bad
	}
	return l
}
