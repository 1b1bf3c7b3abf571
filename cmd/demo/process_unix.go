//go:build unix

package main

import (
	"os"
	"syscall"
)

// ownGroup keeps the terminal's Ctrl-C from the gateway: the demonstration stops it, once and in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func askToStop(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
