package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/admin"
)

// The powers of sources that let somebody sign in from a terminal.
const (
	canPassword = "password_login"
	canRedirect = "redirect_login"
	canDevice   = "device_login"
)

// login is one command line of "login".
type login struct {
	*sessionCommands
	creation
	onDevice, withBrowser, withoutBrowser bool
	withPassword                          bool
}

func (c *cli) loginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in from a terminal",
		Long: `Sign in at a source of the gateway, and print the cookie of the session that is made. Standard output is the cookie
alone, as NAME=VALUE. Whoever has it is the user: keep it like a password.

Where the source takes a password, the terminal asks for it without showing it. Where its users sign in in a
browser, one is opened here and comes back by itself; without one, such as over ssh, any other device does, whose
user types a code. Another token or a SAML assertion does as well, where the source takes it.

Without --source it is the one source there is to sign in at.`,
		Example: `  sessionward login
  sessionward login --source corp --device
  curl --cookie "$(sessionward login --source local --username alice)" https://app.example.com/`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	l := &login{sessionCommands: &sessionCommands{cli: c, remote: c.remoteFlags(cmd), format: dataFlag(cmd)}}
	l.creation.userAgent = "sessionward " + readVersion(version).Version
	l.creation.flags(cmd, l.completeSources)
	f := cmd.Flags()
	f.BoolVar(&l.onDevice, "device", false, "sign in on another device, which is told a code")
	f.BoolVar(&l.withBrowser, "browser", false, "sign in in a browser of this machine, also where none seems to be")
	f.BoolVar(&l.withoutBrowser, "no-browser", false, "the same, but only print the address to open")
	cmd.MarkFlagsMutuallyExclusive("device", "browser", "no-browser", "username", "token-file", "assertion-file")
	cmd.MarkFlagsMutuallyExclusive("device", "browser", "no-browser", "password-file")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		for _, name := range []string{"source", "username", "password-file", "token-file", "assertion-file"} {
			if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" { // such as a variable that is not set
				return fmt.Errorf("--%s: is empty", name)
			}
		}
		l.withPassword = l.username != "" || cmd.Flags().Changed("password-file")
		return nil
	}
	cmd.RunE = l.asking(l.remote, func(ctx context.Context, g *gatewayClient, _ []string) error { return l.run(ctx, g) })
	return cmd
}

// run signs in in the way that was asked for, or in the one that fits the source and this machine.
func (l *login) run(ctx context.Context, g *gatewayClient) error {
	proof := l.withPassword || l.tokenFile != "" || l.assertionFile != ""
	if proof && l.source != "" {
		return l.make(ctx, g, l.creation, *l.format) // the source says what it takes
	}
	src, err := l.choose(ctx, g, l.wanted())
	if err != nil {
		return err
	}
	l.source = src.Name
	can := func(power string) bool { return slices.Contains(src.Powers, power) }
	open, browserHere := l.browser(l.withBrowser)
	switch {
	case l.onDevice:
		return l.device(ctx, g)
	case l.withBrowser:
		return l.loopback(ctx, g, open)
	case l.withoutBrowser:
		return l.loopback(ctx, g, nil)
	case proof || can(canPassword):
		return l.make(ctx, g, l.creation, *l.format)
	case can(canRedirect) && (browserHere || !can(canDevice)):
		return l.loopback(ctx, g, open)
	}
	err = l.device(ctx, g)
	if p, ok := errors.AsType[*admin.Problem](err); ok && p.Code == "unsupported" && can(canRedirect) {
		return fmt.Errorf("%w; there seems to be no browser here: with --no-browser the address to open on this machine is printed", g.explain(err))
	}
	return err
}

// wanted are the powers of which a source must have one.
func (l *login) wanted() []string {
	switch {
	case l.onDevice:
		return []string{canDevice}
	case l.withBrowser || l.withoutBrowser:
		return []string{canRedirect}
	case l.tokenFile != "":
		return []string{"resolve"}
	case l.assertionFile != "":
		return []string{"assertion_login"}
	case l.withPassword:
		return []string{canPassword}
	}
	return []string{canPassword, canRedirect, canDevice}
}

// choose returns the source that was named, or the only one that has one of the wanted powers.
func (l *login) choose(ctx context.Context, g *gatewayClient, wanted []string) (admin.SourceEntry, error) {
	list, err := g.Sources(ctx)
	if err != nil {
		return admin.SourceEntry{}, err
	}
	var fit []admin.SourceEntry
	var names []string
	for _, src := range list.Sources {
		if slices.ContainsFunc(wanted, func(power string) bool { return slices.Contains(src.Powers, power) }) {
			fit, names = append(fit, src), append(names, harmless(src.Name))
		}
	}
	there := "no source of this gateway can do that"
	if len(fit) > 0 {
		there = "these can: " + strings.Join(names, ", ")
	}
	switch i := slices.IndexFunc(fit, func(src admin.SourceEntry) bool { return src.Name == l.source }); {
	case l.source == "" && len(fit) == 1:
		return fit[0], nil
	case l.source == "" && len(fit) > 1:
		return admin.SourceEntry{}, usage{fmt.Errorf("say with --source where to sign in; %s", there)}
	case l.source == "":
		return admin.SourceEntry{}, fmt.Errorf("nobody can sign in like that: %s", there)
	case i >= 0:
		return fit[i], nil
	case slices.ContainsFunc(list.Sources, func(src admin.SourceEntry) bool { return src.Name == l.source }):
		return admin.SourceEntry{}, fmt.Errorf("nobody can sign in like that at source %q; %s", l.source, there)
	}
	return admin.SourceEntry{}, fmt.Errorf("there is no source %q; %s", l.source, there)
}

func (l *login) forWhom() admin.Login { return admin.Login{Source: l.source, UserAgent: l.userAgent} }

// device shows the code and waits for the other device.
func (l *login) device(ctx context.Context, g *gatewayClient) error {
	made, err := g.LoginOnDevice(ctx, l.forWhom(), func(d admin.DeviceCodes) {
		_, _ = fmt.Fprintf(l.err, "On any device open\n\n  %s\n\nand enter the code\n\n  %s\n\n", harmless(d.VerificationURI), harmless(d.UserCode))
		if d.VerificationURIComplete != "" {
			_, _ = fmt.Fprintf(l.err, "This address has the code in it:\n\n  %s\n\n", harmless(d.VerificationURIComplete))
		}
		_, _ = fmt.Fprintf(l.err, "Waiting for that until %s. Ctrl-C ends it.\n", l.moment(d.ExpiresAt))
	})
	if err != nil {
		return l.broken(ctx, err)
	}
	return l.showMade(made, *l.format)
}

// broken is err, unless it is that somebody pressed Ctrl-C.
func (l *login) broken(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return errors.New("interrupted; nobody was signed in")
	}
	return err
}
