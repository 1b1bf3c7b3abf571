// Package proxy sends a request that was let through to the application behind the gateway, and brings the reply back.
//
// It owns the connection to the upstream: the transport, the outgoing request down to the bytes of its target, what is
// removed from it and from the reply, upgrades and streams, and the naming of what went wrong. It does not decide who
// may pass (package gate), does not know what an identity header is called (package identity) and writes no error
// reply: it names an [Error] and hands it to the one mapping it was given.
//
// One rule holds everywhere: nothing is served without a [Passage]. What the gate decided arrives as a Passage in the
// request's context, and everything said to the upstream about the client, target, address and identity is taken from
// it and never from what the client wrote.
//
// The proxy ends an exchange that cannot be completed by panicking with [http.ErrAbortHandler], as net/http documents
// it: a truncated reply must be seen as a broken connection. Whoever recovers panics around it must let that one pass.
package proxy
