package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source"
	"github.com/sessionward/sessionward/store"
)

const examplePath = "../config.example.yaml"

func readExample(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(examplePath)
	require.NoError(t, err)
	return string(data)
}

// commentedOut is a setting behind a #.
var commentedOut = regexp.MustCompile(`(?m)^#((?:  +)?(?:- )?[a-z_]+:)`)

// uncomment returns the example with every setting switched on.
func uncomment(example string) string { return commentedOut.ReplaceAllString(example, "$1") }

// decodeExample decodes the example with every setting switched on, without the checks of what fits together.
func decodeExample(t *testing.T) (*Config, map[string]position) {
	t.Helper()
	text := strings.ReplaceAll(uncomment(readExample(t)), "client_secret: ${OIDC_CLIENT_SECRET}   #", "#")
	var problems Problems
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "client-secret.txt"), []byte("s3cret"), 0o600))
	c := Config{}
	d := newDecoder(dir, &problems)
	root := readTree("example", []byte(text), nil, reflect.TypeFor[Config](), &problems)
	require.NotNil(t, root, "%v", problems)
	d.decode(root, reflect.ValueOf(&c).Elem(), "", "")
	require.NoError(t, problems.err())
	return &c, d.places
}

func TestExampleLoads(t *testing.T) {
	c, err := Load(examplePath, []string{"OIDC_CLIENT_SECRET=s3cret"})
	require.NoError(t, err)
	require.Equal(t, "bolt", c.Store.Kind())
	require.Equal(t, "s3cret", c.Sources[0].OIDC.ClientSecret.Reveal())
}

// TestExampleNamesEveryKey holds the example against the option types: a key in one that is not in the other fails.
func TestExampleNamesEveryKey(t *testing.T) {
	_, places := decodeExample(t)
	got := make(map[string]bool)
	for key := range places {
		got[regexp.MustCompile(`\[\d+\]`).ReplaceAllString(key, "[]")] = true
	}
	got["sources[].oidc.client_secret"] = true // taken out above, for its twin
	seen := make(map[reflect.Type]bool)
	var want func(t reflect.Type, path string) []string
	want = func(t reflect.Type, path string) (missing []string) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && !isScalar(t.Elem()) {
			if t.Kind() == reflect.Slice {
				path += "[]"
			}
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || isText(t) || seen[t] {
			return nil // a group that was shown once need not be shown again
		}
		seen[t] = true
		for _, f := range fieldsOf(t) {
			key := childPath(path, f.name)
			if twin, ok := strings.CutSuffix(key, "_file"); !got[key] && (!ok || !got[twin]) { // every secret x has x_file
				missing = append(missing, key)
			}
			if !strings.HasPrefix(key, "routes[].identity") && key != "sources[].session" {
				missing = append(missing, want(f.typ, key)...)
			}
		}
		return missing
	}
	require.Empty(t, want(reflect.TypeFor[Config](), ""), "settings config.example.yaml does not name")
}

// TestExampleExplainsEveryKey wants a few words behind or above each setting.
func TestExampleExplainsEveryKey(t *testing.T) {
	above := ""
	for line := range strings.Lines(readExample(t)) {
		line = strings.TrimSpace(line)
		if commentedOut.MatchString(line) || regexp.MustCompile(`^(- )?[a-z_]+:`).MatchString(line) {
			group := regexp.MustCompile(`^#? *(- )?[a-z_]+:\s*$`).MatchString(line)
			explained := regexp.MustCompile(`\s# \S`).MatchString(line) || strings.HasPrefix(above, "# ")
			if !group {
				require.True(t, explained, "no remark at: %s", line)
			}
		}
		above = line
	}
}

// TestExampleShowsTheDefaults holds the values behind # that are not called examples against the defaults.
func TestExampleShowsTheDefaults(t *testing.T) {
	c, _ := decodeExample(t)
	d := Defaults()
	require.Equal(t, d.Listen, c.Listen)
	require.Equal(t, d.Prefix, c.Prefix)
	require.Equal(t, d.KeysFile, filepath.Base(c.KeysFile))
	require.Equal(t, d.ShutdownTimeout, c.ShutdownTimeout)
	require.Equal(t, d.Log, c.Log)
	require.Equal(t, d.Limits, c.Limits)
	require.Equal(t, d.Cookie.SameSite, c.Cookie.SameSite)
	require.Empty(t, cmp.Diff(session.Lifetime{IdleTimeout: session.DefaultIdleTimeout, MaxLifetime: session.DefaultMaxLifetime,
		TouchEvery: session.DefaultTouchEvery}, c.Session))
	require.Equal(t, session.CacheOptions{FreshFor: session.DefaultFreshFor, StaleFor: session.DefaultStaleFor,
		RejectedFor: session.DefaultRejectedFor, MaxEntries: session.DefaultMaxEntries, MaxBytes: session.DefaultMaxBytes}, c.Cache)
	require.Equal(t, 30*time.Second, c.Routes[0].Upstream.Timeout)
}

// TestExampleHasEveryKind wants a stanza for each kind of source and store.
func TestExampleHasEveryKind(t *testing.T) {
	c, places := decodeExample(t)
	require.NotEmpty(t, c.Sources)
	for _, kind := range store.Kinds() {
		require.Contains(t, places, "store."+kind)
	}
	for _, kind := range source.Kinds() {
		found := false
		for i := range c.Sources {
			_, ok := places[itemPath("sources", i)+"."+kind]
			found = found || ok
		}
		require.True(t, found, "no stanza for sources of kind %s", kind)
	}
}
