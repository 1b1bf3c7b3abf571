package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/session"
)

// completeTimeout bounds a question asked while somebody types, and maxCompletions how much is offered.
const (
	completeTimeout = 2 * time.Second
	maxCompletions  = 100
)

// offered asks the gateway for completions. Where it cannot be asked, there are none.
func (s *sessionCommands) offered(list func(ctx context.Context, g *gatewayClient) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
	defer cancel()
	g, err := s.dial(ctx, s.remote)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	words, _ := list(ctx, g)
	return words, cobra.ShellCompDirectiveNoFileComp
}

func (s *sessionCommands) completeSources(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return s.offered(func(ctx context.Context, g *gatewayClient) ([]string, error) {
		list, err := g.Sources(ctx)
		var words []string
		for _, src := range list.Sources {
			if strings.HasPrefix(src.Name, begun) {
				words = append(words, cobra.CompletionWithDesc(src.Name, src.Kind))
			}
		}
		return words, err
	})
}

// completeHandles offers active sessions, each with whose it is.
func (s *sessionCommands) completeHandles(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 && cmd.Name() != "revoke" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.offered(func(ctx context.Context, g *gatewayClient) ([]string, error) {
		var words []string
		_, err := eachPage(ctx, g, "handle sw "+session.QuoteFilter(begun)+" and active eq true", maxCompletions, func(page []admin.Entry) error {
			for _, e := range page {
				words = append(words, cobra.CompletionWithDesc(cell(e.Handle), cell(userOf(e))+" at "+cell(e.Source)))
			}
			return nil
		})
		return words, err
	})
}
