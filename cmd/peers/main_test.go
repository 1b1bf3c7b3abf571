package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRunsEveryKind builds the command and runs each stand-in as people do: it prints its address, answers there,
// takes the panel's commands, and ends when it is told to.
func TestRunsEveryKind(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "peers")
	built, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", built)
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) { runsAlone(t, binary, k) })
	}
}

func runsAlone(t *testing.T, binary string, k kind) {
	needed(t, k)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, k.name, "--listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	base := announced(t, out)

	require.NotContains(t, fetch(t, base+"/_panel/shown", nil), "GET /", "the panel is no stand-in")
	require.NotEmpty(t, fetch(t, base+"/", nil), "the stand-in itself, whatever it says to this")
	require.Contains(t, fetch(t, base+"/_panel/shown", nil), "GET /")
	require.Equal(t, "failing\n", fetch(t, base+"/_panel/mode", url.Values{"mode": {"failing"}}))
	require.Equal(t, "failing on purpose\n", fetch(t, base+"/", nil))

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait(), "a clean end")
}

// announced reads until everything has been printed, and returns the address.
func announced(t *testing.T, out io.Reader) string {
	t.Helper()
	var text strings.Builder
	chunk := make([]byte, 512)
	for !strings.Contains(text.String(), "Stop with Ctrl-C.") {
		n, err := out.Read(chunk)
		require.NoError(t, err, "printed so far: %s", &text)
		text.Write(chunk[:n])
	}
	require.Contains(t, text.String(), "alice")
	found := regexp.MustCompile(`(?m)^Address  (http://127\.0\.0\.1:\d+)$`).FindStringSubmatch(text.String())
	require.Len(t, found, 2, "%s", &text)
	return found[1]
}

// fetch asks for rawURL, with a form when there is one.
func fetch(t *testing.T, rawURL string, form url.Values) string {
	t.Helper()
	ask := func() (*http.Response, error) { return http.Get(rawURL) }
	if form != nil {
		ask = func() (*http.Response, error) { return http.PostForm(rawURL, form) }
	}
	res, err := ask()
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

func TestHelpTeaches(t *testing.T) {
	for _, flag := range []string{"-h", "--help"} {
		var out, errs bytes.Buffer
		require.Zero(t, run(t.Context(), []string{flag}, &out, &errs))
		require.Empty(t, errs.String())
		for _, text := range append(names(), "/_panel/clock", "/_panel/mode", "/_panel/shown", "curl", "--listen") {
			require.Contains(t, out.String(), text)
		}
	}
}

func TestCommandLineRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"nothing":               {nil, "name one stand-in"},
		"two":                   {[]string{"secretserver", "secretserver"}, "name one stand-in"},
		"unknown":               {[]string{"oracle"}, `there is no stand-in "oracle": choose from kratos, `},
		"unknown flag":          {[]string{"secretserver", "--port", "1"}, "see peers --help"},
		"not an address":        {[]string{"secretserver", "--listen", "4100"}, "is not host:port"},
		"every address":         {[]string{"secretserver", "--listen", ":4100"}, "not an address of this machine alone"},
		"every address, IPv6":   {[]string{"secretserver", "--listen", "[::]:4100"}, "not an address of this machine alone"},
		"another machine":       {[]string{"--listen", "192.0.2.1:4100", "secretserver"}, "not an address of this machine alone"},
		"a name that could lie": {[]string{"secretserver", "--listen", "example.com:4100"}, "not an address of this machine alone"},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, 2, run(t.Context(), tt.args, &out, &errs), name)
		require.Contains(t, errs.String(), tt.says, name)
		require.Empty(t, out.String(), name)
	}
}

func TestPortTaken(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"secretserver", "--listen", "127.0.0.1:0"}, writer, io.Discard) }()
	taken := strings.TrimPrefix(announced(t, reader), "http://")
	var out, errs bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"secretserver", "--listen", taken}, &out, &errs))
	require.Contains(t, errs.String(), "choose another port with --listen")
	cancel()
	require.Zero(t, <-done)
}

// closed counts how often it was closed.
type closed struct{ times int }

func (c *closed) Close() error {
	c.times++
	return errors.New("its own trouble")
}

func TestStandInIsClosed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &closed{}
	o := options{listen: "127.0.0.1:0", kind: kind{name: "x", open: func(context.Context, string) (standIn, error) {
		return standIn{handler: http.NotFoundHandler(), closer: c}, nil
	}}}
	require.ErrorContains(t, stand(ctx, o, io.Discard), "its own trouble")
	require.Equal(t, 1, c.times)
}
