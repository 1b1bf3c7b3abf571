package authority

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxJSONDepth is how deep the JSON of a token or an answer may nest; real ones need four levels.
const maxJSONDepth = 16

// DecodeObject reads one JSON object and nothing after it. Unlike encoding/json alone it refuses bytes that are not
// UTF-8, members that stand twice at any level (two readers could disagree about them), numbers beyond float64 and
// deep nesting.
func DecodeObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, errors.New("not JSON")
	}
	v, err := decodeValue(json.NewDecoder(bytes.NewReader(data)), 0)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return object, nil
}

// DecodeDocument is DecodeObject for answers whose shape is not known before: any JSON value may be the whole of it, and
// numbers are json.Number, so that an id beyond 2^53 is not rounded into somebody else's.
func DecodeDocument(data []byte) (any, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return decodeValue(d, 0)
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, errors.New("not JSON of usual numbers")
	}
	switch t {
	case json.Delim('{'), json.Delim('['):
		if depth == maxJSONDepth {
			return nil, errors.New("nested too deep")
		}
	default:
		return t, nil
	}
	if t == json.Delim('{') {
		return decodeMembers(d, depth+1)
	}
	return decodeElements(d, depth+1)
}

func decodeMembers(d *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string) // json.Valid has seen that it is one
		if _, twice := object[name]; twice {
			return nil, errors.New("a member stands twice")
		}
		if object[name], err = decodeValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}

func decodeElements(d *json.Decoder, depth int) (any, error) {
	array := []any{}
	for d.More() {
		v, err := decodeValue(d, depth)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	_, err := d.Token()
	return array, err
}
