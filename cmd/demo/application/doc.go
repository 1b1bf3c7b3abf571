// Package application is the application of the demonstration: it shows who it sees and with which headers, as a page
// for people and as JSON for programs, and it has the endpoints that are hard for a gateway (a stream of events, an
// echo that answers while it is still being asked).
//
// It owns nothing but its pages. It knows nothing of sessions and checks nothing: it believes its headers, as a legacy
// application does, and so must be reachable through the gateway only.
//
// One rule: the page never shows a secret. Cookies, bearers and tokens appear by name and size; /json gives headers as
// they came, for tests.
package application
