package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/session"
)

// creation is what a session is made of on a command line: files, as arguments can be seen by others.
type creation struct {
	source, username                       string
	passwordFile, tokenFile, assertionFile string
	cookie, header                         string
	ip, userAgent                          string
}

func (n *creation) flags(cmd *cobra.Command, completeSources cobra.CompletionFunc) {
	f := cmd.Flags()
	f.StringVar(&n.source, "source", "", "the source that knows the user")
	f.StringVar(&n.username, "username", "", "whose password it is")
	f.StringVar(&n.passwordFile, "password-file", "-", "where the password is; - is standard input, or a question on a terminal")
	f.StringVar(&n.tokenFile, "token-file", "", "where a token of the source is, instead of a password; - is standard input")
	f.StringVar(&n.cookie, "cookie", "", "the cookie such a token is usually carried in, where it is no bearer token")
	f.StringVar(&n.header, "header", "", "the header such a token is usually carried in, where it is no bearer token")
	f.StringVar(&n.assertionFile, "assertion-file", "", "where a SAML 2.0 assertion is, instead of a password; - is standard input")
	_ = cmd.RegisterFlagCompletionFunc("source", completeSources)
	cmd.MarkFlagsMutuallyExclusive("username", "token-file", "assertion-file")
	cmd.MarkFlagsMutuallyExclusive("password-file", "token-file", "assertion-file")
	cmd.MarkFlagsMutuallyExclusive("cookie", "header")
	for _, name := range []string{"password-file", "token-file", "assertion-file"} {
		_ = cmd.MarkFlagFilename(name)
	}
}

func (s *sessionCommands) create() *cobra.Command {
	var n creation
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a session of the gateway",
		Long: `Make a session that is kept here out of a password, another token or a SAML assertion, for the client of --ip and
--user-agent, and print the session and its cookie. Whoever has the cookie is the user.`,
		Example: `  sessionward sessions create --source local --username alice --password-file alice.password -o json
  some-tool print-token | sessionward sessions create --source partner --token-file -`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.RunE = s.asking(s.remote, func(ctx context.Context, g *gatewayClient, _ []string) error {
		return s.make(ctx, g, n, *s.format)
	})
	n.flags(cmd, s.completeSources)
	cmd.Flags().Lookup("source").Usage += " (required)"
	_ = cmd.MarkFlagRequired("source")
	cmd.Flags().StringVar(&n.ip, "ip", "", "the address of the client it is for")
	cmd.Flags().StringVar(&n.userAgent, "user-agent", "", "the program of the client it is for")
	return cmd
}

// make makes the session and prints it.
func (s *sessionCommands) make(ctx context.Context, g *gatewayClient, n creation, format dataFormat) error {
	body, err := s.proof(ctx, n)
	if err != nil {
		return err
	}
	made, err := g.Create(ctx, body)
	if err != nil {
		return err
	}
	return s.showMade(made, format)
}

// showMade prints the cookie of a session to standard output, and for people whose it is beside it.
func (s *sessionCommands) showMade(made admin.Created, format dataFormat) error {
	if format != asTable {
		return s.show(format, made, nil)
	}
	until := ""
	if end := s.moment(made.Session.ExpiresAt); end != "" {
		until = ", until " + end + " at the latest"
	}
	_, _ = fmt.Fprintf(s.err, "session %s of %s at %s%s\n", cell(made.Session.Handle), cell(userOf(made.Session)), cell(made.Session.Source), until)
	return s.printf("%s=%s\n", harmless(made.Cookie.Name), harmless(made.Cookie.Value))
}

// proof gathers what n names.
func (s *sessionCommands) proof(ctx context.Context, n creation) (admin.Creation, error) {
	body := admin.Creation{Source: n.source, Cookie: n.cookie, Header: n.header, IP: n.ip, UserAgent: n.userAgent}
	var secret session.Secret
	var err error
	switch {
	case n.source == "":
		return body, usage{errors.New("--source: is empty")}
	case (n.cookie != "" || n.header != "") && n.tokenFile == "":
		return body, usage{errors.New("--cookie and --header go with --token-file")}
	case n.tokenFile != "":
		secret, err = s.secret(ctx, "Token: ", n.tokenFile)
		body.Token = secret.Reveal()
	case n.assertionFile != "":
		secret, err = s.secretFile(n.assertionFile)
		body.Assertion = secret.Reveal()
	default:
		body.Username, body.Password, err = s.credentials(ctx, n)
	}
	return body, err
}

// credentials are a name and a password, asked for on a terminal.
func (s *sessionCommands) credentials(ctx context.Context, n creation) (username, password string, err error) {
	username = n.username
	if username == "" && !isTerminal(s.in) {
		return "", "", usage{errors.New("standard input is no terminal, so nobody can be asked: add --username, --token-file or --assertion-file")}
	}
	if username == "" {
		if username, err = s.question(ctx, "Username: "); err != nil {
			return "", "", err
		}
	}
	if username == "" {
		return "", "", errors.New("no name was given")
	}
	secret, err := s.password(ctx, n.passwordFile)
	return username, secret.Reveal(), err
}
