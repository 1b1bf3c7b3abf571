package identity

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// encoder writes one value for a header. "" leaves the header out. Its errors are ErrValue and never show the value.
type encoder func(v any) (string, error)

const (
	encodeText   = ""
	encodeJoin   = "join"
	encodeJSON   = "json"
	encodeBase64 = "base64"

	comma = ","
)

// newEncoder returns the encoder o asks for. list says that the value is always a list.
func newEncoder(place string, o HeaderOptions, list bool) (encoder, error) {
	kind := o.Encode
	if kind == encodeText && list {
		kind = encodeJoin
	}
	if o.Separator != "" && kind != encodeJoin {
		return nil, malformed(place+".separator", "is for encode: join; remove it or change encode")
	}
	switch kind {
	case encodeText:
		return text, nil
	case encodeJoin:
		return newJoin(place, o.Separator)
	case encodeJSON:
		return asciiJSON, nil
	case encodeBase64:
		if list {
			return nil, malformed(place+".encode", "base64 writes one value and %s is a list; use join or json", o.Value)
		}
		return base64Text, nil
	}
	known := []string{encodeJoin, encodeJSON, encodeBase64}
	return nil, malformed(place+".encode", "%q is not an encoding; did you mean %q?", kind, nearest(kind, known))
}

func newJoin(place, separator string) (encoder, error) {
	separator = cmp.Or(separator, comma)
	mark, space := separator[:1], separator[1:]
	if separator != " " && !(strings.Contains(",;|:/", mark) && (space == "" || space == " ")) {
		return nil, malformed(place+".separator", "%q must be one of , ; | : / with or without a space after it, or one space", separator)
	}
	return func(v any) (string, error) { return join(v, separator) }, nil
}

func joinComma(v any) (string, error) { return join(v, comma) }

// text writes a single value.
func text(v any) (string, error) {
	s, err := scalar(v)
	return escape(s, ""), err
}

// verbatim writes a token, which must arrive as it is. RFC 6749 §A.12 gives tokens nothing but visible ASCII and
// spaces.
func verbatim(v any) (string, error) {
	s, err := scalar(v)
	if err == nil && strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("token has bytes outside visible ASCII: %w", ErrValue)
	}
	return s, err
}

// join writes a list of single values; a single value is a list of one. It writes all elements or none.
func join(v any, separator string) (string, error) {
	elements, err := list(v)
	if err != nil {
		return "", err
	}
	special := separator[:1] + `"`
	var b strings.Builder
	for _, e := range elements {
		if e == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(separator)
		}
		b.WriteString(escape(e, special))
	}
	return b.String(), nil
}

func list(v any) ([]string, error) {
	switch v := v.(type) {
	case []string:
		return v, nil
	case []any:
		elements := make([]string, len(v))
		for i, e := range v {
			s, err := scalar(e)
			if err != nil {
				return nil, fmt.Errorf("element %d: %w", i, err)
			}
			elements[i] = s
		}
		return elements, nil
	}
	s, err := scalar(v)
	return []string{s}, err
}

// scalar returns a single value as text.
func scalar(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		return v.String(), nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case time.Time:
		return formatTime(v), nil
	}
	return "", fmt.Errorf("a list or object, not a single value; encode it with join or json: %w", ErrValue)
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// base64Text writes the bytes of a single value.
func base64Text(v any) (string, error) {
	s, err := scalar(v)
	return base64.StdEncoding.EncodeToString([]byte(s)), err
}

// asciiJSON writes any value; one that is empty is left out.
func asciiJSON(v any) (string, error) {
	if t, ok := v.(time.Time); ok {
		v = formatTime(t)
	}
	if empty(v) {
		return "", nil
	}
	if !validText(v) {
		return "", fmt.Errorf("text that is not UTF-8: %w", ErrValue)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("no JSON value: %w", ErrValue)
	}
	return escapeJSON(string(b)), nil
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []string:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// validText reports whether all text in v is UTF-8. encoding/json would write U+FFFD for what is not, and two
// different values would become one.
func validText(v any) bool {
	switch v := v.(type) {
	case string:
		return utf8.ValidString(v)
	case []string:
		return !slices.ContainsFunc(v, func(s string) bool { return !utf8.ValidString(s) })
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !validText(e) })
	case map[string]any:
		for k, e := range v {
			if !utf8.ValidString(k) || !validText(e) {
				return false
			}
		}
	}
	return true
}

// escapeJSON writes everything outside printable ASCII as \u escapes. In JSON from encoding/json it only stands
// inside strings.
func escapeJSON(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r > '~' }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r <= '~':
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
