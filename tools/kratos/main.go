// Kratos is Ory Kratos, built as a peer for the tests of source/kratos.
package main

import (
	"os"

	"github.com/ory/kratos/cmd"
)

func main() { os.Exit(cmd.Execute()) }
