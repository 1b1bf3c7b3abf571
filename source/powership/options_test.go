package powership

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

func TestOptionsThatMakeNoSense(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"powership: must be either native or bridge":                 func(o *Options) { o.Bridge = &BridgeOptions{URL: "https://a.example"} },
		"powership: must be either native":                           func(o *Options) { o.Native = nil },
		"powership.credentials.prefix: is not used":                  func(o *Options) { o.Credentials.Prefix = "x" },
		"powership.credentials.cookie: is not the name":              func(o *Options) { o.Credentials.Cookie = "a b" },
		"powership.reissue.cookie_same_site: \"Lax\" is not":         func(o *Options) { o.Reissue.CookieSameSite = "Lax" },
		"powership.reissue.cookie_same_site: none needs":             func(o *Options) { o.Reissue.CookieSameSite, o.Reissue.InsecureCookie = "none", true },
		"powership.reissue.cookie_domain: is not":                    func(o *Options) { o.Reissue.CookieDomain = "a;b" },
		"powership.reissue.cookie_path: is not":                      func(o *Options) { o.Reissue.CookiePath = "app" },
		"powership.reissue.header: is not":                           func(o *Options) { o.Reissue.Header = "a:b" },
		"powership.native.secret: is missing":                        func(o *Options) { o.Native.Secret = session.Secret{} },
		"powership.native.secret: is shorter than 32 bytes":          func(o *Options) { o.Native.Secret = session.NewSecret("987654321") },
		"powership.native.previous_secret: is shorter than 32 bytes": func(o *Options) { o.Native.PreviousSecret = session.NewSecret("x") },
		"powership.native.accounts_file: is missing":                 func(o *Options) { o.Native.AccountsFile = "" },
		"powership.native.token_duration: is negative":               func(o *Options) { o.Native.TokenDuration = -1 },
		"powership.native.token_duration: is shorter than 1m":        func(o *Options) { o.Native.TokenDuration = time.Second },
		"powership.native.grace: is negative":                        func(o *Options) { o.Native.Grace = -1 },
		"powership.native.failure_window: is negative":               func(o *Options) { o.Native.FailureWindow = -1 },
		"powership.native.max_sessions: is negative":                 func(o *Options) { o.Native.MaxSessions = -1 },
		"powership.native.max_failures_per_user: is negative":        func(o *Options) { o.Native.MaxFailuresPerUser = -1 },
		"powership.native.max_failures_per_ip: is negative":          func(o *Options) { o.Native.MaxFailuresPerIP = -1 },
		"powership.native.properties: holds what is no name":         func(o *Options) { o.Native.Properties = []string{"theme", "ip"} },
		"powership.bridge.url: is missing":                           func(o *Options) { o.Native, o.Bridge = nil, &BridgeOptions{} },
		"powership.bridge.url: plain http is refused":                func(o *Options) { o.Native, o.Bridge = nil, &BridgeOptions{URL: "http://a.example"} },
		"powership.bridge.token: has characters a header cannot have": func(o *Options) {
			o.Native, o.Bridge = nil, &BridgeOptions{URL: "https://a.example", Token: session.NewSecret("a\nb")}
		},
		"powership.bridge.timeout: must be between 0 and 1m": func(o *Options) { o.Native, o.Bridge = nil, slow() },
	} {
		o := nativeOptions(t)
		require.NoError(t, checked(&o))
		change(&o)
		err := checked(&o)
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, session.ErrMalformed)
	}
	o := nativeOptions(t)
	o.Native.Secret, o.Native.InsecureShortSecret = session.NewSecret("987654321"), true
	require.NoError(t, checked(&o))
}

func slow() *BridgeOptions {
	return &BridgeOptions{URL: "https://a.example", ClientOptions: authority.ClientOptions{Timeout: time.Hour}}
}

func TestPlacesOfTokens(t *testing.T) {
	o := Options{}
	require.Equal(t, authority.Credentials{Cookie: "authToken"}, o.Takes(), "which bearer tokens are taken is told by what is in them")
	require.Equal(t, []session.Place{{Kind: session.KindCookie, Name: "authToken"}, {Kind: session.KindBearer}}, o.carried().Places())
	o.Credentials = authority.Credentials{Header: "X-Auth-Token"}
	require.Equal(t, authority.Credentials{Header: "X-Auth-Token"}, o.Takes())
	require.Len(t, o.carried().Places(), 1)
}

func TestWhereNothingElseIsCarriedEverythingIsOurs(t *testing.T) {
	o := nativeOptions(t)
	o.Credentials.Header = "X-Session"
	w := openNativeWorld(t, o)
	c := cookie(session.NewSecret("anything"))
	c.Place = session.Place{Kind: session.KindHeader, Name: "X-Session"}
	_, err := w.Resolve(t.Context(), c)
	require.ErrorIs(t, err, session.ErrRejected)
	_, err = w.Resolve(t.Context(), bearer(w.token(t)))
	require.ErrorIs(t, err, session.ErrNotMine, "bearer tokens are not taken here")
}

func TestOpenTellsWhatIsWrong(t *testing.T) {
	o := nativeOptions(t)
	o.Native.AccountsFile += ".missing"
	_, err := Open("accounts", o, authority.Deps{Now: time.Now, Log: (&logged{}).logger()})
	require.ErrorContains(t, err, "powership.native.accounts_file: ")
	b := Options{Bridge: &BridgeOptions{URL: "https://a.example", ClientOptions: authority.ClientOptions{CAFile: "/missing.pem"}}}
	_, err = Open("accounts", b, authority.Deps{Now: time.Now, Log: (&logged{}).logger()})
	require.ErrorContains(t, err, "powership.bridge.ca_file: ")
}

func TestDisplayName(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	require.Equal(t, "accounts", w.DisplayName())
	w.o.DisplayName = "Accounts of the company"
	require.Equal(t, "Accounts of the company", w.DisplayName())
	require.True(t, w.HasPasswords())
}
