package admin

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sessionward/sessionward/session"
)

// Entry is a session in the API.
type Entry struct {
	session.Document
	// Foreign sessions live at their authority; the gateway has seen them.
	Foreign bool `json:"foreign"`
	// RefusedAt is when a foreign session was ended here.
	RefusedAt time.Time `json:"refused_at,omitzero"`
}

func entryOf(e session.Entry) Entry {
	d := session.DocumentOf(e.Session)
	d.Active = e.Active
	return Entry{Document: d, Foreign: e.Foreign, RefusedAt: e.RefusedAt}
}

// List is the answer of GET /sessions. Next is the cursor of the page that follows, "" when there is none.
type List struct {
	Sessions []Entry `json:"sessions"`
	Next     string  `json:"next,omitempty"`
}

func (a *API) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f, err := session.ParseFilter(q.Get("filter"))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	limit := 0
	if raw := q.Get("limit"); raw != "" {
		if limit, err = strconv.Atoi(raw); err != nil || limit < 1 || limit > session.MaxPageSize {
			a.fail(w, r, fmt.Errorf("limit %q must be a number from 1 to %d: %w", raw, session.MaxPageSize, session.ErrMalformed))
			return
		}
	}
	page, err := a.o.Operations.List(r.Context(), f, q.Get("cursor"), limit)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	list := List{Sessions: []Entry{}, Next: page.Next}
	for _, e := range page.Entries {
		list.Sessions = append(list.Sessions, entryOf(e))
	}
	writeJSON(w, http.StatusOK, list)
}

// one answers with the session an operation returns.
func (a *API) one(do func(ctx context.Context, handle string) (session.Entry, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e, err := do(r.Context(), r.PathValue("handle"))
		if err != nil {
			a.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, entryOf(e))
	}
}

// Life is the answer of GET /sessions/{handle}/ttl. TTL is in whole seconds, -1 when no end is known.
type Life struct {
	TTL          int64     `json:"ttl"`
	EndsAt       time.Time `json:"ends_at,omitzero"`
	TokenEndsAt  time.Time `json:"token_ends_at,omitzero"`
	ValidSession bool      `json:"valid_session"`
	ValidToken   bool      `json:"valid_token"`
	// EndsWithin answers ?within=; Known is false when no end is known.
	EndsWithin bool `json:"ends_within"`
	Known      bool `json:"known"`
}

func (a *API) ttl(w http.ResponseWriter, r *http.Request) {
	var within time.Duration
	if raw := r.URL.Query().Get("within"); raw != "" {
		var err error
		if within, err = time.ParseDuration(raw); err != nil || within < 0 {
			a.fail(w, r, fmt.Errorf("within %q must be a duration such as 10m: %w", raw, session.ErrMalformed))
			return
		}
	}
	l, err := a.o.Operations.TTL(r.Context(), r.PathValue("handle"), within)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	answer := Life{TTL: -1, EndsAt: l.EndsAt, TokenEndsAt: l.TokenEndsAt, ValidSession: l.ValidSession, ValidToken: l.ValidToken, EndsWithin: l.EndsWithin, Known: l.Known}
	if !l.EndsAt.IsZero() {
		answer.TTL = max(0, int64(l.EndsAt.Sub(a.o.Now())/time.Second))
	}
	writeJSON(w, http.StatusOK, answer)
}

// DeviceList is the answer of GET /sessions/{handle}/devices.
type DeviceList struct {
	Devices []session.DocumentDevice `json:"devices"`
}

func (a *API) devices(w http.ResponseWriter, r *http.Request) {
	list, err := a.o.Operations.Devices(r.Context(), r.PathValue("handle"))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	answer := DeviceList{Devices: []session.DocumentDevice{}}
	for _, d := range list {
		answer.Devices = append(answer.Devices, session.DocumentDevice(d))
	}
	writeJSON(w, http.StatusOK, answer)
}

// PropertyList is the answer of GET and PATCH /sessions/{handle}/properties, and the body of the latter, where an empty
// value removes a property.
type PropertyList struct {
	Properties map[string]string `json:"properties"`
}

func (a *API) properties(w http.ResponseWriter, r *http.Request) {
	all, err := a.o.Operations.Properties(r.Context(), r.PathValue("handle"))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeProperties(w, all)
}

// writeProperties answers with all there are: none is an empty object.
func writeProperties(w http.ResponseWriter, all map[string]string) {
	if all == nil {
		all = map[string]string{}
	}
	writeJSON(w, http.StatusOK, PropertyList{Properties: all})
}

// Bounds of one property, in bytes. They travel with every request to an application.
const (
	maxPropertyName  = 128
	maxPropertyValue = 4 << 10
)

func (p PropertyList) check() error {
	if len(p.Properties) == 0 {
		return fmt.Errorf("properties: name at least one: %w", session.ErrMalformed)
	}
	for name, value := range p.Properties {
		if name == "" || len(name) > maxPropertyName || len(value) > maxPropertyValue {
			return fmt.Errorf("properties: a name has 1 to %d bytes and a value at most %d: %w", maxPropertyName, maxPropertyValue, session.ErrMalformed)
		}
		if strings.ContainsFunc(value, unicode.IsControl) {
			return fmt.Errorf("properties: %q has a control character: %w", name, session.ErrMalformed)
		}
	}
	return nil
}

func (a *API) updateProperties(w http.ResponseWriter, r *http.Request) {
	var body PropertyList
	if !a.took(w, r, &body, func() error { return body.check() }) {
		return
	}
	all, err := a.o.Operations.UpdateProperties(r.Context(), r.PathValue("handle"), body.Properties)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeProperties(w, all)
}
