//go:build !linux

package kratos

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }
