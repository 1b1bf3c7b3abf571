package main

import (
	"context"
	"errors"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/config"
)

// maxSecretFile bounds a file with a token, a cookie or an assertion, in bytes. The API takes no more.
const maxSecretFile = 256 << 10

// remote is where the command line says the gateway is, and who asks.
type remote struct {
	config, url             string
	token, tokenFile        string
	caFile, certFile, keyOf string
}

// remoteFlags adds the flags of a command that asks a gateway that runs, and of all below it.
func (c *cli) remoteFlags(cmd *cobra.Command) *remote {
	r, f := &remote{}, cmd.PersistentFlags()
	f.StringVarP(&r.config, "config", "c", c.variable(config.EnvFile, "sessionward.yaml"),
		"the configuration of a gateway on this machine; the environment variable "+config.EnvFile+" names another default")
	f.StringVar(&r.url, "admin-url", c.variable(config.EnvAdminURL, ""), "where another gateway answers operators ("+config.EnvAdminURL+"), such as https://10.0.0.5:4181")
	f.StringVar(&r.token, "admin-token", "", "the token to show; other users of this machine can see it, so prefer "+config.EnvAdminToken)
	f.StringVar(&r.tokenFile, "admin-token-file", c.variable(config.EnvAdminTokenFile, ""), "a file with the token to show ("+config.EnvAdminTokenFile+")")
	f.StringVar(&r.caFile, "admin-ca-file", "", "certificates to trust beside the system's, PEM")
	f.StringVar(&r.certFile, "admin-cert-file", "", "the client certificate to show instead of a token, PEM")
	f.StringVar(&r.keyOf, "admin-key-file", "", "its private key, PEM")
	f.Lookup("admin-url").DefValue, f.Lookup("admin-token-file").DefValue = "", "" // what the environment says is not for the help
	_ = cmd.MarkPersistentFlagFilename("config", "yaml", "yml")                    // these fail only for flags that are not there
	for _, name := range []string{"admin-token-file", "admin-ca-file", "admin-cert-file", "admin-key-file"} {
		_ = cmd.MarkPersistentFlagFilename(name)
	}
	return r
}

// gatewayClient asks one gateway. shown says for people what it shows for itself.
type gatewayClient struct {
	*admin.Client
	host, shown string
}

// asking adapts work that asks a gateway to cobra. Ctrl-C ends it; a second one ends the process.
func (c *cli) asking(r *remote, do func(ctx context.Context, g *gatewayClient, args []string) error) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop)
		g, err := c.dial(ctx, r)
		if err != nil {
			return failure{err}
		}
		err = do(ctx, g, args)
		if _, wrong := errors.AsType[usage](err); err == nil || wrong {
			return err
		}
		return failure{g.explain(err)}
	}
}

// usage is an error of the command line that shows only during the work.
type usage struct{ error }
