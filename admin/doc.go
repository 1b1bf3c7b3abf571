// Package admin is the door for operators: it has a listener of its own, which only this machine reaches unless it is
// configured otherwise.
//
// It owns what operators and the machinery around the gateway ask: whether it lives and whether it is ready. It does not
// own what it reports: each part of the house says itself how it is.
//
// One rule: nothing it answers holds a secret.
package admin
