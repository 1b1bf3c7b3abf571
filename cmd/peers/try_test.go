package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/kratos"
)

// needed skips a test of a stand-in that cannot be had on this machine.
func needed(t *testing.T, k kind) {
	t.Helper()
	if k.name != "kratos" {
		return
	}
	if _, err := kratos.Binary(t.Context()); errors.Is(err, kratos.ErrNotBuilt) {
		t.Skip("SKIPPED: " + err.Error())
	}
}

// blanks are the words in capitals that stand in commands for what an earlier answer holds: in any of these members, or
// where an answer is one word alone, that.
func blanks() map[string]*regexp.Regexp {
	word := regexp.MustCompile(`^"?([\w.-]+)"?\s*$`)
	return map[string]*regexp.Regexp{
		"TOKEN":   regexp.MustCompile(`"(?:access_token|session_token|authToken|tokenId)":"([^"]+)"|` + word.String()),
		"ID":      regexp.MustCompile(`"id":"([^"]+)"`),
		"ACCOUNT": regexp.MustCompile(`"accountId":"([^"]+)"`),
	}
}

// TestFirstCommandsWork runs the commands a stand-in is announced with, as people do, one after the other.
func TestFirstCommandsWork(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("SKIPPED: there is no curl")
	}
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, ".curlrc"), []byte("silent\nshow-error\nfail\n"), 0o600))
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			needed(t, k)
			server := httptest.NewUnstartedServer(nil)
			s, err := k.open(t.Context(), "http://"+server.Listener.Addr().String())
			require.NoError(t, err)
			if s.closer != nil {
				t.Cleanup(func() { require.NoError(t, s.closer.Close()) })
			}
			server.Config.Handler = s.handler
			server.Start()
			t.Cleanup(server.Close)
			require.NotEmpty(t, s.try)
			runInOrder(t, home, s.try)
		})
	}
}

func runInOrder(t *testing.T, home string, commands []string) {
	held := map[string]string{}
	for _, command := range commands {
		if !strings.HasPrefix(command, "curl ") {
			continue // for a browser
		}
		for blank := range blanks() {
			whole := regexp.MustCompile(`\b` + blank + `\b`)
			if whole.MatchString(command) {
				require.NotEmpty(t, held[blank], "%s: no answer so far holds one", command)
				command = whole.ReplaceAllLiteralString(command, held[blank])
			}
		}
		answer := shell(t, home, command)
		for blank, where := range blanks() {
			if found := where.FindStringSubmatch(answer); found != nil && held[blank] == "" {
				held[blank] = strings.Join(found[1:], "")
			}
		}
	}
}

// shell runs command, which fails with the status of an answer from 400 on.
func shell(t *testing.T, home, command string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "-c", command)
	cmd.Env = append(os.Environ(), "CURL_HOME="+home, "no_proxy=*")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, out)
	return string(out)
}
