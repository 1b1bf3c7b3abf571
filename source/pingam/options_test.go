package pingam

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

func TestOptionsThatMakeNoSense(t *testing.T) {
	secret := session.NewSecret("planted")
	for want, change := range map[string]func(*Options){
		"pingam.url: is missing":                   func(o *Options) { o.URL = "" },
		"pingam.url: must be":                      func(o *Options) { o.URL = "https://user@id.example.com/am" },
		"pingam.url: plain http":                   func(o *Options) { o.URL = "http://id.example.com/am" },
		"pingam.profile: is not known":             func(o *Options) { o.Profile = "forgerock" },
		"pingam.look_up: is not known":             func(o *Options) { o.LookUp = "touch" },
		"pingam.realm: is not the path":            func(o *Options) { o.Realm = "alpha" },
		"pingam.realm: is not":                     func(o *Options) { o.Realm = "/alpha/" },
		"pingam.administrator.realm: is not":       func(o *Options) { o.Administrator.Realm = "/../x" },
		"pingam.cookie_name: cannot":               func(o *Options) { o.CookieName = "Authorization" },
		"pingam.credentials.header":                func(o *Options) { o.Credentials.Header = "Cookie" },
		"pingam.login_url: must be":                func(o *Options) { o.LoginURL = "/XUI/" },
		"pingam.administrator.password: is mis":    func(o *Options) { o.Administrator.Username = "a" },
		"pingam.administrator.username: is mis":    func(o *Options) { o.Administrator.Password = secret },
		"pingam.administrator.bearer: says":        func(o *Options) { o.Administrator.Bearer = true },
		"pingam.auth_levels: must not":             func(o *Options) { o.AuthLevels.AAL2 = -1 },
		"pingam.auth_levels.aal3: must be":         func(o *Options) { o.AuthLevels = AuthLevelsOptions{AAL2: 10, AAL3: 10} },
		"pingam.api_versions: there is no action":  func(o *Options) { o.APIVersions = map[string]string{"fly": "1.0"} },
		"pingam.api_versions: the version of refr": func(o *Options) { o.APIVersions = map[string]string{"refresh": "x"} },
		"pingam.timeout: must be":                  func(o *Options) { o.Timeout = -1 },
		"pingam.administrator.token: stands": func(o *Options) {
			o.Administrator = AdministratorOptions{Username: "a", Password: secret, Token: secret}
		},
	} {
		o := Options{URL: "https://id.example.com/am"}
		change(&o)
		p := authority.NewProblems("source \"am\"")
		o.Check(p)
		require.ErrorContains(t, p.Err(), want)
		require.ErrorIs(t, p.Err(), session.ErrMalformed)
		require.NotContains(t, p.Err().Error(), "planted")
	}
	for _, o := range []Options{
		{URL: "https://id.example.com/am"}, {URL: "http://127.0.0.1:8080/am/", Realm: "/alpha/beta", Profile: ProfileOpenAM, LookUp: LookUpValidate},
		{URL: "https://id.example.com/am", APIVersions: map[string]string{"validate": "4.0"}, Administrator: AdministratorOptions{Token: secret, Bearer: true}},
	} {
		p := authority.NewProblems("source \"am\"")
		o.Check(p)
		require.NoError(t, p.Err())
	}
}

func TestVersionsOfActions(t *testing.T) {
	for _, row := range []struct {
		o            Options
		action, want string
	}{
		{Options{}, getSessionInfo, "4.0"}, {Options{}, resetIdleTime, "4.0"}, {Options{}, validate, "3.0"}, {Options{}, refresh, "3.1"},
		{Options{}, query, "3.1"}, {Options{}, logoutByUser, "5.1"}, {Options{}, authenticate, "2.0"},
		{Options{Profile: ProfileOpenAM}, validate, "1.2"}, {Options{Profile: ProfileOpenAM}, getSessionInfo, "2.0"},
		{Options{APIVersions: map[string]string{validate: "4.0"}}, validate, "4.0"},
	} {
		require.Equal(t, row.want, row.o.version(row.action), row.action)
	}
}
