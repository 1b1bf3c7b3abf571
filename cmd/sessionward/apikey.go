package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/source"
)

func (c *cli) apiKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "api-key ID",
		Short: "Make a key for a program that calls through the gateway",
		Long: `Make a key for a program that calls through the gateway. The key is printed once and kept nowhere; the
configuration gets its hash alone. The program sends it as "Authorization: Bearer KEY" or in the header
api_key_header names.`,
		Example: `  sessionward keys api-key ci`,
		Args:    cobra.ExactArgs(1),
		RunE:    work(func(args []string) error { return c.apiKey(args[0]) }),
	}
}

func (c *cli) apiKey(id string) error {
	key, hash := source.NewAPIKey(id)
	if key.Empty() {
		return fmt.Errorf("api key %q: an id has 1 to 32 letters, digits and dashes", id)
	}
	return c.printf(`key, shown this once:
  %s

for the configuration, below local.api_keys of a source:
- id: %s
  hash: %q
  username: %s
`, key.Reveal(), id, hash, id)
}
