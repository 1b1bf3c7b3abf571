package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"text/tabwriter"
)

const defaultListen = "127.0.0.1:4100"

// options are the command line.
type options struct {
	kind   kind
	listen string
}

// parseFlags reads "KIND [flags]" and "[flags] KIND" alike. Help goes to out and is flag.ErrHelp.
func parseFlags(args []string, out io.Writer) (options, error) {
	o := options{}
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(io.Discard) // the caller prints errors
	f.StringVar(&o.listen, "listen", defaultListen, "")
	var words []string
	for {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				help(out)
				return o, err
			}
			return o, fmt.Errorf("%w; see peers --help", err)
		}
		if f.NArg() == 0 {
			break
		}
		words = append(words, f.Arg(0))
		args = f.Args()[1:]
	}
	if len(words) != 1 {
		return o, fmt.Errorf("name one stand-in (%s), such as: peers %s", strings.Join(names(), ", "), names()[0])
	}
	return o, o.choose(words[0])
}

// choose finds the kind and checks where it is to listen.
func (o *options) choose(name string) error {
	for _, k := range kinds() {
		if k.name == name {
			o.kind = k
			return o.checkListen()
		}
	}
	return fmt.Errorf("there is no stand-in %q: choose from %s", name, strings.Join(names(), ", "))
}

func (o *options) checkListen() error {
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %q is not host:port, such as %s", o.listen, defaultListen)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("--listen: %q is not an address of this machine alone: use 127.0.0.1 or [::1], for anybody who reaches a stand-in can log in to it", o.listen)
	}
	return nil
}

func names() []string {
	var out []string
	for _, k := range kinds() {
		out = append(out, k.name)
	}
	return out
}

func help(out io.Writer) {
	fmt.Fprint(out, `peers runs one stand-in for a session system alone, on this machine, until Ctrl-C.

Use:  peers KIND [--listen 127.0.0.1:PORT]

`)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, k := range kinds() {
		fmt.Fprintf(w, "  %s\t%s\n", k.name, k.about)
	}
	_ = w.Flush()
	fmt.Fprintf(out, `
  --listen   where it answers; port 0 takes any free one (default %[1]s)

It prints its address, who can log in, and what to try first. Everything is in memory and ends with it.

Every stand-in can be disturbed and questioned while it runs, below /_panel/:

  turn its clock (10m, 24h, -1h), to see sessions expire
    curl -d advance=10m http://%[1]s/_panel/clock
  let it answer otherwise: up, down, failing (503), stall, drip, html, garbage, huge, redirect
    curl -d mode=failing http://%[1]s/_panel/mode
  see all it was shown: request lines, headers and bodies, secrets among them
    curl http://%[1]s/_panel/shown
`, defaultListen)
}
