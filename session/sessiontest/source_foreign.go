package sessiontest

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func testEnded(t *testing.T, f SourceFixture) {
	resolver(t, f)
	if f.End == nil {
		t.Skip("nobody ends sessions there")
	}
	good := f.Good(t)
	_, err := resolve(t, f, good)
	require.NoError(t, err)
	f.End(t, good)
	_, err = resolve(t, f, good)
	require.ErrorIs(t, err, session.ErrRejected)
}

// patience is how long an answer that never ends is waited for.
const patience = 500 * time.Millisecond

func testNonsense(t *testing.T, f SourceFixture) {
	r := resolver(t, f)
	if f.Nonsense == nil {
		t.Skip("no authority that could answer nonsense")
	}
	health, _ := f.Source.(session.HealthChecker)
	require.NotNil(t, health, "a source with an authority says how it is")
	good := f.Good(t)
	for name, begin := range f.Nonsense {
		begin(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
		_, err := r.Resolve(ctx, good)
		cancel()
		require.ErrorIs(t, err, session.ErrUnavailable, name)
		require.NotErrorIs(t, err, session.ErrRejected, name)
		noSecretsIn(t, f, "the error", err.Error())
		require.ErrorIs(t, health.Health(), session.ErrUnavailable, name)
		noSecretsIn(t, f, "the health", health.Health().Error())
		f.Up(t)
		_, err = resolve(t, f, good)
		require.NoError(t, err, "after %s", name)
		require.NoError(t, health.Health(), "after %s", name)
	}
}

func testKeeper(t *testing.T, f SourceFixture) {
	k, ok := f.Source.(session.Keeper)
	if !ok {
		t.Skip("not a Keeper")
	}
	good := f.Good(t)
	s, err := resolve(t, f, good)
	require.NoError(t, err)
	now, err := k.Current(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, []string{s.ID, s.Source, s.Identity.Subject}, []string{now.ID, now.Source, now.Identity.Subject})
	checkShape(t, f, now)

	before := asked(f)
	other := s.Clone()
	other.ID = "of another"
	_, err = k.Current(t.Context(), other)
	require.ErrorIs(t, err, session.ErrNotMine, "a session of another id")
	other = s.Clone()
	other.Source = "another"
	_, err = k.Current(t.Context(), other)
	require.ErrorIs(t, err, session.ErrNotMine, "a session of another source")
	require.Equal(t, before, asked(f), "whose a session is, is decided without asking")

	if f.Down != nil {
		f.Down(t)
		_, err = k.Current(t.Context(), s)
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.NotErrorIs(t, err, session.ErrRejected)
		f.Up(t)
	}
	f.End(t, good)
	_, err = k.Current(t.Context(), s)
	require.ErrorIs(t, err, session.ErrRejected)
}

func testTouch(t *testing.T, f SourceFixture) {
	toucher, ok := f.Source.(session.Toucher)
	if !ok {
		t.Skip("no idle clock")
	}
	good := f.Good(t)
	s, err := resolve(t, f, good)
	require.NoError(t, err)
	before := s.Clone()
	touched, err := toucher.Touch(t.Context(), s, good)
	require.NoError(t, err)
	require.Empty(t, sessionDiff(before, s), "the argument is immutable")
	require.Equal(t, []string{s.ID, s.Handle, s.Identity.Subject}, []string{touched.ID, touched.Handle, touched.Identity.Subject})
	require.False(t, touched.IdleExpiresAt.Before(s.IdleExpiresAt))
	checkShape(t, f, touched)
	if f.Down == nil {
		return
	}
	f.Down(t)
	_, err = toucher.Touch(t.Context(), s, good)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)
	f.Up(t)
	f.End(t, good)
	_, err = toucher.Touch(t.Context(), s, good)
	require.ErrorIs(t, err, session.ErrRejected)
}

func testUserAgent(t *testing.T, f SourceFixture) {
	b, ok := f.Source.(session.UserAgentBinder)
	if !ok || !b.BindsUserAgent() {
		t.Skip("binds nothing")
	}
	good := f.Good(t)
	_, err := resolve(t, f, good)
	require.NoError(t, err)
	good.UserAgent += "/other"
	_, err = resolve(t, f, good)
	require.ErrorIs(t, err, session.ErrRejected)
}

func testRevoke(t *testing.T, f SourceFixture) {
	resolver(t, f)
	r, ok := f.Source.(session.Revoker)
	if !ok {
		t.Skip("nothing to revoke")
	}
	good := f.Good(t)
	s, err := resolve(t, f, good)
	require.NoError(t, err)
	if f.Down != nil {
		f.Down(t)
		err = r.Revoke(t.Context(), s)
		require.ErrorIs(t, err, session.ErrUnavailable)
		noSecretsIn(t, f, "the error", err.Error())
		f.Up(t)
	}
	require.NoError(t, r.Revoke(t.Context(), s))
	_, err = resolve(t, f, good)
	require.ErrorIs(t, err, session.ErrRejected)
	require.NoError(t, r.Revoke(t.Context(), s), "what is gone is gone")
}

func testPassword(t *testing.T, f SourceFixture) {
	l, ok := f.Source.(session.PasswordLogin)
	if !ok || f.Password == nil {
		t.Skip("no password that an authority checks")
	}
	username, password := f.Password()
	verify := func(password string) error {
		_, err := l.VerifyPassword(t.Context(), username, session.NewSecret(password), "203.0.113.9")
		if err != nil {
			noSecretsIn(t, f, "the error", err.Error())
		}
		return err
	}
	require.NoError(t, verify(password))
	require.ErrorIs(t, verify(password+"x"), session.ErrRejected)
	require.ErrorIs(t, verify(""), session.ErrRejected)
	f.Down(t)
	err := verify(password)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)
	f.Up(t)
	for name, begin := range f.Nonsense {
		begin(t)
		err = verify(password)
		require.ErrorIs(t, err, session.ErrUnavailable, name)
		require.NotErrorIs(t, err, session.ErrRejected, name)
		f.Up(t)
	}
	require.NoError(t, verify(password))
}

func testVerify(t *testing.T, f SourceFixture) {
	v, ok := f.Source.(session.Verifier)
	if !ok {
		t.Skip("is not asked about sessions of ours")
	}
	s := f.Login(t)
	before := s.Clone()
	require.NoError(t, v.Verify(t.Context(), s))
	require.Empty(t, sessionDiff(before, s), "the argument is immutable")
	f.Down(t)
	err := v.Verify(t.Context(), s)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)
	noSecretsIn(t, f, "the error", err.Error())
	f.Up(t)
	f.EndLogin(t, s)
	require.ErrorIs(t, v.Verify(t.Context(), s), session.ErrRejected)
}

func testLoginURL(t *testing.T, f SourceFixture) {
	l, ok := f.Source.(session.ExternalLogin)
	if !ok {
		t.Skip("no login page of its own")
	}
	const returnTo = "https://gateway.example/a?b=c&d=e f#g"
	before := asked(f)
	raw := l.LoginURL(returnTo)
	require.Equal(t, before, asked(f), "nobody is asked")
	if raw == "" {
		t.Skip("no login page is configured")
	}
	u, err := url.Parse(raw)
	require.NoError(t, err)
	require.True(t, u.IsAbs())
	found := false
	for _, values := range u.Query() {
		found = found || len(values) == 1 && values[0] == returnTo
	}
	require.True(t, found, "one parameter is the whole address to come back to: %s", raw)
}
