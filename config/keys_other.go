//go:build !unix

package config

import "os"

// modesMatter is false where access is not a matter of file modes.
const modesMatter = false

func keepOwner(*os.File, string) error { return nil }

func syncDir(string) error { return nil }
