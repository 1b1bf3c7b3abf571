package authority

import "strings"

// LookUp finds a member by its whole name ("https://example.com/groups") or by its path ("realm_access.roles"); nil when
// there is none.
func LookUp(claims map[string]any, path string) any {
	if v, ok := claims[path]; ok {
		return v
	}
	for {
		head, rest, nested := strings.Cut(path, ".")
		v, ok := claims[head]
		if !ok || !nested {
			return v
		}
		if claims, ok = v.(map[string]any); !ok {
			return nil
		}
		path = rest
	}
}

// Text returns v when it is a string, "" otherwise.
func Text(v any) string {
	s, _ := v.(string)
	return s
}

// Texts returns the strings of v: an array's, or v itself when it is one. It is never split: a group may hold any
// character.
func Texts(v any) []string {
	if s := Text(v); s != "" {
		return []string{s}
	}
	array, _ := v.([]any)
	var out []string
	for _, e := range array {
		if s := Text(e); s != "" {
			out = append(out, s)
		}
	}
	return out
}
