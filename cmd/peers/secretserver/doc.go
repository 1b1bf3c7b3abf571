// Package secretserver is a stand-in for Secret Server (Thycotic, now Delinea): the token endpoint, the calls that say
// whose a token is, the list of a user's sessions, and the clocks and refusals of the real one.
//
// It owns its users, sessions and tokens, all in memory. It follows what the vendor has published: the OpenAPI
// description of the REST API 11.7.2, the documentation of API sessions, and what the vendor's own clients send and
// expect. Where nothing is published it says so beside the choice. It does not own a listener, and it is no server for
// secrets.
//
// One rule: a refresh token works once.
package secretserver
