package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/sessionward/sessionward/session"
)

// errInterrupted is Ctrl-C at a question.
var errInterrupted = errors.New("interrupted")

// confirm asks a question whose answer is no unless it is yes.
func (c *cli) confirm(ctx context.Context, question string) (bool, error) {
	answer, err := c.question(ctx, question)
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes", err
}

// question asks for a line on the terminal.
func (c *cli) question(ctx context.Context, prompt string) (string, error) {
	_, _ = fmt.Fprint(c.err, prompt)
	return waiting(ctx, func() (string, error) {
		line, err := bufio.NewReader(c.in).ReadString('\n')
		if errors.Is(err, io.EOF) {
			_, _ = fmt.Fprintln(c.err)
			err = nil
		}
		return strings.TrimSpace(line), err
	})
}

// hush asks for a secret on the terminal, which does not show it.
func (c *cli) hush(ctx context.Context, prompt string) (session.Secret, error) {
	fd := int(c.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return session.Secret{}, err
	}
	text, err := waiting(ctx, func() ([]byte, error) { return c.ask(fd, prompt) })
	if errors.Is(err, errInterrupted) {
		_ = term.Restore(fd, before) // it would go on showing nothing
	}
	return session.NewSecret(string(text)), err
}

// secret is what a file holds; where that is standard input and a terminal, it is asked for.
func (c *cli) secret(ctx context.Context, prompt, file string) (session.Secret, error) {
	if file != "-" || !isTerminal(c.in) {
		return c.secretFile(file)
	}
	text, err := c.hush(ctx, prompt)
	if err == nil && text.Empty() {
		err = errors.New("nothing was given")
	}
	return text, err
}

// password is that of a file. It may begin and end with spaces, and ends with the first line.
func (c *cli) password(ctx context.Context, file string) (session.Secret, error) {
	if file == "-" && isTerminal(c.in) {
		return c.hush(ctx, "Password: ")
	}
	in := c.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return session.Secret{}, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxSecretFile)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	line = strings.TrimRight(line, "\r\n")
	if err == nil && line == "" {
		err = errors.New("password: is empty")
	}
	return session.NewSecret(line), err
}

// waiting is what read returns, or errInterrupted once ctx ends. What is read then is lost with the process.
func waiting[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, errInterrupted
	}
}

// cookieValue is the value of a cookie, also where its name stands before it. Values of ours end with = at most.
func cookieValue(cookie session.Secret) session.Secret {
	if _, value, ok := strings.Cut(cookie.Reveal(), "="); ok && strings.Trim(value, "=") != "" {
		return session.NewSecret(value)
	}
	return cookie
}
