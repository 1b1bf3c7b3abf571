package main

import (
	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/config"
)

func (c *cli) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration",
		Long: `Print the JSON Schema of the configuration. Editors use it to complete keys and to show what they mean;
most find it by this line at the top of the file:

  # yaml-language-server: $schema=./sessionward.schema.json`,
		Example: `  sessionward schema > sessionward.schema.json`,
		Args:    cobra.NoArgs,
		RunE:    work(func([]string) error { return c.printf("%s", config.Schema()) }),
	}
}
