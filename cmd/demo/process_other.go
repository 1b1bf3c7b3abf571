//go:build !unix

package main

import (
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

// askToStop can only kill where processes have no signals.
func askToStop(p *os.Process) error { return p.Kill() }
