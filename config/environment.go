package config

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// EnvPrefix begins the name of every environment variable that overrides a setting.
const EnvPrefix = "SESSIONWARD_"

// EnvFile names the configuration file to the command line. It is no setting.
const EnvFile = EnvPrefix + "CONFIG"

// overlay writes SESSIONWARD_… variables over the nodes of the file. It is done here and not by a library because it
// works on nodes: the option types need no further tags, a variable gets the same checks and messages as a line of the
// file, and one that means nothing is refused.
type overlay struct {
	root     *node
	problems *Problems
}

// step is one part of a key path: a key, or an index when key is "".
type step struct {
	key   string
	index int
}

// apply writes every variable of env that begins with EnvPrefix, in the order of their names.
func (o overlay) apply(t reflect.Type, env []string) {
	names := make([]string, 0, len(env))
	for _, line := range env {
		if name, _, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, EnvPrefix) && !isCommandLine(name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, byNumber)
	get := newLookup(env)
	for _, name := range slices.Compact(names) {
		value, _ := get(name)
		o.one(t, name, value)
	}
}

func (o overlay) one(t reflect.Type, name, value string) {
	steps, leaf, ok := resolveName(t, strings.TrimPrefix(name, EnvPrefix))
	at := position{file: name}
	switch {
	case !ok && isServiceLink(name, value):
	case !ok:
		o.problems.add(at, "", didYouMean(name, variableNames(t, name)), "sets nothing: no setting has this name")
	case value == "" && leaf.Kind() != reflect.Slice:
		o.problems.add(at, "", "unset it, or give it a value", "is empty")
	default:
		n := valueNode(at, leaf, value)
		if n.shape == sequence && len(n.items) == 0 {
			// A variable that was left blank by mistake must not take away what the file lists.
			o.problems.add(at, "", "unset it, or list at least one value", "is empty")
			return
		}
		o.write(at, steps, n)
	}
}

// valueNode makes the node of a variable: a list of what stands between commas, or a single value.
func valueNode(at position, leaf reflect.Type, value string) *node {
	if leaf.Kind() != reflect.Slice {
		return &node{at: at, text: value}
	}
	list := &node{shape: sequence, at: at}
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list.items = append(list.items, &node{at: at, text: item})
		}
	}
	return list
}

// write puts value at the end of steps, making groups and the next item of a list on the way.
func (o overlay) write(at position, steps []step, value *node) {
	parent := o.root
	for i, s := range steps {
		last := i == len(steps)-1
		child := value
		if !last {
			child = &node{at: at, shape: mapping}
			if steps[i+1].key == "" {
				child.shape = sequence
			}
		}
		if parent = o.place(at, parent, s, child, last); parent == nil {
			return
		}
	}
}

// place returns the child of parent at s, which becomes child when there was none or when replace is set. nil when the
// file has something else there (which is reported when it is decoded) or the list is too short.
func (o overlay) place(at position, parent *node, s step, child *node, replace bool) *node {
	if s.key == "" {
		switch {
		case parent.shape != sequence:
			return nil
		case s.index > len(parent.items):
			o.problems.add(at, "", "number the items from 0 without gaps", "sets item %d of a list that has %d", s.index, len(parent.items))
			return nil
		case s.index == len(parent.items):
			parent.items = append(parent.items, child)
		case replace || parent.items[s.index].blank():
			parent.items[s.index] = child
		}
		return parent.items[s.index]
	}
	if parent.shape != mapping {
		return nil
	}
	if old := parent.find(s.key); old == nil || old.blank() || replace {
		parent.set(s.key, child)
		dropTwin(parent, s.key)
	}
	return parent.find(s.key)
}

// dropTwin removes the other way to give a secret when the file had it: x for x_file and x_file for x. Two variables
// that set both are an error and stay.
func dropTwin(parent *node, key string) {
	twin := key + "_file"
	if cutKey, isFile := strings.CutSuffix(key, "_file"); isFile {
		twin = cutKey
	}
	if n := parent.find(twin); n != nil && n.at.line > 0 {
		parent.remove(twin)
	}
}

// resolveName finds the setting a variable name means. Underscores separate keys and stand in them, so every way to
// cut the name is tried; the longest key comes first.
func resolveName(t reflect.Type, name string) ([]step, reflect.Type, bool) {
	if t.Kind() == reflect.Pointer {
		return resolveName(t.Elem(), name)
	}
	switch {
	case name == "" && (isScalar(t) || t.Kind() == reflect.Slice && isScalar(t.Elem())):
		return nil, t, true
	case name == "" || isScalar(t):
		return nil, nil, false
	case t.Kind() == reflect.Slice:
		return resolveIndex(t, name)
	case t.Kind() == reflect.Map:
		return []step{{key: strings.ToLower(name)}}, t.Elem(), isScalar(t.Elem())
	}
	return resolveKey(t, name)
}

func resolveIndex(t reflect.Type, name string) ([]step, reflect.Type, bool) {
	digits, rest, _ := strings.Cut(name, "_")
	index, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return nil, nil, false
	}
	steps, leaf, ok := resolveName(t.Elem(), rest)
	return append([]step{{index: int(index)}}, steps...), leaf, ok
}

func resolveKey(t reflect.Type, name string) ([]step, reflect.Type, bool) {
	fields := fieldsOf(t)
	slices.SortStableFunc(fields, func(a, b field) int { return len(b.name) - len(a.name) })
	for _, f := range fields {
		rest, ok := strings.CutPrefix(name, strings.ToUpper(f.name))
		if !ok || rest != "" && rest[0] != '_' {
			continue
		}
		if steps, leaf, ok := resolveName(f.typ, strings.TrimPrefix(rest, "_")); ok {
			return append([]step{{key: f.name}}, steps...), leaf, true
		}
	}
	return nil, nil, false
}

// variableNames lists the names of all variables there are, with the indexes that stand in like.
func variableNames(t reflect.Type, like string) []string {
	indexes := regexp.MustCompile(`_(\d+)(?:_|$)`).FindAllStringSubmatch(like, -1)
	var names []string
	collectNames(t, strings.TrimSuffix(EnvPrefix, "_"), indexes, &names)
	return names
}

func collectNames(t reflect.Type, prefix string, indexes [][]string, names *[]string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case isScalar(t) || t.Kind() == reflect.Slice && isScalar(t.Elem()):
		*names = append(*names, prefix)
	case t.Kind() == reflect.Slice:
		index := "0"
		if len(indexes) > 0 {
			index, indexes = indexes[0][1], indexes[1:]
		}
		collectNames(t.Elem(), prefix+"_"+index, indexes, names)
	case t.Kind() == reflect.Struct:
		for _, f := range fieldsOf(t) {
			collectNames(f.typ, prefix+"_"+strings.ToUpper(f.name), indexes, names)
		}
	}
}

// isServiceLink recognises the variables Kubernetes and Docker put into containers for each service: a service named
// sessionward, or sessionward-admin, brings SESSIONWARD_SERVICE_HOST, SESSIONWARD_PORT and more. They are no settings
// and no mistakes.
func isServiceLink(name, value string) bool {
	link := regexp.MustCompile(`^SESSIONWARD_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)?)$`)
	address := regexp.MustCompile(`^((tcp|udp|sctp)://\S+|tcp|udp|sctp|\d+|[0-9a-fA-F.:]+)$`)
	return link.MatchString(name) && address.MatchString(value)
}

// byNumber orders names so that item 2 comes before item 10.
func byNumber(a, b string) int {
	as, bs := strings.Split(a, "_"), strings.Split(b, "_")
	return slices.CompareFunc(as, bs, func(x, y string) int {
		i, errX := strconv.Atoi(x)
		j, errY := strconv.Atoi(y)
		if errX == nil && errY == nil {
			return i - j
		}
		return strings.Compare(x, y)
	})
}
