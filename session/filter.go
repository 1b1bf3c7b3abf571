package session

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	scim "github.com/scim2/filter-parser/v2"
)

// maxFilter bounds the text of a filter, in bytes.
const maxFilter = 4 << 10

// Filter chooses sessions. Its language is that of SCIM (RFC 7644 §3.4.2.2): eq, ne, co, sw, ew, gt, ge, lt, le, pr, and,
// or, not and parentheses, over the attributes in FilterAttributes; "true" and the empty text choose all. Texts are
// compared exactly, but username and email, where upper and lower case do not differ (RFC 7643 §4.1.1 and §8.7.1: caseExact
// is false); times are written as in RFC 3339.
type Filter struct {
	expr    scim.Expression // nil: all
	text    string
	chooses func(e *Entry) bool // made of expr once: a list asks it of very many
}

// attribute is something of an entry a filter can ask about. Exactly one function is set.
type attribute struct {
	text  func(e *Entry) string
	texts func(e *Entry) []string
	at    func(e *Entry) time.Time
	claim func(e *Entry) bool
	// anyCase is true for texts in which upper and lower case do not differ.
	anyCase bool
}

func one(f func(e *Entry) string) attribute { return attribute{text: f} }

func moment(f func(s *Session) time.Time) attribute {
	return attribute{at: func(e *Entry) time.Time { return f(e.Session) }}
}

func attributes() map[string]attribute {
	return map[string]attribute{
		"handle":   one(func(e *Entry) string { return e.Session.Handle }),
		"source":   one(func(e *Entry) string { return e.Session.Source }),
		"realm":    one(func(e *Entry) string { return e.Session.Realm }),
		"subject":  one(func(e *Entry) string { return e.Session.Identity.Subject }),
		"username": {text: func(e *Entry) string { return e.Session.Identity.Username }, anyCase: true},
		"email":    {text: func(e *Entry) string { return e.Session.Identity.Email }, anyCase: true},
		"name":     one(func(e *Entry) string { return e.Session.Identity.Name }),
		"aal":      one(func(e *Entry) string { return e.Session.AAL }),
		"acr":      one(func(e *Entry) string { return e.Session.ACR }),
		"groups":   {texts: func(e *Entry) []string { return e.Session.Identity.Groups }},
		"ip": {texts: func(e *Entry) []string {
			return convert(e.Session.Devices, func(d Device) string { return d.IP })
		}},
		"user_agent": {texts: func(e *Entry) []string {
			return convert(e.Session.Devices, func(d Device) string { return d.UserAgent })
		}},
		"active":           {claim: func(e *Entry) bool { return e.Active }},
		"foreign":          {claim: func(e *Entry) bool { return e.Foreign }},
		"issued_at":        moment(func(s *Session) time.Time { return s.IssuedAt }),
		"authenticated_at": moment(func(s *Session) time.Time { return s.AuthenticatedAt }),
		"last_access_at":   moment(func(s *Session) time.Time { return s.LastAccessAt }),
		"expires_at":       moment(func(s *Session) time.Time { return s.ExpiresAt }),
		"idle_expires_at":  moment(func(s *Session) time.Time { return s.IdleExpiresAt }),
	}
}

// FilterAttributes lists what a filter can ask about, in alphabetical order.
func FilterAttributes() []string {
	var names []string
	for name := range attributes() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// QuoteFilter writes a text as a filter wants it (RFC 8259 §7, as RFC 7644 §3.4.2.2 asks for). The parser of filters knows hex
// digits in upper case alone, and encoding/json writes them in lower case. What is no UTF-8 becomes U+FFFD.
func QuoteFilter(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// ParseFilter reads a filter. ErrMalformed, saying what is wrong, when text is none.
func ParseFilter(text string) (Filter, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || trimmed == "true" {
		return Filter{}, nil
	}
	if len(trimmed) > maxFilter {
		return Filter{}, fmt.Errorf("filter: longer than %d bytes: %w", maxFilter, ErrMalformed)
	}
	expr, err := scim.ParseFilter([]byte(trimmed))
	if err != nil { // which speaks of the parser's own rules
		return Filter{}, fmt.Errorf("filter: cannot be read: write such as username eq \"alice\" and source eq \"corp\": %w", ErrMalformed)
	}
	known := attributes()
	if err := checkFilter(expr, known); err != nil {
		return Filter{}, err
	}
	return Filter{expr: expr, text: trimmed, chooses: compile(expr, known)}, nil
}

// String returns the text the filter was read from, "true" for all.
func (f Filter) String() string {
	if f.expr == nil {
		return "true"
	}
	return f.text
}

func checkFilter(expr scim.Expression, known map[string]attribute) error {
	switch e := expr.(type) {
	case *scim.LogicalExpression:
		if err := checkFilter(e.Left, known); err != nil {
			return err
		}
		return checkFilter(e.Right, known)
	case *scim.NotExpression:
		return checkFilter(e.Expression, known)
	case *scim.AttributeExpression:
		return checkComparison(e, known)
	}
	return fmt.Errorf("filter: value paths in brackets are not understood: %w", ErrMalformed)
}

func checkComparison(e *scim.AttributeExpression, known map[string]attribute) error {
	name := strings.ToLower(e.AttributePath.String())
	a, ok := known[name]
	if !ok {
		return fmt.Errorf("filter: unknown attribute %q; there are %s: %w", name, strings.Join(FilterAttributes(), ", "), ErrMalformed)
	}
	ordering := slices.Contains([]scim.CompareOperator{scim.GT, scim.GE, scim.LT, scim.LE}, e.Operator)
	text, isText := e.CompareValue.(string)
	if isText { // the parser leaves the escapes of JSON as they are
		if err := json.Unmarshal([]byte(`"`+text+`"`), &text); err != nil {
			return fmt.Errorf("filter: a text with an escape that JSON has not: %w", ErrMalformed)
		}
		e.CompareValue = text
	}
	_, isBool := e.CompareValue.(bool)
	switch {
	case e.Operator == scim.PR:
		return nil
	case a.claim != nil && (!isBool || (e.Operator != scim.EQ && e.Operator != scim.NE)):
		return fmt.Errorf("filter: %s is compared by eq and ne with true and false: %w", name, ErrMalformed)
	case a.at != nil:
		if _, err := time.Parse(time.RFC3339, text); err != nil || (!ordering && e.Operator != scim.EQ && e.Operator != scim.NE) {
			return fmt.Errorf("filter: %s is compared by gt, ge, lt, le, eq and ne with a time such as \"2026-01-02T15:04:05Z\": %w", name, ErrMalformed)
		}
	case (a.text != nil || a.texts != nil) && (!isText || ordering):
		return fmt.Errorf("filter: %s is compared by eq, ne, co, sw, ew and pr with a text in quotes: %w", name, ErrMalformed)
	}
	return nil
}
