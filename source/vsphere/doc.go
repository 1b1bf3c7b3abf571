// Package vsphere knows the sessions of a vCenter: those of its CIS session service, in both generations of its REST API.
//
// It owns how that service is asked, how sessions are made there with a password or a SAML token of its token service,
// and how tokens are found, signed with and renewed. It does not own the sessions of the gateway: no store, no cookie, no
// cache of answers.
//
// One rule: every question about a session is use of it, because the service cannot be looked at without being touched.
// So it is asked on behalf of a request and never to watch a session.
package vsphere
