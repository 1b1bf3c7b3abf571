package identity

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

const testIssuer = "https://gate.example"

var testNow = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func testClock() time.Time { return testNow }

func testSession() *session.Session {
	return &session.Session{
		ID: "secret-id", Handle: "h-1", Source: "corp", Active: true, AAL: "aal2", ACR: "urn:mfa",
		Identity: session.Identity{
			Subject: "248289761001", Username: "jané", Email: "jane@corp.example", EmailVerified: true,
			Name: "Jane Doe", Groups: []string{"staff", "users,admins"},
			Claims: map[string]any{
				"tenant": "blue", "level": float64(7), "address": map[string]any{"country": "FR"},
				"https://corp.example/roles": []any{"ops", "a|b"}, "n": nil,
			},
		},
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "pwd"}, {Method: "otp"}},
		IssuedAt:              testNow.Add(-time.Hour), AuthenticatedAt: testNow.Add(-time.Hour),
		ExpiresAt: testNow.Add(8 * time.Hour), IdleExpiresAt: testNow.Add(time.Hour),
		Tokens:     session.Tokens{Access: session.NewSecret("at-123"), ID: session.NewSecret("id.456.x")},
		Properties: map[string]string{"x": "y"},
	}
}

func testKey(id string) session.Key {
	return session.Key{ID: id, Secret: session.NewSecret(strings.Repeat(id[:1], 32))}
}

func testSigner(t testing.TB, now func() time.Time, ids ...string) *Signer {
	t.Helper()
	if len(ids) == 0 {
		ids = []string{"a"}
	}
	keys := make([]session.Key, len(ids))
	for i, id := range ids {
		keys[i] = testKey(id)
	}
	ring, err := session.NewKeyRing(keys...)
	require.NoError(t, err)
	s, err := NewSigner(ring, testIssuer, now)
	require.NoError(t, err)
	return s
}

func newHeaders(t testing.TB, o Options) *Headers {
	t.Helper()
	h, err := New(o, testSigner(t, testClock))
	require.NoError(t, err)
	return h
}
