// Package sessiontest holds what every implementation of the contract in package session is tested with: one
// conformance suite for stores, one for sources, and a clock that only moves when it is told to.
//
// The package owns no implementation and no fixture of a particular store or authority. It is imported by tests
// only.
//
// One rule holds: the suites ask for nothing that the comments in package session do not promise. A new demand is
// written there first.
package sessiontest
