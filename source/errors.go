package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/sessionward/sessionward/session"
)

// problems gathers what is wrong with a configuration, so that one look mends it all.
type problems struct {
	where string
	errs  []error
}

// add notes what is wrong with field and how to put it right.
func (p *problems) add(field, problem, fix string) {
	p.errs = append(p.errs, fmt.Errorf("%s: %s: %s; %s: %w", p.where, field, problem, fix, session.ErrMalformed))
}

func (p *problems) err() error { return errors.Join(p.errs...) }

// rejected is the authority's, or a check's, definite no.
func rejected(reason string) error { return fmt.Errorf("%w: %s", session.ErrRejected, reason) }

// unavailable is everything that kept us from an answer.
func unavailable(reason string) error { return fmt.Errorf("%w: %s", session.ErrUnavailable, reason) }

// gaveUp classes the end of ctx: the caller could not wait for the answer.
func gaveUp(ctx context.Context) error {
	return fmt.Errorf("%w: %w", session.ErrUnavailable, context.Cause(ctx))
}

// wrap says before *err whose failure it is and what was being done ("oidc corp: refresh: …"). Defer it.
func wrap(err *error, subject, doing string) {
	if *err != nil {
		*err = fmt.Errorf("%s: %s: %w", subject, doing, *err)
	}
}
