package server_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/config"
	"github.com/sessionward/sessionward/server"
)

// checkEnv is what the files of config/testdata expect of the environment.
func checkEnv() []string {
	return []string{"SW_TEST_HOST=app.example.com", "SW_TEST_SECRET=s3cret", "SW_TEST_NUMBER=7", "SW_TEST_YAML=x"}
}

func opens(t *testing.T, cfg *config.Config) {
	t.Helper()
	s, err := server.Open(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err, "check took it, so that it must start")
	s.Close()
}

// TestWhatLoadsOpens: a configuration that was checked in the morning starts in the night.
func TestWhatLoadsOpens(t *testing.T) {
	files, err := filepath.Glob("../config/testdata/*.good.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".good.yaml"), func(t *testing.T) {
			dir := t.TempDir() // where the relative paths of the file lead
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			path := filepath.Join(dir, "sessionward.yaml")
			require.NoError(t, os.WriteFile(path, data, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "secret.txt"), []byte("s3cret\n"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "users.htpasswd"), nil, 0o600))
			cfg, err := config.Load(path, checkEnv())
			require.NoError(t, err)
			opens(t, cfg)
		})
	}
}

// TestWhatLoadsOpensWithOddSettings holds the checks of config against those of the rooms, for values at the edge of
// what either takes: whatever loads must open.
func TestWhatLoadsOpensWithOddSettings(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	taken := 0
	for _, s := range oddSettings() {
		text := fmt.Sprintf(`{public_url: %q, prefix: %q, return_origins: [%q], cookie: {name: %q, domain: %q, same_site: %s, insecure: %t},
  keys_file: %q, store: {memory: {}}, routes: [{name: site, access: public, upstream: {url: "http://127.0.0.1:8080"}}]}`,
			s.url, s.prefix, s.origin, s.name, s.domain, s.sameSite, s.insecure, keys)
		cfg, err := config.Parse("odd.yaml", []byte(text), nil)
		if err != nil {
			continue // refused early: as it should be
		}
		taken++
		gateway, err := server.Open(cfg, slog.New(slog.DiscardHandler))
		require.NoError(t, err, "check takes what serve refuses: %+v", s)
		gateway.Close()
	}
	require.Greater(t, taken, 100)
}

type oddSetting struct {
	url, prefix, origin, name, domain, sameSite string
	insecure                                    bool
}

// oddSettings varies one setting, or two that depend on each other, of a good configuration.
func oddSettings() []oddSetting {
	good := oddSetting{url: "https://app.example.com", prefix: "/s", origin: "https://b.example.com", sameSite: "lax"}
	var list []oddSetting
	vary := func(change func(*oddSetting)) {
		s := good
		change(&s)
		list = append(list, s)
	}
	for c := '!'; c <= '~'; c++ {
		vary(func(s *oddSetting) { s.name = "a" + string(c) })
		vary(func(s *oddSetting) { s.name = "__Host-a" + string(c) + "b" })
		vary(func(s *oddSetting) { s.prefix = "/a" + string(c) })
		vary(func(s *oddSetting) { s.url = "https://a" + string(c) + "b.example.com" })
		vary(func(s *oddSetting) { s.origin = "https://a" + string(c) + "b.example.com" })
		vary(func(s *oddSetting) {
			s.url, s.domain, s.name = "https://a.a"+string(c)+"b.example.com", "a"+string(c)+"b.example.com", "c"
		})
	}
	for n := 30; n < 70; n++ {
		vary(func(s *oddSetting) { s.name = strings.Repeat("n", n) })
		vary(func(s *oddSetting) { s.prefix = "/" + strings.Repeat("p", n) })
	}
	for _, url := range []string{"http://localhost:4180", "http://[::1]:80", "http://a.localhost", "http://app.example.com", "https://[2001:db8::1]:8443", "https://192.0.2.1", "http://127.9.9.9:1"} {
		for _, name := range []string{"", "s", "__Host-s", "__Secure-s", "__host-s", "__secure-s", "__s"} {
			for _, sameSite := range []string{"lax", "none"} {
				for _, insecure := range []bool{false, true} {
					list = append(list, oddSetting{url: url, prefix: "/s", origin: url, name: name, sameSite: sameSite, insecure: insecure})
				}
			}
		}
	}
	return list
}

// TestServeRefusesNewKeysBesideStore: a key file that comes late ends no sessions, because the gateway does not start
// without it.
func TestServeRefusesNewKeysBesideStore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sessionward.yaml")
	data, err := os.ReadFile("../config/testdata/smallest.good.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	cfg, err := config.Load(path, nil)
	require.NoError(t, err)
	opens(t, cfg) // the first start makes both
	require.NoError(t, os.Rename(cfg.KeysFile, cfg.KeysFile+".away"))
	_, err = server.Open(cfg, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "put the key file back, or remove the store, which ends all sessions")
	require.NoFileExists(t, cfg.KeysFile)
	require.NoError(t, os.Rename(cfg.KeysFile+".away", cfg.KeysFile))
	opens(t, cfg)
}
