package middleware

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
)

func testRing(t testing.TB, ids ...string) *session.KeyRing {
	t.Helper()
	var keys []session.Key
	for _, id := range ids {
		keys = append(keys, session.Key{ID: id, Secret: session.NewSecret(strings.Repeat(id, 32)[:32])})
	}
	ring, err := session.NewKeyRing(keys...)
	require.NoError(t, err)
	return ring
}

func testStates(t testing.TB) (*states, *sessiontest.Clock) {
	clock := sessiontest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	return newStates(testRing(t, "k2", "k1"), clock.Now), clock
}

func TestStateRoundTrip(t *testing.T) {
	st, clock := testStates(t)
	a := st.begin(attempt{Source: "corp", ReturnTo: "/deep?x=1", Restarts: 1, InARow: 2, Prompt: "login", ACR: []string{"gold"}, MaxAge: time.Hour}, "browser-a")
	state, err := st.seal(a)
	require.NoError(t, err)
	got, ok := st.open(state)
	require.True(t, ok)
	require.Equal(t, a, got)
	require.True(t, got.of("browser-a"))
	require.False(t, st.expired(got))
	clock.Advance(attemptLifetime + time.Second)
	require.True(t, st.expired(got))
}

func TestRejectStateOfAnotherBrowser(t *testing.T) {
	st, _ := testStates(t)
	a := st.begin(attempt{Source: "corp", ReturnTo: "/"}, "browser-a")
	require.False(t, a.of("browser-b"))
	require.False(t, a.of(""))
}

func TestRejectStateSpentTwice(t *testing.T) {
	st, _ := testStates(t)
	a := st.begin(attempt{Source: "corp", ReturnTo: "/"}, "browser-a")
	require.True(t, st.spend(a))
	require.False(t, st.spend(a))
	require.True(t, st.spend(st.begin(attempt{Source: "corp", ReturnTo: "/"}, "browser-a")))
}

func TestRejectAlteredState(t *testing.T) {
	st, _ := testStates(t)
	state, err := st.seal(st.begin(attempt{Source: "corp", ReturnTo: "/"}, "b"))
	require.NoError(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(state)
	require.NoError(t, err)
	for i := range raw {
		altered := append([]byte(nil), raw...)
		altered[i] ^= 1
		_, ok := st.open(base64.RawURLEncoding.EncodeToString(altered))
		require.False(t, ok, "byte %d", i)
	}
	_, ok := st.open(state[:len(state)-2])
	require.False(t, ok)
	other := newStates(testRing(t, "k3"), time.Now)
	_, ok = other.open(state)
	require.False(t, ok, "sealed by another ring")
}

// TestStateProofs: nonce and verifier are those of one attempt in one browser, and neither travels in the state.
func TestStateProofs(t *testing.T) {
	st, _ := testStates(t)
	a, b := st.begin(attempt{Source: "corp", ReturnTo: "/"}, "browser-a"), st.begin(attempt{Source: "corp", ReturnTo: "/"}, "browser-a")
	ta, ok := st.transaction(a, "browser-a", "s", "u")
	require.True(t, ok)
	again, _ := st.transaction(a, "browser-a", "s", "u")
	require.Equal(t, ta.Nonce, again.Nonce)
	require.True(t, ta.CodeVerifier.Equal(again.CodeVerifier))
	tb, _ := st.transaction(b, "browser-a", "s", "u")
	other, _ := st.transaction(a, "browser-b", "s", "u")
	require.NotEqual(t, ta.Nonce, tb.Nonce)
	require.NotEqual(t, ta.Nonce, other.Nonce)
	require.NotEqual(t, ta.Nonce, ta.CodeVerifier.Reveal())
	require.False(t, ta.CodeVerifier.Equal(tb.CodeVerifier))
	require.False(t, ta.CodeVerifier.Equal(other.CodeVerifier))
	require.Len(t, ta.CodeVerifier.Reveal(), 43) // RFC 7636 §4.1: 43 to 128
	rotated := newStates(testRing(t, "k3", "k2", "k1"), time.Now)
	kept, ok := rotated.transaction(a, "browser-a", "s", "u")
	require.True(t, ok, "a login under way survives a new key")
	require.Equal(t, ta.Nonce, kept.Nonce)
}

// TestStateIsSmall: twenty tabs share one cookie, and a state fits what providers take.
func TestStateIsSmall(t *testing.T) {
	st, _ := testStates(t)
	state, err := st.seal(st.begin(attempt{Source: "corp", ReturnTo: "/" + strings.Repeat("a", 200)}, "b"))
	require.NoError(t, err)
	require.Less(t, len(state), 700)
}

func FuzzState(f *testing.F) {
	st, _ := testStates(f)
	good, _ := st.seal(st.begin(attempt{Source: "corp", ReturnTo: "/"}, "b"))
	f.Add(good)
	f.Add("")
	f.Add("AQJrMg")
	f.Fuzz(func(t *testing.T, state string) {
		if a, ok := st.open(state); ok && a.Source != "corp" {
			t.Fatalf("opened a state nobody sealed: %+v", a)
		}
	})
}
