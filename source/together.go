package source

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// CheckTogether reports where two sources of a chain claim one credential: it would be shown to an authority that did not
// make it. ownCookie is the name of the gateway's session cookie, which is nobody else's. Places in the errors are those
// of a list named sources.
func CheckTogether(chain []Options, ownCookie string) error {
	var errs []error
	for j, later := range chain {
		theirs := later.takes()
		if theirs.Cookie != "" && theirs.Cookie == ownCookie {
			errs = append(errs, clash(chain, j, "the cookie "+ownCookie+" is the gateway's own", "give one of them another name"))
		}
		errs = append(errs, companionClash(chain, j, ownCookie))
		for i, earlier := range chain[:j] {
			if earlier.powershipBearer() && later.powershipBearer() {
				errs = append(errs, clash(chain, j, fmt.Sprintf("bearer tokens of Powership are taken by sources[%d] (%s) already", i, earlier.Name), "set credentials to a cookie or header of its own"))
			}
			errs = append(errs, betweenTwo(chain, i, j, earlier.takes(), theirs))
		}
	}
	return errors.Join(errs...)
}

// betweenTwo reports what the earlier of two sources takes away from the later one.
func betweenTwo(chain []Options, i, j int, earlier, later authority.Credentials) error {
	first := fmt.Sprintf("sources[%d] (%s)", i, chain[i].Name)
	if earlier.Bearer && later.Bearer && earlier.Prefix == "" {
		return clash(chain, i, fmt.Sprintf("takes every opaque bearer token, also those of sources[%d] (%s)", j, chain[j].Name),
			"set prefix to how its tokens begin, or move it behind that source")
	}
	if !strings.HasPrefix(later.Prefix, earlier.Prefix) {
		return nil
	}
	switch {
	case earlier.Bearer && later.Bearer:
		return clash(chain, j, fmt.Sprintf("bearer tokens that begin with %q are taken by %s already", later.Prefix, first), "give each a prefix that the other has not")
	case later.Cookie != "" && later.Cookie == earlier.Cookie:
		return clash(chain, j, "the cookie "+later.Cookie+" is taken by "+first+" already", "name another cookie")
	case later.Header != "" && strings.EqualFold(later.Header, earlier.Header):
		return clash(chain, j, "the header "+later.Header+" is taken by "+first+" already", "name another header")
	}
	return nil
}

func clash(chain []Options, at int, problem, fix string) error {
	return fmt.Errorf("sources[%d].%s: %s; %s: %w", at, chain[at].kindName(), problem, fix, session.ErrMalformed)
}

// takes are the credentials of the source that is configured, as far as they are told apart by place and beginning. JWTs
// are told apart by what is in them.
func (o Options) takes() authority.Credentials {
	for _, k := range o.chosen() {
		if k.takes != nil {
			return k.takes()
		}
	}
	return authority.Credentials{}
}

func (o Options) powershipBearer() bool { return o.Powership != nil && o.Powership.TakesBearer() }

func (o Options) kindName() string {
	for _, k := range o.chosen() {
		return k.name
	}
	return "kind"
}
