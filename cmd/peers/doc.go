// Command peers runs one stand-in for a session system alone, so that the gateway, or a program of your own, can be
// tried against it on a machine that has no such system.
//
// It owns the listener and what is printed; what a stand-in does is in its own package below this one, and how it can be
// disturbed in package panel.
//
// One rule: it listens on this machine only. A stand-in hands sessions to whoever knows the passwords printed here.
package main
