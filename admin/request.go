package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"github.com/sessionward/sessionward/session"
)

// maxBody bounds the body of a request, in bytes. A SAML assertion is the largest there is.
const maxBody = 256 << 10

// check refuses what the route does not take: parameters it does not know, which it would otherwise ignore in silence, and
// bodies of another type. A form of another site's page can send no JSON.
func (rt route) check(r *http.Request) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fmt.Errorf("the query cannot be read: %w", session.ErrMalformed)
	}
	for name, values := range q {
		if !slices.Contains(rt.query, name) {
			return fmt.Errorf("query: parameter %q is not known; there are %q: %w", name, rt.query, session.ErrMalformed)
		}
		if len(values) > 1 {
			return fmt.Errorf("query: parameter %q comes twice: %w", name, session.ErrMalformed)
		}
	}
	return rt.checkType(r)
}

func (rt route) checkType(r *http.Request) error {
	given := r.Header.Values("Content-Type")
	switch {
	case rt.method == http.MethodGet:
		return nil
	case rt.body == "" && r.ContentLength != 0:
		return fmt.Errorf("this takes no body: %w", session.ErrMalformed)
	case rt.body == "" && len(given) == 0:
		return nil
	}
	want := rt.body
	if want == "" {
		want = typeJSON
	}
	if len(given) == 1 {
		if kind, _, err := mime.ParseMediaType(given[0]); err == nil && kind == want {
			return nil
		}
	}
	return &Problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Detail: "The body must be " + want + "."}
}

// read decodes the JSON body of r into v. Unknown members are refused: a misspelt one would silently mean something else.
// What is said of a body that is refused names its members and repeats no value.
func read(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return unreadable(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the body goes on after its end: %w", session.ErrMalformed)
	}
	return nil
}

func unreadable(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return &Problem{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Detail: fmt.Sprintf("The body is larger than %d bytes.", maxBody)}
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("the body cannot be read: %q must be a %s: %w", wrong.Field, wrong.Type, session.ErrMalformed)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the body ends before its end: %w", session.ErrMalformed)
	}
	return fmt.Errorf("the body cannot be read: %w: %w", err, session.ErrMalformed)
}
