package kratos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// ErrNotBuilt is that there is no Kratos here and none can be built. A test that needs one skips, and says so.
var ErrNotBuilt = errors.New("no Kratos: give Options.Binary, or have Go, a C compiler and the modules of tools/kratos")

// Binary returns the path of a Kratos built from tools/kratos of the repository the current folder belongs to. It is
// built when it is not yet there, which takes minutes, and kept in the user's cache, so that it is built once. The
// error is ErrNotBuilt when that is impossible.
func Binary(ctx context.Context) (string, error) {
	module, err := moduleDir(ctx)
	if err != nil {
		return "", err
	}
	path, err := cached(module)
	if err != nil {
		return "", err
	}
	unlock, err := lock(path + ".lock")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotBuilt, err)
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, build(ctx, module, path)
}

// moduleDir finds tools/kratos.
func moduleDir(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("%w: go env: %w", ErrNotBuilt, err)
	}
	root := filepath.Dir(string(out[:max(len(out)-1, 0)]))
	module := filepath.Join(root, "tools", "kratos")
	if _, err := os.Stat(filepath.Join(module, "go.mod")); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotBuilt, err)
	}
	return module, nil
}

// cached is where the build of module belongs: another go.sum, Go or machine is another build.
func cached(module string) (string, error) {
	sums, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotBuilt, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotBuilt, err)
	}
	sum := sha256.Sum256(append(sums, runtime.Version()+runtime.GOOS+runtime.GOARCH...))
	dir := filepath.Join(cache, "sessionward", "peers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotBuilt, err)
	}
	return filepath.Join(dir, "kratos-"+hex.EncodeToString(sum[:8])), nil
}

// build makes the binary under another name first, so that nobody ever finds half of one.
func build(ctx context.Context, module, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "sqlite", "-o", path+".new", ".")
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: go build: %w\n%s", ErrNotBuilt, err, out)
	}
	return os.Rename(path+".new", path)
}
