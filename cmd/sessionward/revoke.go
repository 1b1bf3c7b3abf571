package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/admin"
)

// maxCounted bounds how many sessions are counted before a question, and handlesAtOnce how many handles the API takes.
const (
	maxCounted    = 10_000
	handlesAtOnce = 1000
)

// revocation is what one command line ends.
type revocation struct {
	selection
	all, yes    bool
	atAuthority bool
	keep        string
}

func (s *sessionCommands) revoke() *cobra.Command {
	var r revocation
	cmd := &cobra.Command{
		Use:   "revoke [HANDLE…]",
		Short: "End sessions",
		Long: `End sessions: those with these handles, or all active ones the flags choose; all flags must fit. They are refused
from the very next request on, and their authority is told where it has a call for that.

A session kept elsewhere of which nothing is seen here can be ended by its authority alone: --at-authority with
--source and --user or --subject asks for that as well, where the authority can.

On a terminal it asks before it ends anything. Elsewhere it wants --yes. Each session is told of in a line; the
exit status is 1 when one of them did not end here.`,
		Example: `  sessionward sessions revoke re5ikzazyv3o6lmvxyri
  sessionward sessions revoke --user alice --source corp --at-authority
  sessionward sessions revoke --filter 'authenticated_at lt "2026-11-01T00:00:00Z"' --yes
  sessionward sessions revoke --all-sessions --keep re5ikzazyv3o6lmvxyri`,
		ValidArgsFunction: s.completeHandles,
		PreRunE:           func(cmd *cobra.Command, args []string) error { return r.check(cmd, args) },
	}
	cmd.RunE = s.asking(s.remote, func(ctx context.Context, g *gatewayClient, args []string) error { return s.end(ctx, g, r, args) })
	r.flags(cmd, s)
	f := cmd.Flags()
	f.BoolVar(&r.all, "all-sessions", false, "every session there is")
	f.StringVar(&r.keep, "keep", "", "but not the one with this handle")
	f.BoolVar(&r.atAuthority, "at-authority", false, "also those of the user that only the authority knows")
	f.BoolVar(&r.yes, "yes", false, "do not ask")
	_ = cmd.RegisterFlagCompletionFunc("keep", s.completeHandles)
	return cmd
}

// check refuses what would end more than was meant, or nothing.
func (r *revocation) check(cmd *cobra.Command, args []string) error {
	if err := r.selection.check(cmd); err != nil {
		return err
	}
	ways := 0
	for _, way := range []bool{len(args) > 0, !r.selection.empty(), r.all} {
		if way {
			ways++
		}
	}
	switch {
	case ways == 0:
		return errors.New("say which: handles, --user, --subject, --source, --realm, --filter or --all-sessions")
	case ways > 1:
		return errors.New("handles, --all-sessions and the flags that choose do not go together")
	case slices.Contains(args, ""):
		return errors.New("a handle is empty")
	case len(args) > 0 && r.keep != "":
		return errors.New("--keep goes with the flags that choose")
	case r.atAuthority && (r.source == "" || (r.user == "" && r.subject == "") || r.filter != ""):
		return errors.New("--at-authority needs --source, and --user or --subject, and knows no --filter")
	}
	return nil
}

// end asks, ends, and tells of each.
func (s *sessionCommands) end(ctx context.Context, g *gatewayClient, r revocation, handles []string) error {
	if !r.yes && !isTerminal(s.in) {
		return usage{errors.New("standard input is no terminal, so nobody can be asked: add --yes")}
	}
	if who, err := g.WhoAmI(ctx); err == nil && who.Scope == admin.Read { // before anybody is asked to confirm
		return g.mayOnlyRead()
	}
	if r.keep != "" {
		if _, err := g.Get(ctx, r.keep); err != nil {
			return fmt.Errorf("--keep: nothing was ended: %w", g.explain(err))
		}
	}
	expected := len(handles)
	if expected == 0 {
		var err error
		if expected, err = s.count(ctx, g, r); err != nil {
			return err
		}
	}
	if expected == 0 && !r.atAuthority {
		_, _ = fmt.Fprintln(s.err, "no active session fits; nothing was ended")
		return s.newListing(*s.format).end()
	}
	if !r.yes {
		if yes, err := s.confirm(ctx, r.question(expected)); err != nil || !yes {
			return errors.Join(err, map[bool]error{false: errors.New("nothing was ended")}[yes])
		}
	}
	t := s.newTally(expected)
	err := t.close(r.run(ctx, g, handles, t.tell))
	if err == nil && r.atAuthority {
		err = s.endAtAuthority(ctx, g, r)
	}
	if err == nil && t.failed > 0 {
		err = fmt.Errorf("%s did not end", count(t.failed, "session"))
	}
	return err
}

// count says how many sessions r would end, maxCounted at most.
func (s *sessionCommands) count(ctx context.Context, g *gatewayClient, r revocation) (n int, err error) {
	_, err = eachPage(ctx, g, r.text("active eq true"), maxCounted, func(page []admin.Entry) error {
		for _, e := range page {
			if e.Handle != r.keep {
				n++
			}
		}
		return nil
	})
	return n, err
}

func (r *revocation) question(n int) string {
	many := count(n, "session")
	if n >= maxCounted-1 { // one of those counted may be kept
		many = fmt.Sprintf("%d sessions or more", n)
	}
	if r.atAuthority {
		many += ", and all the authority knows of this user"
	}
	return "End " + many + "? [y/N] "
}

// run ends the sessions.
func (r *revocation) run(ctx context.Context, g *gatewayClient, handles []string, told func(admin.Ended) bool) error {
	if len(handles) == 0 {
		return g.Revoke(ctx, admin.Revocation{Filter: r.text(), Keep: r.keep}, told)
	}
	for some := range slices.Chunk(handles, handlesAtOnce) {
		if err := g.Revoke(ctx, admin.Revocation{Handles: some}, told); err != nil {
			return err
		}
	}
	return nil
}

func (s *sessionCommands) endAtAuthority(ctx context.Context, g *gatewayClient, r revocation) error {
	done, err := g.RevokeUser(ctx, r.source, admin.UserRevocation{Subject: r.subject, Username: r.user, Realm: r.realm})
	switch {
	case err != nil:
		return fmt.Errorf("at the authority: %w", g.explain(err))
	case done.Ended < 0:
		_, _ = fmt.Fprintln(s.err, "the authority ended all sessions of the user, and does not say how many")
	default:
		_, _ = fmt.Fprintf(s.err, "the authority ended %s of the user\n", count(done.Ended, "session"))
	}
	return nil
}

func (s *sessionCommands) logout() *cobra.Command {
	return s.ofOne("logout", "End a session as its user would", `End a session as its user would: it is refused from the very next request on, and its authority is told where
it has a call for that.`, "logout re5ikzazyv3o6lmvxyri",
		func(ctx context.Context, g *gatewayClient, args []string) error {
			e, err := g.Logout(ctx, args[0])
			if err != nil {
				return err
			}
			l := s.newListing(*s.format)
			if err = l.add(e, cell(e.Handle), outcome(e)); err == nil {
				err = l.end()
			}
			return err
		})
}
