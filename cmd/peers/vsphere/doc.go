// Package vsphere is a vCenter for tests: the simulators of govmomi in one process, and in front of them what they leave
// out.
//
// The simulators know no /api/session, accept every SIGN header, issue one assertion of 2018 and answer errors with empty
// bodies. The front serves both generations of the session API on one clock, answers errors as a vCenter does when asked
// to, issues real tokens, and verifies them, their signatures and those of requests byte for byte. It owns no session of
// its own: each is the simulator's. It must never be reachable by anybody but tests.
package vsphere
