package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

var update = flag.Bool("update", false, "write what the tests found as what they expect")

// binary is the built program all tests here drive. TestMain sets it before any test runs.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sessionward-cli-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "sessionward")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=v0.0.0-test", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// result is what one run of the program left behind.
type result struct {
	stdout, stderr string
	code           int
}

// run runs the program in dir.
func run(t *testing.T, dir, stdin string, env []string, args ...string) result {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, append([]string{"PATH=/bin", "HOME=/nowhere"}, env...), strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		require.NoError(t, err)
	} else if ok {
		return result{stdout.String(), stderr.String(), exit.ExitCode()}
	}
	return result{stdout.String(), stderr.String(), 0}
}

// folder returns a fresh folder with the configurations of testdata in it.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/files")))
	require.NoError(t, os.Chmod(filepath.Join(dir, "wrong.keys"), 0o600))
	return dir
}

// golden compares what a run printed with testdata/NAME.golden.
func golden(t *testing.T, name string, r result) {
	t.Helper()
	got := fmt.Sprintf("exit %d\n--- stdout\n%s--- stderr\n%s", r.code, r.stdout, r.stderr)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestGolden(t *testing.T) {
	const secret = "OIDC_SECRET=s3cret"
	for _, tt := range []struct {
		name, args string
		env        []string
		code       int
	}{
		{"help", "", nil, 0},
		{"help_serve", "serve --help", nil, 0},
		{"help_check", "check --help", nil, 0},
		{"help_keys", "keys --help", nil, 0},
		{"help_sessions", "sessions --help", nil, 0},
		{"help_sessions_list", "sessions list --help", nil, 0},
		{"help_sessions_revoke", "sessions revoke --help", nil, 0},
		{"help_login", "login --help", nil, 0},
		{"unknown_command", "chek", nil, 2},
		{"unknown_keys_command", "keys lst", nil, 2},
		{"unknown_flag", "serve --confg x", nil, 2},
		{"unknown_output", "check -o xml", nil, 2},
		{"too_many_arguments", "version now", nil, 2},
		{"too_few_arguments", "keys api-key", nil, 2},
		{"check_good", "check", []string{secret}, 0},
		{"check_good_json", "check -o json", []string{secret}, 0},
		{"check_trust", "check -c trust.yaml", nil, 0},
		{"check_bad", "check -c bad.yaml", nil, 1},
		{"check_bad_json", "check -c bad.yaml -o json", nil, 1},
		{"check_missing", "check -c nowhere.yaml", nil, 1},
		{"check_unset", "check", nil, 1},
		{"check_environment", "check", []string{secret, "SESSIONWARD_LOG_LEVL=debug"}, 1},
		{"check_other_file", "check", []string{"SESSIONWARD_CONFIG=trust.yaml"}, 0},
		{"check_files", "check -c files.yaml", nil, 1},
		{"serve_bad", "serve -c bad.yaml", nil, 1},
		{"keys_list_missing", "keys list", nil, 1},
		{"keys_prune_none", "keys prune --keep 0", nil, 1},
		{"api_key_id", "keys api-key a_b", nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, folder(t), "", tt.env, strings.Fields(tt.args)...)
			require.Equal(t, tt.code, r.code, "%s", r.stderr)
			require.NotContains(t, r.stdout+r.stderr, "s3cret")
			if tt.code != 0 {
				lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
				require.True(t, strings.HasPrefix(lines[len(lines)-1], "sessionward: "), r.stderr)
			}
			golden(t, tt.name, r)
		})
	}
}

func TestVersion(t *testing.T) {
	r := run(t, t.TempDir(), "", nil, "version")
	require.Regexp(t, `^sessionward v0\.0\.0-test \(commit \w+, go\S+, \w+/\w+\)\n$`, r.stdout)
	r = run(t, t.TempDir(), "", nil, "version", "-o", "json")
	require.Contains(t, r.stdout, `"version": "v0.0.0-test"`)
}

func TestSchemaCommand(t *testing.T) {
	r := run(t, t.TempDir(), "", nil, "schema")
	want, err := os.ReadFile("../../docs/sessionward.schema.json")
	require.NoError(t, err)
	require.Equal(t, string(want), r.stdout)
}

func TestCompletion(t *testing.T) {
	require.Contains(t, run(t, t.TempDir(), "", nil, "completion", "bash").stdout, "sessionward")
	require.Contains(t, run(t, t.TempDir(), "", nil, "__complete", "check", "-o", "").stdout, "json")
}

func TestKeysFromNewToPrune(t *testing.T) {
	dir := t.TempDir()
	keys := func(args ...string) string {
		r := run(t, dir, "", []string{"SESSIONWARD_KEYS_FILE=ring"}, append([]string{"keys"}, args...)...)
		require.Zero(t, r.code, r.stderr)
		return r.stdout
	}
	require.Equal(t, "made ring\n", keys("new"))
	again := run(t, dir, "", nil, "keys", "new", "-f", "ring")
	require.Equal(t, result{"", "sessionward: keys: ring: file exists\n", 1}, again, "new never replaces a key file")
	require.Regexp(t, `^\d{8}-\w{8} seals and signs from the next start on; 2 keys in ring\n$`, keys("rotate"))
	require.Regexp(t, `^\d{8}-\w{8} +seals and signs\n\d{8}-\w{8} +opens what it sealed\n$`, keys("list"))
	require.Equal(t, "nothing to drop: 2 keys in ring\n", keys("prune"))
	require.Regexp(t, `^dropped \d{8}-\w{8}\n$`, keys("prune", "--keep", "1"))
	data, err := os.ReadFile(filepath.Join(dir, "ring"))
	require.NoError(t, err)
	secret := regexp.MustCompile(`\S{43}`).FindString(string(data[bytes.LastIndexByte(data[:len(data)-1], '\n')+1:]))
	require.NotEmpty(t, secret)
	for _, out := range []string{keys("list"), keys("list", "-o", "json"), keys("rotate"), keys("prune", "--keep", "1")} {
		require.NotContains(t, out, secret)
	}
}

func TestKeysOpenToOthersAreRefusedByTheProgram(t *testing.T) {
	dir := t.TempDir()
	require.Zero(t, run(t, dir, "", nil, "keys", "new").code)
	require.NoError(t, os.Chmod(filepath.Join(dir, "sessionward.keys"), 0o644))
	r := run(t, dir, "", nil, "keys", "list")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "chmod 600 sessionward.keys")
}

func TestAPIKeyFitsTheConfiguration(t *testing.T) {
	dir := folder(t)
	r := run(t, dir, "", nil, "keys", "api-key", "ci")
	require.Zero(t, r.code, r.stderr)
	require.Regexp(t, `swk_ci_\S{43}`, r.stdout)
	_, stanza, found := strings.Cut(r.stdout, "of a source:\n")
	require.True(t, found)
	text := "public_url: https://app.example.com\nsources:\n- name: local\n  local:\n    api_keys:\n" + indent(stanza) +
		"routes:\n- name: app\n  upstream: {url: 'http://127.0.0.1:1'}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "k.yaml"), []byte(text), 0o600))
	checked := run(t, dir, "", nil, "check", "-c", "k.yaml")
	require.Zero(t, checked.code, checked.stderr)
}

func indent(s string) string {
	return regexp.MustCompile(`(?m)^`).ReplaceAllString(strings.TrimSpace(s), "      ") + "\n"
}

func TestHashPassword(t *testing.T) {
	r := run(t, t.TempDir(), "wonderland\nsecond line\n", nil, "hash-password", "--cost", "10", "alice")
	require.Zero(t, r.code, r.stderr)
	name, hash, _ := strings.Cut(strings.TrimSpace(r.stdout), ":")
	require.Equal(t, "alice", name)
	require.NoError(t, bcrypt.CompareHashAndPassword([]byte(hash), []byte("wonderland")))

	for _, tt := range []struct{ name, password, cost, want string }{
		{"alice", "short", "10", "password: has 5 bytes; use 8 to 72"},
		{"alice", strings.Repeat("x", 73), "10", "use 8 to 72"}, // bcrypt would look at 72 and call the rest right
		{"alice", strings.Repeat("x", 1000), "10", "use 8 to 72"},
		{"alice", "", "10", "password: has 0 bytes"},
		{"a:b", "wonderland", "10", "must not be empty or hold a colon"},
		{"a b", "wonderland", "10", "must not be empty or hold a colon"},
		{"", "wonderland", "10", "must not be empty"},
		{"alice", "wonderland", "9", "--cost 9: write 10 to 16"},
	} {
		r := run(t, t.TempDir(), tt.password, nil, "hash-password", "--cost", tt.cost, tt.name)
		require.Equal(t, 1, r.code)
		require.Empty(t, r.stdout)
		require.Contains(t, r.stderr, tt.want)
	}
}
