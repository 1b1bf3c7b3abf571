package server_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/source"
)

// TestKeyHeaderStaysHere (D16): an API key in its own header goes to no application: not on a public route, where
// nobody looks at it, and not where another credential decided.
func TestKeyHeaderStaysHere(t *testing.T) {
	key, hash := source.NewAPIKey("ci")
	issuer := newTokenIssuer(t)
	w := newWorld(t, worldOptions{logLevel: "error", sources: issuer.source() +
		fmt.Sprintf("  - name: keys\n    local: {api_keys: [{id: ci, hash: %q, username: ci}]}\n", hash)})
	header := "X-Api-Key: " + key.Reveal() + "\r\n"
	s := w.seen(w.rawGet("/", header))
	require.Equal(t, "ci", s.Header.Get("X-Forwarded-User"), "it is a credential")
	require.Empty(t, s.Header.Values("X-Api-Key"))
	require.Empty(t, w.seen(w.rawGet("/public/x", header)).Header.Values("X-Api-Key"))
	s = w.seen(w.rawGet("/", header+"Authorization: Bearer "+issuer.token("svc")+"\r\n"))
	require.Equal(t, "svc", s.Header.Get("X-Forwarded-User"))
	require.Empty(t, s.Header.Values("X-Api-Key"))
}
