package sessiontest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// checkShape holds s against what is promised of every session.
func checkShape(t *testing.T, f SourceFixture, s *session.Session) {
	t.Helper()
	require.NotNil(t, s)
	require.Equal(t, f.Source.Name(), s.Source)
	require.True(t, s.Active)
	require.NotEmpty(t, s.Identity.Subject)
	for name, at := range map[string]time.Time{
		"IssuedAt": s.IssuedAt, "AuthenticatedAt": s.AuthenticatedAt, "LastAccessAt": s.LastAccessAt,
		"ExpiresAt": s.ExpiresAt, "IdleExpiresAt": s.IdleExpiresAt, "Tokens.ExpiresAt": s.Tokens.ExpiresAt,
	} {
		require.Equal(t, time.UTC, at.Location(), "%s is in UTC", name)
	}
}

func resolver(t *testing.T, f SourceFixture) session.Resolver {
	t.Helper()
	r, ok := f.Source.(session.Resolver)
	if !ok {
		t.Skip("not a Resolver")
	}
	return r
}

// resolve resolves c and holds the error against the contract.
func resolve(t *testing.T, f SourceFixture, c session.Credential) (*session.Session, error) {
	t.Helper()
	s, err := f.Source.(session.Resolver).Resolve(t.Context(), c)
	if err == nil {
		return s, nil
	}
	require.Nil(t, s, "an error comes without a session")
	known := 0
	for _, class := range []error{session.ErrNotMine, session.ErrRejected, session.ErrUnavailable, session.ErrTooMany, session.ErrInsufficient} {
		if errors.Is(err, class) {
			known++
		}
	}
	require.Equal(t, 1, known, "an error has exactly one class: %v", err)
	noSecretsIn(t, f, "the error", err.Error())
	return s, err
}

func noSecretsIn(t *testing.T, f SourceFixture, where, text string) {
	t.Helper()
	for _, secret := range f.Secrets() {
		if secret != "" && strings.Contains(text, secret) {
			require.Fail(t, "a secret stands in "+where)
		}
	}
}

func needsAuthority(t *testing.T, f SourceFixture) {
	t.Helper()
	if f.Down == nil {
		t.Skip("asks nobody")
	}
}

func asked(f SourceFixture) int {
	if f.Asked == nil {
		return 0
	}
	return f.Asked()
}

func transaction() session.Transaction {
	return session.Transaction{
		State:        "state",
		Nonce:        "nonce",
		CodeVerifier: session.NewSecret("verifier-verifier-verifier-verifier-verifier"),
		RedirectURI:  "https://gateway.example/_session/callback/source",
	}
}

// sessionDiff compares all that a source fills in, secrets by their text.
func sessionDiff(want, got *session.Session) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(session.Session{}))
}
