package source

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func keyed(t *testing.T, change ...func(*LocalOptions)) (*localFixture, string) {
	key, hash := NewAPIKey("backup-1")
	f := newLocal(t, append([]func(*LocalOptions){func(o *LocalOptions) {
		o.APIKeys = []APIKey{
			{ID: "backup-1", Hash: hash, Username: "alice", Groups: []string{"backup"}, Expires: startOfTest().Add(time.Hour)},
		}
	}}, change...)...)
	return f, key.Reveal()
}

func inHeader(name, value string) session.Credential {
	return session.Credential{Place: session.Place{Kind: session.KindHeader, Name: name}, Value: session.NewSecret(value)}
}

func TestNewAPIKey(t *testing.T) {
	key, hash := NewAPIKey("backup-1")
	require.Regexp(t, `^swk_backup-1_[A-Za-z0-9_-]{43}$`, key.Reveal())
	require.Regexp(t, `^sha256:[0-9a-f]{64}$`, hash)
	other, _ := NewAPIKey("backup-1")
	require.NotEqual(t, key.Reveal(), other.Reveal())
	for _, id := range []string{"", "a_b", "a b", "ä", strings.Repeat("a", 33)} {
		key, hash = NewAPIKey(id)
		require.True(t, key.Empty() && hash == "", "%q", id)
	}
}

func TestAPIKeySession(t *testing.T) {
	f, key := keyed(t)
	for _, c := range []session.Credential{bearer(key), inHeader("X-Api-Key", key)} {
		s, err := f.Resolve(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, "alice", s.Identity.Subject)
		require.Equal(t, "alice@example.com", s.Identity.Email)
		require.Equal(t, []string{"backup"}, s.Identity.Groups, "a key has its own groups, not its user's")
		require.Equal(t, startOfTest().Add(time.Hour), s.ExpiresAt)
		require.Equal(t, map[string]string{"api_key_id": "backup-1"}, s.Properties)
		require.Equal(t, "api_key", s.AuthenticationMethods[0].Method)
		require.NotContains(t, fmt.Sprintf("%+v", s), key)
	}
}

func TestAPIKeyHeaderIsConfigurable(t *testing.T) {
	f, key := keyed(t, func(o *LocalOptions) { o.APIKeyHeader = "x-house-key" })
	require.Contains(t, f.Places(), session.Place{Kind: session.KindHeader, Name: "X-House-Key"})
	_, err := f.Resolve(t.Context(), inHeader("X-House-Key", key))
	require.NoError(t, err)
	_, err = f.Resolve(t.Context(), inHeader("X-Api-Key", key))
	require.ErrorIs(t, err, session.ErrNotMine)
}

func TestAPIKeyRejects(t *testing.T) {
	f, key := keyed(t)
	stranger, _ := NewAPIKey("stranger")
	same, _ := NewAPIKey("backup-1")
	for name, c := range map[string]session.Credential{
		"another secret":           bearer(same.Reveal()),
		"an unknown id":            bearer(stranger.Reveal()),
		"truncated by a byte":      bearer(key[:len(key)-1]),
		"longer by a byte":         bearer(key + "A"),
		"without a secret":         bearer("swk_backup-1_"),
		"without an id":            bearer("swk__" + key[len(key)-43:]),
		"the prefix alone":         bearer("swk_"),
		"huge":                     bearer("swk_backup-1_" + strings.Repeat("A", 1<<20)),
		"the hash":                 bearer("swk_backup-1_" + f.opts.APIKeys[0].Hash),
		"no key in the header":     inHeader("X-Api-Key", "something"),
		"nothing in the header":    inHeader("X-Api-Key", ""),
		"bearer inside the header": inHeader("X-Api-Key", "Bearer "+key),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := f.Resolve(t.Context(), c)
			require.ErrorIs(t, err, session.ErrRejected)
			require.Nil(t, s)
		})
	}
}

func TestExpiredAPIKeyIsRejected(t *testing.T) {
	f, key := keyed(t)
	f.clock.Advance(time.Hour)
	_, err := f.Resolve(t.Context(), bearer(key))
	require.ErrorIs(t, err, session.ErrRejected)
}

// Without keys the header belongs to the applications.
func TestWithoutKeysNothingIsOurs(t *testing.T) {
	f := newLocal(t)
	require.Empty(t, f.Places())
	for _, c := range []session.Credential{inHeader("X-Api-Key", "the application's"), bearer("swk_backup_x")} {
		_, err := f.Resolve(t.Context(), c)
		require.ErrorIs(t, err, session.ErrNotMine)
	}
}

func TestANewKeyIsANewSession(t *testing.T) {
	f, key := keyed(t)
	g, other := keyed(t)
	a, err := f.Resolve(t.Context(), bearer(key))
	require.NoError(t, err)
	b, err := g.Resolve(t.Context(), bearer(other))
	require.NoError(t, err)
	require.NotEqual(t, a.ID, b.ID)
}

func ExampleNewAPIKey() {
	key, hash := NewAPIKey("backup")
	fmt.Println(len(key.Reveal()), len(hash), key)
	// Output: 54 71 [secret]
}
