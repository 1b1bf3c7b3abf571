package kratos

import (
	"errors"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBinary builds Kratos when it is not there yet: `make peers` runs it before all others, which then find it.
func TestBinary(t *testing.T) {
	path, err := Binary(t.Context())
	if errors.Is(err, ErrNotBuilt) {
		t.Skipf("no Kratos here, and the tests that need one are skipped: %v", err)
	}
	require.NoError(t, err)
	out, err := exec.Command(path, "version").CombinedOutput()
	require.NoError(t, err, "%s", out)
}
