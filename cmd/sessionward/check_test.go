//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCheckFindsKeysMissingBesideStore: serve would not start without the keys of its sessions, so check says it first.
func TestCheckFindsKeysMissingBesideStore(t *testing.T) {
	dir := publicSite(t, "http://127.0.0.1:8080")
	require.Equal(t, 0, run(t, dir, "", nil, "check").code, "neither is there before the first start")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sessionward.db"), []byte("sessions"), 0o600))
	for _, command := range []string{"check", "serve"} {
		r := run(t, dir, "", nil, command)
		require.Equal(t, 1, r.code, command)
		require.Contains(t, r.stderr, "put the key file back, or remove the store, which ends all sessions", command)
		require.NoFileExists(t, filepath.Join(dir, "sessionward.keys"))
	}
}
