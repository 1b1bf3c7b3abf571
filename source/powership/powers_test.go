package powership

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

const bobID = "01GM7285ZR7MX76PNMF3G2BBBB"

// crowd is alice three times, the last one a while later, and bob once.
func crowd(t *testing.T) (w *nativeWorld, alice []*session.Session, bob *session.Session) {
	t.Helper()
	o := nativeOptions(t)
	o.Native.Properties = []string{"theme", "locale"}
	w = openNativeWorld(t, o)
	enter := func(name string) *session.Session {
		w.clock.advance(time.Second)
		r, err := w.native.begin(t.Context(), w.native.accounts.Current().byUsername[name], ConnectionInfo{IP: address, UserAgent: browser})
		require.NoError(t, err)
		s, err := w.Resolve(t.Context(), cookie(r.AuthToken))
		require.NoError(t, err)
		return s
	}
	return w, []*session.Session{enter("alice"), enter("alice"), enter("alice")}, enter("bob")
}

func (w *nativeWorld) listed(t *testing.T, q session.Query) (ids []string) {
	t.Helper()
	for s, err := range w.List(t.Context(), q) {
		require.NoError(t, err)
		require.True(t, s.Tokens.Access.Empty(), "listed sessions carry no tokens")
		ids = append(ids, s.SourceSessionID)
	}
	return ids
}

func TestListedSessions(t *testing.T) {
	w, alice, bob := crowd(t)
	all := []string{alice[2].SourceSessionID, alice[1].SourceSessionID, alice[0].SourceSessionID}
	require.Equal(t, all, w.listed(t, session.Query{Subject: vectorAccount}))
	require.Equal(t, all, w.listed(t, session.Query{Username: "alice"}))
	require.Equal(t, all, w.listed(t, session.Query{Username: "alice", Subject: vectorAccount}))
	require.ElementsMatch(t, append(all, bob.SourceSessionID), w.listed(t, session.Query{}))
	for _, q := range []session.Query{{Username: "nobody"}, {Subject: "nobody"}, {Realm: "x"}, {Username: "alice", Subject: bobID}} {
		require.Empty(t, w.listed(t, q))
	}
	require.NoError(t, w.Revoke(t.Context(), alice[1]))
	require.Len(t, w.listed(t, session.Query{Subject: vectorAccount}), 3)
	require.Len(t, w.listed(t, session.Query{Subject: vectorAccount, ActiveOnly: true}), 2)
	for s, err := range w.ListOwn(t.Context(), alice[0]) {
		require.NoError(t, err)
		require.Equal(t, "Alice Liddell", s.Identity.Name)
		require.True(t, s.Active)
		require.Contains(t, []string{alice[0].ID, alice[2].ID}, s.ID, "the id is the one it has when it is shown")
	}
	for _, err := range w.ListOwn(t.Context(), &session.Session{}) {
		require.Error(t, err, "nobody's sessions are not everybody's")
	}
	w.clock.advance(DefaultTokenDuration)
	require.Empty(t, w.listed(t, session.Query{ActiveOnly: true}), "no token is left")

	w.docs.set(true, false)
	for _, err := range w.List(t.Context(), session.Query{}) {
		require.ErrorIs(t, err, session.ErrUnavailable)
	}
}

func (w *nativeWorld) holds(t *testing.T, s *session.Session) bool {
	t.Helper()
	_, err := w.Current(t.Context(), s)
	if err != nil {
		require.ErrorIs(t, err, session.ErrRejected)
	}
	return err == nil
}

func TestRevokedByID(t *testing.T) {
	w, alice, bob := crowd(t)
	gone, err := w.RevokeIDs(t.Context(), alice[0].SourceSessionID, bob.SourceSessionID, "no id", sessionCursor("x", "y").graphID())
	require.NoError(t, err)
	require.Equal(t, map[string]bool{alice[0].SourceSessionID: true, bob.SourceSessionID: true, "no id": true, sessionCursor("x", "y").graphID(): true}, gone)
	require.False(t, w.holds(t, alice[0]))
	require.True(t, w.holds(t, alice[1]))
	w.docs.set(true, false)
	gone, err = w.RevokeIDs(t.Context(), alice[1].SourceSessionID)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.Equal(t, map[string]bool{alice[1].SourceSessionID: false}, gone)
}

func TestRevokedByTheUser(t *testing.T) {
	w, alice, bob := crowd(t)
	err := w.RevokeOwn(t.Context(), alice[0], alice[1].SourceSessionID, bob.SourceSessionID)
	require.ErrorIs(t, err, session.ErrNotFound)
	require.False(t, w.holds(t, alice[1]))
	require.True(t, w.holds(t, bob), "nobody ends sessions of others")
	n, err := w.RevokeOthers(t.Context(), alice[0])
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.True(t, w.holds(t, alice[0]))
	require.False(t, w.holds(t, alice[2]))
	require.True(t, w.holds(t, bob))
	n, err = w.RevokeOthers(t.Context(), alice[0])
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = w.RevokeOthers(t.Context(), &session.Session{})
	require.Error(t, err)
	require.True(t, w.holds(t, bob), "nobody's others are not everybody")
}

func TestRevokedByAnAdministrator(t *testing.T) {
	w, alice, bob := crowd(t)
	n, err := w.RevokeUser(t.Context(), session.Query{Username: "alice"})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.False(t, w.holds(t, alice[2]))
	require.True(t, w.holds(t, bob))
	n, err = w.RevokeUser(t.Context(), session.Query{Username: "nobody"})
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = w.RevokeUser(t.Context(), session.Query{})
	require.ErrorIs(t, err, session.ErrMalformed)
	require.True(t, w.holds(t, bob))
	n, err = w.RevokeAll(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.False(t, w.holds(t, bob))
}

func TestProperties(t *testing.T) {
	w, alice, _ := crowd(t)
	s := alice[0]
	got, err := w.ReadProperties(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"theme": "", "locale": ""}, got)
	got, err = w.UpdateProperties(t.Context(), s, map[string]string{"theme": "dark"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"theme": "dark", "locale": ""}, got)
	w.clock.advance(time.Hour)
	s, err = w.Resolve(t.Context(), cookie(s.Tokens.Access))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"theme": "dark"}, s.Properties, "an exchange keeps them")
	for name, class := range map[string]error{"ip": session.ErrInsufficient, "role": session.ErrInsufficient} {
		_, err = w.UpdateProperties(t.Context(), s, map[string]string{"locale": "de", name: "x"})
		require.ErrorIs(t, err, class)
	}
	_, err = w.UpdateProperties(t.Context(), s, map[string]string{"locale": strings.Repeat("x", maxPropertyValue+1)})
	require.ErrorIs(t, err, session.ErrMalformed)
	got, err = w.UpdateProperties(t.Context(), s, map[string]string{"theme": ""})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"theme": "", "locale": ""}, got, "nothing of what was refused was written")
	require.NoError(t, w.Revoke(t.Context(), s))
	_, err = w.UpdateProperties(t.Context(), s, map[string]string{"theme": "x"})
	require.ErrorIs(t, err, session.ErrRejected)
	_, err = w.ReadProperties(t.Context(), s)
	require.ErrorIs(t, err, session.ErrRejected)
}
