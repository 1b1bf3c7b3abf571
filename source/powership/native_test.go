package powership

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
	"github.com/sessionward/sessionward/source/password"
)

func TestSessionOfAnAccount(t *testing.T) {
	o := nativeOptions(t)
	w := openNativeWorld(t, o)
	raw := w.token(t)
	d := w.document(t, raw)
	s, err := w.Resolve(t.Context(), cookie(raw))
	require.NoError(t, err)
	require.Equal(t, session.Identity{
		Subject: vectorAccount, Username: "alice", Email: "alice@example.com", EmailVerified: true, Name: "Alice Liddell",
		Groups: []string{"staff", "readers"},
	}, s.Identity)
	require.Equal(t, "accounts", s.Source)
	require.Equal(t, d.ID(), s.SourceSessionID)
	require.True(t, strings.HasPrefix(s.Handle, "powership-"), s.Handle)
	require.Equal(t, "aal1", s.AAL)
	require.Equal(t, d.CreatedAt, s.IssuedAt)
	require.Equal(t, d.CreatedAt, s.AuthenticatedAt)
	require.Equal(t, d.UpdatedAt, s.LastAccessAt)
	require.Equal(t, ulidTime(d.ULID), d.CreatedAt.Truncate(time.Millisecond))
	require.Equal(t, w.clock.now().Truncate(time.Second).Add(DefaultTokenDuration), s.ExpiresAt)
	require.Equal(t, session.Tokens{Type: "jwt", Access: raw, ExpiresAt: s.ExpiresAt}, s.Tokens)
	require.Equal(t, []session.Device{{IP: address, UserAgent: browser, LastSeenAt: d.UpdatedAt}}, s.Devices)
	require.Zero(t, s.IdleExpiresAt)
	require.True(t, w.ValidSession(s))
	require.True(t, w.ValidToken(s))
	ends, known := w.EndsWithin(s, DefaultTokenDuration)
	require.True(t, ends && known)
	ends, known = w.EndsWithin(s, DefaultTokenDuration-time.Minute)
	require.True(t, known)
	require.False(t, ends)
	w.clock.advance(DefaultTokenDuration)
	require.False(t, w.ValidToken(s))
	require.False(t, w.ValidSession(&session.Session{Active: true, Source: "accounts"}))
}

func TestYoungTokensAreNotExchanged(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	raw := w.token(t)
	w.clock.advance(DefaultRotateAfter - 2*time.Second)
	s, err := w.Resolve(t.Context(), cookie(raw))
	require.NoError(t, err)
	require.True(t, s.Tokens.Access.Equal(raw))
	require.Empty(t, s.Reissue)
	before := w.document(t, raw)

	w.clock.advance(2 * time.Second)
	s, err = w.Resolve(t.Context(), cookie(raw))
	require.NoError(t, err)
	require.False(t, s.Tokens.Access.Equal(raw))
	after := w.document(t, raw)
	require.NotEqual(t, before.Token, after.Token, "last write wins")
	require.Equal(t, before.Token, after.previous)
	require.Equal(t, w.clock.now(), after.UpdatedAt)
	require.Equal(t, w.clock.now().Truncate(time.Second).Add(DefaultTokenDuration), s.ExpiresAt, "the end slides")
	fresh, err := w.Resolve(t.Context(), cookie(s.Tokens.Access))
	require.NoError(t, err)
	require.Equal(t, []string{s.ID, s.Handle}, []string{fresh.ID, fresh.Handle}, "every token of a session is that session")
	require.Empty(t, fresh.Reissue)
}

func TestExchangedAtEveryQuestion(t *testing.T) {
	o := nativeOptions(t)
	o.RotateAfter = -1
	w := openNativeWorld(t, o)
	raw := w.token(t)
	for range 3 {
		s, err := w.Resolve(t.Context(), cookie(raw))
		require.NoError(t, err)
		require.False(t, s.Tokens.Access.Equal(raw))
		raw = s.Tokens.Access
	}
}

func TestHowANewTokenReachesTheClient(t *testing.T) {
	o := nativeOptions(t)
	o.RotateAfter = -1
	o.Credentials.Cookie, o.Credentials.Header, o.Credentials.Bearer = "sid", "x-session", true
	o.Reissue = ReissueOptions{CookieDomain: "example.com", CookiePath: "/app", CookieSameSite: "strict", Header: "x-new-token"}
	w := openNativeWorld(t, o)
	for _, place := range w.Source.Places() {
		c := cookie(w.token(t))
		c.Place = place
		s, err := w.Resolve(t.Context(), c)
		require.NoError(t, err)
		require.Len(t, s.Reissue, 1)
		if place.Kind != session.KindCookie {
			require.Equal(t, "X-New-Token", s.Reissue[0].Name)
			require.Equal(t, s.Tokens.Access.Reveal(), s.Reissue[0].Value.Reveal())
			continue
		}
		require.Equal(t, "Set-Cookie", s.Reissue[0].Name)
		set, err := http.ParseSetCookie(s.Reissue[0].Value.Reveal())
		require.NoError(t, err)
		set.Raw, set.RawExpires = "", ""
		require.Equal(t, &http.Cookie{
			Name: "sid", Value: s.Tokens.Access.Reveal(), Domain: "example.com", Path: "/app", Expires: s.ExpiresAt,
			Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		}, set)
	}
}

func TestAddressIsWrittenDownWithoutANewToken(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	raw := w.token(t)
	c := cookie(raw)
	c.RemoteIP = "198.51.100.7"
	s, err := w.Resolve(t.Context(), c)
	require.NoError(t, err)
	require.True(t, s.Tokens.Access.Equal(raw))
	require.Equal(t, "198.51.100.7", w.document(t, raw).Connection.IP)
	writes := w.docs.count()
	_, err = w.Resolve(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, writes+1, w.docs.count(), "nothing new is nothing to write")
}

// The client of a token that was exchanged a moment ago gets the newest one again, and nothing is exchanged once more:
// otherwise the second of two requests under way would make the first one's answer worthless.
func TestStrictGivesTheNewestTokenAgain(t *testing.T) {
	o := nativeOptions(t)
	o.Strict = true
	w := openNativeWorld(t, o)
	raw := w.token(t)
	w.clock.advance(time.Hour)
	one, err := w.Resolve(t.Context(), cookie(raw))
	require.NoError(t, err)
	other, err := w.Resolve(t.Context(), cookie(raw))
	require.NoError(t, err)
	a, err := readToken(one.Tokens.Access.Reveal())
	require.NoError(t, err)
	b, err := readToken(other.Tokens.Access.Reveal())
	require.NoError(t, err)
	require.Equal(t, a.data, b.data)
	require.NotEmpty(t, other.Reissue)
	w.clock.advance(DefaultGrace)
	for _, s := range []*session.Session{one, other} {
		_, err = w.Resolve(t.Context(), cookie(s.Tokens.Access))
		require.NoError(t, err)
	}
}

func TestDeactivatedAccountIsForbiddenNotLoggedOut(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	raw := w.token(t)
	s, err := w.Resolve(t.Context(), cookie(raw))
	require.NoError(t, err)
	rewrite(t, w, "username: alice", "username: alice\n    deactivated: true")
	for name, ask := range map[string]func() error{
		"resolve": func() error { _, err := w.Resolve(t.Context(), cookie(raw)); return err },
		"current": func() error { _, err := w.Current(t.Context(), s); return err },
		"verify":  func() error { return w.Verify(t.Context(), s) },
	} {
		err := ask()
		require.ErrorIs(t, err, session.ErrInsufficient, name)
		require.NotErrorIs(t, err, session.ErrRejected, name)
		require.Empty(t, session.LoginURL(err))
	}
	_, err = w.VerifyPassword(t.Context(), "carol", session.NewSecret(wonder), address)
	require.ErrorIs(t, err, session.ErrInsufficient)
	require.True(t, w.document(t, raw).Valid)
}

func TestAccountThatIsGoneIsRejected(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	raw := w.token(t)
	rewrite(t, w, "01GM7285ZR7MX76PNMF3G2MD3P", "01GM7285ZR7MX76PNMF3G2DDDD")
	_, err := w.Resolve(t.Context(), cookie(raw))
	require.ErrorIs(t, err, UserNotFound)
	require.ErrorIs(t, err, session.ErrRejected)
}

// rewrite changes the accounts file and lets the source look at it.
func rewrite(t *testing.T, w *nativeWorld, old, new string) {
	t.Helper()
	path := w.native.o.AccountsFile
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), old)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o600))
	w.clock.advance(password.FileCheckEvery)
}

func TestAccountsFileThatMakesNoSenseChangesNothing(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	raw := w.token(t)
	rewrite(t, w, "accounts:", "acounts:")
	_, err := w.Resolve(t.Context(), cookie(raw))
	require.NoError(t, err)
	require.ErrorIs(t, w.Health(), session.ErrUnavailable)
	require.Contains(t, w.log.String(), "file of users not taken")
	rewrite(t, w, "acounts:", "accounts:")
	require.NoError(t, w.Health())
}

func TestAccountsThatAreRefused(t *testing.T) {
	for want, text := range map[string]string{
		"accounts[0]: id: is missing":               "accounts: [{username: a}]",
		"accounts[0]: id: is missing or":            "accounts: [{id: a⋮b, username: a}]",
		"accounts[1]: id: stands twice":             "accounts: [{id: a, username: a}, {id: a, username: b}]",
		"accounts[1]: username: stands twice":       "accounts: [{id: a, username: a}, {id: b, username: A}]",
		"accounts[0]: username: must be":            "accounts: [{id: a, username: a b}]",
		"accounts[0]: password_hash: malformed":     "accounts: [{id: a, username: a, password_hash: plain-secret}]",
		"is not a list of accounts in YAML or JSON": "accounts: [{id: a, username: a, pasword_hash: plain-secret}]",
		"not a list of accounts":                    "{",
	} {
		_, err := readAccounts([]byte(text))
		require.ErrorIs(t, err, session.ErrMalformed, text)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "plain-secret")
	}
	list, err := readAccounts([]byte(`{"accounts":[{"id":"a","username":"b"}]}`))
	require.NoError(t, err, "JSON as well")
	require.NotNil(t, list.byUsername["b"])
	for _, path := range []string{t.TempDir(), t.TempDir() + "/missing"} {
		_, err = openAccounts(path, authority.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		require.ErrorContains(t, err, "accounts_file")
	}
}

func TestPasswords(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	for name, given := range map[string]string{"alice": "wrong", "bob": wonder, "nobody": wonder, "Alice": wonder, "": wonder, "alice ": wonder} {
		_, err := w.VerifyPassword(t.Context(), name, session.NewSecret(given), address)
		require.ErrorIs(t, err, AuthenticationFailed, name)
		require.ErrorIs(t, err, session.ErrRejected, name)
	}
	_, err := w.VerifyPassword(t.Context(), "alice", session.NewSecret(wonder+strings.Repeat("x", 80)), address)
	require.ErrorIs(t, err, session.ErrRejected)
	s, err := w.VerifyPassword(t.Context(), "alice", session.NewSecret(wonder), address)
	require.NoError(t, err)
	require.Equal(t, []session.AuthenticationMethod{{Method: "pwd", AAL: "aal1", CompletedAt: w.clock.now()}}, s.AuthenticationMethods)
	require.True(t, s.Tokens.Renewable())
	require.True(t, s.Tokens.Access.Equal(s.Tokens.Refresh))
	require.NotEmpty(t, s.SourceSessionID)

	w.o.NoForm = true
	require.False(t, w.HasPasswords())
	_, err = w.VerifyPassword(t.Context(), "alice", session.NewSecret(wonder), address)
	require.ErrorIs(t, err, session.ErrUnsupported)
}

// Whoever asks, and whatever for: one comparison at the highest cost, or as much work.
func TestPasswordsCostTheSameWork(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	var work atomic.Int64
	w.native.gate.compare = func(hash, _ []byte) error {
		cost, err := password.BcryptCost(string(hash))
		require.NoError(t, err)
		work.Add(1 << cost)
		return errors.New("no")
	}
	w.native.accounts.Current().cost = password.MinBcryptCost + 3
	for _, name := range []string{"alice", "bob", "nobody", "no name at all"} {
		work.Store(0)
		_, err := w.native.gate.check(t.Context(), w.native.accounts.Current(), name, wonder)
		require.NoError(t, err)
		require.EqualValues(t, 1<<(password.MinBcryptCost+3), work.Load(), name)
	}
}

func TestGuessingIsStopped(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	w.native.gate.compare = func(_, given []byte) error {
		if string(given) == wonder {
			return nil
		}
		return errors.New("no")
	}
	try := func(user, given, ip string) error {
		_, err := w.VerifyPassword(t.Context(), user, session.NewSecret(given), ip)
		return err
	}
	for range password.DefaultPerUser {
		require.ErrorIs(t, try("ALICE", "wrong", address), session.ErrRejected)
	}
	err := try("alice", wonder, "198.51.100.7")
	require.ErrorIs(t, err, session.ErrTooMany)
	require.Positive(t, session.RetryAfter(err))
	require.NotErrorIs(t, err, session.ErrRejected)
	w.clock.advance(time.Hour)
	require.NoError(t, try("alice", wonder, address))
	for range password.DefaultPerIP {
		_ = try("not a name", "wrong", "2001:db8::1")
	}
	require.ErrorIs(t, try("alice", wonder, "2001:db8::2"), session.ErrTooMany, "the same /64")
}

func TestFormSessionIsExchangedByTheGatewayItself(t *testing.T) {
	for _, strict := range []bool{false, true} {
		o := nativeOptions(t)
		o.Strict = strict
		w := openNativeWorld(t, o)
		s, err := w.VerifyPassword(t.Context(), "alice", session.NewSecret(wonder), address)
		require.NoError(t, err)
		s.ID, s.Handle = "id", "handle"
		s.Devices = []session.Device{{IP: address, UserAgent: browser}} // as the manager fills it in
		require.NoError(t, w.Verify(t.Context(), s))
		w.clock.advance(6 * 24 * time.Hour)
		n, err := w.Refresh(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, w.clock.now().Truncate(time.Second).Add(DefaultTokenDuration), n.Tokens.ExpiresAt)
		require.True(t, n.Tokens.Access.Equal(n.Tokens.Refresh))
		require.False(t, n.Tokens.Access.Equal(s.Tokens.Access))
		require.Equal(t, s.Devices, n.Devices)
		require.NoError(t, w.Verify(t.Context(), n))
		w.clock.advance(time.Hour)
		require.Equal(t, strict, errors.Is(w.Verify(t.Context(), s), session.ErrRejected), "with strict the old token is spent")
		require.NoError(t, w.Revoke(t.Context(), n))
		require.ErrorIs(t, w.Verify(t.Context(), n), session.ErrRejected)
		_, err = w.Refresh(t.Context(), n)
		require.ErrorIs(t, err, session.ErrRejected)
	}
}

func TestSessionsWithoutTokensAreNotRefreshed(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	_, err := w.Refresh(t.Context(), &session.Session{Source: "accounts"})
	require.ErrorIs(t, err, session.ErrUnsupported)
}

// A token of one account cannot be used to end a session of another.
func TestLogoutNeedsTheTokensOwnAccount(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	raw := w.token(t)
	_, err := w.Logout(t.Context(), &Request{AuthToken: raw, User: &Account{ID: "01GM7285ZR7MX76PNMF3G2BBBB"}})
	require.ErrorIs(t, err, SessionNotFound)
	require.True(t, w.document(t, raw).Valid)
	_, err = w.Logout(t.Context(), &Request{AuthToken: raw})
	require.ErrorIs(t, err, InvalidRequest, "the library wants to know the user")
	_, err = w.Logout(t.Context(), &Request{User: &Account{ID: vectorAccount}})
	require.ErrorIs(t, err, InvalidToken)
	_, err = w.InvalidateAll(t.Context(), "", nil)
	require.ErrorIs(t, err, InvalidRequest)
	require.True(t, w.document(t, raw).Valid)
}

// A document that was handed to another account under the same name is nobody's session.
func TestDocumentOfAnotherAccountIsRefused(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	raw := w.token(t)
	mem := w.docs.documents.(*memory)
	read, err := readToken(raw.Reveal())
	require.NoError(t, err)
	d := mem.by[read.session]
	d.AccountID = "another"
	mem.by[read.session] = d
	_, err = w.Resolve(t.Context(), cookie(raw))
	require.ErrorIs(t, err, session.ErrRejected)
}

func TestStoreThatIsFullIsNotIll(t *testing.T) {
	o := nativeOptions(t)
	o.Native.MaxSessions = 1
	w := openNativeWorld(t, o)
	raw := w.token(t)
	_, err := w.VerifyPassword(t.Context(), "alice", session.NewSecret(wonder), address)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NoError(t, w.Health(), "who is in stays in")
	_, err = w.Resolve(t.Context(), cookie(raw))
	require.NoError(t, err)
}

func TestPasswordsThatBcryptWouldCutAreRefused(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	w.native.gate.compare = func(_, _ []byte) error { return nil }
	for length, want := range map[int]bool{0: false, 1: true, maxBcryptPassword: true, maxBcryptPassword + 1: false} {
		e, err := w.native.gate.check(t.Context(), w.native.accounts.Current(), "alice", strings.Repeat("x", length))
		require.NoError(t, err)
		require.Equal(t, want, e != nil, length)
	}
}

func TestTokensOfThePreviousSecret(t *testing.T) {
	o := nativeOptions(t)
	o.Native.StoreFile = t.TempDir() + "/sessions.db"
	w := openNativeWorld(t, o)
	raw := w.token(t)
	require.NoError(t, w.Close())

	o.Native.Secret = session.NewSecret("another secret of at least thirty-two bytes")
	w = openNativeWorld(t, o)
	_, err := w.Resolve(t.Context(), cookie(raw))
	require.ErrorIs(t, err, TokenVerificationFailed)
	require.NoError(t, w.Close())

	o.Native.PreviousSecret = session.NewSecret(secret)
	w = openNativeWorld(t, o)
	_, err = w.Resolve(t.Context(), cookie(raw))
	require.NoError(t, err)
	w.clock.advance(time.Hour)
	s, err := w.Resolve(t.Context(), cookie(raw))
	require.NoError(t, err)
	_, err = verifySignature(s.Tokens.Access.Reveal(), o.Native.Secret)
	require.NoError(t, err, "new tokens are signed with the new secret")
	_, err = w.Logout(t.Context(), &Request{AuthToken: raw, User: &Account{ID: vectorAccount}})
	require.NoError(t, err)
}

// However many requests show one old token at once, each gets one that works, and with strict it is the same for all.
func TestOneTokenShownAtOnce(t *testing.T) {
	for _, strict := range []bool{false, true} {
		o := nativeOptions(t)
		o.Strict = strict
		w := openNativeWorld(t, o)
		raw := w.token(t)
		w.clock.advance(time.Hour)
		tokens, errs := make([]session.Secret, 32), make([]error, 32)
		var wg sync.WaitGroup
		for i := range tokens {
			wg.Go(func() {
				s, err := w.Resolve(t.Context(), cookie(raw))
				if errs[i] = err; err == nil {
					tokens[i] = s.Tokens.Access
				}
			})
		}
		wg.Wait()
		datas := map[string]bool{}
		w.clock.advance(DefaultGrace)
		for i, fresh := range tokens {
			require.NoError(t, errs[i])
			_, err := w.Resolve(t.Context(), cookie(fresh))
			require.NoError(t, err)
			read, err := readToken(fresh.Reveal())
			require.NoError(t, err)
			datas[read.data] = true
		}
		if strict {
			require.Len(t, datas, 1)
		}
	}
}
