package main

import (
	"os/exec"
	"runtime"
)

// browser returns how to open an address in the browser of whoever sits at this machine, and whether there seems to be one.
// forced: somebody says that there is.
func (c *cli) browser(forced bool) (open func(address string) error, here bool) {
	program, args := "xdg-open", []string(nil)
	here = c.variable("DISPLAY", "") != "" || c.variable("WAYLAND_DISPLAY", "") != ""
	switch runtime.GOOS {
	case "darwin":
		program, here = "open", c.variable("SSH_CONNECTION", "") == ""
	case "windows":
		program, args, here = "rundll32", []string{"url.dll,FileProtocolHandler"}, true
	}
	path, err := exec.LookPath(program)
	if !forced && (!here || err != nil) {
		return nil, false
	}
	return func(address string) error {
		if err != nil {
			return err
		}
		cmd := exec.Command(path, append(args, address)...)
		if err := cmd.Start(); err != nil {
			return err
		}
		go func() { _ = cmd.Wait() }() // some of them end with the browser
		return nil
	}, true
}
