package powership

import (
	"errors"
	"fmt"

	"github.com/sessionward/sessionward/session"
)

// Code is why the library refused something (AccountError.code). It is an error of one of the classes of package
// session: errors.Is tells which.
type Code string

// The codes of the library.
const (
	Unauthorized                 Code = "Unauthorized"
	InvalidRequest               Code = "InvalidRequest"
	InvalidLocationInfoUserAgent Code = "InvalidLocationInfoUserAgent"
	InvalidLocationInfoIP        Code = "InvalidLocationInfoIP"
	InvalidEncodedSession        Code = "InvalidEncodedSession"
	ServiceNotFound              Code = "ServiceNotFound"
	UserDeactivated              Code = "UserDeactivated"
	AuthenticationFailed         Code = "AuthenticationFailed"
	UserNotFound                 Code = "UserNotFound"
	InvalidSession               Code = "InvalidSession"
	ImpersonatedUserNotFound     Code = "ImpersonatedUserNotFound"
	InvalidToken                 Code = "InvalidToken"
	TokenVerificationFailed      Code = "TokenVerificationFailed"
	SessionNotFound              Code = "SessionNotFound"
	InvalidTokens                Code = "InvalidTokens"
)

// Error implements error.
func (c Code) Error() string { return string(c) }

// Unwrap gives c its class. Unauthorized speaks of the caller, which is the gateway and not the user: it denies nobody.
func (c Code) Unwrap() error {
	switch c {
	case InvalidEncodedSession, AuthenticationFailed, UserNotFound, InvalidSession, ImpersonatedUserNotFound, InvalidToken,
		TokenVerificationFailed, SessionNotFound, InvalidTokens:
		return session.ErrRejected
	case UserDeactivated:
		return session.ErrInsufficient
	case InvalidRequest, InvalidLocationInfoUserAgent, InvalidLocationInfoIP:
		return session.ErrMalformed
	default:
		return session.ErrUnavailable
	}
}

// known reports whether c is one of the library's.
func (c Code) known() bool {
	switch c {
	case Unauthorized, ServiceNotFound:
		return true
	}
	return !errors.Is(c.Unwrap(), session.ErrUnavailable)
}

// answered keeps err to the classes in which a question about a session is answered. That the question itself was not
// understood says nothing about the session.
func answered(err error) error {
	if errors.Is(err, session.ErrMalformed) {
		return fmt.Errorf("%w: the question was not understood: %v", session.ErrUnavailable, err)
	}
	return err
}
