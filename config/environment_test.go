package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEnvironmentOverridesTheFile(t *testing.T) {
	c := load(t, "environment.good.yaml",
		"SESSIONWARD_STORE_BOLT_PATH=/var/lib/sessionward/sessions.db",
		"SESSIONWARD_SOURCES_0_OIDC_CLIENT_SECRET=from-the-environment",
		"SESSIONWARD_SOURCES_0_OIDC_AUTHORIZATION_PARAMETERS_HD=example.com",
		"SESSIONWARD_SOURCES_1_NAME=second",
		"SESSIONWARD_SOURCES_1_LOCAL_HTPASSWD_FILE=users",
		"SESSIONWARD_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1",
		"SESSIONWARD_ROUTES_0_REQUIRE_ANY_GROUP_0=staff",
		"SESSIONWARD_SESSION_IDLE_TIMEOUT=30m",
		"SESSIONWARD_CACHE_MAX_ENTRIES=99",
		"SESSIONWARD_IDENTITY_ASSERTION_TTL=20s",
		"SESSIONWARD_CONFIG=other.yaml", "PATH=/bin", "SESSIONWARDEN=1")
	require.Equal(t, "/var/lib/sessionward/sessions.db", c.Store.Bolt.Path)
	require.Equal(t, "from-the-environment", c.Sources[0].OIDC.ClientSecret.Reveal())
	require.Equal(t, map[string]string{"hd": "example.com"}, c.Sources[0].OIDC.AuthorizationParameters)
	require.Equal(t, "testdata/users", c.Sources[1].Local.HtpasswdFile)
	require.Equal(t, []string{"10.0.0.0/8", "192.0.2.1"}, c.TrustedProxies)
	require.Equal(t, []string{"staff"}, c.Routes[0].Require.AnyGroup)
	require.Equal(t, 30*time.Minute, c.Session.IdleTimeout)
	require.Equal(t, 99, c.Cache.MaxEntries)
	require.Equal(t, 20*time.Second, c.Routes[0].Identity.Assertion.TTL)
}

func TestEnvironmentValueIsNotExpanded(t *testing.T) {
	c := load(t, "environment.good.yaml", "SESSIONWARD_SOURCES_0_OIDC_CLIENT_SECRET=a${SW_TEST_SECRET}$$b")
	require.Equal(t, "a${SW_TEST_SECRET}$$b", c.Sources[0].OIDC.ClientSecret.Reveal())
}

func TestEnvironmentReplacesTheOtherWayToGiveASecret(t *testing.T) {
	c := load(t, "environment.good.yaml", "SESSIONWARD_SOURCES_0_OIDC_CLIENT_SECRET_FILE=secret.txt")
	require.Equal(t, "s3cret", c.Sources[0].OIDC.ClientSecret.Reveal())
	c = load(t, "secret_file.good.yaml", "SESSIONWARD_SOURCES_0_OIDC_CLIENT_SECRET=direct")
	require.Equal(t, "direct", c.Sources[0].OIDC.ClientSecret.Reveal())
}

// TestEnvironmentEmptiesNoList: a variable left blank by mistake takes no restriction away, nor anything else.
func TestEnvironmentEmptiesNoList(t *testing.T) {
	for _, name := range variableNames(reflect.TypeFor[Config](), "") {
		for _, value := range []string{"", " ", ",", " , "} {
			_, leaf, ok := resolveName(reflect.TypeFor[Config](), strings.TrimPrefix(name, EnvPrefix))
			if !ok || leaf.Kind() != reflect.Slice {
				continue
			}
			_, err := Load("testdata/aliases.good.yaml", []string{name + "=" + value})
			require.ErrorContains(t, err, name+": is empty; unset it, or list at least one value")
		}
	}
}

// TestEnvironmentServiceLinks: a Kubernetes service named sessionward puts variables of that prefix into every pod of
// its namespace.
func TestEnvironmentServiceLinks(t *testing.T) {
	load(t, "environment.good.yaml",
		"SESSIONWARD_SERVICE_HOST=10.96.0.10", "SESSIONWARD_SERVICE_PORT=4180", "SESSIONWARD_SERVICE_PORT_HTTP=4180",
		"SESSIONWARD_PORT=tcp://10.96.0.10:4180", "SESSIONWARD_PORT_4180_TCP=tcp://10.96.0.10:4180",
		"SESSIONWARD_PORT_4180_TCP_PROTO=tcp", "SESSIONWARD_PORT_4180_TCP_ADDR=fd00::10",
		"SESSIONWARD_ADMIN_SERVICE_HOST=10.96.0.11", "SESSIONWARD_ADMIN_PORT=tcp://10.96.0.11:4181")
}

func TestEnvironmentIsRefused(t *testing.T) {
	tests := map[string]struct {
		env  []string
		want string
	}{
		"unknown name": {[]string{"SESSIONWARD_LISTN=:1"},
			`SESSIONWARD_LISTN: sets nothing: no setting has this name; did you mean "SESSIONWARD_LISTEN"?`},
		"unknown name in a list": {[]string{"SESSIONWARD_SOURCES_0_OIDC_CLIENT_SECRT=x"},
			`SESSIONWARD_SOURCES_0_OIDC_CLIENT_SECRT: sets nothing: no setting has this name; did you mean "SESSIONWARD_SOURCES_0_OIDC_CLIENT_SECRET"?`},
		"a group": {[]string{"SESSIONWARD_STORE_BOLT=x"},
			`SESSIONWARD_STORE_BOLT: sets nothing: no setting has this name; did you mean "SESSIONWARD_STORE_BOLT_PATH"?`},
		"no index":       {[]string{"SESSIONWARD_SOURCES_NAME=x"}, `SESSIONWARD_SOURCES_NAME: sets nothing: no setting has this name; did you mean "SESSIONWARD_SOURCES_0_NAME"?`},
		"empty":          {[]string{"SESSIONWARD_LOG_LEVEL="}, `SESSIONWARD_LOG_LEVEL: is empty; unset it, or give it a value`},
		"wrong type":     {[]string{"SESSIONWARD_SHUTDOWN_TIMEOUT=10"}, `SESSIONWARD_SHUTDOWN_TIMEOUT: shutdown_timeout: "10" is not a duration; add the unit: 10s for seconds, 10m for minutes`},
		"wrong value":    {[]string{"SESSIONWARD_PREFIX=a"}, `SESSIONWARD_PREFIX: prefix: "a" cannot be a prefix; write a path such as /_session of letters, digits, -, _ and ., without a slash at its end`},
		"gap in a list":  {[]string{"SESSIONWARD_SOURCES_3_NAME=x"}, `SESSIONWARD_SOURCES_3_NAME: sets item 3 of a list that has 1; number the items from 0 without gaps`},
		"both variables": {[]string{"SESSIONWARD_SOURCES_0_OIDC_CLIENT_SECRET=x", "SESSIONWARD_SOURCES_0_OIDC_CLIENT_SECRET_FILE=secret.txt"}, `SESSIONWARD_SOURCES_0_OIDC_CLIENT_SECRET_FILE: sources[0].oidc.client_secret_file: client_secret is set as well; keep one of them`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load("testdata/environment.good.yaml", tt.env)
			require.EqualError(t, err, tt.want)
		})
	}
}

// TestEveryScalarHasAVariable holds that each setting that is one value can be reached from the environment, and that
// its name leads back to it.
func TestEveryScalarHasAVariable(t *testing.T) {
	names := variableNames(reflect.TypeFor[Config](), "")
	require.Greater(t, len(names), 80)
	require.True(t, slices.Contains(names, "SESSIONWARD_STORE_BOLT_PATH"))
	seen := make(map[string]bool)
	for _, name := range names {
		require.False(t, seen[name], "two settings are called %s", name)
		seen[name] = true
		steps, _, ok := resolveName(reflect.TypeFor[Config](), strings.TrimPrefix(name, EnvPrefix))
		require.True(t, ok, name)
		var parts []string
		for _, s := range steps {
			if s.key == "" {
				parts = append(parts, "0")
				continue
			}
			parts = append(parts, strings.ToUpper(s.key))
		}
		require.Equal(t, strings.TrimPrefix(name, EnvPrefix), strings.Join(parts, "_"))
	}
}

func TestItemsAreOrderedByNumber(t *testing.T) {
	names := []string{"SESSIONWARD_SOURCES_10_NAME", "SESSIONWARD_SOURCES_2_NAME", "SESSIONWARD_LISTEN"}
	slices.SortFunc(names, byNumber)
	require.Equal(t, []string{"SESSIONWARD_LISTEN", "SESSIONWARD_SOURCES_2_NAME", "SESSIONWARD_SOURCES_10_NAME"}, names)
}
