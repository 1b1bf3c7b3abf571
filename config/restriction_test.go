package config

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/policy"
)

// parseRoute parses a configuration whose one route has the given lines, indented by four.
func parseRoute(lines string, env ...string) error {
	_, err := Parse("testdata/route.yaml", []byte(`public_url: https://app.example.com
sources:
  - name: corp
    oidc: {issuer: "https://id.example.com", client_id: gateway, client_secret: s3cret}
routes:
  - name: app
    upstream: {url: "http://127.0.0.1:8080"}
`+lines+"\n"), append(testEnv(), env...))
	return err
}

// TestEmptyRestrictionIsRefused goes through every restriction there is and every way to write nothing: none of them
// may load, as the route would be open to more than it says.
func TestEmptyRestrictionIsRefused(t *testing.T) {
	require.NoError(t, parseRoute(""))
	nothing := []string{"", "null", "~", "[]", "{}", `""`, `" "`, `[""]`, "[null]", "[~]", "${SW_TEST_EMPTY}", `["${SW_TEST_EMPTY}"]`}
	for _, f := range fieldsOf(reflect.TypeFor[policy.RuleOptions]()) {
		for _, value := range nothing {
			require.Error(t, parseRoute("    require:\n      "+f.name+": "+value), "require.%s: %s", f.name, value)
		}
		for _, value := range []string{"", " ", ","} {
			name := "SESSIONWARD_ROUTES_0_REQUIRE_" + strings.ToUpper(f.name)
			require.Error(t, parseRoute("    require: {users: [ann]}", name+"="+value), "%s=%q", name, value)
		}
	}
	for _, f := range fieldsOf(reflect.TypeFor[policy.RouteOptions]()) {
		if f.typ.Kind() != reflect.Slice && f.name != "require" {
			continue
		}
		for _, value := range nothing {
			require.Error(t, parseRoute("    "+f.name+": "+value), "%s: %s", f.name, value)
		}
	}
	for _, span := range []string{"0", "0s", "0h0m"} {
		require.ErrorContains(t, parseRoute("    require: {max_age: "+span+"}"), "is zero, which would let everybody in")
	}
}

// TestEnvironmentEmptyGroup is how a route was once opened to every user: by a variable nobody had filled in.
func TestEnvironmentEmptyGroup(t *testing.T) {
	require.NoError(t, parseRoute("    require: {any_group: [admins]}"))
	require.EqualError(t, parseRoute("    require: {any_group: [admins]}", "SESSIONWARD_ROUTES_0_REQUIRE_ANY_GROUP="),
		"SESSIONWARD_ROUTES_0_REQUIRE_ANY_GROUP: is empty; unset it, or list at least one value")
	require.NoError(t, parseRoute("    require: {any_group: []}", "SESSIONWARD_ROUTES_0_REQUIRE_ANY_GROUP_0=staff"),
		"the environment fills in what the file leaves open")
}

func TestSecretFileWithoutSecret(t *testing.T) {
	for _, text := range []string{"", "\n", "\r\n", "\n\n", " \n"} {
		path := t.TempDir() + "/secret"
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := readSecret(path)
		require.ErrorContains(t, err, "is empty", "%q", text)
	}
}
