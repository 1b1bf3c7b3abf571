package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/admin"
)

func (c *cli) adminTokenCommand() *cobra.Command {
	var scope string
	cmd := &cobra.Command{
		Use:   "admin-token NAME",
		Short: "Make a token for an operator or a script",
		Long: `Make a token for an operator or a script that asks the gateway about sessions or ends them. The token is printed
once and kept nowhere; the configuration gets its hash alone. It is shown in SESSIONWARD_ADMIN_TOKEN to
"sessionward sessions", or as "Authorization: Bearer TOKEN" to /api/v1 of the listener for operators.`,
		Example:           `  sessionward keys admin-token dashboard --scope read`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              work(func(args []string) error { return c.newAdminToken(args[0], admin.Scope(scope)) }),
	}
	cmd.Flags().StringVar(&scope, "scope", string(admin.Read), "read, or write, which may end sessions too")
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions([]string{"read", "write"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *cli) newAdminToken(name string, scope admin.Scope) error {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`).MatchString(name) {
		return fmt.Errorf("name %q: write 1 to 64 letters, digits, dots, dashes, underscores and at signs", name)
	}
	if scope != admin.Read && scope != admin.Write {
		return fmt.Errorf("--scope %q: write read or write", scope)
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	token := "swa_" + base64.RawURLEncoding.EncodeToString(random)
	return c.printf(`token, shown this once:
  %s

for the configuration, below admin.tokens; it holds from the next start on:
- name: %q
  hash: %q
  scope: %s
`, token, name, admin.HashToken(token), scope)
}
