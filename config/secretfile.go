package config

import (
	"encoding"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// maxSecretBytes bounds a file named by an x_file key.
const maxSecretBytes = 64 << 10

// secretFile reads the secret v from the file e names. parent is the group e stands in.
func (d *decoder) secretFile(parent *node, e entry, v reflect.Value, path string) {
	n := e.value
	twin := strings.TrimSuffix(e.key, "_file")
	switch {
	case n.shape != scalar || n.blank() || n.text == "":
		d.refuse(n, path, "write the path of a file that holds the secret alone", "must name a file, is %s", n.describe())
		return
	case parent.find(twin) != nil:
		d.refuse(n, path, "keep one of them", "%s is set as well", twin)
		return
	}
	text, err := readSecret(d.resolve(n.text))
	if err != nil {
		d.refuse(n, path, "", "%v", err)
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		d.refuse(n, path, "", "the file does not hold a usable secret")
	}
}

// readSecret returns the content of the file at path without one line break at its end. Only regular files are read:
// a pipe could keep the start waiting for ever.
func readSecret(path string) (string, error) {
	data, err := readRegular(path, maxSecretBytes)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if strings.TrimSpace(text) == "" {
		return "", fmt.Errorf("the file %s is empty", path)
	}
	return text, nil
}

// readRegular reads a regular file of at most limit bytes. Its errors are made for people and name path once.
func readRegular(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, not a file", path)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, fileError(path, err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("the file %s is larger than %d bytes", path, limit)
	}
	return data, nil
}

// fileError takes the operation and the path out of an error of the os package and puts the path first. The cause
// stays in the chain.
func fileError(path string, err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("cannot read %s: %w", path, err)
}
