package identity

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sessionward/sessionward/session"
)

// Status says how fresh the answer about the user is.
type Status string

// The statuses. They are the values of X-Sessionward-Status as well.
const (
	// StatusNone: there is no session. The zero Status means the same.
	StatusNone Status = "none"
	// StatusValid: the session's authority stands by it.
	StatusValid Status = "valid"
	// StatusStale: the authority could not be asked lately; the session is served on its last answer.
	StatusStale Status = "stale"
)

var (
	// ErrTooLarge: the identity headers need more bytes than Options.MaxBytes allows. Nothing is ever cut short.
	ErrTooLarge = errors.New("identity headers too large")
	// ErrValue: a value has no form in the encoding its header is configured with. The text names the header,
	// never the value.
	ErrValue = errors.New("value has no form in this encoding")
)

// Headers writes the identity headers of one configuration. It is immutable but for what it remembers, and safe for
// concurrent use.
type Headers struct {
	fields    []field
	status    string // name of the status header, "" for none
	statuses  map[Status][]string
	assertion *assertion
	names     []string
	maxBytes  int
	rendered  *memo[*rendering]
}

// field is one header that depends on the session alone.
type field struct {
	name   string
	value  getter
	encode encoder
}

// assertion is the signed header.
type assertion struct {
	header   string
	audience string // "" for the route's name
	ttl      time.Duration
	signer   *Signer
}

// rendering is what the fields of one session come to: one value list per field, nil where the header is absent.
// The lists are shared between requests and have no room to append to.
type rendering struct {
	values [][]string
	bytes  int
	err    error
}

// headerOverhead counts ": " and the line end of each header against the budget.
const headerOverhead = 4

// Names returns every name Write may ever set, for [NewStripper]. A dialect whose proxy copies headers from an answer
// must name all of them there, empty where Write set none, because such proxies let the client's own header pass
// where the answer has none. The caller owns the slice.
func (h *Headers) Names() []string { return slices.Clone(h.names) }

// Write sets the identity headers of s in out: exactly one value each, and no header where there is no value. Every
// name of Names that gets no value is removed from out. With s nil or status none, only the status header of the
// x-sessionward family is set. route is the audience of the signed assertion unless one is configured.
//
// On an error out has none of the headers. [ErrTooLarge] when they exceed the budget, [ErrValue] when a value does
// not fit its configured encoding, session.ErrRejected when s has ended and was to be asserted, and
// session.ErrMalformed for an unknown status.
//
// Write keeps s only weakly. The value lists it puts into out are shared between requests: replace them, but do not
// change their elements.
func (h *Headers) Write(out http.Header, s *session.Session, status Status, route string) error {
	for _, name := range h.names {
		delete(out, name)
	}
	if s == nil || status == "" || status == StatusNone {
		h.setStatus(out, StatusNone)
		return nil
	}
	if status != StatusValid && status != StatusStale {
		return fmt.Errorf("identity headers: status %q: %w", status, session.ErrMalformed)
	}
	r := h.render(s)
	if r.err != nil {
		return r.err
	}
	token, err := h.assert(s, route)
	if err != nil {
		return err
	}
	if size := r.bytes + h.sizeOf(status, token); size > h.maxBytes {
		return fmt.Errorf("identity headers: %d bytes, max_bytes is %d: %w", size, h.maxBytes, ErrTooLarge)
	}
	for i, v := range r.values {
		if v != nil {
			out[h.fields[i].name] = v
		}
	}
	if token != nil {
		out[h.assertion.header] = token
	}
	h.setStatus(out, status)
	return nil
}

func (h *Headers) setStatus(out http.Header, status Status) {
	if h.status != "" {
		out[h.status] = h.statuses[status]
	}
}

// assert returns the value list of the assertion header, nil when none is configured.
func (h *Headers) assert(s *session.Session, route string) ([]string, error) {
	if h.assertion == nil {
		return nil, nil
	}
	return h.assertion.signer.value(s, cmp.Or(h.assertion.audience, route), h.assertion.ttl)
}

// sizeOf returns the bytes of the headers that are not part of a rendering.
func (h *Headers) sizeOf(status Status, token []string) int {
	n := 0
	if h.status != "" {
		n += len(h.status) + len(status) + headerOverhead
	}
	if token != nil {
		n += len(h.assertion.header) + len(token[0]) + headerOverhead
	}
	return n
}

// render returns what the fields of s come to, worked out once per session: sessions never change.
func (h *Headers) render(s *session.Session) *rendering {
	if r, ok := h.rendered.load(s); ok {
		return r
	}
	return h.rendered.loadOrStore(s, h.renderFields(s))
}

func (h *Headers) renderFields(s *session.Session) *rendering {
	r := &rendering{values: make([][]string, len(h.fields))}
	texts := make([]string, len(h.fields))
	for i, f := range h.fields {
		text, err := f.encode(f.value(s))
		if err != nil {
			return &rendering{err: fmt.Errorf("identity headers: %s: %w", f.name, err)}
		}
		if text == "" {
			continue
		}
		texts[i] = text
		r.values[i] = texts[i : i+1 : i+1]
		r.bytes += len(f.name) + len(text) + headerOverhead
	}
	return r
}
