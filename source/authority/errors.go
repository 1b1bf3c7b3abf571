package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/sessionward/sessionward/session"
)

// Problems gathers what is wrong with a configuration, so that one look mends it all.
type Problems struct {
	where string
	errs  []error
}

// NewProblems returns an empty list for what where names, such as "source \"corp\"".
func NewProblems(where string) *Problems { return &Problems{where: where} }

// Add notes what is wrong with field and how to put it right.
func (p *Problems) Add(field, problem, fix string) {
	p.errs = append(p.errs, fmt.Errorf("%s: %s: %s; %s: %w", p.where, field, problem, fix, session.ErrMalformed))
}

// Err returns all problems, nil when there are none. Each is session.ErrMalformed.
func (p *Problems) Err() error { return errors.Join(p.errs...) }

// Rejected is the authority's, or a check's, definite no.
func Rejected(reason string) error { return fmt.Errorf("%w: %s", session.ErrRejected, reason) }

// Unavailable is everything that kept us from an answer.
func Unavailable(reason string) error { return fmt.Errorf("%w: %s", session.ErrUnavailable, reason) }

// Unsupported says why a source has no such power.
func Unsupported(reason string) error { return fmt.Errorf("%w: %s", session.ErrUnsupported, reason) }

// GaveUp classes the end of ctx: the caller could not wait for the answer.
func GaveUp(ctx context.Context) error {
	return fmt.Errorf("%w: %w", session.ErrUnavailable, context.Cause(ctx))
}

// Wrap says before *err whose failure it is and what was being done ("oidc corp: refresh: …"). Defer it.
func Wrap(err *error, subject, doing string) {
	if *err != nil {
		*err = fmt.Errorf("%s: %s: %w", subject, doing, *err)
	}
}
