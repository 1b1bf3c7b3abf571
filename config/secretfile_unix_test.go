//go:build unix

package config

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPipesAreNotRead: opening one would keep the start waiting for somebody to write to it.
func TestPipesAreNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := readSecret(path)
	require.ErrorContains(t, err, "is not a regular file")
	_, err = Load(path, nil)
	require.ErrorContains(t, err, "is not a regular file")
}
