package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/config"
)

func (c *cli) keysCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, rotate and list the keys that seal sessions",
		Long: `The key file (keys_file in the configuration) holds the keys that seal stored sessions and sign identity
assertions. The first one seals and signs; all of them open and verify, so that a key can be replaced
without ending a session:

  sessionward keys rotate      put a fresh key first, then restart the gateway
  (wait for max_lifetime)      sessions sealed with the old key end or are sealed anew
  sessionward keys prune       drop the keys nothing needs any more

Replicas share one key file. Give all of them the rotated file before they restart.`,
	}
	group(cmd)
	cmd.PersistentFlags().StringVarP(&path, "file", "f", c.variable(config.EnvPrefix+"KEYS_FILE", "sessionward.keys"),
		"the key file; the environment variable "+config.EnvPrefix+"KEYS_FILE names another default")
	cmd.AddCommand(c.keysNewCommand(&path), c.keysRotateCommand(&path), c.keysListCommand(&path), c.keysPruneCommand(&path), c.apiKeyCommand(), c.adminTokenCommand())
	return cmd
}

func (c *cli) keysNewCommand(path *string) *cobra.Command {
	return &cobra.Command{
		Use:   "new",
		Short: "Make a key file with one fresh key",
		Long: `Make a key file with one fresh key, readable by its owner alone. A file that is there is never replaced,
because that would end every session; see keys rotate for that.`,
		Example: `  sessionward keys new --file /etc/sessionward/sessionward.keys`,
		Args:    cobra.NoArgs,
		RunE: work(func([]string) error {
			if _, err := config.CreateKeys(*path, c.now()); err != nil {
				return err
			}
			return c.printf("made %s\n", *path)
		}),
	}
}

func (c *cli) keysRotateCommand(path *string) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Put a fresh key in front of the others",
		Long: `Put a fresh key in front of the others. The gateway uses it after its next start; what the other keys
sealed stays open. The file is replaced whole or not at all.`,
		Example: `  sessionward keys rotate --file /etc/sessionward/sessionward.keys`,
		Args:    cobra.NoArgs,
		RunE: work(func([]string) error {
			f, err := config.ReadKeyFile(*path)
			if err != nil {
				return err
			}
			id := f.Rotate(c.now())
			if err := f.Write(); err != nil {
				return err
			}
			return c.printf("%s seals and signs from the next start on; %s in %s\n", id, count(len(f.IDs()), "key"), *path)
		}),
	}
}

func (c *cli) keysListCommand(path *string) *cobra.Command {
	var format outputFormat
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the keys, without their secrets",
		Example: "  sessionward keys list\n  sessionward keys list -o json",
		Args:    cobra.NoArgs,
		RunE:    work(func([]string) error { return c.listKeys(*path, format) }),
	}
	outputFlag(cmd, &format)
	return cmd
}

// keyReport is one key of a list: everything but the key.
type keyReport struct {
	ID    string `json:"id"`
	Seals bool   `json:"seals"`
}

func (c *cli) listKeys(path string, format outputFormat) error {
	f, err := config.ReadKeyFile(path)
	if err != nil {
		return err
	}
	var keys []keyReport
	for i, id := range f.IDs() {
		keys = append(keys, keyReport{ID: id, Seals: i == 0})
	}
	if format == "json" {
		return c.printJSON(keys)
	}
	for _, k := range keys {
		does := "opens what it sealed"
		if k.Seals {
			does = "seals and signs"
		}
		if err := c.printf("%-32s  %s\n", k.ID, does); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) keysPruneCommand(path *string) *cobra.Command {
	var keep int
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Drop all but the newest keys",
		Long: `Drop all but the newest keys. Sessions that only a dropped key opens are over: wait for max_lifetime of
the sessions after the last rotation.`,
		Example: `  sessionward keys prune --keep 1`,
		Args:    cobra.NoArgs,
		RunE:    work(func([]string) error { return c.pruneKeys(*path, keep) }),
	}
	cmd.Flags().IntVar(&keep, "keep", 2, "how many of the newest keys stay")
	return cmd
}

func (c *cli) pruneKeys(path string, keep int) error {
	if keep < 1 {
		return fmt.Errorf("--keep %d: at least one key must stay", keep)
	}
	f, err := config.ReadKeyFile(path)
	if err != nil {
		return err
	}
	removed := f.Prune(keep)
	if len(removed) == 0 {
		return c.printf("nothing to drop: %s in %s\n", count(len(f.IDs()), "key"), path)
	}
	if err := f.Write(); err != nil {
		return err
	}
	return c.printf("dropped %s\n", strings.Join(removed, ", "))
}

// printf writes to standard output.
func (c *cli) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(c.out, format, args...)
	return err
}
