package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sessionward/sessionward/config"
	"github.com/sessionward/sessionward/source"
)

func (c *cli) checkCommand() *cobra.Command {
	var path string
	var format outputFormat
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration without starting anything",
		Long: `Check a configuration, the environment variables over it and the files it names, without listening and
without asking any authority.

When something is wrong every problem is printed, each with its place and what to write instead, and the
exit status is 1. When all is well it prints what should be seen once by whoever answers for the gateway:
every route anybody may use, and everything that is taken on trust.`,
		Example: `  sessionward check --config sessionward.yaml
  sessionward check -o json | jq '.decisions[].text'`,
		Args: cobra.NoArgs,
		RunE: work(func([]string) error { return c.check(path, format) }),
	}
	c.configFlag(cmd, &path)
	outputFlag(cmd, &format)
	return cmd
}

// report is what check found.
type report struct {
	File      string            `json:"file"`
	OK        bool              `json:"ok"`
	Problems  []config.Problem  `json:"problems"`
	PublicURL string            `json:"public_url,omitempty"`
	Listen    string            `json:"listen,omitempty"`
	Store     string            `json:"store,omitempty"`
	Sources   []string          `json:"sources,omitempty"`
	Routes    []routeReport     `json:"routes,omitempty"`
	Public    []string          `json:"public_routes,omitempty"`
	Decisions []config.Decision `json:"decisions,omitempty"`
}

// routeReport is one route in one line.
type routeReport struct {
	Name     string   `json:"name"`
	Access   string   `json:"access"`
	Hosts    []string `json:"hosts,omitempty"`
	Paths    []string `json:"paths"`
	Upstream string   `json:"upstream"`
}

// errProblems is returned when the problems have been printed as JSON already.
var errProblems = errors.New("the configuration has problems")

func (c *cli) check(path string, format outputFormat) error {
	cfg, err := config.Load(path, c.env)
	if err == nil {
		err = openFiles(cfg)
	}
	problems, ok := errors.AsType[config.Problems](err)
	if err != nil && !ok {
		return err
	}
	r := report{File: path, OK: err == nil, Problems: problems}
	if r.Problems == nil {
		r.Problems = []config.Problem{}
		r.summarise(cfg)
	}
	if format == "json" {
		if printErr := c.printJSON(r); printErr != nil || err == nil {
			return printErr
		}
		return errProblems
	}
	if err != nil {
		return err
	}
	return c.printReport(r)
}

// openFiles reads the files cfg names that are otherwise read at start. It makes none.
func openFiles(cfg *config.Config) error {
	var problems config.Problems
	note := func(key string, err error) {
		if err != nil {
			problems = append(problems, cfg.Problem(key, err))
		}
	}
	for i, s := range cfg.Sources {
		_, err := source.Open(s.Options, source.Deps{})
		note(fmt.Sprintf("sources[%d]", i), err)
	}
	if cfg.TLS.CertFile != "" {
		_, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
		note("tls", err)
	}
	note("keys_file", cfg.CheckKeys())
	if _, err := config.LoadKeys(cfg.KeysFile); !errors.Is(err, fs.ErrNotExist) {
		note("keys_file", err)
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

func (r *report) summarise(cfg *config.Config) {
	r.PublicURL, r.Listen, r.Store = cfg.PublicURL, cfg.Listen, cfg.Store.Kind()
	r.Public, r.Decisions = cfg.PublicRoutes(), cfg.Decisions()
	for _, s := range cfg.Sources {
		r.Sources = append(r.Sources, s.Name)
	}
	for _, route := range cfg.Routes {
		line := routeReport{Name: route.Name, Access: string(route.Access), Hosts: route.Hosts, Paths: route.Paths, Upstream: route.Upstream.URL}
		if line.Access == "" {
			line.Access = "required"
		}
		if len(line.Paths) == 0 {
			line.Paths = []string{"/"}
		}
		r.Routes = append(r.Routes, line)
	}
}

func (c *cli) printReport(r report) error {
	w := tabwriter.NewWriter(c.out, 0, 8, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	line("%s is fine: %s, %s, sessions in the %s store, %s on %s", r.File,
		count(len(r.Sources), "source"), count(len(r.Routes), "route"), r.Store, r.PublicURL, r.Listen)
	line("\nRoutes, the first that matches decides; what matches none is refused:")
	for _, route := range r.Routes {
		line("  %s\t%s\t%s\t%s\t→ %s", route.Name, route.Access, anyOf(route.Hosts, "any host"), strings.Join(route.Paths, " "), route.Upstream)
	}
	line("\nAnybody may use without a session:")
	for _, name := range r.Public {
		line("  %s", name)
	}
	if len(r.Public) == 0 {
		line("  nothing")
	}
	line("\nTaken on trust:")
	for _, d := range r.Decisions {
		line("  %s\t%s", d.Where, d.Text)
	}
	if len(r.Decisions) == 0 {
		line("  nothing: no forwarded header is believed, nothing travels in the clear to other machines")
	}
	return w.Flush()
}

func anyOf(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, " ")
}
