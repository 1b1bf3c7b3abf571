package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecisionsNameEverythingOnTrust(t *testing.T) {
	c := load(t, "insecure.good.yaml", "SESSIONWARD_LISTEN=:4180", "SESSIONWARD_TRUSTED_PROXIES=10.0.0.0/8",
		"SESSIONWARD_ROUTES_0_UPSTREAM_URL=http://app.internal:8080", "SESSIONWARD_COOKIE_DOMAIN=example.com",
		"SESSIONWARD_COOKIE_NAME=sid", "SESSIONWARD_IDENTITY_FORWARD_ACCESS_TOKEN=true", "SESSIONWARD_IDENTITY_FORWARD_ID_TOKEN=true")
	var keys []string
	for _, d := range c.Decisions() {
		require.NotEmpty(t, d.Text)
		require.NotEmpty(t, d.Where)
		keys = append(keys, d.Key)
	}
	require.ElementsMatch(t, []string{"listen", "trusted_proxies[0]", "cookie.domain", "return_origins[0]", "return_origins[1]",
		"routes[0].upstream.url", "routes[0].upstream.keep_authorization", "routes[0].identity.forward_access_token",
		"routes[0].identity.forward_id_token", "cookie.insecure", "sources[0].oidc.insecure_http"}, keys)
}

func TestDefaultsTakeNothingOnTrust(t *testing.T) {
	require.Empty(t, load(t, "ten_lines.good.yaml").Decisions())
	require.Empty(t, load(t, "ten_lines.good.yaml").PublicRoutes())
	require.Equal(t, []string{"site"}, load(t, "smallest.good.yaml").PublicRoutes())
}
