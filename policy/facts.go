package policy

import (
	"net/http"
	"net/netip"
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
	variables map[string]variable
	request   *Request
	session   *session.Session // nil: none
	now       time.Time
}

// Parent implements cel.Activation: there is nothing behind these values.
func (f *facts) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation.
func (f *facts) ResolveName(name string) (any, bool) {
	v, known := f.variables[name]
	if !known || f.session == nil && strings.HasPrefix(name, "session.") {
		return nil, false
	}
	return v.value(f), true
}

// variable is one name an expression may use: its type, and its value among facts.
type variable struct {
	typ   *cel.Type
	value func(*facts) any
}

func requestVariables() map[string]variable {
	return map[string]variable{
		"now":               {cel.TimestampType, func(f *facts) any { return f.now }},
		"request.method":    {cel.StringType, func(f *facts) any { return f.request.Method }},
		"request.scheme":    {cel.StringType, func(f *facts) any { return f.request.Scheme }},
		"request.host":      {cel.StringType, func(f *facts) any { return f.request.Host }},
		"request.path":      {cel.StringType, func(f *facts) any { return f.request.Path }},
		"request.query":     {cel.StringType, func(f *facts) any { return f.request.RawQuery }},
		"request.client_ip": {cel.StringType, func(f *facts) any { return clientText(f.request.ClientIP) }},
		"request.headers":   {cel.MapType(cel.StringType, cel.StringType), func(f *facts) any { return newHeaders(f.request.Header) }},
	}
}

// sessionVariables are those of routes that look at the session. All under session are absent when there is none.
func sessionVariables() map[string]variable {
	texts := cel.ListType(cel.StringType)
	return map[string]variable{
		"authenticated":             {cel.BoolType, func(f *facts) any { return f.session != nil }},
		"session.source":            {cel.StringType, func(f *facts) any { return f.session.Source }},
		"session.realm":             {cel.StringType, func(f *facts) any { return f.session.Realm }},
		"session.aal":               {cel.StringType, func(f *facts) any { return f.session.AAL }},
		"session.acr":               {cel.StringType, func(f *facts) any { return f.session.ACR }},
		"session.methods":           {texts, func(f *facts) any { return methodNames(f.session) }},
		"session.authenticated_at":  {cel.TimestampType, func(f *facts) any { return f.session.AuthenticatedAt }},
		"session.issued_at":         {cel.TimestampType, func(f *facts) any { return f.session.IssuedAt }},
		"session.properties":        {cel.MapType(cel.StringType, cel.StringType), func(f *facts) any { return f.session.Properties }},
		"session.identity.subject":  {cel.StringType, func(f *facts) any { return f.session.Identity.Subject }},
		"session.identity.username": {cel.StringType, func(f *facts) any { return f.session.Identity.Username }},
		"session.identity.name":     {cel.StringType, func(f *facts) any { return f.session.Identity.Name }},
		"session.identity.email":    {cel.StringType, func(f *facts) any { return trustedEmail(&f.session.Identity) }},
		"session.identity.groups":   {texts, func(f *facts) any { return f.session.Identity.Groups }},
		"session.identity.claims":   {cel.MapType(cel.StringType, cel.DynType), func(f *facts) any { return f.session.Identity.Claims }},
	}
}

func clientText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func methodNames(s *session.Session) []string {
	var names []string
	for _, m := range s.AuthenticationMethods {
		names = append(names, m.Method)
	}
	return names
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
