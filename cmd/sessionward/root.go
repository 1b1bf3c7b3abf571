package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/config"
)

// The exit status of every command.
const (
	exitOK     = 0
	exitFailed = 1 // it was tried and failed, or the answer is no
	exitUsage  = 2 // the command line makes no sense
)

// cli is the program with everything it takes from the process it runs in.
type cli struct {
	in       *os.File
	out, err io.Writer
	env      []string
	now      func() time.Time
}

// failure marks an error of a command's work. Every other error is one of usage.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// run executes one command line and returns its exit status.
func (c *cli) run(args []string) int {
	root := c.root()
	root.SetArgs(args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	if _, failed := errors.AsType[failure](err); !failed {
		_, _ = fmt.Fprintf(c.err, "sessionward: %v (see %s --help)\n", firstLine(err), cmd.CommandPath())
		return exitUsage
	}
	c.printFailure(err)
	return exitFailed
}

// printFailure prints one line, and before it one for each problem of a configuration.
func (c *cli) printFailure(err error) {
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		_, _ = fmt.Fprintf(c.err, "sessionward: %s\n", harmless(strings.ReplaceAll(err.Error(), "\n", "; ")))
		return
	}
	_, _ = fmt.Fprintln(c.err, problems.Error())
	_, _ = fmt.Fprintf(c.err, "sessionward: the configuration has %s\n", count(len(problems), "problem"))
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "sessionward",
		Short: "An identity-aware session gateway",
		Long: `sessionward stands in front of an application. It finds the session of every request, whatever
kind it is, keeps it fresh, holds it against the rules of the route, and tells the application
who is there.

Begin with a copy of config.example.yaml, check it, and serve:

  sessionward check --config sessionward.yaml
  sessionward serve --config sessionward.yaml

Exit status: 0 done, 1 failed, 2 the command line makes no sense.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	group(root)
	root.AddCommand(c.serveCommand(), c.checkCommand(), c.keysCommand(), c.hashPasswordCommand(), c.schemaCommand(), c.versionCommand(),
		c.sessionsCommand(), c.sourcesCommand(), c.loginCommand())
	return root
}

// group makes cmd one that only has commands below it: alone it prints its help.
func group(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return fmt.Errorf("unknown command %q; did you mean %q?", args[0], near[0])
		}
		return fmt.Errorf("unknown command %q", args[0])
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// work adapts a command's work to cobra, marking its errors as failures.
func work(do func(args []string) error) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, args []string) error {
		if err := do(args); err != nil {
			return failure{err}
		}
		return nil
	}
}

// variable returns the value of an environment variable, or def.
func (c *cli) variable(name, def string) string {
	for _, line := range c.env {
		if value, ok := strings.CutPrefix(line, name+"="); ok && value != "" {
			return value
		}
	}
	return def
}

// configFlag adds --config.
func (c *cli) configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", c.variable(config.EnvFile, "sessionward.yaml"),
		"the configuration file; the environment variable "+config.EnvFile+" names another default")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // fails only for a flag that is not there
}

// outputFlag adds -o.
func outputFlag(cmd *cobra.Command, format *outputFormat) {
	*format = "text"
	cmd.Flags().VarP(format, "output", "o", "text for people, json for programs")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// outputFormat is the value of -o.
type outputFormat string

// String, Set and Type implement pflag.Value.
func (o *outputFormat) String() string { return string(*o) }

// Set refuses what is neither text nor json.
func (o *outputFormat) Set(s string) error {
	if s != "text" && s != "json" {
		return errors.New("write text or json")
	}
	*o = outputFormat(s)
	return nil
}

// Type is shown in the help.
func (*outputFormat) Type() string { return "text|json" }

// printJSON writes v, indented.
func (c *cli) printJSON(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// count writes n things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
