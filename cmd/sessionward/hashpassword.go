package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/term"
)

// The bounds of passwords and their hashes. bcrypt looks at 72 bytes and no more; source.Local takes costs from 10 to
// 16; eight characters are the least NIST SP 800-63B allows.
const (
	minPassword, maxPassword = 8, 72
	minCost, maxCost         = 10, 16
)

func (c *cli) hashPasswordCommand() *cobra.Command {
	var cost int
	cmd := &cobra.Command{
		Use:   "hash-password USERNAME",
		Short: "Make a line for a password file",
		Long: `Read a password and print the line for it in the password file (htpasswd_file) of a local source. On a
terminal the password is asked for twice and not shown; otherwise the first line of standard input is it.`,
		Example: `  sessionward hash-password alice >> users.htpasswd
  pass show alice | sessionward hash-password alice >> users.htpasswd`,
		Args: cobra.ExactArgs(1),
		RunE: work(func(args []string) error { return c.hashPassword(args[0], cost) }),
	}
	cmd.Flags().IntVar(&cost, "cost", 12, "of bcrypt, 10 to 16; each step doubles the time to check and to guess")
	return cmd
}

func (c *cli) hashPassword(username string, cost int) error {
	if cost < minCost || cost > maxCost {
		return fmt.Errorf("--cost %d: write %d to %d", cost, minCost, maxCost)
	}
	if username == "" || !utf8.ValidString(username) || strings.ContainsFunc(username, notInUsername) {
		return fmt.Errorf("username %q: must not be empty or hold a colon, a space or a control character", username)
	}
	password, err := c.readPassword()
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	if n := len(password); n < minPassword || n > maxPassword {
		return fmt.Errorf("password: has %d bytes; use %d to %d", n, minPassword, maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword(password, cost)
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	return c.printf("%s:%s\n", username, hash)
}

func notInUsername(r rune) bool { return r == ':' || r <= ' ' || r == 0x7f }

// readPassword reads from the terminal without showing it, or the first line of what is piped in.
func (c *cli) readPassword() ([]byte, error) {
	fd := int(c.in.Fd())
	if !term.IsTerminal(fd) {
		line, err := bufio.NewReader(io.LimitReader(c.in, maxPassword+2)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return []byte(strings.TrimRight(line, "\r\n")), nil
	}
	first, err := c.ask(fd, "Password: ")
	if err != nil {
		return nil, err
	}
	second, err := c.ask(fd, "Once more: ")
	if err != nil {
		return nil, err
	}
	if string(first) != string(second) {
		return nil, errors.New("the two are not the same")
	}
	return first, nil
}

func (c *cli) ask(fd int, prompt string) ([]byte, error) {
	_, _ = fmt.Fprint(c.err, prompt)
	password, err := term.ReadPassword(fd)
	_, _ = fmt.Fprintln(c.err)
	return password, err
}
