package sessiontest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func testLogin(t *testing.T, f SourceFixture) {
	if f.Login == nil {
		t.Skip("nobody logs in here")
	}
	s := f.Login(t)
	checkShape(t, f, s)
	require.Empty(t, s.ID, "the manager gives the id")
	require.Empty(t, s.Handle, "the manager gives the handle")
	require.Zero(t, s.ExpiresAt, "the manager sets the end")
}

func testLoginDown(t *testing.T, f SourceFixture) {
	l, ok := f.Source.(session.RedirectLogin)
	if !ok {
		t.Skip("no redirect login")
	}
	needsAuthority(t, f)
	f.Down(t)
	_, err := l.AuthorizationURL(t.Context(), transaction())
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.Positive(t, session.RetryAfter(err), "says when to come back")
	_, err = l.Exchange(t.Context(), transaction(), session.Callback{Code: "code", State: "state"})
	require.ErrorIs(t, err, session.ErrUnavailable)
	f.Up(t)
	_, err = l.AuthorizationURL(t.Context(), transaction())
	require.NoError(t, err)
}

func testRefresh(t *testing.T, f SourceFixture) {
	r, s := renewable(t, f)
	before := s.Clone()
	n, err := r.Refresh(t.Context(), s)
	require.NoError(t, err)
	require.Empty(t, sessionDiff(before, s), "the argument is immutable")
	require.NotSame(t, s, n)
	require.Equal(t,
		[]any{s.ID, s.Handle, s.Source, s.IssuedAt, s.AuthenticatedAt, s.Identity.Subject},
		[]any{n.ID, n.Handle, n.Source, n.IssuedAt, n.AuthenticatedAt, n.Identity.Subject})
	require.False(t, n.ExpiresAt.Before(s.ExpiresAt), "a renewal never shortens a session")
	if f.Login != nil {
		require.Equal(t, s.ExpiresAt, n.ExpiresAt, "the end of a session of ours is the manager's")
	}
	checkShape(t, f, n)
	spoil(n)
	require.Empty(t, sessionDiff(before, s), "the renewed session shares no memory with the old")
}

func testRefreshDown(t *testing.T, f SourceFixture) {
	r, s := renewable(t, f)
	needsAuthority(t, f)
	f.Down(t)
	_, err := r.Refresh(t.Context(), s)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)
	noSecretsIn(t, f, "the error", err.Error())
	f.Up(t)
	_, err = r.Refresh(t.Context(), s)
	require.NoError(t, err)
}

func testRevokeDown(t *testing.T, f SourceFixture) {
	r, ok := f.Source.(session.Revoker)
	if !ok || f.Login == nil {
		t.Skip("nothing to revoke")
	}
	needsAuthority(t, f)
	s := f.Login(t)
	f.Down(t)
	err := r.Revoke(t.Context(), s)
	require.ErrorIs(t, err, session.ErrUnavailable)
	noSecretsIn(t, f, "the error", err.Error())
	f.Up(t)
	require.NoError(t, r.Revoke(t.Context(), s))
	require.NoError(t, r.Revoke(t.Context(), s), "what is gone is gone")
}

func testRunEnds(t *testing.T, f SourceFixture) {
	r, ok := f.Source.(session.Starter)
	if !ok {
		t.Skip("no work in the background")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		require.Fail(t, "Run goes on after its context has ended")
	}
}

// renewable logs in and gives the session what a manager would.
func renewable(t *testing.T, f SourceFixture) (session.Refresher, *session.Session) {
	t.Helper()
	r, ok := f.Source.(session.Refresher)
	if !ok {
		t.Skip("nothing to refresh")
	}
	if f.Login == nil {
		s, err := resolve(t, f, f.Good(t))
		require.NoError(t, err)
		return r, s
	}
	s := f.Login(t)
	s.ID, s.Handle = "id", "handle"
	s.IssuedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.ExpiresAt = s.IssuedAt.AddDate(100, 0, 0)
	s.Properties = map[string]string{"color": "green"}
	return r, s
}
