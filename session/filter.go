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
// compared exactly; times are written as in RFC 3339.
type Filter struct {
	expr scim.Expression // nil: all
	text string
}

// attribute is something of an entry a filter can ask about. Exactly one function is set.
type attribute struct {
	texts func(e *Entry) []string
	at    func(e *Entry) time.Time
	claim func(e *Entry) bool
}

func one(f func(e *Entry) string) attribute {
	return attribute{texts: func(e *Entry) []string { return []string{f(e)} }}
}

func moment(f func(s *Session) time.Time) attribute {
	return attribute{at: func(e *Entry) time.Time { return f(e.Session) }}
}

func attributes() map[string]attribute {
	return map[string]attribute{
		"handle":   one(func(e *Entry) string { return e.Session.Handle }),
		"source":   one(func(e *Entry) string { return e.Session.Source }),
		"realm":    one(func(e *Entry) string { return e.Session.Realm }),
		"subject":  one(func(e *Entry) string { return e.Session.Identity.Subject }),
		"username": one(func(e *Entry) string { return e.Session.Identity.Username }),
		"email":    one(func(e *Entry) string { return e.Session.Identity.Email }),
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
	if err != nil {
		return Filter{}, fmt.Errorf("filter: %v: write such as username eq \"alice\" and source eq \"corp\": %w", err, ErrMalformed)
	}
	known := attributes()
	if err := checkFilter(expr, known); err != nil {
		return Filter{}, err
	}
	return Filter{expr: expr, text: trimmed}, nil
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
	case a.texts != nil && (!isText || ordering):
		return fmt.Errorf("filter: %s is compared by eq, ne, co, sw, ew and pr with a text in quotes: %w", name, ErrMalformed)
	}
	return nil
}

// Match reports whether the filter chooses e.
func (f Filter) Match(e *Entry) bool { return f.expr == nil || match(f.expr, e, attributes()) }

func match(expr scim.Expression, e *Entry, known map[string]attribute) bool {
	switch x := expr.(type) {
	case *scim.LogicalExpression:
		if x.Operator == scim.AND {
			return match(x.Left, e, known) && match(x.Right, e, known)
		}
		return match(x.Left, e, known) || match(x.Right, e, known)
	case *scim.NotExpression:
		return !match(x.Expression, e, known)
	case *scim.AttributeExpression:
		a := known[strings.ToLower(x.AttributePath.String())]
		switch {
		case a.claim != nil:
			return x.Operator == scim.PR || a.claim(e) == (x.CompareValue == true) == (x.Operator == scim.EQ)
		case a.at != nil:
			return matchTime(x, a.at(e))
		case a.texts != nil:
			return matchTexts(x, a.texts(e))
		}
	}
	return false
}

// matchTexts: one of several is enough, and none of them must be for ne.
func matchTexts(x *scim.AttributeExpression, values []string) bool {
	want, _ := x.CompareValue.(string)
	some := func(f func(v string) bool) bool { return slices.ContainsFunc(values, f) }
	switch x.Operator {
	case scim.PR:
		return some(func(v string) bool { return v != "" })
	case scim.EQ:
		return slices.Contains(values, want)
	case scim.NE:
		return !slices.Contains(values, want)
	case scim.CO:
		return some(func(v string) bool { return strings.Contains(v, want) })
	case scim.SW:
		return some(func(v string) bool { return strings.HasPrefix(v, want) })
	case scim.EW:
		return some(func(v string) bool { return strings.HasSuffix(v, want) })
	}
	return false
}

// matchTime: a time that is not known is neither before nor after any.
func matchTime(x *scim.AttributeExpression, at time.Time) bool {
	text, _ := x.CompareValue.(string)
	want, _ := time.Parse(time.RFC3339, text) // checked by ParseFilter
	switch {
	case x.Operator == scim.PR:
		return !at.IsZero()
	case x.Operator == scim.NE:
		return !at.Equal(want)
	case at.IsZero():
		return false
	}
	switch c := at.Compare(want); x.Operator {
	case scim.EQ:
		return c == 0
	case scim.GT:
		return c > 0
	case scim.GE:
		return c >= 0
	case scim.LT:
		return c < 0
	case scim.LE:
		return c <= 0
	}
	return false
}

// equals returns the text that the named attribute must be equal to for any entry to be chosen.
func (f Filter) equals(name string) (string, bool) { return equals(f.expr, name) }

func equals(expr scim.Expression, name string) (string, bool) {
	switch x := expr.(type) {
	case *scim.LogicalExpression:
		if x.Operator != scim.AND {
			return "", false
		}
		if v, ok := equals(x.Left, name); ok {
			return v, true
		}
		return equals(x.Right, name)
	case *scim.AttributeExpression:
		if v, ok := x.CompareValue.(string); ok && x.Operator == scim.EQ && strings.EqualFold(x.AttributePath.String(), name) {
			return v, true
		}
	}
	return "", false
}
