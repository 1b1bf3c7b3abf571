package admin

import (
	"bytes"
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// document is openapi.json, and the means to hold answers against it.
type document struct {
	root     map[string]any
	compiler *jsonschema.Compiler
}

const documentURL = "openapi.json"

// readDocument closes all schemas of objects, so that an answer with a member that is not described fails. The document
// itself leaves them open: a client must not fail over a member that comes later.
func readDocument(t *testing.T) *document {
	t.Helper()
	var root map[string]any
	require.NoError(t, json.Unmarshal(openAPI, &root))
	for _, s := range at(t, root, "components", "schemas") {
		if object := s.(map[string]any); object["properties"] != nil {
			object["additionalProperties"] = false
		}
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	require.NoError(t, c.AddResource(documentURL, root))
	return &document{root: root, compiler: c}
}

// at walks into objects.
func at(t *testing.T, node map[string]any, path ...string) map[string]any {
	t.Helper()
	for _, name := range path {
		next, ok := node[name].(map[string]any)
		require.True(t, ok, "%q of %q is not there", name, path)
		node = next
	}
	return node
}

// operation returns what describes a method of a path.
func (d *document) operation(t *testing.T, method, path string) map[string]any {
	t.Helper()
	return at(t, d.root, "paths", path, strings.ToLower(method))
}

// pointer makes a JSON pointer (RFC 6901).
func pointer(path ...string) string {
	var b strings.Builder
	for _, name := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return b.String()
}

func (d *document) validate(t *testing.T, where string, value []byte) {
	t.Helper()
	schema, err := d.compiler.Compile(documentURL + "#" + where)
	require.NoError(t, err, where)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	require.NoError(t, err, "%s", value)
	require.NoError(t, schema.Validate(v), "%s: %s", where, value)
}

// holds wants the answer to be one that is described for its route, status and type.
func (d *document) holds(t *testing.T, g golden, status int, contentType string, answer []byte) {
	t.Helper()
	responses := at(t, d.operation(t, g.method, g.route), "responses")
	code := strconv.Itoa(status)
	response, ok := responses[code].(map[string]any)
	require.True(t, ok, "%s %s answers %d, which is not described", g.method, g.route, status)
	where := []string{"paths", g.route, strings.ToLower(g.method), "responses", code}
	if ref, ok := response["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/components/responses/")
		response, where = at(t, d.root, "components", "responses", name), []string{"components", "responses", name}
	}
	kind, _, err := mime.ParseMediaType(contentType)
	require.NoError(t, err)
	require.Contains(t, at(t, response, "content"), kind, "%s %s %d", g.method, g.route, status)
	schema := pointer(append(where, "content", kind, "schema")...)
	switch kind {
	case "application/x-ndjson":
		for line := range bytes.Lines(answer) {
			d.validate(t, schema, line)
		}
	case "text/plain":
		quoted, err := json.Marshal(string(answer))
		require.NoError(t, err)
		d.validate(t, schema, quoted)
	default:
		d.validate(t, schema, answer)
	}
}

// TestOpenAPIIsOpenAPI holds the document against the schema that the OpenAPI Initiative publishes for version 3.1
// (https://spec.openapis.org/oas/3.1/schema/2022-10-07, Apache-2.0).
func TestOpenAPIIsOpenAPI(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "openapi-3.1.schema.json"))
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	meta, err := jsonschema.UnmarshalJSON(f)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("oas.json", meta))
	schema, err := c.Compile("oas.json")
	require.NoError(t, err)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPI))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(v))
	broken := maps.Clone(v.(map[string]any))
	broken["paths"] = map[string]any{"no-slash": map[string]any{}}
	require.Error(t, schema.Validate(broken))
}

// TestOpenAPI: every route is described, with its scope, its parameters and its body, and what is described is a route.
func TestOpenAPI(t *testing.T) {
	d := readDocument(t)
	a := newHouse(t).api
	open := []string{"GET /livez", "GET /readyz", "GET /api/v1/openapi.json"}
	var routed, described []string
	for _, rt := range a.routes() {
		routed = append(routed, rt.method+" "+rt.path)
		op := d.operation(t, rt.method, rt.path)
		want := []any{map[string]any{"bearer": []any{string(rt.scope)}}, map[string]any{"certificate": []any{string(rt.scope)}}}
		require.Equal(t, want, op["security"], "%s %s", rt.method, rt.path)
		require.Equal(t, rt.query, parameters(op, "query"), "%s %s", rt.method, rt.path)
		require.Equal(t, wildcards(rt.path), d.pathParameters(t, rt.path), "%s %s", rt.method, rt.path)
		var body []string
		if op["requestBody"] != nil {
			body = slices.Collect(maps.Keys(at(t, op, "requestBody", "content")))
		}
		require.Equal(t, rt.body, strings.Join(body, ","), "%s %s", rt.method, rt.path)
	}
	for path, item := range at(t, d.root, "paths") {
		for method, op := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			name := strings.ToUpper(method) + " " + path
			described = append(described, name)
			if slices.Contains(open, name) {
				require.Empty(t, op.(map[string]any)["security"], name)
				require.NotNil(t, op.(map[string]any)["security"], name)
			}
		}
	}
	require.ElementsMatch(t, append(routed, open...), described)
}

func parameters(op map[string]any, in string) (names []string) {
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		if p := p.(map[string]any); p["in"] == in {
			names = append(names, p["name"].(string))
		}
	}
	return names
}

func wildcards(path string) (names []string) {
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

func (d *document) pathParameters(t *testing.T, path string) []string {
	item := at(t, d.root, "paths", path)
	list, _ := item["parameters"].([]any)
	var names []string
	for _, p := range list {
		p := p.(map[string]any)
		if ref, ok := p["$ref"].(string); ok {
			p = at(t, d.root, "components", "parameters", strings.TrimPrefix(ref, "#/components/parameters/"))
		}
		require.Equal(t, "path", p["in"])
		names = append(names, p["name"].(string))
	}
	return names
}

// TestOpenAPIExamples: every example is what its schema says.
func TestOpenAPIExamples(t *testing.T) {
	d := readDocument(t)
	n := 0
	var walk func(node any, path []string)
	walk = func(node any, path []string) {
		switch node := node.(type) {
		case map[string]any:
			if example, ok := node["example"]; ok && node["schema"] != nil {
				value, err := json.Marshal(example)
				require.NoError(t, err)
				d.validate(t, pointer(append(slices.Clone(path), "schema")...), value)
				n++
			}
			for name, below := range node {
				walk(below, append(slices.Clone(path), name))
			}
		case []any:
			for i, below := range node {
				walk(below, append(slices.Clone(path), strconv.Itoa(i)))
			}
		}
	}
	walk(d.root, nil)
	require.Greater(t, n, 30)
}

// TestOpenAPIEveryRouteHasGoldens: each route is met by an answer that worked, and each status that is described for some
// route by one of its refusals.
func TestOpenAPIEveryRouteHasGoldens(t *testing.T) {
	worked, statuses := map[string]bool{}, map[int]bool{}
	for _, g := range goldens() {
		data, err := os.ReadFile(filepath.Join("testdata", g.name+".golden.json"))
		require.NoError(t, err)
		var x exchange
		require.NoError(t, json.Unmarshal(data, &x))
		statuses[x.Status] = true
		if x.Status/100 == 2 {
			worked[g.method+" "+g.route] = true
		}
	}
	for _, rt := range newHouse(t).api.routes() {
		require.True(t, worked[rt.method+" "+rt.path], "%s %s", rt.method, rt.path)
	}
	for _, c := range classes() {
		if c.code != "conflict" { // lost by eight in a row, which becomes unavailable
			require.True(t, statuses[c.status], c.code)
		}
	}
	require.True(t, statuses[http.StatusInternalServerError])
}

func TestOpenAPIIsServedToAnybody(t *testing.T) {
	rec := newHouse(t).ask("GET", "/api/v1/openapi.json", "", "Authorization", "")
	require.Equal(t, http.StatusOK, rec.Code)
	require.JSONEq(t, string(openAPI), rec.Body.String())
}
