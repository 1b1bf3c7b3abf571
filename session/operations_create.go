package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Proof is what a session is made of: exactly one of Token, Assertion and Username with Password.
type Proof struct {
	// Token is a credential of the source, at Place; the zero Place is a bearer token.
	Token Secret
	Place Place
	// Assertion is a SAML 2.0 assertion.
	Assertion Secret
	// Username and Password are checked by the source.
	Username string
	Password Secret
}

// Create makes a session of ours out of what a source says of proof, for device. It returns the session and the value of
// its cookie. ErrRejected when the source does not accept the proof, ErrUnsupported when it takes none of that kind.
func (o *Operations) Create(ctx context.Context, source string, proof Proof, device Device) (*Session, Secret, error) {
	src, err := o.named(source)
	if err != nil {
		return nil, Secret{}, err
	}
	answered, err := o.prove(ctx, src, proof, device)
	return o.begun(ctx, answered, err, device)
}

// named returns the source of that name, or ErrNotFound.
func (o *Operations) named(source string) (Source, error) {
	if src := o.sources[source]; src != nil {
		return src, nil
	}
	return nil, fmt.Errorf("source %q: %w", source, ErrNotFound)
}

// begun makes a session of ours out of what a source answered, unless it answered with an error.
func (o *Operations) begun(ctx context.Context, answered *Session, err error, device Device) (*Session, Secret, error) {
	if err != nil {
		return nil, Secret{}, err
	}
	return o.o.Manager.Create(ctx, answered, device)
}

func (o *Operations) prove(ctx context.Context, src Source, proof Proof, device Device) (*Session, error) {
	given := 0
	for _, there := range []bool{!proof.Token.Empty(), !proof.Assertion.Empty(), proof.Username != "" || !proof.Password.Empty()} {
		if there {
			given++
		}
	}
	if given != 1 {
		return nil, fmt.Errorf("exactly one of token, assertion and username with password must be given: %w", ErrMalformed)
	}
	unsupported := func(what string) error {
		return fmt.Errorf("source %q (%s) makes no session out of %s: %w", src.Name(), src.Kind(), what, ErrUnsupported)
	}
	switch {
	case !proof.Token.Empty():
		r, ok := src.(Resolver)
		if !ok {
			return nil, unsupported("a token")
		}
		return o.exchange(ctx, r, proof, device)
	case !proof.Assertion.Empty():
		a, ok := src.(AssertionLogin)
		if !ok {
			return nil, unsupported("a SAML assertion")
		}
		return a.VerifyAssertion(ctx, proof.Assertion)
	default:
		p, ok := src.(PasswordLogin)
		if !ok {
			return nil, unsupported("a password")
		}
		return p.VerifyPassword(ctx, proof.Username, proof.Password, device.IP)
	}
}

// exchange has r say whose token it is. A session of its authority that was ended here is not to be had anew by showing its
// token at another door.
func (o *Operations) exchange(ctx context.Context, r Resolver, proof Proof, device Device) (*Session, error) {
	place, err := placeOf(r, proof.Place)
	if err != nil {
		return nil, err
	}
	c := Credential{Place: place, Value: proof.Token, UserAgent: device.UserAgent, RemoteIP: device.IP}
	s, err := r.Resolve(ctx, c)
	if errors.Is(err, ErrNotMine) {
		return nil, fmt.Errorf("source %q does not know such a token: %w", r.Name(), ErrRejected)
	}
	if err != nil {
		return nil, err
	}
	if s == nil || s.ID == "" {
		return nil, fmt.Errorf("source %q: answer without a session id: %w", r.Name(), ErrUnavailable)
	}
	return s, o.o.Manager.Admit(ctx, s, c)
}

// placeOf is where r finds a credential: where it is said to be carried, which must be one of r's places, or as a bearer
// token, or at the only other place there is.
func placeOf(r Resolver, said Place) (Place, error) {
	places := r.Places()
	switch bearer := (Place{Kind: KindBearer}); {
	case said != (Place{}) && slices.Contains(places, said):
		return said, nil
	case said != (Place{}):
		return Place{}, fmt.Errorf("source %q (%s) finds no credentials in the %s %q: %w", r.Name(), r.Kind(), said.Kind, said.Name, ErrUnsupported)
	case slices.Contains(places, bearer):
		return bearer, nil
	case len(places) == 1:
		return places[0], nil
	}
	return Place{}, fmt.Errorf("source %q (%s) takes no bearer tokens; say which cookie or header carries this one: %w", r.Name(), r.Kind(), ErrMalformed)
}

// Introspect returns the session of ours that a cookie value opens (RFC 7662 in spirit: whoever holds it may ask). ErrRejected
// when it opens none.
func (o *Operations) Introspect(ctx context.Context, cookie Secret) (*Session, error) {
	return o.o.Manager.LookUp(ctx, Credential{Place: Place{Kind: KindCookie, Name: o.o.Manager.CookieName()}, Value: cookie})
}
