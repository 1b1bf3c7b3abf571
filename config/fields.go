package config

import (
	"encoding"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
)

// field is one key of an option type.
type field struct {
	name  string // the key
	index []int  // of the struct field, for reflect
	typ   reflect.Type
	// owner is "package.Type.key", by which the tables in values.go know fields of other rooms.
	owner string
	// secretFile marks a key that names a file with the secret of the field at index. It need not exist in the type:
	// every Secret x has a key x_file.
	secretFile bool
}

// fieldsOf lists the keys of the struct type t in their order, those of inlined structs among them. Fields without a
// yaml tag are not settings.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.Anonymous && strings.Contains(options, "inline") {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				out = append(out, inner)
			}
			continue
		}
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		out = append(out, field{name: name, index: f.Index, typ: f.Type, owner: ownerOf(t) + "." + name})
	}
	return withSecretFiles(out)
}

// withSecretFiles gives each Secret its key x_file, right behind it.
func withSecretFiles(fields []field) []field {
	secrets := make(map[string]field)
	for _, f := range fields {
		if isSecret(f.typ) && !f.secretFile {
			secrets[f.name+"_file"] = f
		}
	}
	var out []field
	for _, f := range fields {
		if _, sibling := secrets[f.name]; sibling {
			continue // the loader reads the file, whether or not the type can hold its name
		}
		out = append(out, f)
		if isSecret(f.typ) {
			out = append(out, field{name: f.name + "_file", index: f.index, typ: reflect.TypeFor[string](),
				owner: f.owner + "_file", secretFile: true})
		}
	}
	return out
}

// ownerOf returns "package.Type".
func ownerOf(t reflect.Type) string { return path.Base(t.PkgPath()) + "." + t.Name() }

func isSecret(t reflect.Type) bool { return t == reflect.TypeFor[session.Secret]() }

func isTime(t reflect.Type) bool { return t == reflect.TypeFor[time.Time]() }

func isDuration(t reflect.Type) bool { return t == reflect.TypeFor[time.Duration]() }

// isText reports whether values of t are written as one text of their own form: secrets, times, addresses.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// isScalar reports whether values of t are written as a single value.
func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Map, reflect.Pointer:
		return isText(t)
	}
	return true
}

func fieldNames(fields []field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

// isPath reports whether the setting names a file or folder.
func isPath(owner string) bool {
	switch owner {
	case "store.BoltOptions.path", "config.PagesOptions.dir":
		return true
	}
	return strings.HasSuffix(owner, "_file")
}
