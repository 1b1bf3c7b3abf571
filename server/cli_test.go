package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/admin"
)

// command runs the binary beside the gateway of this world and returns what it printed.
func (w *world) command(code int, args ...string) (stdout, stderr string) {
	w.t.Helper()
	path, err := binary()
	require.NoError(w.t, err)
	cmd := exec.Command(path, append(args, "--config", w.config)...)
	cmd.Env = append(os.Environ(), "SESSIONWARD_ADMIN_LISTEN="+strings.TrimPrefix(w.admin, "http://"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	require.Equal(w.t, code, cmd.ProcessState.ExitCode(), "%v\n%s%s", args, &out, &errs)
	return out.String(), errs.String()
}

// TestCommandLineOnASessionOfAProvider: what a terminal does to a session that a browser has, and its provider.
func TestCommandLineOnASessionOfAProvider(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b, _ := w.login("/")
	out, _ := w.command(0, "sessions", "list", "--user", "alice", "--active", "-o", "json")
	var list []admin.Entry
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Len(t, list, 1)
	handle := list[0].Handle
	require.Equal(t, "alice-sub", list[0].Identity.Subject)
	require.Equal(t, "127.0.0.1", list[0].Devices[0].IP)

	before := w.provider.TokenCalls("refresh_token")
	w.command(0, "sessions", "refresh", handle)
	require.Equal(t, before+1, w.provider.TokenCalls("refresh_token"))
	w.command(0, "sessions", "validate", handle)
	w.command(0, "sessions", "touch", handle)
	out, _ = w.command(0, "sessions", "ttl", handle, "--within", "1000h")
	require.Regexp(t, `ends within 1000h0m0s +true`, out)
	_, problem := w.command(1, "sessions", "extend", handle)
	require.Contains(t, problem, "unsupported")
	_, problem = w.command(1, "login", "--source", "corp", "--token-file", w.config)
	require.Contains(t, problem, "makes no session out of a token")
	require.Equal(t, http.StatusOK, w.get(b, "/").StatusCode)

	out, _ = w.command(0, "sessions", "revoke", "--user", "alice", "--source", "corp", "--yes")
	require.Contains(t, out, handle)
	require.Equal(t, http.StatusFound, w.get(b, "/").StatusCode, "the very next request")
	require.Eventually(t, func() bool { return w.provider.ActiveRefreshTokens(alice.Subject) == 0 }, 10*time.Second, 20*time.Millisecond, "its provider was told")
	_, problem = w.command(1, "sessions", "refresh", handle)
	require.Contains(t, problem, "not found")
	require.NotContains(t, w.output.String(), clientSecret)
}
