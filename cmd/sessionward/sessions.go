package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/admin"
)

func (c *cli) sessionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "See who is signed in, and end it",
		Long: `See who is signed in at a gateway that runs, and end it. A session is named by its handle, which is safe to
show: it opens nothing.

Without further flags it is the gateway of --config on this machine, and whoever may read its key file may
do everything. Another one is named by --admin-url, with a token of its admin.tokens in the environment
variable SESSIONWARD_ADMIN_TOKEN ("sessionward keys admin-token" makes one).`,
		Example: `  sessionward sessions list --user alice
  sessionward sessions revoke --user alice --yes`,
	}
	group(cmd)
	s := &sessionCommands{cli: c, remote: c.remoteFlags(cmd), format: dataFlag(cmd)}
	cmd.AddCommand(s.list(), s.ttl(), s.devices(), s.properties(), s.tokenize(), s.create(), s.introspect(), s.logout(), s.revoke())
	cmd.AddCommand(s.entryCommands()...)
	return cmd
}

// sessionCommands are the commands below "sessions", with the flags they share.
type sessionCommands struct {
	*cli
	remote *remote
	format *dataFormat
}

// ofOne is a command about the session its first argument names.
func (s *sessionCommands) ofOne(use, short, long, example string, do func(ctx context.Context, g *gatewayClient, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " HANDLE", Short: short, Long: long, Example: "  sessionward sessions " + example, Args: cobra.ExactArgs(1),
		RunE: s.asking(s.remote, do), ValidArgsFunction: s.completeHandles,
	}
}

// entryCommands are those that answer with the session as it is then.
func (s *sessionCommands) entryCommands() []*cobra.Command {
	var list []*cobra.Command
	for _, e := range []struct {
		name, short, long string
		ask               func(*admin.Client, context.Context, string) (admin.Entry, error)
	}{
		{"get", "Show a session", "Show a session as it is known here, without asking its authority and without using it.", (*admin.Client).Get},
		{"validate", "Ask the authority whether a session still holds", `Ask the authority of a session, where there is one to ask, whether it still holds, without using it. The exit
status is 1 when it does not, or when that cannot be found out.`, (*admin.Client).Validate},
		{"touch", "Use a session, so that its idle clock begins anew", "Use a session, so that its idle clock begins anew, here or at its authority.", (*admin.Client).Touch},
		{"refresh", "Renew the tokens of a session", "Renew the tokens of a session at its authority, or have the authority prolong it.", (*admin.Client).Refresh},
		{"extend", "Have the authority move the end of a session", `Have the authority move the end of a session. The end of a session that is kept here never moves: refresh or
touch it instead.`, (*admin.Client).Extend},
	} {
		list = append(list, s.ofOne(e.name, e.short, e.long, e.name+" re5ikzazyv3o6lmvxyri", func(ctx context.Context, g *gatewayClient, args []string) error {
			entry, err := e.ask(g.Client, ctx, args[0])
			if err != nil {
				return err
			}
			return s.showEntry(entry)
		}))
	}
	return list
}

// stateOf says in a word how a session is.
func stateOf(e admin.Entry) string {
	switch {
	case !e.RefusedAt.IsZero():
		return "refused"
	case e.Active:
		return "active"
	}
	return "ended"
}

// userOf is the name people know a user by: the subject where there is no other.
func userOf(e admin.Entry) string {
	if e.Identity.Username != "" {
		return e.Identity.Username
	}
	return e.Identity.Subject
}

// addressOf is where a session was used from last.
func addressOf(e admin.Entry) string {
	if len(e.Devices) == 0 {
		return ""
	}
	last := slices.MaxFunc(e.Devices, func(a, b deviceEntry) int { return a.LastSeenAt.Compare(b.LastSeenAt) })
	return last.IP
}

// showEntry prints one session with all that is known of it.
func (s *sessionCommands) showEntry(e admin.Entry) error {
	return s.show(*s.format, e, func(w io.Writer) { s.writeEntry(w, e) })
}

func (s *sessionCommands) writeEntry(w io.Writer, e admin.Entry) {
	line := func(name, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", name, harmless(value))
		}
	}
	line("handle", e.Handle)
	line("state", stateOf(e))
	line("refused", s.moment(e.RefusedAt))
	line("user", userOf(e))
	line("subject", e.Identity.Subject)
	line("name", e.Identity.Name)
	line("email", e.Identity.Email)
	line("groups", strings.Join(e.Identity.Groups, ", "))
	line("source", e.Source)
	line("realm", e.Realm)
	line("kept", map[bool]string{false: "here", true: "at its authority; seen here"}[e.Foreign])
	line("aal", e.AAL)
	line("acr", e.ACR)
	for _, m := range e.AuthenticationMethods {
		line("method", strings.TrimSpace(m.Method+" "+s.moment(m.CompletedAt)))
	}
	line("signed in", s.moment(e.AuthenticatedAt))
	line("began", s.moment(e.IssuedAt))
	line("last seen", s.moment(e.LastAccessAt))
	line("ends", s.moment(e.ExpiresAt))
	line("ends when idle", s.moment(e.IdleExpiresAt))
	line("token ends", s.moment(e.TokenExpiresAt))
	for _, d := range e.Devices {
		line("device", strings.TrimSpace(d.IP+"  "+d.UserAgent))
	}
	if n := len(e.Identity.Claims); n > 0 {
		line("claims", count(n, "claim")+"; -o json shows them")
	}
}
