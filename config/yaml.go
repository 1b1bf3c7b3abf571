package config

import (
	"errors"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

// Limits of a file. They are far beyond any real one and keep hostile ones (deep nesting, aliases of aliases) cheap.
const (
	maxFileBytes = 1 << 20
	maxDepth     = 32
	maxNodes     = 200_000
)

// parseYAML is the one place that knows YAML: it turns the bytes of a file into nodes. It accepts the plain part of
// YAML that means the same to everybody: no tags, no merge keys, no second document, no key written twice.
func parseYAML(name string, data []byte, problems *Problems) *node {
	top := position{file: name}
	switch {
	case len(data) > maxFileBytes:
		problems.add(top, "", "", "is larger than %d bytes, which no configuration needs", maxFileBytes)
		return nil
	case !utf8.Valid(data):
		problems.add(top, "", "save it as UTF-8", "is not text in UTF-8")
		return nil
	}
	var documents []yaml.Node
	if err := yaml.Load(data, &documents, yaml.WithAllDocuments()); err != nil {
		addSyntaxError(name, err, problems)
		return nil
	}
	if len(documents) == 0 {
		problems.add(top, "", "sessionward.yaml needs at least public_url and routes", "is empty")
		return nil
	}
	if len(documents) > 1 {
		second := position{name, documents[1].Line, documents[1].Column}
		problems.add(second, "", "keep one and remove the lines from --- on", "holds a second document")
		return nil
	}
	r := yamlReader{file: name, problems: problems}
	root := r.document(&documents[0])
	if r.exhausted {
		problems.add(top, "", "", "is nested or repeated beyond reason (more than %d levels or %d values)", maxDepth, maxNodes)
		return nil
	}
	return root
}

// addSyntaxError takes over what the YAML library says, with its position.
func addSyntaxError(name string, err error, problems *Problems) {
	e, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		problems.add(position{file: name}, "", "", "is not YAML: %v", err)
		return
	}
	at := position{name, e.Mark.Line, e.Mark.Column}
	if e.ContextMsg != "" {
		problems.add(at, "", "", "is not YAML: %s, %s (line %d)", e.Message, e.ContextMsg, max(1, e.ContextMark.Line))
		return
	}
	problems.add(at, "", "", "is not YAML: %s", e.Message)
}

// yamlReader converts the nodes of the library into ours.
type yamlReader struct {
	file      string
	problems  *Problems
	nodes     int
	exhausted bool
}

func (r *yamlReader) document(d *yaml.Node) *node {
	if d.Kind != yaml.DocumentNode || len(d.Content) != 1 {
		return &node{empty: true, at: position{r.file, 1, 1}}
	}
	return r.read(d.Content[0], 0)
}

// read converts n and all below it, following aliases. It stops at the limits.
func (r *yamlReader) read(n *yaml.Node, depth int) *node {
	r.nodes++
	if depth > maxDepth || r.nodes > maxNodes {
		r.exhausted = true
	}
	out := &node{at: position{r.file, n.Line, n.Column}}
	if r.exhausted {
		return out
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.problems.add(out.at, "", "remove it", "the tag %s is not supported", n.Tag)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return r.read(n.Alias, depth+1)
	case yaml.MappingNode:
		out.shape = mapping
		r.entries(n, out, depth)
	case yaml.SequenceNode:
		out.shape = sequence
		for _, item := range n.Content {
			out.items = append(out.items, r.read(item, depth+1))
		}
	default:
		r.scalar(n, out)
	}
	return out
}

func (r *yamlReader) scalar(n *yaml.Node, out *node) {
	if n.ShortTag() == "!!null" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
		out.empty = n.Value == ""
		out.null = !out.empty
		return
	}
	out.text = n.Value
}

// entries reads the keys of a mapping and refuses what is written twice.
func (r *yamlReader) entries(n *yaml.Node, out *node, depth int) {
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content) && !r.exhausted; i += 2 {
		key, at := n.Content[i], position{r.file, n.Content[i].Line, n.Content[i].Column}
		switch {
		case key.Kind != yaml.ScalarNode:
			r.problems.add(at, "", "", "a key must be a plain word")
			continue
		case key.ShortTag() == "!!merge":
			r.problems.add(at, "", "write the keys out, or use an alias for the whole value", "merge keys (<<) are not supported")
			continue
		}
		if line, twice := lines[key.Value]; twice {
			r.problems.add(at, key.Value, "keep one of them", "key %q is already set in line %d", key.Value, line)
			continue
		}
		lines[key.Value] = key.Line
		out.entries = append(out.entries, entry{key.Value, at, r.read(n.Content[i+1], depth+1)})
	}
}
