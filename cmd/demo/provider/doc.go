// Package provider is the OpenID provider of the demonstration and of tests that need a real one: code flow with PKCE,
// refresh tokens that rotate and detect reuse, userinfo, introspection, revocation, RP-initiated logout and device
// authorization, with pages that work without JavaScript.
//
// It owns its users, clients, browser sessions and tokens, all in memory: they end with the process. The protocol is
// spoken by github.com/zitadel/oidc; this package adds what that library leaves to its user and closes what a
// demonstration should not leave open (PKCE is mandatory, a sign-in belongs to one browser, cross-origin requests get no
// permission). It does not own the listener, and it is no provider for production: passwords are compared in the clear
// and attempts are not counted.
//
// One rule: a refresh token works once. Whoever shows an old one ends its whole family, the newest token included
// (RFC 9700 §4.14.2).
package provider
