package source

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// segment encodes one part of a compact token.
func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func segmentJSON(t testing.TB, v any) string {
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(b)
}
