package sessiontest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// SourceFixture is a source in its surroundings, for TestSource. Fields that are nil leave out the tests that need
// them; a power the source has without the fields to test it fails the suite.
type SourceFixture struct {
	Source session.Source

	// Good returns a credential the source accepts, Bad one of its making that must not pass, Foreign such as are not
	// of its making. All three belong to a session.Resolver.
	Good    func(t *testing.T) session.Credential
	Bad     func(t *testing.T) session.Credential
	Foreign func(t *testing.T) []session.Credential

	// Login logs somebody in and returns the session as the source made it. It belongs to a session.RedirectLogin and
	// a session.PasswordLogin.
	Login func(t *testing.T) *session.Session

	// Asked counts the questions the authority has got so far. Down makes it unreachable, Stall lets it take
	// questions and never answer, Up puts both right and moves the source's clock past any wait it is in. All nil when
	// the source asks nobody.
	Asked func() int
	Down  func(t *testing.T)
	Stall func(t *testing.T)
	Up    func(t *testing.T)

	// Password returns a user name and password the source accepts. It belongs to a session.PasswordLogin that asks an
	// authority.
	Password func() (username, password string)

	// End ends, at the authority, the session behind a credential that Good returned; EndLogin one that Login made. End
	// belongs to a source that asks an authority about each session, EndLogin to a session.Verifier.
	End      func(t *testing.T, c session.Credential)
	EndLogin func(t *testing.T, s *session.Session)

	// Nonsense lets the authority answer what makes no sense, by the name of what it does: HTML, 1 GiB, half a reply, a
	// redirect to another host. Up puts it right.
	Nonsense map[string]func(t *testing.T)

	// Secrets are texts that must appear in no error; Logs returns all that was logged, where they must not appear
	// either.
	Secrets func() []string
	Logs    func() string
}

// TestSource holds a source against the contract of session.Source and of each optional interface it implements. open
// returns a new fixture each time it is called, in which nobody has been asked yet.
func TestSource(t *testing.T, open func(t *testing.T) SourceFixture) {
	tests := []struct {
		name string
		run  func(t *testing.T, f SourceFixture)
	}{
		{"fixture covers every power", testFixtureCovers},
		{"name and kind are set and stay", testNameAndKind},
		{"places never change", testPlaces},
		{"foreign credentials are ErrNotMine and nobody is asked", testForeign},
		{"a good credential gives a session", testGood},
		{"a bad credential is ErrRejected", testBad},
		{"an authority that is down is ErrUnavailable, and back when it is back", testResolveDown},
		{"an authority that goes down rejects nobody", testGoesDown},
		{"a stalled authority does not outlast the caller", testStalled},
		{"a context that has ended rejects nobody", testCanceled},
		{"sessions share no memory", testIndependent},
		{"64 at once", testConcurrent},
		{"a session that ended at its authority is ErrRejected", testEnded},
		{"nonsense is unknown, never denied, and health tells", testNonsense},
		{"a keeper answers for its own sessions alone", testKeeper},
		{"a touch keeps the session and leaves its argument alone", testTouch},
		{"a credential bound to a User-Agent is rejected with another", testUserAgent},
		{"revoking ends what was resolved", testRevoke},
		{"a password is right, wrong or cannot be checked", testPassword},
		{"a session of ours is verified at its authority", testVerify},
		{"a login page of the authority gets the address to come back to", testLoginURL},
		{"login gives a session", testLogin},
		{"a login at an authority that is down is ErrUnavailable", testLoginDown},
		{"refresh keeps what is the manager's and leaves its argument alone", testRefresh},
		{"a refresh while the authority is down is ErrUnavailable", testRefreshDown},
		{"revoking at an authority that is down is ErrUnavailable", testRevokeDown},
		{"run ends when its context does", testRunEnds},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := open(t)
			tt.run(t, f)
			if f.Logs != nil {
				noSecretsIn(t, f, "the log", f.Logs())
			}
		})
	}
}

func testFixtureCovers(t *testing.T, f SourceFixture) {
	if _, ok := f.Source.(session.Resolver); ok {
		require.NotNil(t, f.Good, "a Resolver needs Good")
		require.NotNil(t, f.Bad, "a Resolver needs Bad")
		require.NotNil(t, f.Foreign, "a Resolver needs Foreign")
	}
	_, redirects := f.Source.(session.RedirectLogin)
	_, passwords := f.Source.(session.PasswordLogin)
	if redirects || passwords {
		require.NotNil(t, f.Login, "a login needs Login")
	}
	if f.Down != nil {
		require.NotNil(t, f.Up, "Down needs Up")
		require.NotNil(t, f.Asked, "an authority needs Asked")
	}
	if _, verifies := f.Source.(session.Verifier); verifies {
		require.NotNil(t, f.EndLogin, "a Verifier needs EndLogin")
	}
	if _, keeps := f.Source.(session.Keeper); keeps {
		require.NotNil(t, f.End, "a Keeper needs End")
	}
	require.NotNil(t, f.Secrets, "Secrets lists what must not leak")
}

func testNameAndKind(t *testing.T, f SourceFixture) {
	name, kind := f.Source.Name(), f.Source.Kind()
	require.NotEmpty(t, name)
	require.NotEmpty(t, kind)
	if f.Good != nil {
		_, err := resolve(t, f, f.Good(t))
		require.NoError(t, err)
	}
	require.Equal(t, name, f.Source.Name())
	require.Equal(t, kind, f.Source.Kind())
	if h, ok := f.Source.(session.HealthChecker); ok {
		require.NoError(t, h.Health(), "healthy until something went wrong")
	}
}

func testPlaces(t *testing.T, f SourceFixture) {
	r := resolver(t, f)
	places := r.Places()
	require.NotEmpty(t, places)
	for _, p := range places {
		require.Equal(t, p.Kind == session.KindBearer, p.Name == "", "only bearer has no name: %v", p)
	}
	places[0] = session.Place{Kind: "changed by the caller"}
	require.NotEqual(t, places, r.Places(), "places are the caller's own")
}

func testForeign(t *testing.T, f SourceFixture) {
	resolver(t, f)
	before := asked(f)
	for _, c := range f.Foreign(t) {
		_, err := resolve(t, f, c)
		require.ErrorIs(t, err, session.ErrNotMine)
	}
	require.Equal(t, before, asked(f), "whose a credential is, is decided without asking")
}

func testGood(t *testing.T, f SourceFixture) {
	resolver(t, f)
	s, err := resolve(t, f, f.Good(t))
	require.NoError(t, err)
	checkShape(t, f, s)
	require.NotEmpty(t, s.ID)
	require.NotEmpty(t, s.Handle)
	require.NotContains(t, s.ID, s.Handle, "a handle gives nothing of the id away")
	again, err := resolve(t, f, f.Good(t))
	require.NoError(t, err)
	require.Equal(t, s.ID, again.ID, "one credential is one session")
}

func testBad(t *testing.T, f SourceFixture) {
	resolver(t, f)
	s, err := resolve(t, f, f.Bad(t))
	require.ErrorIs(t, err, session.ErrRejected)
	require.Nil(t, s)
}

func testResolveDown(t *testing.T, f SourceFixture) {
	resolver(t, f)
	needsAuthority(t, f)
	good := f.Good(t)
	f.Down(t)
	_, err := resolve(t, f, good)
	require.ErrorIs(t, err, session.ErrUnavailable)
	if h, ok := f.Source.(session.HealthChecker); ok {
		require.ErrorIs(t, h.Health(), session.ErrUnavailable)
	}
	f.Up(t)
	_, err = resolve(t, f, good)
	require.NoError(t, err)
	if h, ok := f.Source.(session.HealthChecker); ok {
		require.NoError(t, h.Health())
	}
}

func testGoesDown(t *testing.T, f SourceFixture) {
	resolver(t, f)
	needsAuthority(t, f)
	good := f.Good(t)
	_, err := resolve(t, f, good)
	require.NoError(t, err)
	f.Down(t)
	_, err = resolve(t, f, good)
	require.NotErrorIs(t, err, session.ErrRejected)
}

func testStalled(t *testing.T, f SourceFixture) {
	if f.Stall == nil {
		t.Skip("no authority that could stall")
	}
	call := anyCall(t, f)
	f.Stall(t)
	t.Cleanup(func() { f.Up(t) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	err := call(ctx)
	require.ErrorIs(t, err, session.ErrUnavailable)
	noSecretsIn(t, f, "the error", err.Error())
	require.Less(t, time.Since(begun), 2*time.Second)
}

func testCanceled(t *testing.T, f SourceFixture) {
	call := anyCall(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := call(ctx); err != nil {
		require.ErrorIs(t, err, session.ErrUnavailable)
	}
}

// anyCall returns a call that has to ask the authority, if there is one.
func anyCall(t *testing.T, f SourceFixture) func(context.Context) error {
	if r, ok := f.Source.(session.Resolver); ok {
		good := f.Good(t)
		return func(ctx context.Context) error {
			_, err := r.Resolve(ctx, good)
			return err
		}
	}
	l, ok := f.Source.(session.RedirectLogin)
	if !ok {
		t.Skip("nothing to call")
	}
	return func(ctx context.Context) error {
		_, err := l.AuthorizationURL(ctx, transaction())
		return err
	}
}

func testIndependent(t *testing.T, f SourceFixture) {
	resolver(t, f)
	first, err := resolve(t, f, f.Good(t))
	require.NoError(t, err)
	want := first.Clone()
	spoil(first)
	second, err := resolve(t, f, f.Good(t))
	require.NoError(t, err)
	require.Empty(t, sessionDiff(want, second))
}

// spoil changes everything of s that could be shared.
func spoil(s *session.Session) {
	for i := range s.Identity.Groups {
		s.Identity.Groups[i] = "spoilt"
	}
	for name := range s.Identity.Claims {
		if nested, ok := s.Identity.Claims[name].(map[string]any); ok {
			clear(nested)
		}
		s.Identity.Claims[name] = "spoilt"
	}
	for i := range s.AuthenticationMethods {
		s.AuthenticationMethods[i].Method = "spoilt"
	}
	for name := range s.Properties {
		s.Properties[name] = "spoilt"
	}
}

func testConcurrent(t *testing.T, f SourceFixture) {
	resolver(t, f)
	good, bad := f.Good(t), f.Bad(t)
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for i := range 64 {
		wg.Go(func() {
			c, want := good, error(nil)
			if i%4 == 3 {
				c, want = bad, session.ErrRejected
			}
			_, err := f.Source.(session.Resolver).Resolve(t.Context(), c)
			if !errors.Is(err, want) {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}
