package kratos

import (
	"context"
	"encoding/base64"
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Tokenize implements session.Tokenizer: whoami with tokenize_as. session.ErrUnsupported when Kratos has no such
// template, and session.ErrMalformed when none can have that name.
func (s *Source) Tokenize(ctx context.Context, held *session.Session, template string) (token session.Secret, end time.Time, err error) {
	defer authority.Wrap(&err, "kratos "+s.name, "tokenize")
	switch {
	case !s.made(held):
		return session.Secret{}, time.Time{}, notMade()
	case !validTemplate(template):
		return session.Secret{}, time.Time{}, errTemplate
	}
	a, r, err := s.askWhoami(ctx, proofOf(held), template)
	if r.Status == http.StatusBadRequest {
		return session.Secret{}, time.Time{}, authority.Unsupported("Kratos can make no token with that template")
	}
	if err != nil {
		return session.Secret{}, time.Time{}, err
	}
	if end, err = s.tokenEnd(a); err != nil {
		return session.Secret{}, time.Time{}, err
	}
	return session.NewSecret(a.tokenized), end, nil
}

var errTemplate = errors.Join(session.ErrMalformed, errors.New("not the name of a template"))

// tokenEnd returns when the JWT of a ends, which is when it must be forgotten.
func (s *Source) tokenEnd(a answer) (time.Time, error) {
	end, ok := readEnd(a.tokenized)
	if !ok {
		return time.Time{}, s.public.Nonsense("the session carries no token although one was asked for")
	}
	return end, nil
}

// lastSecond is the end of the year 9999.
const lastSecond = 253402300799

// readEnd reads exp (RFC 7519 §4.1.4) of a compact JWS. The signature is for those the token is made for: it came
// straight from the Kratos that signed it.
func readEnd(jwt string) (time.Time, bool) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	claims, err := authority.DecodeObject(payload)
	if err != nil {
		return time.Time{}, false
	}
	exp, ok := claims["exp"].(float64)
	if !ok || exp <= 0 || exp > lastSecond {
		return time.Time{}, false
	}
	return time.Unix(int64(math.Floor(exp)), 0).UTC(), true
}

var _ session.Tokenizer = (*Source)(nil)
