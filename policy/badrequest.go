package policy

import (
	"net/http"

	"github.com/sessionward/sessionward/session"
)

// BadRequestError says why a request has no single meaning. It unwraps to session.ErrMalformed. Neither field ever
// repeats bytes of the request, so both may be logged and shown.
//
// The codes are stable:
//
//   - target: target_form, target_too_long, connect, method, scheme, upgrade_h2c
//   - path: path_too_long, dot_segment, empty_segment, encoded_slash, encoded_backslash, encoded_control,
//     double_encoding, backslash, control, non_ascii, fragment, semicolon, bad_escape, bad_utf8
//   - host: host_missing, host_invalid, host_port, host_punycode, host_conflict
//   - forwarded metadata of a trusted peer: forwarded_for, forwarded_proto, forwarded_host
type BadRequestError struct {
	// Code names the cause for machines.
	Code string
	// Reason says the same to people, without a full stop.
	Reason string
	// Status is the HTTP status that fits: 400, or 414 when the target is too long (RFC 9110 §15.5.15).
	Status int
}

// Error returns code and reason.
func (e *BadRequestError) Error() string { return "request " + e.Code + ": " + e.Reason }

// Unwrap returns session.ErrMalformed.
func (e *BadRequestError) Unwrap() error { return session.ErrMalformed }

func bad(code, reason string) error {
	return &BadRequestError{Code: code, Reason: reason, Status: http.StatusBadRequest}
}

func tooLong(code, reason string) error {
	return &BadRequestError{Code: code, Reason: reason, Status: http.StatusRequestURITooLong}
}
