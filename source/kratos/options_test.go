package kratos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

func TestOptions_Check(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Options)
		want   string // "": nothing is wrong
	}{
		"the least":       {func(*Options) {}, ""},
		"no address":      {func(o *Options) { o.URL = "" }, "kratos.url: is missing"},
		"plain http":      {func(o *Options) { o.URL = "http://kratos.internal" }, "kratos.url: plain http is refused"},
		"allowed":         {func(o *Options) { o.URL, o.InsecureHTTP = "http://kratos.internal", true }, ""},
		"admin":           {func(o *Options) { o.AdminURL = "https://kratos.internal/x/" }, ""},
		"admin path":      {func(o *Options) { o.AdminURL = "https://kratos.internal/admin/" }, "kratos.admin_url: ends with /admin"},
		"admin http":      {func(o *Options) { o.AdminURL = "http://kratos.internal" }, "kratos.admin_url: plain http"},
		"token alone":     {func(o *Options) { o.AdminToken = session.NewSecret("planted") }, "kratos.admin_token: is shown to nobody"},
		"extend alone":    {func(o *Options) { o.ExtendBefore = time.Hour }, "kratos.extend_before: needs admin_url"},
		"extend":          {func(o *Options) { o.ExtendBefore, o.AdminURL = time.Hour, "https://kratos.internal" }, ""},
		"negative":        {func(o *Options) { o.ExtendBefore = -1 }, "kratos.extend_before: is negative"},
		"header":          {func(o *Options) { o.Credentials.Header = "Authorization" }, "kratos.credentials.header"},
		"login":           {func(o *Options) { o.LoginURL = "/login" }, "kratos.login_url: must be an absolute URL"},
		"login elsewhere": {func(o *Options) { o.LoginURL = "http://id.example/login?tenant=a" }, ""},
		"template":        {func(o *Options) { o.TokenizeAs = "a b" }, "kratos.tokenize_as: is not the name"},
		"admin metadata":  {func(o *Options) { o.Identity.Groups = "metadata_admin.groups" }, "kratos.identity.groups: is neither in traits nor in metadata_public"},
		"timeout":         {func(o *Options) { o.Timeout = time.Hour }, "kratos.timeout: must be between"},
	} {
		o := Options{URL: "https://kratos.example"}
		tt.change(&o)
		p := authority.NewProblems("source \"ory\"")
		o.Check(p)
		if tt.want == "" {
			require.NoError(t, p.Err(), name)
			continue
		}
		require.ErrorIs(t, p.Err(), session.ErrMalformed, name)
		require.ErrorContains(t, p.Err(), tt.want, name)
		require.NotContains(t, p.Err().Error(), "planted", name)
	}
}

func TestOptions_Takes(t *testing.T) {
	all := (&Options{}).Takes()
	require.Equal(t, authority.Credentials{Cookie: "ory_kratos_session", Header: "X-Session-Token", Bearer: true, Prefix: "ory_st_"}, all)
	require.False(t, all.CatchesAll())
	only := &Options{Credentials: authority.Credentials{Cookie: "ory_session_slug"}}
	require.Equal(t, []session.Place{{Kind: session.KindCookie, Name: "ory_session_slug"}}, only.Takes().Places())
	c := cookie("anything")
	require.False(t, only.mine(c))
	c.Name = "ory_session_slug"
	require.True(t, only.mine(c))
	require.True(t, (&Options{}).mine(tokenIn(session.KindBearer, "ory_st_x")))
	require.False(t, (&Options{}).mine(tokenIn(session.KindBearer, "anything")))
	require.False(t, (&Options{}).mine(tokenIn(session.KindHeader, "anything")))
}

func TestLoginURL(t *testing.T) {
	s := open(t, Options{URL: "https://kratos.example/base/", LoginURL: "https://id.example/login?tenant=a&return_to=old", DisplayName: "Ory"})
	require.Equal(t, "https://id.example/login?return_to=https%3A%2F%2Fapp.example%2Fx%3Fa%3Db&tenant=a", s.LoginURL("https://app.example/x?a=b"))
	require.Equal(t, "Ory", s.DisplayName())
	s = open(t, Options{URL: "https://kratos.example/base/"})
	require.Equal(t, "https://kratos.example/base/self-service/login/browser?return_to=x", s.LoginURL("x"))
	require.Equal(t, "ory", s.DisplayName())
	s = open(t, Options{URL: "https://kratos.example", Credentials: authority.Credentials{Bearer: true}})
	require.Empty(t, s.LoginURL("x"), "a browser would come back with nothing")
	_, err := Open("ory", Options{URL: "https://kratos.example", ClientOptions: authority.ClientOptions{CAFile: "/nowhere.pem"}}, authority.Deps{Now: time.Now})
	require.ErrorContains(t, err, "kratos.ca_file")
}
