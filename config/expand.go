package config

import "strings"

// lookup returns the value of an environment variable.
type lookup func(name string) (value string, ok bool)

// newLookup reads env, lines of NAME=value as os.Environ returns them; the last of several wins.
func newLookup(env []string) lookup {
	m := make(map[string]string, len(env))
	for _, line := range env {
		if name, value, ok := strings.Cut(line, "="); ok {
			m[name] = value
		}
	}
	return func(name string) (string, bool) {
		v, ok := m[name]
		return v, ok
	}
}

// expandTree fills environment variables into every scalar below n. It works on values that are parsed already, so
// that nothing in a variable can add a key, end a quote or open a comment.
func expandTree(n *node, path string, env lookup, problems *Problems) {
	switch n.shape {
	case mapping:
		for _, e := range n.entries {
			expandTree(e.value, childPath(path, e.key), env, problems)
		}
	case sequence:
		for i, item := range n.items {
			expandTree(item, itemPath(path, i), env, problems)
		}
	default:
		expandScalar(n, path, env, problems)
	}
}

// expandScalar replaces ${NAME} by the variable's value and $$ by $. Any other $ stands for itself. What a variable
// holds is not looked at again.
func expandScalar(n *node, path string, env lookup, problems *Problems) {
	if !strings.Contains(n.text, "$") {
		return
	}
	var out strings.Builder
	for rest := n.text; rest != ""; {
		before, after, found := strings.Cut(rest, "$")
		out.WriteString(before)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(after, "$"):
			out.WriteByte('$')
			rest = after[1:]
		case strings.HasPrefix(after, "{"):
			name, tail, closed := strings.Cut(after[1:], "}")
			if !closed {
				name = ""
			}
			out.WriteString(expandName(n, path, name, env, problems))
			rest = tail
		default:
			out.WriteByte('$')
			rest = after
		}
	}
	n.text = out.String()
}

func expandName(n *node, path, name string, env lookup, problems *Problems) string {
	if !validVariable(name) {
		n.failed = true
		// What follows ${ is not shown: it may be part of a password.
		problems.add(n.at, path, "write ${NAME} with letters, digits and _, or $${ for the text itself",
			"%s: what follows ${ is not the name of an environment variable", path)
		return ""
	}
	value, ok := env(name)
	if !ok {
		n.failed = true
		problems.add(n.at, path, "set it, or write $${"+name+"} for the text itself",
			"%s: the environment variable %s is not set", path, name)
	}
	return value
}

func validVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// cut shortens text that is shown in a message.
func cut(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}
