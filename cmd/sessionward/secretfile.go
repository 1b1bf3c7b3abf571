package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sessionward/sessionward/config"
	"github.com/sessionward/sessionward/session"
)

// adminToken is the token the command line or the environment gives; an empty one when neither does.
func (c *cli) adminToken(r *remote) (token session.Secret, shown string, err error) {
	fromEnv := c.variable(config.EnvAdminToken, "")
	switch {
	case r.token != "":
		return session.NewSecret(r.token), "the token of --admin-token", nil
	case r.tokenFile != "":
		token, err = c.secretFile(r.tokenFile)
		return token, "the token in " + r.tokenFile, err
	case r.certFile != "":
		return session.Secret{}, "the certificate " + r.certFile, nil
	}
	return session.NewSecret(fromEnv), "the token of " + config.EnvAdminToken, nil
}

// secretFile reads a secret from a file, or from standard input when it is named "-". White space around it is not part
// of it.
func (c *cli) secretFile(path string) (session.Secret, error) {
	in, name := c.in, "standard input"
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return session.Secret{}, err
		}
		defer func() { _ = f.Close() }()
		in, name = f, path
	}
	data, err := io.ReadAll(io.LimitReader(in, maxSecretFile+1))
	text := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return session.Secret{}, fmt.Errorf("%s: %w", name, err)
	case len(data) > maxSecretFile:
		return session.Secret{}, fmt.Errorf("%s: is larger than %d bytes", name, maxSecretFile)
	case text == "":
		return session.Secret{}, fmt.Errorf("%s: is empty", name)
	}
	return session.NewSecret(text), nil
}
