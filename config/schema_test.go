package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v4"
)

const module = "github.com/sessionward/sessionward"

// schemaFiles are the two copies of the schema: one is in the program, the other one is where editors look.
func schemaFiles() []string {
	return []string{"sessionward.schema.json", "../docs/sessionward.schema.json"}
}

// TestSchemaIsCurrent holds the committed schema against the option types and their comments; -update writes it.
func TestSchemaIsCurrent(t *testing.T) {
	want := generateSchema(t)
	for _, path := range schemaFiles() {
		if *update {
			require.NoError(t, os.WriteFile(path, want, 0o644))
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "%s is out of date: go generate ./config", path)
	}
}

// generateSchema makes the schema from the option types and the comments in their sources.
func generateSchema(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, Anonymous: true,
		Namer: definitionName, Mapper: mapType, AdditionalFields: secretFileFields,
	}
	t.Chdir("..")
	for _, room := range []string{"config", "session", "store", "source", "policy", "proxy", "identity"} {
		require.NoError(t, r.AddGoComments(module, "./"+room))
	}
	t.Chdir("config")
	s := r.Reflect(&Config{})
	for _, typ := range structTypes(reflect.TypeFor[Config]()) {
		refineDefinition(s.Definitions[definitionName(typ)], typ)
	}
	s.Title = "sessionward"
	s.Definitions["Config"].Required = []string{"public_url", "routes"}
	s.Definitions["Route"].Required = []string{"name", "upstream"}
	s.Definitions["Source"].Required = []string{"name"}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	require.NoError(t, e.Encode(s))
	return out.Bytes()
}

// definitionName keeps the Options of different rooms apart.
func definitionName(t reflect.Type) string {
	if t.PkgPath() == "" {
		return t.Name()
	}
	room, name, _ := strings.Cut(ownerOf(t), ".")
	if room == "config" {
		return name
	}
	return strings.ToUpper(room[:1]) + room[1:] + name
}

// fromVariable matches a value that takes something from the environment, which stands for a value of any type.
const fromVariable = `\$\{[A-Za-z_][A-Za-z0-9_]*\}`

// mapType gives the types a file writes as text.
func mapType(t reflect.Type) *jsonschema.Schema {
	switch {
	case isDuration(t):
		return &jsonschema.Schema{Type: "string", Pattern: `^-?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$|^0$|` + fromVariable,
			Examples: []any{"30s", "15m", "24h"}}
	case isSecret(t):
		return &jsonschema.Schema{Type: "string"}
	case isTime(t):
		return &jsonschema.Schema{Type: "string", Format: "date-time"}
	}
	return nil
}

// secretFileFields adds x_file for every secret x.
func secretFileFields(t reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for _, f := range fieldsOf(t) {
		if f.secretFile && !hasTag(t, f.name) {
			name := "SecretFile" + strings.ReplaceAll(f.name, "_", "")
			out = append(out, reflect.StructField{Name: name, Type: f.typ, Tag: reflect.StructTag(`yaml:"` + f.name + `"`)})
		}
	}
	return out
}

func hasTag(t reflect.Type, name string) bool {
	for f := range t.Fields() {
		if tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); tag == name {
			return true
		}
	}
	return false
}

// refineDefinition adds what the types alone do not say: allowed words, and that a variable or nothing may stand where
// a number, a truth value or a group is expected.
func refineDefinition(d *jsonschema.Schema, t reflect.Type) {
	for _, f := range fieldsOf(t) {
		p, ok := d.Properties.Get(f.name)
		if !ok {
			continue
		}
		p.Description = oneParagraph(p.Description)
		if f.secretFile {
			p.Description = "The file that holds " + strings.TrimSuffix(f.name, "_file") + ", instead of it."
		}
		if words := allowedValues(f.owner); words != nil {
			target := p
			if p.Items != nil {
				target = p.Items
			}
			for _, w := range words {
				target.Enum = append(target.Enum, w)
			}
		}
		d.Properties.Set(f.name, orNothing(orVariable(p, f.typ), f.typ))
	}
	d.Description = oneParagraph(d.Description)
}

func orVariable(p *jsonschema.Schema, t reflect.Type) *jsonschema.Schema {
	if t.Kind() != reflect.Bool && (isDuration(t) || isText(t) || !reflect.Zero(t).CanInt()) {
		return p
	}
	return &jsonschema.Schema{Description: p.Description,
		AnyOf: []*jsonschema.Schema{{Type: p.Type}, {Type: "string", Pattern: fromVariable}}}
}

func orNothing(p *jsonschema.Schema, t reflect.Type) *jsonschema.Schema {
	if isScalar(t) && t.Kind() != reflect.Pointer {
		return p
	}
	description := p.Description
	p.Description = ""
	return &jsonschema.Schema{Description: description, AnyOf: []*jsonschema.Schema{p, {Type: "null"}}}
}

func oneParagraph(s string) string { return strings.Join(strings.Fields(s), " ") }

// structTypes lists the option types at and below t, each once, inlined ones not.
func structTypes(t reflect.Type) []reflect.Type {
	var out []reflect.Type
	seen := make(map[reflect.Type]bool)
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || isText(t) || seen[t] {
			return
		}
		seen[t] = true
		out = append(out, t)
		for _, f := range fieldsOf(t) {
			walk(f.typ)
		}
	}
	walk(t)
	return out
}

func compileSchema(t *testing.T) *validator.Schema {
	t.Helper()
	doc, err := validator.UnmarshalJSON(bytes.NewReader(Schema()))
	require.NoError(t, err)
	c := validator.NewCompiler()
	require.NoError(t, c.AddResource("sessionward.schema.json", doc))
	s, err := c.Compile("sessionward.schema.json")
	require.NoError(t, err)
	return s
}

func readYAML(t *testing.T, path string) any {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var v any
	require.NoError(t, yaml.Load(data, &v))
	return v
}

func TestSchemaTakesGoodFiles(t *testing.T) {
	s := compileSchema(t)
	for _, path := range append(files(t, "*.good.yaml"), examplePath) {
		require.NoError(t, s.Validate(readYAML(t, path)), path)
	}
}

func TestSchemaRefusesBadFiles(t *testing.T) {
	s := compileSchema(t)
	for _, name := range []string{"unknown_key", "unknown_key_top", "unknown_key_inlined", "unknown_kind", "duration_word",
		"duration_no_unit", "int_word", "list_text", "group_text", "log_level", "access", "family", "same_site",
		"public_url_missing", "route_no_upstream"} {
		require.Error(t, s.Validate(readYAML(t, filepath.Join("testdata", name+".bad.yaml"))), name)
	}
}

// TestSchemaNamesEveryKey wants every setting in the schema, closed to all others, and explained.
func TestSchemaNamesEveryKey(t *testing.T) {
	var doc struct {
		Defs map[string]struct {
			Properties           map[string]struct{ Description string }
			AdditionalProperties *bool
		} `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(Schema(), &doc))
	for _, typ := range structTypes(reflect.TypeFor[Config]()) {
		def, ok := doc.Defs[definitionName(typ)]
		require.True(t, ok, typ)
		require.NotNil(t, def.AdditionalProperties, typ)
		require.False(t, *def.AdditionalProperties)
		var names []string
		for name := range def.Properties {
			names = append(names, name)
		}
		require.ElementsMatch(t, fieldNames(fieldsOf(typ)), names, typ)
	}
	require.True(t, regexp.MustCompile(`"description": "\S`).Match(Schema()))
}
