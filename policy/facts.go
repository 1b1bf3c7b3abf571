package policy

import (
	"net/http"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/sessionward/sessionward/session"
)

// facts are the values of one evaluation, looked up by name so that only what an expression asks for is made.
type facts struct {
	request *Request
	session *session.Session // nil: none
	now     time.Time
}

// Parent implements cel.Activation: there is nothing behind these values.
func (f *facts) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation.
func (f *facts) ResolveName(name string) (any, bool) {
	switch name {
	case "now":
		return f.now, true
	case "authenticated":
		return f.session != nil, true
	}
	if field, ok := strings.CutPrefix(name, "request."); ok {
		return f.requestField(field)
	}
	if f.session == nil {
		return nil, false
	}
	if field, ok := strings.CutPrefix(name, "session.identity."); ok {
		return identityField(&f.session.Identity, field)
	}
	if field, ok := strings.CutPrefix(name, "session."); ok {
		return sessionField(f.session, field)
	}
	return nil, false
}

func (f *facts) requestField(field string) (any, bool) {
	q := f.request
	switch field {
	case "method":
		return q.Method, true
	case "scheme":
		return q.Scheme, true
	case "host":
		return q.Host, true
	case "path":
		return q.Path, true
	case "query":
		return q.RawQuery, true
	case "client_ip":
		if !q.ClientIP.IsValid() {
			return "", true
		}
		return q.ClientIP.String(), true
	case "headers":
		return newHeaders(q.Header), true
	default:
		return nil, false
	}
}

func sessionField(s *session.Session, field string) (any, bool) {
	switch field {
	case "source":
		return s.Source, true
	case "realm":
		return s.Realm, true
	case "aal":
		return s.AAL, true
	case "acr":
		return s.ACR, true
	case "methods":
		methods := make([]string, len(s.AuthenticationMethods))
		for i, m := range s.AuthenticationMethods {
			methods[i] = m.Method
		}
		return methods, true
	case "authenticated_at":
		return s.AuthenticatedAt, true
	case "issued_at":
		return s.IssuedAt, true
	case "properties":
		return s.Properties, true
	default:
		return nil, false
	}
}

func identityField(id *session.Identity, field string) (any, bool) {
	switch field {
	case "subject":
		return id.Subject, true
	case "username":
		return id.Username, true
	case "name":
		return id.Name, true
	case "email":
		return trustedEmail(id), true
	case "groups":
		return id.Groups, true
	case "claims":
		return id.Claims, true
	default:
		return nil, false
	}
}

// headers is a map of header fields by lower-case name. Looking at a field that came more than once is an error.
type headers struct {
	traits.Mapper
	repeated set
}

func newHeaders(h http.Header) *headers {
	first, repeated := make(map[string]string, len(h)), set{}
	for name, values := range h {
		if len(values) == 0 {
			continue
		}
		name = strings.ToLower(name)
		if _, again := first[name]; again || len(values) > 1 {
			repeated[name] = struct{}{}
		}
		first[name] = values[0]
	}
	return &headers{Mapper: types.NewStringStringMap(types.DefaultTypeAdapter, first), repeated: repeated}
}

// Find implements traits.Mapper; every other look at a value comes through it.
func (h *headers) Find(key ref.Val) (ref.Val, bool) {
	if name, ok := key.(types.String); ok && h.repeated.has(string(name)) {
		return types.NewErr("header came more than once"), false
	}
	return h.Mapper.Find(key)
}

// Get implements traits.Indexer.
func (h *headers) Get(key ref.Val) ref.Val {
	v, found := h.Find(key)
	if found || types.IsError(v) {
		return v
	}
	return h.Mapper.Get(key)
}

// Contains implements traits.Container.
func (h *headers) Contains(key ref.Val) ref.Val {
	v, found := h.Find(key)
	if types.IsError(v) {
		return v
	}
	return types.Bool(found)
}

// Equal implements ref.Val: whole maps have no answer while one of them has a field twice.
func (h *headers) Equal(other ref.Val) ref.Val {
	if len(h.repeated) > 0 {
		return types.NewErr("header came more than once")
	}
	return h.Mapper.Equal(other)
}
