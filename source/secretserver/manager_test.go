package secretserver

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/secretserver"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/store"
)

// house is the manager and the validator around a source, as the program puts them together.
type house struct {
	*world
	manager   *session.Manager
	validator *session.Validator
	cookie    session.Credential
}

// newHouse logs alice in by the form.
func newHouse(t *testing.T, po peer.Options) *house {
	t.Helper()
	w := newWorld(t, po, nil)
	now := w.peer.Panel().Now
	ring, err := session.NewKeyRing(session.Key{ID: "k", Secret: session.NewSecret(string(bytes.Repeat([]byte("k"), session.KeySize)))})
	require.NoError(t, err)
	memory, err := store.OpenMemory(store.MemoryOptions{}, store.Deps{Now: now})
	require.NoError(t, err)
	m, err := session.NewManager(session.ManagerOptions{
		Store: memory, Keys: ring, CookieName: "c", Sources: []session.Source{w.Source}, Now: now,
		// A touch is written in the background and remembered as of then: with the clock of these tests that can be minutes.
		Lifetime: session.Lifetime{IdleTimeout: 24 * time.Hour, TouchEvery: 12 * time.Hour},
	})
	require.NoError(t, err)
	v, err := session.NewValidator(session.ValidatorOptions{Resolvers: []session.Resolver{m, w.Source}, Now: now})
	require.NoError(t, err)
	m.OnEnd(func(s *session.Session, _ session.EndReason) { v.End(s) })
	t.Cleanup(func() {
		w.peer.Panel().Set(panel.Up)
		v.Close()
		m.Close()
	})
	_, value, err := m.Create(t.Context(), w.login(), session.Device{})
	require.NoError(t, err)
	c := session.Credential{Place: session.Place{Kind: session.KindCookie, Name: "c"}, Value: value}
	return &house{world: w, manager: m, validator: v, cookie: c}
}

func (h *house) ask() (*session.Session, error) {
	a, err := h.validator.Validate(h.t.Context(), h.cookie)
	return a.Session, err
}

// TestManyRequestsSpendOneRefreshToken: when the token has ended all of them wait for one renewal, and the server is shown
// each refresh token once.
func TestManyRequestsSpendOneRefreshToken(t *testing.T) {
	h := newHouse(t, peer.Options{})
	first, err := h.ask()
	require.NoError(t, err)
	h.peer.Panel().Advance(peer.DefaultTimeout)
	var wg sync.WaitGroup
	answers := make(chan error, 64)
	for range 64 {
		wg.Go(func() {
			_, err := h.ask()
			answers <- err
		})
	}
	wg.Wait()
	close(answers)
	for err := range answers {
		require.NoError(t, err)
	}
	require.Equal(t, 1, h.spent())
	now, err := h.ask()
	require.NoError(t, err)
	require.Equal(t, []string{first.ID, first.Handle, "2"}, []string{now.ID, now.Handle, now.Properties[refreshesLeft]})
	require.True(t, now.Tokens.ExpiresAt.After(first.Tokens.ExpiresAt))
	require.Equal(t, first.ExpiresAt, now.ExpiresAt)
}

// TestASessionOutlivesThreeRefreshesByOneToken, and then its user has to log in again.
func TestASessionOutlivesThreeRefreshesByOneToken(t *testing.T) {
	h := newHouse(t, peer.Options{})
	for range peer.DefaultMaxRefreshes {
		h.peer.Panel().Advance(peer.DefaultTimeout)
		_, err := h.ask()
		require.NoError(t, err)
	}
	h.peer.Panel().Advance(peer.DefaultTimeout - time.Minute)
	_, err := h.ask()
	require.NoError(t, err, "the fourth token to its end")
	h.peer.Panel().Advance(time.Minute + session.DefaultFreshFor + session.DefaultStaleFor)
	_, err = h.ask()
	require.ErrorIs(t, err, session.ErrRejected)
	require.Equal(t, peer.DefaultMaxRefreshes, h.spent(), "no refresh that is bound to fail")
}

// TestASessionEndedAtTheServerEndsHere within the time its answer is remembered; an outage ends nothing.
func TestASessionEndedAtTheServerEndsHere(t *testing.T) {
	h := newHouse(t, peer.Options{})
	s, err := h.ask()
	require.NoError(t, err)
	beyond := session.DefaultFreshFor + session.DefaultStaleFor
	for _, mode := range append(panel.Nonsense(), panel.Failing, panel.Down) {
		h.peer.Panel().Set(mode)
		h.peer.Panel().Advance(beyond)
		_, err = h.ask()
		unavailable(t, err, mode)
	}
	h.peer.Panel().Set(panel.Up)
	h.peer.Panel().Advance(beyond)
	_, err = h.ask()
	require.NoError(t, err, "nobody was logged out")
	h.peer.Forbid("alice", true)
	h.peer.Panel().Advance(beyond)
	_, err = h.ask()
	require.NoError(t, err, "nor by a missing right")
	h.peer.Forbid("alice", false)
	h.peer.End(s.Tokens.Access.Reveal())
	h.peer.Panel().Advance(beyond)
	_, err = h.ask()
	require.ErrorIs(t, err, session.ErrRejected)
}

// TestALogoutEndsTheTokenAtTheServer, in the background.
func TestALogoutEndsTheTokenAtTheServer(t *testing.T) {
	h := newHouse(t, peer.Options{})
	s, err := h.ask()
	require.NoError(t, err)
	require.NoError(t, h.manager.End(t.Context(), s, session.EndLogout))
	h.manager.Close()
	require.False(t, h.peer.Alive(s.Tokens.Access.Reveal()))
}
