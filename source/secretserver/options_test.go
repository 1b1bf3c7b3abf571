package secretserver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Each row is a configuration that must not start, and the part of the message that says where and what to do.
func TestOptionsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Options)
		want   []string
	}{
		"no url":              {func(o *Options) { o.URL = "" }, []string{"secretserver.url: is missing", "https://vault.example.com/SecretServer"}},
		"plain http":          {func(o *Options) { o.URL = "http://vault.example.com" }, []string{"secretserver.url", "insecure_http"}},
		"relative":            {func(o *Options) { o.URL = "vault.example.com" }, []string{"secretserver.url", "absolute"}},
		"user":                {func(o *Options) { o.URL = "https://a:b@vault.example.com" }, []string{"secretserver.url"}},
		"query":               {func(o *Options) { o.URL += "?x=1" }, []string{"secretserver.url", "query"}},
		"api":                 {func(o *Options) { o.URL += "/api/v1" }, []string{"secretserver.url: ends in /api/v1"}},
		"api, slash":          {func(o *Options) { o.URL += "/API/v1/" }, []string{"secretserver.url: ends in /api/v1"}},
		"token endpoint":      {func(o *Options) { o.URL += "/oauth2/token" }, []string{"secretserver.url: ends in /oauth2/token"}},
		"windows":             {func(o *Options) { o.URL += "/winauthwebservices" }, []string{"secretserver.url: ends in /winauthwebservices"}},
		"accept":              {func(o *Options) { o.Accept = []string{"form", "cookies"} }, []string{"secretserver.accept[1]", "form, tokens"}},
		"accept twice":        {func(o *Options) { o.Accept = []string{"form", "form"} }, []string{"secretserver.accept[1]", "twice"}},
		"credentials unused":  {func(o *Options) { o.Accept, o.Credentials.Cookie = []string{"form"}, "x" }, []string{"secretserver.credentials", "tokens"}},
		"credentials":         {func(o *Options) { o.Credentials.Cookie = "a b" }, []string{"secretserver.credentials.cookie"}},
		"token type":          {func(o *Options) { o.TokenType = "bearer" }, []string{"secretserver.token_type", "ExternalToken or SdkClient"}},
		"windows type":        {func(o *Options) { o.TokenType = "WindowsAuth" }, []string{"secretserver.token_type", "connection"}},
		"domain":              {func(o *Options) { o.Domain = "a\nb" }, []string{"secretserver.domain"}},
		"refreshes":           {func(o *Options) { o.MaxRefreshes = -1 }, []string{"secretserver.max_refreshes", "between 0 and 1000"}},
		"refreshes, too many": {func(o *Options) { o.MaxRefreshes = 1001 }, []string{"secretserver.max_refreshes"}},
		"local time":          {func(o *Options) { o.TimeZone = "Local" }, []string{"secretserver.time_zone", "Europe/Berlin"}},
		"token timeout":       {func(o *Options) { o.TokenTimeout = 3 * time.Minute }, []string{"secretserver.token_timeout"}},
		"timeout":             {func(o *Options) { o.Timeout = time.Hour }, []string{"secretserver.timeout"}},
	} {
		o := Options{URL: "https://vault.example.com/SecretServer"}
		tt.change(&o)
		p := authority.NewProblems(`source "vault"`)
		o.Check(p)
		require.ErrorIs(t, p.Err(), session.ErrMalformed, name)
		for _, part := range tt.want {
			require.ErrorContains(t, p.Err(), part, name)
		}
	}
}

func TestOpenSaysWhichFileOrZoneIsWrong(t *testing.T) {
	deps := authority.Deps{Now: time.Now}
	_, err := Open("vault", Options{URL: "https://vault.example.com", TimeZone: "Middle/Earth"}, deps)
	require.ErrorIs(t, err, session.ErrMalformed)
	require.ErrorContains(t, err, "secretserver.time_zone")
	_, err = Open("vault", Options{URL: "https://vault.example.com", ClientOptions: authority.ClientOptions{CAFile: t.TempDir() + "/none.pem"}}, deps)
	require.ErrorContains(t, err, "secretserver.ca_file")
}

func TestNames(t *testing.T) {
	s := open(t, Options{URL: "https://vault.example.com"}, time.Now, &syncBuffer{})
	require.Equal(t, []string{"vault", "secretserver", "vault"}, []string{s.Name(), s.Kind(), s.DisplayName()})
	s = open(t, Options{URL: "https://vault.example.com", DisplayName: "The Vault"}, time.Now, &syncBuffer{})
	require.Equal(t, "The Vault", s.DisplayName())
}
