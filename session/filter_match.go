package session

import (
	"slices"
	"strings"
	"time"

	scim "github.com/scim2/filter-parser/v2"
)

// Match reports whether the filter chooses e.
func (f Filter) Match(e *Entry) bool { return f.chooses == nil || f.chooses(e) }

// compile makes a function of expr, which checkFilter has found right.
func compile(expr scim.Expression, known map[string]attribute) func(e *Entry) bool {
	switch x := expr.(type) {
	case *scim.LogicalExpression:
		left, right := compile(x.Left, known), compile(x.Right, known)
		if x.Operator == scim.AND {
			return func(e *Entry) bool { return left(e) && right(e) }
		}
		return func(e *Entry) bool { return left(e) || right(e) }
	case *scim.NotExpression:
		inner := compile(x.Expression, known)
		return func(e *Entry) bool { return !inner(e) }
	case *scim.AttributeExpression:
		return compileComparison(x, known[strings.ToLower(x.AttributePath.String())])
	}
	return func(*Entry) bool { return false }
}

func compileComparison(x *scim.AttributeExpression, a attribute) func(e *Entry) bool {
	text, _ := x.CompareValue.(string)
	if a.anyCase {
		text = folded(text)
	}
	switch {
	case a.claim != nil && x.Operator == scim.PR:
		return func(*Entry) bool { return true }
	case a.claim != nil:
		want := (x.CompareValue == true) == (x.Operator == scim.EQ)
		return func(e *Entry) bool { return a.claim(e) == want }
	case a.at != nil:
		is := compareTime(x.Operator, text)
		return func(e *Entry) bool { return is(a.at(e)) }
	case x.Operator == scim.NE:
		is := compareText(scim.EQ, text)
		return func(e *Entry) bool { return !a.some(e, is) }
	default:
		is := compareText(x.Operator, text)
		return func(e *Entry) bool { return a.some(e, is) }
	}
}

// folded is a text in which upper and lower case do not differ.
func folded(text string) string { return strings.ToLower(text) }

// some: one of several texts is enough.
func (a attribute) some(e *Entry, is func(v string) bool) bool {
	switch {
	case a.anyCase:
		return is(folded(a.text(e)))
	case a.text != nil:
		return is(a.text(e))
	}
	return slices.ContainsFunc(a.texts(e), is)
}

func compareText(op scim.CompareOperator, want string) func(v string) bool {
	switch op {
	case scim.PR:
		return func(v string) bool { return v != "" }
	case scim.EQ:
		return func(v string) bool { return v == want }
	case scim.CO:
		return func(v string) bool { return strings.Contains(v, want) }
	case scim.SW:
		return func(v string) bool { return strings.HasPrefix(v, want) }
	case scim.EW:
		return func(v string) bool { return strings.HasSuffix(v, want) }
	}
	return func(string) bool { return false }
}

// compareTime: a time that is not known is neither before nor after any.
func compareTime(op scim.CompareOperator, text string) func(at time.Time) bool {
	want, _ := time.Parse(time.RFC3339, text) // checked by ParseFilter
	ordered := func(is func(c int) bool) func(at time.Time) bool {
		return func(at time.Time) bool { return !at.IsZero() && is(at.Compare(want)) }
	}
	switch op {
	case scim.PR:
		return func(at time.Time) bool { return !at.IsZero() }
	case scim.NE:
		return func(at time.Time) bool { return !at.Equal(want) }
	case scim.EQ:
		return ordered(func(c int) bool { return c == 0 })
	case scim.GT:
		return ordered(func(c int) bool { return c > 0 })
	case scim.GE:
		return ordered(func(c int) bool { return c >= 0 })
	case scim.LT:
		return ordered(func(c int) bool { return c < 0 })
	case scim.LE:
		return ordered(func(c int) bool { return c <= 0 })
	}
	return func(time.Time) bool { return false }
}

// equals returns the text that the named attribute must be equal to for any entry to be chosen.
func (f Filter) equals(name string) (string, bool) {
	text, ok := demanded(f.expr, name).(string)
	return text, ok
}

// demanded returns the value the named attribute must be equal to for expr to hold, nil when there is none.
func demanded(expr scim.Expression, name string) any {
	switch x := expr.(type) {
	case *scim.LogicalExpression:
		if x.Operator != scim.AND {
			return nil
		}
		if v := demanded(x.Left, name); v != nil {
			return v
		}
		return demanded(x.Right, name)
	case *scim.AttributeExpression:
		if x.Operator == scim.EQ && strings.EqualFold(x.AttributePath.String(), name) {
			return x.CompareValue
		}
	}
	return nil
}
