// Package powership is the source for sessions of Powership accounts: a JWT that the client carries, and a session
// document behind it that says whether it still holds.
//
// That system is a library over a document store, not a server. The source works in one of two modes. Native: the gateway
// keeps accounts and session documents itself, byte for byte as the library does, and shares the signing secret with it.
// Bridge: an application that has the library answers over HTTP, one route for each of its methods. The package owns the
// format of tokens and documents, the exchange of tokens and the hooks around it; it does not own the cookie of the
// gateway, nor how long an answer is remembered.
//
// One rule: a token is good when its signature, its own end, the user agent it was made for and the session document all
// say so. The address of the client is never compared, only written down.
package powership
