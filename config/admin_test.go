package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sessionward.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestLoadAdminNeedsNoSecretOfTheGateway: neither secrets that are not set here nor files that cannot be read here keep an
// operator out.
func TestLoadAdminNeedsNoSecretOfTheGateway(t *testing.T) {
	path := writeConfig(t, `
admin: {listen: "127.0.0.1:${ADMIN_PORT}"}
sources:
  - name: corp
    oidc: {issuer: https://id.example.com, client_id: gateway, client_secret: "${OIDC_SECRET}"}
  - name: other
    oidc: {issuer: https://id.example.com, client_id: gateway, client_secret_file: nowhere}
`)
	env := []string{"ADMIN_PORT=4999", "SESSIONWARD_LOG_LEVEL=loud", EnvAdminURL + "=http://x", EnvAdminToken + "=t", EnvAdminTokenFile + "=f"}
	c, err := LoadAdmin(path, env)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:4999", c.Admin.Listen)
	require.Equal(t, filepath.Join(filepath.Dir(path), "sessionward.keys"), c.KeysFile)
	_, err = Load(path, env)
	require.ErrorContains(t, err, "OIDC_SECRET", "the gateway itself does need them")
}

func TestLoadAdminTakesTheEnvironmentOverTheFile(t *testing.T) {
	path := writeConfig(t, "keys_file: ring\nadmin: {listen: none}\n")
	c, err := LoadAdmin(path, nil)
	require.NoError(t, err)
	require.False(t, c.AdminListens())
	require.Equal(t, filepath.Join(filepath.Dir(path), "ring"), c.KeysFile)
	c, err = LoadAdmin(path, []string{"SESSIONWARD_ADMIN_LISTEN=127.0.0.1:1", "SESSIONWARD_KEYS_FILE=/elsewhere"})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", c.Admin.Listen)
	require.Equal(t, "/elsewhere", c.KeysFile)
}

func TestLoadAdminSaysWhatIsWrong(t *testing.T) {
	_, err := LoadAdmin(writeConfig(t, "admin: {lisen: none}\n"), nil)
	require.ErrorContains(t, err, `did you mean "listen"?`)
	_, err = LoadAdmin(writeConfig(t, "public_url: x\n"), []string{"SESSIONWARD_ADMIN_LISEN=none"})
	require.ErrorContains(t, err, "SESSIONWARD_ADMIN_LISEN")
	_, err = LoadAdmin(filepath.Join(t.TempDir(), "nowhere.yaml"), nil)
	require.ErrorContains(t, err, EnvFile)
}

// TestVariablesOfTheCommandLineSetNothing: an operator's shell may have them while it starts a gateway.
func TestVariablesOfTheCommandLineSetNothing(t *testing.T) {
	path := writeConfig(t, "public_url: https://app.example.com\nroutes:\n- {name: app, access: public, upstream: {url: \"http://127.0.0.1:1\"}}\n")
	_, err := Load(path, []string{EnvAdminURL + "=https://x", EnvAdminToken + "=t", EnvAdminTokenFile + "=f", EnvFile + "=g"})
	require.NoError(t, err)
	_, err = Load(path, []string{EnvPrefix + "ADMIN_TOKENS=t"})
	require.Error(t, err)
}
