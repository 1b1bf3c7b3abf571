package source

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
	"github.com/sessionward/sessionward/source/password"
)

const alicePassword = "planted-password"

// aliceHash is made once: bcrypt is slow on purpose.
var aliceHash = sync.OnceValue(func() string {
	h, err := bcrypt.GenerateFromPassword([]byte(alicePassword), password.MinBcryptCost)
	if err != nil {
		panic(err)
	}
	return string(h)
})

// localFixture is a local source with the user alice.
type localFixture struct {
	t     *testing.T
	clock *sessiontest.Clock
	logs  *syncBuffer
	path  string
	opts  LocalOptions
	*Local
}

func newLocal(t *testing.T, change ...func(*LocalOptions)) *localFixture {
	f := &localFixture{t: t, clock: sessiontest.NewClock(startOfTest()), logs: &syncBuffer{}, path: filepath.Join(t.TempDir(), "htpasswd")}
	f.write("alice:" + aliceHash() + "\n")
	f.opts = LocalOptions{
		HtpasswdFile: f.path,
		Users:        []LocalUser{{Username: "alice", Email: "alice@example.com", Name: "Alice", Groups: []string{"dev", "ops"}}},
	}
	for _, c := range change {
		c(&f.opts)
	}
	s, err := Open(Options{Name: "house", Local: &f.opts}, Deps{Now: f.clock.Now, Log: testLog(f.logs)})
	require.NoError(t, err)
	f.Local = s.(*Local)
	return f
}

func (f *localFixture) write(text string) {
	require.NoError(f.t, os.WriteFile(f.path, []byte(text), 0o600))
}

func (f *localFixture) try(username, password, ip string) error {
	_, err := f.VerifyPassword(f.t.Context(), username, session.NewSecret(password), ip)
	return err
}

// cheap replaces bcrypt by a comparison that only counts its work, in units of 2^cost.
func (f *localFixture) cheap() (work *int) {
	work = new(int)
	f.compare = func(hash, password []byte) error {
		cost, err := bcrypt.Cost(hash)
		require.NoError(f.t, err)
		*work += 1 << cost
		if string(hash) == aliceHash() && string(password) == alicePassword {
			return nil
		}
		return bcrypt.ErrMismatchedHashAndPassword
	}
	return work
}

func TestLocalConforms(t *testing.T) {
	sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture {
		key, hash := NewAPIKey("backup")
		other, _ := NewAPIKey("backup")
		f := newLocal(t, func(o *LocalOptions) {
			o.APIKeys = []APIKey{{ID: "backup", Hash: hash, Username: "alice", Groups: []string{"a", "b"}}}
		})
		return sessiontest.SourceFixture{
			Source: f.Local,
			Good:   func(*testing.T) session.Credential { return bearer(key.Reveal()) },
			Bad:    func(*testing.T) session.Credential { return bearer(other.Reveal()) },
			Foreign: func(*testing.T) []session.Credential {
				header := bearer(key.Reveal())
				header.Place = session.Place{Kind: session.KindHeader, Name: "X-Other"}
				return []session.Credential{bearer("a.b.c"), bearer(""), bearer("SWK_a_b"), header}
			},
			Login: func(t *testing.T) *session.Session {
				s, err := f.VerifyPassword(t.Context(), "alice", session.NewSecret(alicePassword), "192.0.2.1")
				require.NoError(t, err)
				return s
			},
			Secrets: func() []string { return []string{key.Reveal(), other.Reveal(), alicePassword} }, Logs: f.logs.String,
		}
	})
}

func TestPasswordSession(t *testing.T) {
	f := newLocal(t)
	s, err := f.VerifyPassword(t.Context(), "alice", session.NewSecret(alicePassword), "192.0.2.1")
	require.NoError(t, err)
	require.Equal(t, &session.Session{
		Source: "house", Active: true, AAL: "aal1", AuthenticatedAt: startOfTest(),
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "pwd", AAL: "aal1", CompletedAt: startOfTest()}},
		Identity: session.Identity{
			Subject: "alice", Username: "alice", Email: "alice@example.com", EmailVerified: true, Name: "Alice", Groups: []string{"dev", "ops"},
		},
	}, s)
}

// Names are exact: nothing that merely looks or folds like a user is one.
func TestUsernamesAreExact(t *testing.T) {
	f := newLocal(t, func(o *LocalOptions) { o.MaxFailuresPerUser, o.MaxFailuresPerIP = 1000, 1000 })
	f.cheap()
	require.NoError(t, f.try("alice", alicePassword, ""))
	for _, name := range []string{"Alice", "ALICE", " alice", "alice ", "alice\x00", "ａｌｉｃｅ", "аlice", "alice:", "alic", "", strings.Repeat("a", 1000)} {
		require.ErrorIs(t, f.try(name, alicePassword, ""), session.ErrRejected, "%q", name)
	}
}

func TestPasswordsBcryptWouldCutAreRefused(t *testing.T) {
	long := strings.Repeat("p", 72)
	h, err := bcrypt.GenerateFromPassword([]byte(long), password.MinBcryptCost)
	require.NoError(t, err)
	f := newLocal(t)
	f.write("alice:" + string(h) + "\n")
	f.clock.Advance(time.Second)
	require.NoError(t, f.try("alice", long, ""))
	require.ErrorIs(t, f.try("alice", long+"x", ""), session.ErrRejected)
	require.ErrorIs(t, f.try("alice", "", ""), session.ErrRejected)
}

// S-106: whoever asks for whomever, the same work is done.
func TestUnknownUsersCostTheSameWork(t *testing.T) {
	f := newLocal(t, func(o *LocalOptions) { o.MaxFailuresPerUser, o.MaxFailuresPerIP = 1000, 1000 })
	strong := strings.Replace(aliceHash(), "$10$", "$12$", 1)
	f.write("alice:" + aliceHash() + "\nbob:" + strong + "\n")
	f.clock.Advance(time.Second)
	work := f.cheap()
	for name, attempt := range map[string][2]string{
		"right": {"alice", alicePassword}, "wrong": {"alice", "x"}, "wrong, stronger hash": {"bob", "x"}, "unknown": {"nobody", "x"},
		"impossible name": {"no body", "x"}, "empty password": {"alice", ""}, "long password": {"alice", strings.Repeat("x", 100)},
	} {
		*work = 0
		_ = f.try(attempt[0], attempt[1], "")
		require.Equal(t, 1<<12, *work, name)
	}
}

func TestMockHashesAreComparedInFull(t *testing.T) {
	p, err := readPasswords(strings.NewReader("alice:" + aliceHash() + "\n"))
	require.NoError(t, err)
	require.ErrorIs(t, bcrypt.CompareHashAndPassword(p.mock[p.max], []byte("x")), bcrypt.ErrMismatchedHashAndPassword)
}

// S-123: guessing is slowed down for the account, whoever guesses, and for the address, whatever it guesses.
func TestGuessingAnAccountHasToWait(t *testing.T) {
	f := newLocal(t)
	f.cheap()
	for i := range 5 {
		require.ErrorIs(t, f.try("alice", "wrong", fmt.Sprint("192.0.2.", i)), session.ErrRejected)
	}
	err := f.try("alice", alicePassword, "192.0.2.99")
	require.ErrorIs(t, err, session.ErrTooMany, "even the right password has to wait")
	require.Equal(t, 30*time.Second, session.RetryAfter(err))
	require.ErrorIs(t, f.try("ALICE", "wrong", ""), session.ErrTooMany, "in any case")

	f.clock.Advance(30 * time.Second)
	require.ErrorIs(t, f.try("alice", "wrong", ""), session.ErrRejected)
	err = f.try("alice", "wrong", "")
	require.Equal(t, time.Minute, session.RetryAfter(err), "longer each time")

	f.clock.Advance(time.Minute)
	require.NoError(t, f.try("alice", alicePassword, ""))
	for range 4 {
		require.ErrorIs(t, f.try("alice", "wrong", ""), session.ErrRejected, "a success begins anew")
	}
}

func TestUnknownUsersHaveToWaitAlike(t *testing.T) {
	f := newLocal(t)
	f.cheap()
	for range 5 {
		require.ErrorIs(t, f.try("nobody", "x", ""), session.ErrRejected)
	}
	require.ErrorIs(t, f.try("nobody", "x", ""), session.ErrTooMany, "no difference shows who exists")
}

func TestAnAddressThatGuessesHasToWait(t *testing.T) {
	f := newLocal(t)
	f.cheap()
	for i := range 20 {
		ip := fmt.Sprintf("2001:db8::%x", i)
		require.ErrorIs(t, f.try(fmt.Sprint("user", i), "x", ip), session.ErrRejected)
	}
	require.ErrorIs(t, f.try("alice", alicePassword, "2001:db8::ffff"), session.ErrTooMany, "a /64 is one client")
	require.NoError(t, f.try("alice", alicePassword, "2001:db8:0:1::1"), "others are unaffected")
}

func TestSuccessesAreNotFailures(t *testing.T) {
	f := newLocal(t)
	f.cheap()
	for range 100 {
		require.NoError(t, f.try("alice", alicePassword, "192.0.2.1"))
	}
}

func TestGuessesAtOnceCannotSlipThrough(t *testing.T) {
	f := newLocal(t)
	var tried sync.Map
	f.compare = func(_, password []byte) error {
		tried.Store(string(password), true)
		return bcrypt.ErrMismatchedHashAndPassword
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { _ = f.try("alice", fmt.Sprint("guess", i), "") })
	}
	wg.Wait()
	count := 0
	tried.Range(func(any, any) bool { count++; return true })
	require.Equal(t, 5, count)
}

func TestComparisonsAreBounded(t *testing.T) {
	f := newLocal(t, func(o *LocalOptions) { o.MaxFailuresPerUser, o.MaxFailuresPerIP = 10_000, 10_000 })
	entered, release := make(chan struct{}, 1000), make(chan struct{})
	f.compare = func(_, _ []byte) error {
		entered <- struct{}{}
		<-release
		return bcrypt.ErrMismatchedHashAndPassword
	}
	var wg sync.WaitGroup
	for range cap(f.slots) {
		wg.Go(func() { _ = f.try("alice", "x", "") })
	}
	for range cap(f.slots) {
		<-entered
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.VerifyPassword(ctx, "alice", session.NewSecret("x"), "")
	require.ErrorIs(t, err, session.ErrUnavailable, "nobody waits longer than they want to")
	require.Empty(t, entered, "no more than the slots at a time")

	f.waiting.Store(maxWaiting)
	require.ErrorIs(t, f.try("alice", "x", ""), session.ErrTooMany)
	f.waiting.Store(0)
	close(release)
	wg.Wait()
}

func TestChangedPasswordFileIsReadAgain(t *testing.T) {
	f := newLocal(t)
	f.cheap()
	f.write("bob:" + aliceHash() + "\n#")
	require.NoError(t, f.try("alice", alicePassword, ""), "looked at once a second at most")
	f.clock.Advance(time.Second)
	require.ErrorIs(t, f.try("alice", alicePassword, ""), session.ErrRejected)
	require.NoError(t, f.try("bob", alicePassword, ""))
	require.NoError(t, f.Health())
}

func TestABadPasswordFileKeepsTheUsers(t *testing.T) {
	f := newLocal(t)
	f.cheap()
	for _, spoil := range []func(){
		func() { f.write("alice:{SHA}planted=\n") },
		func() { require.NoError(t, os.Remove(f.path)) },
	} {
		spoil()
		f.clock.Advance(time.Second)
		require.NoError(t, f.try("alice", alicePassword, ""))
		require.ErrorIs(t, f.Health(), session.ErrUnavailable)
	}
	require.NotContains(t, f.logs.String(), "planted=")
	require.Equal(t, 1, strings.Count(f.logs.String(), "not taken"), "said once")
	f.write("alice:" + aliceHash() + "\n")
	f.clock.Advance(time.Second)
	require.NoError(t, f.Health())
}

func TestAPasswordFileThatComesBackIsHealthy(t *testing.T) {
	f := newLocal(t)
	away := f.path + ".away"
	require.NoError(t, os.Rename(f.path, away))
	f.clock.Advance(time.Second)
	require.ErrorIs(t, f.Health(), session.ErrUnavailable)
	require.NoError(t, os.Rename(away, f.path))
	f.clock.Advance(time.Second)
	require.NoError(t, f.Health())
}

func TestPasswordsNeedAFile(t *testing.T) {
	_, hash := NewAPIKey("k")
	s, err := Open(Options{Name: "keys", Local: &LocalOptions{APIKeys: []APIKey{{ID: "k", Hash: hash, Username: "svc"}}}}, Deps{})
	require.NoError(t, err)
	_, err = s.(*Local).VerifyPassword(t.Context(), "svc", session.NewSecret("x"), "")
	require.ErrorIs(t, err, session.ErrUnsupported)
}

func TestHtpasswdRejects(t *testing.T) {
	good := "alice:" + aliceHash()
	for name, tt := range map[string]struct{ file, want string }{
		"SHA-1":              {good + "\nbob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "line 2"},
		"MD5":                {"# comment\n\nbob:$apr1$x$y", "line 3"},
		"plain text":         {"bob:planted", "line 1"},
		"crypt":              {"bob:rqXexS6ZhobKA", "line 1"},
		"bcrypt $2x$":        {"bob:" + strings.Replace(aliceHash(), "$2a$", "$2x$", 1), "line 1"},
		"too cheap":          {"bob:" + strings.Replace(aliceHash(), "$10$", "$04$", 1), "bcrypt cost 4"},
		"too dear":           {"bob:" + strings.Replace(aliceHash(), "$10$", "$31$", 1), "bcrypt cost 31"},
		"cut off":            {good[:len(good)-1], "line 1"},
		"damaged":            {"bob:" + aliceHash()[:59] + "!", "damaged"},
		"no colon":           {"bob", "line 1"},
		"no name":            {":" + aliceHash(), "line 1"},
		"name with a space":  {"a b:" + aliceHash(), "line 1"},
		"full-width name":    {"ａlice:" + aliceHash(), "line 1"},
		"twice":              {good + "\n" + good, "line 2"},
		"twice but for case": {good + "\nALICE:" + aliceHash(), "line 2"},
		"a line without end": {strings.Repeat("x", 100_000), "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readPasswords(strings.NewReader(tt.file))
			require.ErrorIs(t, err, session.ErrMalformed)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "planted")
			require.NotContains(t, err.Error(), aliceHash()[30:])
		})
	}
	p, err := readPasswords(strings.NewReader("# users\r\n\r\n" + good + "\r\n"))
	require.NoError(t, err)
	require.Len(t, p.hash, 1)
}

func FuzzHtpasswd(f *testing.F) {
	f.Add([]byte("alice:$2y$10$abcdefghijklmnopqrstuuWw9yVDRVVDRVVDRVVDRVVDRVVDRVVDR\n"))
	f.Add([]byte("# c\r\n\r\nbob:{SHA}x"))
	f.Add([]byte("a:$2a$31$" + strings.Repeat("x", 53)))
	f.Add([]byte("a:$2a$-1$" + strings.Repeat("x", 53)))
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := readPasswords(bytes.NewReader(file))
		if err != nil {
			require.ErrorIs(t, err, session.ErrMalformed)
			return
		}
		for user, hash := range p.hash {
			require.True(t, validUsername(user))
			cost, err := bcrypt.Cost(hash)
			require.NoError(t, err)
			require.True(t, cost >= password.MinBcryptCost && cost <= p.max && p.max <= password.MaxBcryptCost)
			require.NotNil(t, p.mock[cost])
		}
	})
}
