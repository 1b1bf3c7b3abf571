package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

var update = flag.Bool("update", false, "write what the tests found as what they expect")

// testEnv is the environment of the files in testdata.
func testEnv() []string {
	return []string{"SW_TEST_HOST=app.example.com", "SW_TEST_SECRET=s3cret", "SW_TEST_NUMBER=7", "SW_TEST_EMPTY=",
		"SW_TEST_YAML=x\"'\nlisten: 0.0.0.0:1 # ${SW_TEST_SECRET}"}
}

// golden compares got with the file at path.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "every bad file needs its message beside it; run the test with -update and read what it wrote")
	require.Equal(t, string(want), got)
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

// TestBadFiles holds every bad file against the exact words it must be refused with. A rule without a bad file does
// not exist.
func TestBadFiles(t *testing.T) {
	bad := files(t, "*.bad.yaml")
	require.GreaterOrEqual(t, len(bad), 40)
	for _, path := range bad {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".bad.yaml"), func(t *testing.T) {
			c, err := Load(path, testEnv())
			require.Nil(t, c)
			problems, ok := errors.AsType[Problems](err)
			require.True(t, ok, "want Problems, got %v", err)
			require.ErrorIs(t, err, session.ErrMalformed)
			for _, p := range problems {
				require.Equal(t, path, p.File)
				require.NotContains(t, p.String(), "s3cret")
				require.NotContains(t, p.String(), "\n")
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func TestGoodFiles(t *testing.T) {
	for _, path := range files(t, "*.good.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".good.yaml"), func(t *testing.T) {
			c, err := Load(path, testEnv())
			require.NoError(t, err)
			require.NotEmpty(t, c.Cookie.Name)
			require.Equal(t, path, c.File())
		})
	}
}

// TestExpectationsHaveFiles finds messages whose bad file is gone.
func TestExpectationsHaveFiles(t *testing.T) {
	for _, path := range files(t, "*.bad.txt") {
		require.FileExists(t, strings.TrimSuffix(path, ".txt")+".yaml")
	}
}

func load(t *testing.T, name string, env ...string) *Config {
	t.Helper()
	c, err := Load(filepath.Join("testdata", name), append(testEnv(), env...))
	require.NoError(t, err)
	return c
}

func TestDefaultsThatFollow(t *testing.T) {
	c := load(t, "ten_lines.good.yaml")
	require.Equal(t, "127.0.0.1:4180", c.Listen)
	require.Equal(t, "__Host-sessionward", c.Cookie.Name)
	require.Equal(t, "https://app.example.com", c.Signer.Issuer)
	require.Equal(t, "app.example.com", c.Pages.Title)
	require.Equal(t, filepath.Join("testdata", "sessionward.keys"), c.KeysFile)
	require.Equal(t, filepath.Join("testdata", "sessionward.db"), c.Store.Bolt.Path)
	require.Equal(t, 30*time.Second, c.ShutdownTimeout)
	require.Empty(t, c.TrustedProxies)
	require.False(t, c.Cookie.Insecure)

	local := load(t, "localhost.good.yaml")
	require.True(t, local.Cookie.Insecure, "no browser keeps a Secure cookie of plain http")
	require.Equal(t, "sessionward", local.Cookie.Name)
	require.NotNil(t, local.Store.Memory, "a kind with nothing behind it is chosen")
	require.Nil(t, local.Store.Bolt)
	require.Equal(t, filepath.Join("testdata", "users.htpasswd"), local.Sources[0].Local.HtpasswdFile)
}

func TestInheritance(t *testing.T) {
	c := load(t, "inherited.good.yaml")
	require.Equal(t, 2*time.Hour, c.Sources[0].Session.IdleTimeout, "not said: from the top")
	require.Equal(t, 8*time.Hour, c.Sources[0].Session.MaxLifetime, "said: its own")
	require.Equal(t, c.Session, c.Sources[1].Session)
	require.Nil(t, c.Routes[0].Identity.Assertion, "null switches off what the top has")
	require.Equal(t, 4096, c.Routes[0].Identity.MaxBytes)
	require.Equal(t, []string{"x-sessionward"}, c.Routes[0].Identity.Families)
	require.Equal(t, c.Identity, c.Routes[1].Identity)
	require.Zero(t, c.Identity.MaxBytes, "what a route says stays in the route")
}

func TestVariablesFillScalarsAlone(t *testing.T) {
	c := load(t, "variables.good.yaml")
	require.Equal(t, "https://app.example.com", c.PublicURL)
	require.Equal(t, 7, c.Cache.MaxEntries)
	require.Equal(t, "$5 x\"'\nlisten: 0.0.0.0:1 # ${SW_TEST_SECRET} ${SW_TEST_HOST} $x", c.Sources[0].OIDC.DisplayName)
	require.Equal(t, "127.0.0.1:4180", c.Listen, "a value can add no key")
}

func TestSecretFile(t *testing.T) {
	c := load(t, "secret_file.good.yaml")
	require.Equal(t, "s3cret", c.Sources[0].OIDC.ClientSecret.Reveal(), "one line break at the end is not part of it")
	require.Empty(t, c.Sources[0].OIDC.ClientSecretFile)
}

func TestSecretFileTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, make([]byte, maxSecretBytes+1), 0o600))
	_, err := readSecret(path)
	require.ErrorContains(t, err, "larger than 65536 bytes")
}

func TestLoadWithoutFile(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	require.NoError(t, os.WriteFile(large, make([]byte, maxFileBytes+1), 0o600))
	binary := filepath.Join(dir, "binary.yaml")
	require.NoError(t, os.WriteFile(binary, []byte{0xff, 0xfe, 0}, 0o600))
	missing := filepath.Join(dir, "missing.yaml")
	for path, want := range map[string]string{
		missing: "cannot read " + missing + ": no such file or directory; name the file with --config",
		dir:     dir + " is a folder, not a file",
		large:   "is larger than 1048576 bytes",
		binary:  "is not text in UTF-8; save it as UTF-8",
	} {
		_, err := Load(path, nil)
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, session.ErrMalformed)
	}
}

func TestParseTooLarge(t *testing.T) {
	_, err := Parse("large.yaml", append([]byte("public_url: x\n#"), make([]byte, maxFileBytes)...), nil)
	require.EqualError(t, err, "large.yaml: is larger than 1048576 bytes, which no configuration needs")
}

func TestWhere(t *testing.T) {
	c := load(t, "ten_lines.good.yaml", "SESSIONWARD_LOG_LEVEL=warn")
	require.Equal(t, "testdata/ten_lines.good.yaml:4:5", c.Where("sources[0].oidc"))
	require.Equal(t, "testdata/ten_lines.good.yaml:4:5", c.Where("sources[0].oidc.timeout"))
	require.Equal(t, "SESSIONWARD_LOG_LEVEL", c.Where("log.level"))
	require.Equal(t, "testdata/ten_lines.good.yaml", c.Where("pages.dir"))
}

func TestAliasesStandForWholeValues(t *testing.T) {
	c := load(t, "aliases.good.yaml")
	require.Equal(t, c.Routes[0].Upstream, c.Routes[1].Upstream)
	require.Equal(t, policy.Access(""), c.Routes[1].Access)
}

// FuzzConfig holds that no bytes make the loader fall over, that it always says the same of them, and that every
// problem fits one line.
func FuzzConfig(f *testing.F) {
	for _, pattern := range []string{"testdata/*.good.yaml", "testdata/*.bad.yaml"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(f, err)
		for _, path := range paths {
			data, err := os.ReadFile(path)
			require.NoError(f, err)
			f.Add(data, "SESSIONWARD_LOG_LEVEL", "debug")
			f.Add(data, "SESSIONWARD_SOURCES_0_OIDC_CLIENT_SECRET_FILE", "secret.txt")
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, name, value string) {
		env := append(testEnv(), name+"="+value)
		_, first := Parse("testdata/fuzz.yaml", data, env)
		_, second := Parse("testdata/fuzz.yaml", data, env)
		if first == nil {
			require.NoError(t, second)
			return
		}
		require.EqualError(t, second, first.Error())
		problems, ok := errors.AsType[Problems](first)
		require.True(t, ok)
		require.Equal(t, len(problems)-1, strings.Count(first.Error(), "\n"))
	})
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("testdata/inherited.good.yaml")
	require.NoError(b, err)
	for b.Loop() {
		if _, err := Parse("testdata/inherited.good.yaml", data, nil); err != nil {
			b.Fatal(err)
		}
	}
}
