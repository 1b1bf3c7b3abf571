package proxy

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/sessionward/sessionward/session"
)

// Reason says in one stable word why the upstream's reply did not reach the client. It is safe to show.
type Reason string

// The reasons, each with the HTTP status it stands for.
const (
	NoPassage       Reason = "no_passage"       // 500: the request did not come through the gate
	IdentityFailed  Reason = "identity_failed"  // 500: the identity headers could not be made
	BadTarget       Reason = "bad_target"       // 400: path, query or host cannot be sent as they are
	MethodRefused   Reason = "method_refused"   // 501: CONNECT and TRACE are never forwarded
	UpgradeRefused  Reason = "upgrade_refused"  // 400: an upgrade other than a well-formed WebSocket handshake
	OriginRefused   Reason = "origin_refused"   // 403: a WebSocket opened by another site on a cookie
	SessionEnded    Reason = "session_ended"    // 401: the session ended before the reply began
	BodyMalformed   Reason = "body_malformed"   // 400: the client's body was not well-formed
	BodyTooLarge    Reason = "body_too_large"   // 413: the body passed a limit set with http.MaxBytesReader
	UpstreamFailed  Reason = "upstream_failed"  // 502: refused, reset, or a reply that is not one
	UpstreamTimeout Reason = "upstream_timeout" // 504: no connection or no reply in time
)

// Error is what OnError receives. Other rooms read it through its methods, by errors.As against an interface of their
// own with HTTPStatus and Code. Its text is for the log: it may name the upstream's address.
type Error struct {
	Reason   Reason
	Upstream string // the upstream's host and port
	Err      error  // the cause, never nil
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("upstream %s: %s: %v", e.Upstream, e.Reason, e.Err)
}

// Code is the stable word for replies and logs.
func (e *Error) Code() string { return string(e.Reason) }

// HTTPStatus is the status to answer with (RFC 9110 §15).
func (e *Error) HTTPStatus() int {
	switch e.Reason {
	case BadTarget, UpgradeRefused, BodyMalformed:
		return http.StatusBadRequest
	case SessionEnded:
		return http.StatusUnauthorized
	case OriginRefused:
		return http.StatusForbidden
	case BodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case MethodRefused:
		return http.StatusNotImplemented
	case UpstreamFailed:
		return http.StatusBadGateway
	case UpstreamTimeout:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}

// Unwrap returns the cause and, where one fits, the class of package session.
func (e *Error) Unwrap() []error {
	switch e.Reason {
	case BadTarget, UpgradeRefused, BodyMalformed:
		return []error{e.Err, session.ErrMalformed}
	case SessionEnded:
		return []error{e.Err, session.ErrRejected}
	case UpstreamFailed, UpstreamTimeout:
		return []error{e.Err, session.ErrUnavailable}
	default:
		return []error{e.Err}
	}
}

// The causes the proxy itself finds.
var (
	errNoPassage     = errors.New("the request did not come through the gate")
	errMethod        = errors.New("the method is never forwarded")
	errTarget        = errors.New("the target holds bytes that cannot be sent as they are")
	errHost          = errors.New("the host is not a host name or address")
	errScheme        = errors.New(`the scheme is neither "http" nor "https"`)
	errNotWebSocket  = errors.New("only a WebSocket handshake (RFC 6455 §4.1) can upgrade the connection")
	errForeignOrigin = errors.New("the WebSocket was opened by another origin, or by one that does not say its name")
	errSessionEnded  = errors.New("the session has ended")
	errStalled       = errors.New("the upstream stopped taking the body")
	errBadSwitch     = errors.New("the upstream switched protocols without completing the WebSocket handshake")
	errInformational = errors.New("the upstream sent too many informational replies")
)
