package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) sourcesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sources",
		Short: "List the sources of a gateway, how they are and what they can do",
		Long: `List the sources of a gateway that runs: how each is, and which powers it has over its sessions. A power can still
be missing for one session, as it is told then.`,
		Example:           "  sessionward sources\n  sessionward sources -o json",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	s := &sessionCommands{cli: c, remote: c.remoteFlags(cmd), format: dataFlag(cmd)}
	cmd.RunE = s.asking(s.remote, func(ctx context.Context, g *gatewayClient, _ []string) error {
		list, err := g.Sources(ctx)
		if err != nil {
			return err
		}
		l := s.newListing(*s.format, "NAME", "KIND", "POWERS", "HEALTH")
		for _, src := range list.Sources {
			health := src.Health
			if health == "" {
				health = "ok"
			}
			if err := l.add(src, cell(src.Name), cell(src.Kind), harmless(strings.Join(src.Powers, " ")), harmless(health)); err != nil {
				return err
			}
		}
		return l.end()
	})
	return cmd
}
