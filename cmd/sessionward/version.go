package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (c *cli) versionCommand() *cobra.Command {
	var format outputFormat
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  sessionward version -o json",
		Args:    cobra.NoArgs,
		RunE: work(func([]string) error {
			v := readVersion(version)
			if format == "json" {
				return c.printJSON(v)
			}
			return c.printf("sessionward %s (commit %s, %s, %s)\n", v.Version, v.Commit, v.Go, v.Platform)
		}),
	}
	outputFlag(cmd, &format)
	return cmd
}

// versionReport says what was built from what.
type versionReport struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"` // the tree had changes that are in no commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// readVersion takes the version the linker set, or else what the build recorded about the module.
func readVersion(linked string) versionReport {
	v := versionReport{Version: linked, Commit: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
