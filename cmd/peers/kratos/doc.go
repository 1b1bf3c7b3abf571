// Package kratos runs a real Ory Kratos for tests: the process, its users, a page to log in at, and a panel before each of
// its two doors.
//
// It owns how that process is configured, started and stopped. It does not own how Kratos answers: whatever a client sees
// is what Ory wrote. Kratos has a clock of its own, the real one, so the clock of the panels turns nothing.
package kratos
