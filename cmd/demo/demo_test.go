//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// fakeGateway makes this test binary act as the gateway's: "ok" answers until it is asked to stop, "broken" fails.
const fakeGateway = "DEMO_TEST_GATEWAY"

func TestMain(m *testing.M) {
	switch os.Getenv(fakeGateway) {
	case "ok":
		os.Exit(actAsGateway(os.Args))
	case "broken":
		fmt.Fprintln(os.Stderr, "sessionward.yaml:3: public_url: is wrong")
		os.Exit(3)
	}
	os.Exit(m.Run())
}

func actAsGateway(args []string) int {
	if len(args) != 4 || args[1] != "serve" || args[2] != "--config" {
		return 64
	}
	b, err := os.ReadFile(args[3])
	if err != nil {
		return 66
	}
	var c struct {
		Listen string `yaml:"listen"`
	}
	if yaml.Load(b, &c) != nil {
		return 65
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return 1
	}
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getpid()) })
	if serve(ctx, l, ok) != nil {
		return 1
	}
	fmt.Println("stopped in order")
	return 0
}

// terminal is where a demonstration under test prints.
type terminal struct {
	mu   sync.Mutex
	b    bytes.Buffer
	news chan struct{}
}

func newTerminal() *terminal { return &terminal{news: make(chan struct{}, 1)} }

func (o *terminal) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default:
	}
	return o.b.Write(p)
}

func (o *terminal) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// await returns the submatches of the first text that matches.
func (o *terminal) await(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(20 * time.Second)
	for {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m
		}
		select {
		case <-o.news:
		case <-late:
			t.Fatalf("%q was not printed:\n%s", pattern, o)
		}
	}
}

// begin runs the demonstration on free ports; the returned function ends it and returns its exit code.
func begin(t *testing.T, mode string, args ...string) (*terminal, func() int) {
	t.Helper()
	t.Setenv(fakeGateway, mode)
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	out, code := newTerminal(), make(chan int, 1)
	args = append([]string{"--gateway", self, "--port", "0", "--data", filepath.Join(t.TempDir(), "data")}, args...)
	go func() { code <- run(ctx, args, out, out) }()
	stop := sync.OnceValue(func() int { cancel(); return <-code })
	t.Cleanup(func() { stop() })
	return out, stop
}

func TestDemonstrationStartsAndStops(t *testing.T) {
	out, stop := begin(t, "ok")
	at := out.await(t, `Open +(http://localhost:\d+/)`)[1]
	require.Contains(t, out.String(), "alice / wonderland (groups admins, staff)")
	pid, err := strconv.Atoi(out.await(t, `Gateway pid +(\d+)`)[1])
	require.NoError(t, err)
	require.NoError(t, answers(t.Context(), http.DefaultClient, at))
	for _, file := range []string{"Configuration", "Gateway log"} {
		info, err := os.Stat(out.await(t, file+` +(\S+)`)[1])
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	require.Zero(t, stop())
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "the gateway has ended and was waited for")
	require.Contains(t, out.String(), "Stopped.")
	log, err := os.ReadFile(out.await(t, `Gateway log +(\S+)`)[1])
	require.NoError(t, err)
	require.Contains(t, string(log), "stopped in order")
}

func TestKilledGatewayIsStartedAgain(t *testing.T) {
	out, stop := begin(t, "ok")
	pid, err := strconv.Atoi(out.await(t, `Gateway pid +(\d+)`)[1])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	out.await(t, `has ended \(signal: killed\)`)
	again := out.await(t, `(?s)has ended.*Gateway pid (\d+)`)[1]
	require.NotEqual(t, strconv.Itoa(pid), again)
	require.Zero(t, stop())
}

func TestGatewayThatCannotStartIsNotRetried(t *testing.T) {
	t.Setenv(fakeGateway, "broken")
	self, err := os.Executable()
	require.NoError(t, err)
	out := newTerminal()
	code := run(t.Context(), []string{"--gateway", self, "--port", "0", "--data", t.TempDir()}, out, out)
	require.Equal(t, 1, code)
	require.Contains(t, out.String(), "exit status 3")
	require.Contains(t, out.String(), "public_url: is wrong", "the end of its log is shown")
	require.NotContains(t, out.String(), "Starting it again")
}

func TestTakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	taken := l.Addr().String()
	_, port, err := net.SplitHostPort(taken)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	for who, args := range map[string][]string{"provider": {"--port", port}, "gateway": {"--port", "0", "--listen", taken}} {
		if n, _ := strconv.Atoi(port); who == "provider" && n > 65535-gatewayAt {
			continue // too high to be a base port
		}
		out := newTerminal()
		require.Equal(t, 1, run(t.Context(), append(args, "--gateway", self, "--data", t.TempDir()), out, out))
		require.Contains(t, out.String(), "the "+who+" cannot listen on "+taken)
		require.Contains(t, out.String(), "--port")
		require.Contains(t, out.String(), "--listen")
	}
}

func TestFlagsAreChecked(t *testing.T) {
	for want, args := range map[string][]string{
		"make build":          {"--gateway", filepath.Join(t.TempDir(), "missing")},
		"--port: 65500":       {"--port", "65500"},
		"--token-ttl: 1ms":    {"--token-ttl", "1ms"},
		"--listen: \"4180\"":  {"--listen", "4180"},
		"unexpected argument": {"now"},
	} {
		out := newTerminal()
		require.NotZero(t, run(t.Context(), args, out, out))
		require.Contains(t, out.String(), want)
	}
	require.Zero(t, run(t.Context(), []string{"-h"}, newTerminal(), newTerminal()))
}

func TestConfigurationIsYAMLWhateverTheValues(t *testing.T) {
	c := configuration{Listen: "127.0.0.1:4180", PublicURL: `a "b": {c} # \d`, Application: "é\n"}
	path, err := c.write(t.TempDir())
	require.NoError(t, err)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var got struct {
		Listen    string `yaml:"listen"`
		PublicURL string `yaml:"public_url"`
		Store     struct{ Bolt struct{ Path string } }
		Routes    []struct{ Upstream struct{ URL string } }
	}
	require.NoError(t, yaml.Load(b, &got), "%s", b)
	require.Equal(t, c.Listen, got.Listen)
	require.Equal(t, c.PublicURL, got.PublicURL)
	require.Equal(t, storeFile, got.Store.Bolt.Path)
	require.Equal(t, c.Application, got.Routes[1].Upstream.URL)
}

func TestPublicURL(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:4180": "http://localhost:4180", "0.0.0.0:1": "http://localhost:1", ":1": "http://localhost:1",
		"[::1]:1": "http://localhost:1", "192.0.2.1:1": "http://192.0.2.1:1", "host:1": "http://host:1",
	} {
		require.Equal(t, want, publicURL(address))
	}
}

func TestTailShowsWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("a line\n", 1000)+"the last\n"), 0o600))
	got := string(tail(path))
	require.True(t, strings.HasPrefix(got, "a line\n") && strings.HasSuffix(got, "the last"))
}
