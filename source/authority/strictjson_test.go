package authority

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecodeObject(t *testing.T) {
	for _, good := range []string{`{}`, ` {"a":[1,"b",null,true,{"c":{}}]} `, `{"a":{"x":1},"b":{"x":1}}`} {
		var want map[string]any
		require.NoError(t, json.Unmarshal([]byte(good), &want))
		got, err := DecodeObject([]byte(good))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	deep := strings.Repeat(`{"a":`, maxJSONDepth+1) + "1" + strings.Repeat("}", maxJSONDepth+1)
	for _, bad := range []string{
		``, `null`, `[]`, `1`, `"a"`, `{`, `{}{}`, `{} x`, `{"a":1,}`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":1}}`,
		`[{"a":1}]`, `{"a":1e999}`, "{\"a\":\"\xff\"}", `{"a":[{"b":1,"b":2}]}`, `{"a":1,"\u0061":2}`, deep, "\ufeff{}",
	} {
		_, err := DecodeObject([]byte(bad))
		require.Error(t, err, bad)
	}
}

func TestDecodeDocument(t *testing.T) {
	for text, want := range map[string]any{
		`null`: nil, `true`: true, `"a"`: "a", `[1,{"a":2}]`: []any{json.Number("1"), map[string]any{"a": json.Number("2")}},
		`9007199254740993`: json.Number("9007199254740993"),
	} {
		got, err := DecodeDocument([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{``, `[`, `1 2`, `[{"a":1,"a":2}]`, "\"\xff\"", strings.Repeat("[", maxJSONDepth+1) + strings.Repeat("]", maxJSONDepth+1)} {
		_, err := DecodeDocument([]byte(bad))
		require.Error(t, err, bad)
	}
}
