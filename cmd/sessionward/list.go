package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/session"
)

// deviceEntry is a device as the API shows it.
type deviceEntry = session.DocumentDevice

// selection chooses sessions.
type selection struct {
	user, subject, source, realm, filter string
}

func (s *selection) flags(cmd *cobra.Command, c *sessionCommands) {
	f := cmd.Flags()
	f.StringVar(&s.user, "user", "", "of the user with this name, in capitals or not")
	f.StringVar(&s.subject, "subject", "", "of the user with this id at its authority, exactly")
	f.StringVar(&s.source, "source", "", "of this source")
	f.StringVar(&s.realm, "realm", "", "of this realm")
	f.StringVar(&s.filter, "filter", "", `that this chooses, such as 'username eq "alice" and ip sw "10."'`)
	_ = cmd.RegisterFlagCompletionFunc("source", c.completeSources)
}

// check refuses a flag with nothing behind it: the name of a variable that is not set must not choose everybody.
func (s *selection) check(cmd *cobra.Command) error {
	for _, name := range []string{"user", "subject", "source", "realm", "filter", "keep"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && strings.TrimSpace(f.Value.String()) == "" {
			return fmt.Errorf("--%s: is empty", name)
		}
	}
	return nil
}

// empty reports whether s chooses all.
func (s *selection) empty() bool { return *s == selection{} }

// text is s as a filter of the API (RFC 7644 §3.4.2.2), together with further terms; "true" when it chooses all.
func (s *selection) text(further ...string) string {
	var terms []string
	for _, t := range []struct{ name, value string }{{"username", s.user}, {"subject", s.subject}, {"source", s.source}, {"realm", s.realm}} {
		if t.value != "" {
			terms = append(terms, t.name+" eq "+session.QuoteFilter(t.value))
		}
	}
	if f := strings.TrimSpace(s.filter); f != "" && f != "true" {
		terms = append(terms, "("+f+")")
	}
	if terms = append(terms, further...); len(terms) == 0 {
		return "true"
	}
	return strings.Join(terms, " and ")
}

// Bounds of a list.
const (
	defaultLimit = 100
	pageSize     = 1000 // the most the API gives at once
)

func (s *sessionCommands) list() *cobra.Command {
	var chosen selection
	var active, all bool
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List sessions: who, from where, since when",
		Long: fmt.Sprintf(`List the sessions kept here, and those kept elsewhere that were seen here. All that the flags choose must fit.

A filter is written as in SCIM (RFC 7644): eq, ne, co, sw, ew, gt, ge, lt, le, pr, and, or, not, parentheses,
over %s.`, attributesIn(2)),
		Example: `  sessionward sessions list
  sessionward sessions list --user alice --active
  sessionward sessions list --filter 'username eq "bjensen" and realm eq "/alpha"'
  sessionward sessions list --all -o json | jq -r '.[].identity.username' | sort | uniq -c`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return errors.New("--limit: write at least 1, or --all")
			}
			return chosen.check(cmd)
		},
	}
	cmd.RunE = s.asking(s.remote, func(ctx context.Context, g *gatewayClient, _ []string) error {
		var further []string
		if active {
			further = []string{"active eq true"}
		}
		if all {
			limit = 0
		}
		return s.printList(ctx, g, chosen.text(further...), limit)
	})
	chosen.flags(cmd, s)
	cmd.Flags().BoolVar(&active, "active", false, "that have not ended")
	cmd.Flags().IntVar(&limit, "limit", defaultLimit, "at most so many")
	cmd.Flags().BoolVar(&all, "all", false, "however many there are")
	cmd.MarkFlagsMutuallyExclusive("limit", "all")
	return cmd
}

// attributesIn lists what a filter can ask about, in so many lines.
func attributesIn(lines int) string {
	names := session.FilterAttributes()
	per := (len(names) + lines - 1) / lines
	var out []string
	for ; len(names) > 0; names = names[min(per, len(names)):] {
		out = append(out, strings.Join(names[:min(per, len(names))], ", "))
	}
	return strings.Join(out, ",\n")
}

// printList prints what filter chooses, limit at most (0: all), page by page as it comes.
func (s *sessionCommands) printList(ctx context.Context, g *gatewayClient, filter string, limit int) error {
	l := s.newListing(*s.format, "HANDLE", "USER", "SOURCE", "AAL", "FROM", "AGE", "LAST SEEN", "STATE")
	more, err := eachPage(ctx, g, filter, limit, func(page []admin.Entry) error {
		for _, e := range page {
			if err := l.add(e, s.row(e)...); err != nil {
				return err
			}
		}
		return l.page()
	})
	if err == nil {
		err = l.end()
	}
	switch {
	case err != nil:
		return err
	case more:
		_, _ = fmt.Fprintf(s.err, "there are more than these %d; --all lists them\n", l.n)
	case l.n == 0 && filter == "true":
		_, _ = fmt.Fprintln(s.err, "there are no sessions")
	case l.n == 0:
		_, _ = fmt.Fprintf(s.err, "no session fits: %s\n", harmless(filter))
	}
	return nil
}

// row is a session in a table.
func (s *sessionCommands) row(e admin.Entry) []string {
	began := e.AuthenticatedAt
	if began.IsZero() {
		began = e.IssuedAt
	}
	return []string{cell(e.Handle), cell(userOf(e)), cell(e.Source), cell(e.AAL), cell(addressOf(e)), s.since(began), s.since(e.LastAccessAt), stateOf(e)}
}

// eachPage calls do for each page of what filter chooses, until there were limit entries (0: there is none). more tells
// whether there may be further ones.
func eachPage(ctx context.Context, g *gatewayClient, filter string, limit int, do func([]admin.Entry) error) (more bool, err error) {
	cursor := ""
	for got := 0; ; {
		size := pageSize
		if limit > 0 {
			size = min(size, limit-got)
		}
		page, err := g.List(ctx, filter, cursor, size)
		if err != nil {
			return false, err
		}
		if err := do(page.Sessions); err != nil {
			return false, err
		}
		got += len(page.Sessions)
		if cursor = page.Next; cursor == "" || (limit > 0 && got >= limit) {
			return cursor != "", nil
		}
	}
}
