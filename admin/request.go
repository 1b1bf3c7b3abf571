package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

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
	case rt.body == "" && hasBody(r):
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

// hasBody reports whether r has one. Of a chunked one that is known only when its first byte is there.
func hasBody(r *http.Request) bool {
	if r.ContentLength >= 0 {
		return r.ContentLength > 0
	}
	n, _ := io.ReadFull(r.Body, make([]byte, 1))
	return n > 0
}

// read decodes the JSON body of r into v. Unknown members are refused: a misspelt one would silently mean something else.
// What is said of a body that is refused names its members and repeats no value.
func read(r *http.Request, v any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return unreadable(err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return unreadable(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the body goes on after its end: %w", session.ErrMalformed)
	}
	if !utf8.Valid(body) {
		return fmt.Errorf("the body is not UTF-8: %w", session.ErrMalformed)
	}
	return oneMeaning(json.NewDecoder(bytes.NewReader(body)), strings.ToLower)
}

// took reads the body of r into v and answers when it cannot be meant; check is told after it was read.
func (a *API) took(w http.ResponseWriter, r *http.Request, v any, check func() error) bool {
	err := read(r, v)
	if err == nil {
		err = check()
	}
	if err != nil {
		a.fail(w, r, err)
	}
	return err == nil
}

// oneMeaning refuses what encoding/json would choose a meaning for: a member that stands twice, of which it takes the last,
// whatever their case; and null, which it takes for not given, so that a keep that a script has no value for would keep
// nothing. known makes names of the members of this object that count as the same alike.
func oneMeaning(d *json.Decoder, known func(string) string) error {
	t, err := d.Token()
	switch t {
	case nil:
		return errors.Join(err, fmt.Errorf("a member of the body is null; leave it out: %w", session.ErrMalformed))
	case json.Delim('['), json.Delim('{'):
	default:
		return nil
	}
	met := map[string]bool{}
	for d.More() {
		if t == json.Delim('{') {
			name, _ := d.Token()
			key := known(fmt.Sprint(name))
			if met[key] {
				return fmt.Errorf("a member of the body stands twice: %w", session.ErrMalformed)
			}
			met[key] = true
		}
		if err := oneMeaning(d, func(name string) string { return name }); err != nil {
			return err
		}
	}
	_, err = d.Token() // its end
	return err
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
