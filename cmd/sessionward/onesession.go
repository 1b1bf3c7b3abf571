package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/admin"
)

func (s *sessionCommands) ttl() *cobra.Command {
	var within time.Duration
	cmd := s.ofOne("ttl", "Say how long a session still lasts",
		"Say how long a session and its token still last, and whether that is less than --within.", "ttl re5ikzazyv3o6lmvxyri --within 10m",
		func(ctx context.Context, g *gatewayClient, args []string) error {
			life, err := g.TTL(ctx, args[0], within)
			if err != nil {
				return err
			}
			return s.show(*s.format, life, func(w io.Writer) { s.writeLife(w, life, within) })
		})
	cmd.Flags().DurationVar(&within, "within", 0, "ask whether the session or its token ends within so long")
	return cmd
}

func (s *sessionCommands) writeLife(w io.Writer, l admin.Life, within time.Duration) {
	end := func(at time.Time) string {
		if at.IsZero() {
			return "not known"
		}
		return s.moment(at)
	}
	ends := "not known"
	if l.Known {
		ends = strconv.FormatBool(l.EndsWithin)
	}
	_, _ = fmt.Fprintf(w, "session ends\t%s\ntoken ends\t%s\nsession holds\t%t\ntoken holds\t%t\n", end(l.EndsAt), end(l.TokenEndsAt), l.ValidSession, l.ValidToken)
	if within > 0 {
		_, _ = fmt.Fprintf(w, "ends within %s\t%s\n", within, ends)
	}
}

func (s *sessionCommands) devices() *cobra.Command {
	return s.ofOne("devices", "List where a session has been used from", "", "devices re5ikzazyv3o6lmvxyri",
		func(ctx context.Context, g *gatewayClient, args []string) error {
			list, err := g.Devices(ctx, args[0])
			if err != nil {
				return err
			}
			l := s.newListing(*s.format, "IP", "FIRST SEEN", "LAST SEEN", "USER AGENT")
			for _, d := range list.Devices {
				if err := l.add(d, cell(d.IP), s.since(d.FirstSeenAt), s.since(d.LastSeenAt), cell(d.UserAgent)); err != nil {
					return err
				}
			}
			if l.n == 0 {
				_, _ = fmt.Fprintln(s.err, "no device is known")
			}
			return l.end()
		})
}

func (s *sessionCommands) properties() *cobra.Command {
	cmd := &cobra.Command{Use: "properties", Short: "Show and change the properties of a session"}
	group(cmd)
	get := s.ofOne("get", "Show the properties of a session", "", "properties get re5ikzazyv3o6lmvxyri",
		func(ctx context.Context, g *gatewayClient, args []string) error {
			list, err := g.Properties(ctx, args[0])
			if err != nil {
				return err
			}
			return s.showProperties(list)
		})
	set := &cobra.Command{
		Use: "set HANDLE NAME=VALUE…", Short: "Change properties of a session",
		Long:    "Change properties of a session, and show all. NAME= removes one. Which may be changed, the gateway or the authority says.",
		Example: "  sessionward sessions properties set re5ikzazyv3o6lmvxyri theme=dark colour=",
		Args: func(_ *cobra.Command, args []string) error {
			_, err := changesOf(args)
			return err
		},
		ValidArgsFunction: s.completeHandles,
		RunE: s.asking(s.remote, func(ctx context.Context, g *gatewayClient, args []string) error {
			changes, err := changesOf(args)
			if err != nil {
				return err
			}
			list, err := g.UpdateProperties(ctx, args[0], changes)
			if err != nil {
				return err
			}
			return s.showProperties(list)
		}),
	}
	cmd.AddCommand(get, set)
	return cmd
}

// changesOf reads HANDLE NAME=VALUE….
func changesOf(args []string) (map[string]string, error) {
	if len(args) < 2 {
		return nil, errors.New("write a handle and at least one NAME=VALUE")
	}
	changes := map[string]string{}
	for _, arg := range args[1:] {
		name, value, ok := strings.Cut(arg, "=")
		if _, twice := changes[name]; !ok || name == "" || twice {
			return nil, fmt.Errorf("%q: write NAME=VALUE, each name once", arg)
		}
		changes[name] = value
	}
	return changes, nil
}

func (s *sessionCommands) showProperties(list admin.PropertyList) error {
	if len(list.Properties) == 0 {
		_, _ = fmt.Fprintln(s.err, "the session has no properties")
	}
	return s.show(*s.format, list.Properties, func(w io.Writer) {
		for _, name := range slices.Sorted(maps.Keys(list.Properties)) {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", harmless(name), harmless(list.Properties[name]))
		}
	})
}

func (s *sessionCommands) tokenize() *cobra.Command {
	var template string
	cmd := s.ofOne("tokenize", "Make a signed JWT of a session",
		"Make a signed JWT of a session from a template, and print it. Whoever has it is the user, to those who take it.",
		"tokenize re5ikzazyv3o6lmvxyri --template reports",
		func(ctx context.Context, g *gatewayClient, args []string) error {
			token, err := g.Tokenize(ctx, args[0], template)
			if err != nil {
				return err
			}
			return s.show(*s.format, token, func(w io.Writer) { _, _ = fmt.Fprintln(w, harmless(token.Token)) })
		})
	cmd.Flags().StringVar(&template, "template", "", "its name")
	_ = cmd.MarkFlagRequired("template")
	return cmd
}

// errInactive is printed where an answer is no.
var errInactive = errors.New("this opens no session")

func (s *sessionCommands) introspect() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "introspect",
		Short: "Say which session a cookie opens",
		Long: `Say which session kept here the value of a session cookie opens (RFC 7662). The value is read from standard
input, from --token-file, or asked for on a terminal. "NAME=VALUE" is understood as well. The exit status is
1 when it opens none.`,
		Example:           `  sessionward login --source local --username alice | sessionward sessions introspect`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.RunE = s.asking(s.remote, func(ctx context.Context, g *gatewayClient, _ []string) error {
		cookie, err := s.secret(ctx, "Cookie: ", file)
		if err != nil {
			return err
		}
		answer, err := g.Introspect(ctx, cookieValue(cookie))
		if err != nil {
			return err
		}
		if err := s.show(*s.format, answer, func(w io.Writer) { s.writeIntrospection(w, answer) }); err != nil || answer.Active {
			return err
		}
		return errInactive
	})
	cmd.Flags().StringVar(&file, "token-file", "-", "where the value is; - is standard input")
	return cmd
}

func (s *sessionCommands) writeIntrospection(w io.Writer, i admin.Introspection) {
	if !i.Active {
		return
	}
	unix := func(at int64) string {
		if at == 0 {
			return "not known"
		}
		return s.moment(time.Unix(at, 0))
	}
	_, _ = fmt.Fprintf(w, "session\t%s\nuser\t%s\nsubject\t%s\nsource\t%s\nbegan\t%s\nends\t%s\n",
		cell(i.SessionID), cell(i.Username), cell(i.Subject), cell(i.Issuer), unix(i.IssuedAt), unix(i.ExpiresAt))
}
