// Command sessionward is an identity-aware session gateway: it finds the session of every request, keeps it fresh,
// holds it against the rules of the route and tells the application behind it who is there.
//
// This package owns the command line: one file per command, what is printed and the exit status. It decides nothing
// about sessions.
package main

import (
	"os"
	"time"
)

// version is set by the linker (-ldflags "-X main.version=v1.2.3"); without it the build information tells.
var version string

func main() {
	c := &cli{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Environ(), now: time.Now}
	os.Exit(c.run(os.Args[1:]))
}
