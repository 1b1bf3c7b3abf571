package secretserver

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/secretserver"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// TestTrap01_TheBodyOfA403Decides: one status for a token that has ended and for a user who lacks a right.
func TestTrap01_TheBodyOfA403Decides(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	s := w.login()
	foreign := w.resolve(w.peer.Login("alice").Access)

	w.peer.Forbid("alice", true)
	require.Equal(t, http.StatusForbidden, w.statusOf(s.Tokens.Access))
	require.NoError(t, w.Verify(t.Context(), s), "a missing right ends no session")
	now, err := w.Current(t.Context(), foreign)
	require.NoError(t, err)
	require.Equal(t, foreign.Identity, now.Identity)
	_, err = w.Resolve(t.Context(), bearer(foreign.Tokens.Access.Reveal()))
	unavailable(t, err, "it holds, and nobody can say whose it is")
	require.NoError(t, w.Health())

	w.peer.Forbid("alice", false)
	w.peer.End(s.Tokens.Access.Reveal())
	w.peer.End(foreign.Tokens.Access.Reveal())
	require.Equal(t, http.StatusForbidden, w.statusOf(s.Tokens.Access), "the same status")
	require.ErrorIs(t, w.Verify(t.Context(), s), session.ErrRejected)
	_, err = w.Current(t.Context(), foreign)
	require.ErrorIs(t, err, session.ErrRejected)
	_, err = w.Resolve(t.Context(), bearer(foreign.Tokens.Access.Reveal()))
	require.ErrorIs(t, err, session.ErrRejected)
}

// statusOf is what the server itself answers to a token.
func (w *world) statusOf(token session.Secret) int {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.url+"/api/v1/users/current", nil)
	require.NoError(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	res, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	_ = res.Body.Close()
	return res.StatusCode
}

// TestTrap02_ARefreshTokenWorksOnce: the second use is refused for good, also after an answer that got lost.
func TestTrap02_ARefreshTokenWorksOnce(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	s := w.login()
	n, err := w.Refresh(t.Context(), s)
	require.NoError(t, err)
	require.NotEqual(t, s.Tokens.Access.Reveal(), n.Tokens.Access.Reveal())
	require.NotEqual(t, s.Tokens.Refresh.Reveal(), n.Tokens.Refresh.Reveal())
	_, err = w.Refresh(t.Context(), s)
	require.ErrorIs(t, err, session.ErrRejected, "the old one is spent")
	n, err = w.Refresh(t.Context(), n)
	require.NoError(t, err, "the new one is not")

	w.peer.LoseAnswer()
	_, err = w.Refresh(t.Context(), n)
	unavailable(t, err, "nobody knows whether it was spent")
	require.True(t, w.peer.Alive(n.Tokens.Access.Reveal()), "the session goes on with what it has")
	_, err = w.Refresh(t.Context(), n)
	require.ErrorIs(t, err, session.ErrRejected, "it was")
}

// TestTrap03_AFourthRefreshIsRefused: so the gateway does not try it, and the session lives to the end of its last token
// instead of ending before.
func TestTrap03_AFourthRefreshIsRefused(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	s := w.login()
	require.Equal(t, "3", s.Properties[refreshesLeft])
	fourth := w.login()
	var err error
	for _, left := range []string{"2", "1", "0"} {
		require.True(t, s.Tokens.Renewable())
		s, err = w.Refresh(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, left, s.Properties[refreshesLeft])
	}
	require.False(t, s.Tokens.Renewable(), "there is nothing to try")
	before := w.peer.Panel().Asked()
	_, err = w.Refresh(t.Context(), s)
	require.ErrorIs(t, err, session.ErrUnsupported)
	require.Equal(t, before, w.peer.Panel().Asked())
	require.NoError(t, w.Verify(t.Context(), s), "the last token holds to its end")
	require.True(t, w.ValidSession(s))
	w.peer.Panel().Advance(peer.DefaultTimeout)
	require.ErrorIs(t, w.Verify(t.Context(), s), session.ErrRejected)

	generous := open(t, Options{URL: w.url, MaxRefreshes: 10}, w.peer.Panel().Now, w.logs)
	fourth.Properties[refreshesLeft] = "10"
	for range 3 {
		fourth, err = generous.Refresh(t.Context(), fourth)
		require.NoError(t, err)
	}
	_, err = generous.Refresh(t.Context(), fourth)
	require.ErrorIs(t, err, session.ErrRejected, "whoever counts otherwise than the server is told so")
}

// TestTrap04_WindowsAuthenticationHoldsAndCannotBeEnded: as the vendor's module means it, and not as its code does it.
func TestTrap04_WindowsAuthenticationHoldsAndCannotBeEnded(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	s := &session.Session{Source: "vault", Active: true, Tokens: session.Tokens{Type: TypeWindows}}
	require.True(t, w.ValidSession(s))
	require.True(t, w.ValidToken(s))
	_, known := w.EndsWithin(s, time.Hour)
	require.False(t, known)
	require.ErrorIs(t, w.Revoke(t.Context(), s), session.ErrUnsupported)
	_, err := w.Refresh(t.Context(), s)
	require.ErrorIs(t, err, session.ErrUnsupported)
	require.Zero(t, w.peer.Panel().Asked())

	p := authority.NewProblems("x")
	(&Options{URL: "https://vault.example.com", TokenType: TypeWindows}).Check(p)
	require.ErrorContains(t, p.Err(), "belongs to a connection")
}

// TestTrap05_DeadTokensEndWithinAnyTime: asked whether a token ends soon, one that has ended says yes, so that whoever
// refreshes on a yes refreshes it.
func TestTrap05_DeadTokensEndWithinAnyTime(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	s := w.login()
	within := func(d time.Duration) bool {
		ends, known := w.EndsWithin(s, d)
		require.True(t, known)
		return ends
	}
	require.False(t, within(10*time.Minute))
	require.True(t, within(20*time.Minute))
	require.False(t, within(0))
	w.peer.Panel().Advance(peer.DefaultTimeout)
	require.False(t, w.peer.Alive(s.Tokens.Access.Reveal()))
	require.True(t, within(0))
	require.True(t, within(5*time.Minute))
	require.False(t, w.ValidToken(s))
	n, err := w.Refresh(t.Context(), s)
	require.NoError(t, err, "the refresh token lives 15 minutes longer")
	require.True(t, w.ValidToken(n))
}

// TestWindowsAuthenticationIsAMisconfiguration: 401 from IIS knows nothing of a token.
func TestWindowsAuthenticationIsAMisconfiguration(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	u, err := url.Parse(w.url)
	require.NoError(t, err)
	s := open(t, Options{URL: u.String() + "/winauthwebservices/x"}, time.Now, w.logs)
	_, err = s.Resolve(t.Context(), bearer(w.peer.Login("alice").Access))
	unavailable(t, err)
	require.Error(t, s.Health())
	for name, headers := range map[string][]string{
		"both":            {"WWW-Authenticate", "Negotiate", "WWW-Authenticate", "NTLM"},
		"one header":      {"WWW-Authenticate", "Bearer, NTLM"},
		"with parameters": {"WWW-Authenticate", `Basic realm="vault"`},
		"lower case":      {"WWW-Authenticate", "negotiate"},
	} {
		s = scripted(t, http.StatusUnauthorized, `{"message":"no"}`, headers...)
		_, err = s.Resolve(t.Context(), bearer("x"))
		unavailable(t, err, name)
		require.ErrorContains(t, s.Health(), "authentication", name)
		_, err = s.Refresh(t.Context(), formSession("a", "r"))
		unavailable(t, err, name)
	}
	s = scripted(t, http.StatusUnauthorized, `{"message":"no"}`, "WWW-Authenticate", "Bearer")
	_, err = s.Resolve(t.Context(), bearer("x"))
	require.ErrorIs(t, err, session.ErrRejected)
	require.NoError(t, s.Health())
}
