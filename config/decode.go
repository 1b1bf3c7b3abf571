package config

import (
	"encoding"
	"reflect"
	"slices"
)

// decoder fills option types from nodes. It goes on after a problem, so that one run finds everything.
type decoder struct {
	problems *Problems
	// places remembers where each key was written, for what is checked later.
	places map[string]position
	// dir is the folder relative paths are relative to.
	dir    string
	fields map[reflect.Type][]field
	// refused holds nodes that were found wrong: a node that stands for several settings is reported once.
	refused map[*node]bool
}

func newDecoder(dir string, problems *Problems) *decoder {
	return &decoder{problems: problems, dir: dir, places: make(map[string]position),
		fields: make(map[reflect.Type][]field), refused: make(map[*node]bool)}
}

// refuse notes a problem with n.
func (d *decoder) refuse(n *node, path, hint, format string, args ...any) {
	if !d.refused[n] {
		d.refused[n] = true
		d.problems.add(n.at, path, hint, path+": "+format, args...)
	}
}

// decode writes n into v, which holds the default. owner is "package.Type.key" of the field v is or is an element of.
func (d *decoder) decode(n *node, v reflect.Value, path, owner string) {
	if _, known := d.places[path]; !known {
		d.places[path] = n.at
	}
	if d.loosens(n, v.Type(), path, owner) {
		return
	}
	t := v.Type()
	switch {
	case isScalar(t) && t.Kind() != reflect.Pointer:
		d.scalar(n, v, path, owner)
	case t.Kind() == reflect.Pointer:
		d.pointer(n, v, path, owner)
	case t.Kind() == reflect.Struct:
		d.structure(n, v, path)
	case t.Kind() == reflect.Slice:
		d.list(n, v, path, owner)
	case t.Kind() == reflect.Map:
		d.table(n, v, path, owner)
	}
}

// pointer decodes what may be absent. A key with nothing behind it is there, with all defaults ("memory:"); an
// explicit null is not.
func (d *decoder) pointer(n *node, v reflect.Value, path, owner string) {
	if n.null {
		v.SetZero()
		return
	}
	target := reflect.New(v.Type().Elem())
	d.decode(n, target.Elem(), path, owner)
	v.Set(target)
}

func (d *decoder) structure(n *node, v reflect.Value, path string) {
	if n.blank() {
		return
	}
	if n.shape != mapping {
		d.refuse(n, path, "write its keys on lines of their own, indented", "must be a group of keys, is %s", n.describe())
		return
	}
	fields := d.fieldsOf(v.Type())
	for _, e := range listsLast(n.entries) {
		f, ok := findField(fields, e.key)
		if !ok {
			d.unknown(e, path, fields)
			continue
		}
		key := childPath(path, e.key)
		d.places[key] = e.at
		if f.secretFile {
			d.secretFile(n, e, v.FieldByIndex(f.index), key)
			continue
		}
		d.decode(e.value, v.FieldByIndex(f.index), key, f.owner)
	}
}

// listsLast puts lists behind everything else, so that what is handed down to their items has been decoded, and
// reported, where it was written.
func listsLast(entries []entry) []entry {
	isList := func(e entry) int {
		if e.value.shape == sequence {
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(entries), func(a, b entry) int { return isList(a) - isList(b) })
}

func (d *decoder) fieldsOf(t reflect.Type) []field {
	if _, ok := d.fields[t]; !ok {
		d.fields[t] = fieldsOf(t)
	}
	return d.fields[t]
}

func findField(fields []field, name string) (field, bool) {
	for _, f := range fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func (d *decoder) unknown(e entry, path string, fields []field) {
	if d.refused[e.value] {
		return
	}
	d.refused[e.value] = true
	where := "in " + path
	if path == "" {
		where = "at the top of the file"
	}
	d.problems.add(e.at, childPath(path, e.key), didYouMean(e.key, fieldNames(fields)), "unknown key %q %s", cut(e.key, 80), where)
}

func (d *decoder) list(n *node, v reflect.Value, path, owner string) {
	if n.blank() {
		v.SetZero()
		return
	}
	if n.shape != sequence {
		hint := "begin each item with a dash, on a line of its own"
		if n.shape == scalar && v.Type().Elem().Kind() == reflect.String {
			hint = "write [" + cut(n.text, 40) + "]"
		}
		d.refuse(n, path, hint, "must be a list, is %s", n.describe())
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		d.decode(item, out.Index(i), itemPath(path, i), owner)
	}
	v.Set(out)
}

func (d *decoder) table(n *node, v reflect.Value, path, owner string) {
	if n.blank() {
		v.SetZero()
		return
	}
	if n.shape != mapping {
		d.refuse(n, path, "write its keys on lines of their own, indented", "must be a group of keys, is %s", n.describe())
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.entries))
	for _, e := range n.entries {
		key := childPath(path, e.key)
		d.places[key] = e.at
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.value, value, key, owner)
		out.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), value)
	}
	v.Set(out)
}

// text decodes values with a written form of their own. The error of a secret is not shown, as it may quote it.
func (d *decoder) text(n *node, v reflect.Value, path string) {
	if isSecret(v.Type()) && !n.says() {
		d.refuse(n, path, "give it a value, or remove the key", "is empty")
		return
	}
	err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.text))
	switch {
	case err == nil:
	case isSecret(v.Type()):
		d.refuse(n, path, "", "is not a usable secret")
	case isTime(v.Type()):
		d.refuse(n, path, "write a time such as 2027-01-31T00:00:00Z", "%q is not a time", cut(n.text, 80))
	default:
		d.refuse(n, path, "", "%q is not valid: %v", cut(n.text, 80), err)
	}
}
