// Package secretserver is the source for Secret Server (Thycotic, now Delinea): people log in there through the gateway's
// form, and programs show the OAuth2 tokens they have of it.
//
// It owns the calls of the token endpoint and of the REST API's users, and what their answers mean. It does not own the
// sessions that a login makes: the manager keeps, renews and ends them. Access and refresh tokens are opaque here and
// never read. The sign-in of the Delinea Platform in the cloud is another protocol and not this one.
//
// One rule: the body decides. Secret Server answers 403 for a token that has ended and for a user who lacks a right; only
// one sentence tells them apart, and whatever is not that sentence ends nobody's session.
package secretserver
