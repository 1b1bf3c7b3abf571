package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Where the parts listen, counted from the base port.
const (
	defaultPort   = 4000
	applicationAt = 1
	gatewayAt     = 180
	adminAt       = 181
)

// options are the command line.
type options struct {
	gateway  string        // path of the gateway's binary
	listen   string        // address of the gateway, "" for base port + gatewayAt
	port     int           // base port, 0 for any free ports
	data     string        // folder for configuration, keys, sessions and log
	tokenTTL time.Duration // of access and ID tokens
}

func parseFlags(args []string, errs io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&o.gateway, "gateway", "bin/sessionward", "`path` of the gateway's binary")
	f.StringVar(&o.listen, "listen", "", "`address` the gateway listens on (default 127.0.0.1, base port + 180)")
	f.IntVar(&o.port, "port", defaultPort, "base `port`: the provider listens on it, the application on the next; 0 takes any free ports")
	f.StringVar(&o.data, "data", ".demo", "`folder` for configuration, keys, sessions and log")
	f.DurationVar(&o.tokenTTL, "token-ttl", time.Minute, "`time` until the provider's tokens expire")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	return o, o.check(f.Args())
}

func (o options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q: see demo -h", rest[0])
	}
	if o.port < 0 || o.port > 65535-adminAt {
		return fmt.Errorf("--port: %d is not between 0 and %d", o.port, 65535-adminAt)
	}
	if o.tokenTTL < time.Second {
		return fmt.Errorf("--token-ttl: %s is too short: use at least 1s", o.tokenTTL)
	}
	if o.listen == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return fmt.Errorf("--listen: %q is not host:port, such as 127.0.0.1:4180", o.listen)
	}
	return nil
}

// address returns the loopback address a part listens on.
func (o options) address(offset int) string {
	if o.port == 0 {
		return "127.0.0.1:0"
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port+offset))
}
