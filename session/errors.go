package session

import (
	"errors"
	"time"
)

// The classes of failure. Decide with errors.Is; the text is for people.
var (
	// ErrNotMine: the credential is not of this source's making. Ask the next one.
	ErrNotMine = errors.New("credential belongs to another source")
	// ErrRejected: the authority knows, and the answer is no. Only this ends a session or asks for a new login.
	ErrRejected = errors.New("rejected")
	// ErrInsufficient: the session is good, and must prove more before its authority shows it. It ends nothing. May
	// carry a LoginURL.
	ErrInsufficient = errors.New("insufficient")
	// ErrUnavailable: the authority, store or key could not be asked. It never ends a session. May carry a
	// RetryAfter.
	ErrUnavailable = errors.New("unavailable")
	// ErrNotFound: there is no such record or session.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the record changed since it was read.
	ErrConflict = errors.New("version conflict")
	// ErrUnsupported: the source has no such power. The chain says why.
	ErrUnsupported = errors.New("unsupported")
	// ErrMalformed: the input cannot be what it claims to be.
	ErrMalformed = errors.New("malformed")
	// ErrTooMany: a limit on attempts was reached. May carry a RetryAfter.
	ErrTooMany = errors.New("too many attempts")
)

// retryAfterError adds to an error the time its cause asked to be left alone.
type retryAfterError struct {
	err   error
	after time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// WithRetryAfter returns err with the advice to try again after d. RetryAfter reads it back.
func WithRetryAfter(err error, d time.Duration) error {
	if err == nil || d <= 0 {
		return err
	}
	return &retryAfterError{err: err, after: d}
}

// RetryAfter returns the advice carried by err, zero when there is none.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*retryAfterError](err); ok {
		return e.after
	}
	return 0
}

// loginURLError adds to an error where the user can put it right.
type loginURLError struct {
	err error
	url string
}

func (e *loginURLError) Error() string { return e.err.Error() }
func (e *loginURLError) Unwrap() error { return e.err }

// WithLoginURL returns err with the address of the authority's page at which the user can prove more. LoginURL reads it
// back.
func WithLoginURL(err error, url string) error {
	if err == nil || url == "" {
		return err
	}
	return &loginURLError{err: err, url: url}
}

// LoginURL returns the address carried by err, "" when there is none.
func LoginURL(err error) string {
	if e, ok := errors.AsType[*loginURLError](err); ok {
		return e.url
	}
	return ""
}

// classed makes sure that err belongs to a class: what nobody has classed is unknown, and unknown is not denied.
func classed(err error) error {
	for _, class := range []error{ErrRejected, ErrInsufficient, ErrUnavailable, ErrNotMine, ErrNotFound, ErrConflict, ErrUnsupported, ErrMalformed, ErrTooMany} {
		if errors.Is(err, class) {
			return err
		}
	}
	return errors.Join(ErrUnavailable, err)
}
