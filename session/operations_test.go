package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lobby is an authority with sessions of its own: bearer tokens that are the name of their user, and powers over them.
type lobby struct {
	scripted
	mu      sync.Mutex
	ended   map[string]bool
	gone    map[string]bool
	revoked []string
	touched int
	props   map[string]string
	fail    error

	propsFail error
}

func newLobby() *lobby {
	l := &lobby{scripted: scripted{name: "lobby"}, ended: map[string]bool{}, props: map[string]string{"color": "red"}}
	l.resolve = func(_ context.Context, c Credential) (*Session, error) { return l.of(c.Value.Reveal()) }
	return l
}

func (l *lobby) of(user string) (*Session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return nil, l.fail
	}
	if l.ended[user] {
		return nil, ErrRejected
	}
	if l.gone[user] {
		return nil, ErrNotFound
	}
	return &Session{
		ID: "id-" + user, Handle: "lobby-" + user, Source: "lobby", SourceSessionID: "sid-" + user, Realm: "/alpha", Active: true, AAL: "aal1",
		Identity: Identity{Subject: "s-" + user, Username: user, Groups: []string{"staff"}, Claims: map[string]any{"planted": "claim"}},
		Tokens:   Tokens{Access: NewSecret(user)}, Properties: map[string]string{"size": "xl"},
	}, nil
}

func (l *lobby) Current(_ context.Context, s *Session) (*Session, error) {
	return l.of(s.Identity.Username)
}

func (l *lobby) TouchAt(*Session) time.Time { return time.Time{} }

func (l *lobby) Touch(_ context.Context, s *Session, c Credential) (*Session, error) {
	l.touched++
	return l.of(c.Value.Reveal())
}

func (l *lobby) Revoke(_ context.Context, s *Session) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revoked = append(l.revoked, s.Tokens.Access.Reveal())
	return l.fail
}

func (l *lobby) RevokeIDs(_ context.Context, ids ...string) (map[string]bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone := map[string]bool{}
	for _, id := range ids {
		l.revoked = append(l.revoked, id)
		gone[id] = true
	}
	return gone, l.fail
}

func (l *lobby) ReadProperties(context.Context, *Session) (map[string]string, error) {
	return l.props, l.propsFail
}

func (l *lobby) UpdateProperties(_ context.Context, _ *Session, changes map[string]string) (map[string]string, error) {
	if l.propsFail != nil {
		return nil, l.propsFail
	}
	for k, v := range changes {
		l.props[k] = v
	}
	return l.props, nil
}

func (l *lobby) VerifyPassword(_ context.Context, username string, password Secret, _ string) (*Session, error) {
	if password.Reveal() != "pw" {
		return nil, ErrRejected
	}
	s, err := l.of(username)
	if err == nil {
		s.ID, s.Handle = "", ""
	}
	return s, err
}

// office is a world with a lobby and operations over both.
type office struct {
	*world
	lobby *lobby
	ops   *Operations
}

func newOffice(t testing.TB, o worldOptions) *office {
	w := newWorld(t, o)
	f := &office{world: w, lobby: newLobby()}
	w.manager.sources["lobby"] = f.lobby
	f.validator = newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{w.manager, f.lobby}, Cache: o.cache, Now: o.now, Ledger: w.manager})
	var err error
	f.ops, err = NewOperations(OperationsOptions{Manager: w.manager, Validator: f.validator, Sources: []Source{w.authority, f.lobby}, Properties: []string{"theme"}})
	require.NoError(t, err)
	return f
}

// visit shows the token of a user of the lobby and waits until it is noted.
func (f *office) visit(t testing.TB, user string) error {
	c := bearer(user)
	c.UserAgent, c.RemoteIP = "curl", "192.0.2.7"
	_, err := f.validator.Validate(t.Context(), c)
	require.Eventually(t, func() bool { return len(f.manager.noting) == 0 }, 5*time.Second, time.Millisecond)
	return err
}

func (f *office) list(t testing.TB, filter string) (handles []string) {
	parsed, err := ParseFilter(filter)
	require.NoError(t, err)
	page, err := f.ops.List(t.Context(), parsed, "", 0)
	require.NoError(t, err)
	for _, e := range page.Entries {
		handles = append(handles, e.Session.Handle)
	}
	return handles
}

func TestOperations_OwnAndForeignSessionsAreListed(t *testing.T) {
	f := newOffice(t, worldOptions{})
	own, _ := f.login(t, "ann", time.Hour)
	require.NoError(t, f.visit(t, "bob"))
	require.ElementsMatch(t, []string{own.Handle, "lobby-bob"}, f.list(t, "true"))
	require.Equal(t, []string{"lobby-bob"}, f.list(t, `username eq "bob" and realm eq "/alpha"`))
	require.Equal(t, []string{"lobby-bob"}, f.list(t, `foreign eq true`))
	require.Equal(t, []string{own.Handle}, f.list(t, `subject eq "ann" and source eq "corp"`))
	require.Equal(t, []string{"lobby-bob"}, f.list(t, `ip eq "192.0.2.7" and user_agent eq "curl"`))
	require.Empty(t, f.list(t, `aal eq "aal3"`))

	e, err := f.ops.Get(t.Context(), "lobby-bob")
	require.NoError(t, err)
	require.True(t, e.Foreign && e.Active)
	require.True(t, e.Session.Tokens.Access.Empty(), "what is noted opens nothing")
	require.Empty(t, e.Session.Identity.Claims)
	require.Empty(t, e.Session.Identity.Groups)
	_, err = f.ops.Get(t.Context(), "nobody")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestOperations_NoCredentialOfAForeignSessionIsInTheStore(t *testing.T) {
	f := newOffice(t, worldOptions{})
	require.NoError(t, f.visit(t, "planted-token"))
	records := map[string]Record{}
	f.store.set(func(m *mapStore) { maps.Copy(records, m.records) })
	require.Len(t, records, 1)
	for _, r := range records {
		plain, err := f.manager.sealer.Open(r.Data, []byte(sightingKey(&Session{Source: "lobby", ID: "id-planted-token"})))
		require.NoError(t, err)
		require.NotContains(t, string(plain), `"access"`)
		require.NotContains(t, string(plain), "claim")
	}
}

func TestOperations_PagesMeetEverySession(t *testing.T) {
	f := newOffice(t, worldOptions{})
	want := map[string]bool{}
	for i := range 25 {
		s, _ := f.login(t, fmt.Sprint("user", i), time.Hour)
		want[s.Handle] = true
	}
	cursor, met, pages := "", map[string]bool{}, 0
	for {
		page, err := f.ops.List(t.Context(), Filter{}, cursor, 10)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Entries), 10)
		for _, e := range page.Entries {
			require.False(t, met[e.Session.Handle], "twice")
			met[e.Session.Handle] = true
		}
		pages++
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	require.Equal(t, want, met)
	require.Equal(t, 3, pages)
	_, err := f.ops.List(t.Context(), Filter{}, "no cursor!", 10)
	require.ErrorIs(t, err, ErrMalformed)
}

// TestOperations_RevokedForeignSessionStaysRefused: the authority would still say yes, another process asks the same store.
func TestOperations_RevokedForeignSessionStaysRefused(t *testing.T) {
	clock := newTestClock()
	f := newOffice(t, worldOptions{now: clock.now})
	require.NoError(t, f.visit(t, "bob"))
	ended, release := f.validator.Watch(&Session{Source: "lobby", ID: "id-bob"})
	defer release()
	done, err := f.ops.Revoke(t.Context(), "lobby-bob", EndRevoked)
	require.NoError(t, err)
	require.True(t, done.Here)
	require.NoError(t, done.AtAuthority)
	require.Equal(t, []string{"bob"}, f.lobby.revoked, "with the credential that was remembered")
	<-ended
	require.ErrorIs(t, f.visit(t, "bob"), ErrRejected, "on the very next request")

	for range 20 { // days go by; another process, without any memory, sees it every other day
		clock.turn(48 * time.Hour)
		g := newOffice(t, worldOptions{now: clock.now, store: f.store})
		require.ErrorIs(t, g.visit(t, "bob"), ErrRejected)
		e, err := g.ops.Get(t.Context(), "lobby-bob")
		require.NoError(t, err)
		require.False(t, e.Active)
		require.False(t, e.RefusedAt.IsZero())
	}
	require.Equal(t, []string{"lobby-bob"}, f.list(t, `active eq false`))
}

func TestOperations_RevokeByTheAuthoritysName(t *testing.T) {
	f := newOffice(t, worldOptions{})
	require.NoError(t, f.visit(t, "bob"))
	g := newOffice(t, worldOptions{store: f.store}) // has never met the credential
	done, err := g.ops.Revoke(t.Context(), "lobby-bob", EndRevoked)
	require.NoError(t, err)
	require.NoError(t, done.AtAuthority)
	require.Equal(t, []string{"sid-bob"}, g.lobby.revoked)

	require.NoError(t, f.visit(t, "eve"))
	g.lobby.fail = ErrUnavailable
	done, err = g.ops.Revoke(t.Context(), "lobby-eve", EndRevoked)
	require.NoError(t, err, "here it has ended all the same")
	require.True(t, done.Here)
	require.ErrorIs(t, done.AtAuthority, ErrUnavailable)
}

// TestOperations_NamesAreFoundInAnyCase: by the index of names as well, and ids in their own case alone.
func TestOperations_NamesAreFoundInAnyCase(t *testing.T) {
	f := newOffice(t, worldOptions{})
	require.NoError(t, f.visit(t, "Bob"))
	for _, filter := range []string{`username eq "bOB"`, `username eq "Bob"`, `source eq "lobby" and username eq "BOB"`, `username co "OB"`} {
		require.Equal(t, []string{"lobby-Bob"}, f.list(t, filter), filter)
	}
	e, err := f.ops.Get(t.Context(), "lobby-Bob")
	require.NoError(t, err)
	id := e.Session.Identity.Subject
	require.Equal(t, []string{"lobby-Bob"}, f.list(t, "subject eq "+QuoteFilter(id)))
	require.Empty(t, f.list(t, "subject eq "+QuoteFilter(strings.ToUpper(id))))
}

func TestOperations_StoreThatIsDownIsUnknownNotDenied(t *testing.T) {
	f := newOffice(t, worldOptions{})
	f.store.set(func(m *mapStore) { m.readsFail = ErrUnavailable })
	_, err := f.validator.Validate(t.Context(), bearer("bob"))
	require.ErrorIs(t, err, ErrUnavailable, "nobody can say whether it was ended here")
	require.NotErrorIs(t, err, ErrRejected)
	f.store.set(func(m *mapStore) { m.readsFail = nil })
	require.NoError(t, f.visit(t, "bob"))
}

func TestOperations_RevokeMatchingKeepsTheCurrent(t *testing.T) {
	f := newOffice(t, worldOptions{})
	keep, keptCookie := f.login(t, "ann", time.Hour)
	_, other := f.login(t, "ann", time.Hour)
	_, stranger := f.login(t, "eve", time.Hour)
	filter, err := ParseFilter(`subject eq "ann" and source eq "corp"`)
	require.NoError(t, err)
	var ended []string
	require.NoError(t, f.ops.RevokeMatching(t.Context(), filter, keep.Handle, EndRevoked, func(e Ended, err error) bool {
		require.NoError(t, err)
		ended = append(ended, e.Handle)
		return true
	}))
	require.Len(t, ended, 1)
	for c, want := range map[*Credential]error{&keptCookie: nil, &other: ErrRejected, &stranger: nil} {
		_, err := f.validator.Validate(t.Context(), *c)
		require.ErrorIs(t, err, want)
	}
}

func TestOperations_OnForeignSessionsInUse(t *testing.T) {
	f := newOffice(t, worldOptions{})
	require.NoError(t, f.visit(t, "bob"))
	ctx := t.Context()
	e, err := f.ops.Validate(ctx, "lobby-bob")
	require.NoError(t, err)
	require.Equal(t, "s-bob", e.Session.Identity.Subject)
	_, err = f.ops.Touch(ctx, "lobby-bob")
	require.NoError(t, err)
	require.Equal(t, 1, f.lobby.touched)
	props, err := f.ops.Properties(ctx, "lobby-bob")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"size": "xl", "color": "red"}, props)
	_, err = f.ops.UpdateProperties(ctx, "lobby-bob", map[string]string{"color": "blue"})
	require.NoError(t, err)
	require.Equal(t, "blue", f.lobby.props["color"])
	_, err = f.ops.Refresh(ctx, "lobby-bob")
	require.ErrorIs(t, err, ErrUnsupported)
	require.ErrorContains(t, err, `source "lobby" (scripted) cannot renew`)
	_, _, err = f.ops.Tokenize(ctx, "lobby-bob", "x")
	require.ErrorIs(t, err, ErrUnsupported)
	devices, err := f.ops.Devices(ctx, "lobby-bob")
	require.NoError(t, err)
	require.Equal(t, "192.0.2.7", devices[0].IP)

	require.Equal(t, "192.0.2.7", e.Session.Devices[0].IP, "what was noted here is told with what the authority says")

	f.lobby.ended["bob"] = true
	_, err = f.ops.Validate(ctx, "lobby-bob")
	require.ErrorIs(t, err, ErrRejected)

	require.NoError(t, f.visit(t, "eve"))
	f.lobby.gone = map[string]bool{"eve": true}
	_, err = f.ops.Validate(ctx, "lobby-eve")
	require.ErrorIs(t, err, ErrRejected, "an authority that has no such session any more")
	_, err = f.validator.Validate(ctx, bearer("eve"))
	require.Error(t, err, "and it is answered from memory no more")

	g := newOffice(t, worldOptions{store: f.store})
	_, err = g.ops.Properties(ctx, "lobby-bob")
	require.ErrorIs(t, err, ErrUnsupported, "not in use here: no credential is kept")
	require.ErrorContains(t, err, "keeps no credential")
}

// prolonging is a lobby that prolongs sessions: by the way where extend is nil, and at once where it is not.
type prolonging struct {
	*lobby
	err   error
	until time.Time
}

func (p *prolonging) Refresh(_ context.Context, s *Session) (*Session, error) {
	n := s.Clone()
	n.IdleExpiresAt = p.until
	return n, p.err
}

type extending struct{ *prolonging }

func (p extending) Extend(_ context.Context, s *Session) (*Session, error) {
	n := s.Clone()
	n.ExpiresAt = p.until
	return n, p.err
}

// TestOperations_ProlongForeignSessions: every power to prolong is used, the more definite one first; what is remembered of
// the session is what it is then, and a no of the authority's ends it here.
func TestOperations_ProlongForeignSessions(t *testing.T) {
	for name, idle := range map[string]bool{"refresher": true, "extender": false} {
		t.Run(name, func(t *testing.T) {
			f := newOffice(t, worldOptions{})
			require.NoError(t, f.visit(t, "bob"))
			p := &prolonging{lobby: f.lobby, until: time.Now().Add(5 * time.Hour)}
			f.ops.sources["lobby"] = p
			f.validator.o.Tally = NewTally(nil)
			if !idle {
				f.ops.sources["lobby"] = extending{p}
			}
			for _, prolong := range []func(context.Context, string) (Entry, error){f.ops.Refresh, f.ops.Extend} {
				p.until = p.until.Add(time.Hour)
				e, err := prolong(t.Context(), "lobby-bob")
				require.NoError(t, err)
				a, err := f.validator.Validate(t.Context(), bearer("bob"))
				require.NoError(t, err)
				for _, s := range []*Session{e.Session, a.Session} {
					require.Equal(t, idle, s.IdleExpiresAt.Equal(p.until), "one of the two was asked")
					require.Equal(t, !idle, s.ExpiresAt.Equal(p.until))
				}
			}
			var refreshes int
			for _, m := range f.validator.o.Tally.Minutes() {
				refreshes += int(m.Refreshes)
			}
			require.Equal(t, 2, refreshes, "and that is counted")
			for _, class := range []error{ErrUnsupported, ErrUnavailable, ErrRejected} {
				p.err = fmt.Errorf("the reason: %w", class)
				_, err := f.ops.Refresh(t.Context(), "lobby-bob")
				require.ErrorIs(t, err, class)
				require.ErrorContains(t, err, "the reason")
				_, err = f.validator.Validate(t.Context(), bearer("bob"))
				require.Equal(t, class == ErrRejected, err != nil, "%v: only its own no ends a session: %v", class, err)
			}
		})
	}
}

// TestOperations_PropertiesKeptHere: where an authority keeps none of a session of ours, those kept here are all there are.
func TestOperations_PropertiesKeptHere(t *testing.T) {
	f := newOffice(t, worldOptions{})
	made, _, err := f.ops.Create(t.Context(), "lobby", Proof{Username: "bob", Password: NewSecret("pw")}, Device{})
	require.NoError(t, err)
	f.lobby.propsFail = fmt.Errorf("no such method: %w", ErrUnsupported)
	all, err := f.ops.UpdateProperties(t.Context(), made.Handle, map[string]string{"theme": "dark"})
	require.NoError(t, err)
	require.Equal(t, "dark", all["theme"])
	all, err = f.ops.Properties(t.Context(), made.Handle)
	require.NoError(t, err)
	require.Equal(t, "dark", all["theme"])
	_, err = f.ops.UpdateProperties(t.Context(), made.Handle, map[string]string{"admin": "yes"})
	require.ErrorIs(t, err, ErrInsufficient, "the list of names that may be changed holds")

	require.NoError(t, f.visit(t, "eve"))
	_, err = f.ops.UpdateProperties(t.Context(), "lobby-eve", map[string]string{"theme": "dark"})
	require.ErrorIs(t, err, ErrUnsupported, "of a foreign session nothing is kept here")
	f.lobby.propsFail = fmt.Errorf("down: %w", ErrUnavailable)
	_, err = f.ops.UpdateProperties(t.Context(), made.Handle, map[string]string{"theme": "light"})
	require.ErrorIs(t, err, ErrUnavailable, "not known is not none")
}

func TestOperations_OnSessionsOfOurs(t *testing.T) {
	f := newOffice(t, worldOptions{})
	own, c := f.login(t, "ann", time.Hour)
	ctx := t.Context()
	e, err := f.ops.Refresh(ctx, own.Handle)
	require.NoError(t, err)
	require.Equal(t, "access-ann+", e.Session.Tokens.Access.Reveal())
	require.EqualValues(t, 1, f.authority.renewals.Load())
	a, err := f.validator.Validate(ctx, c)
	require.NoError(t, err)
	require.Equal(t, "access-ann+", a.Session.Tokens.Access.Reveal())

	props, err := f.ops.UpdateProperties(ctx, own.Handle, map[string]string{"theme": "dark"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"theme": "dark"}, props)
	_, err = f.ops.UpdateProperties(ctx, own.Handle, map[string]string{"admin": "yes"})
	require.ErrorIs(t, err, ErrInsufficient)
	props, err = f.ops.UpdateProperties(ctx, own.Handle, map[string]string{"theme": ""})
	require.NoError(t, err)
	require.Empty(t, props)

	life, err := f.ops.TTL(ctx, own.Handle, time.Minute)
	require.NoError(t, err)
	require.True(t, life.Known && !life.EndsWithin && life.ValidToken && life.ValidSession)
	life, err = f.ops.TTL(ctx, own.Handle, 48*time.Hour)
	require.NoError(t, err)
	require.True(t, life.EndsWithin)

	_, err = f.ops.Revoke(ctx, own.Handle, EndRevoked)
	require.NoError(t, err)
	_, err = f.validator.Validate(ctx, c)
	require.ErrorIs(t, err, ErrRejected)
	_, err = f.ops.Revoke(ctx, own.Handle, EndRevoked)
	require.ErrorIs(t, err, ErrNotFound)
}

func TestOperations_CreateOutOfWhatASourceAccepts(t *testing.T) {
	f := newOffice(t, worldOptions{})
	ctx := t.Context()
	for name, proof := range map[string]Proof{
		"token": {Token: NewSecret("bob")}, "password": {Username: "bob", Password: NewSecret("pw")},
	} {
		s, cookie, err := f.ops.Create(ctx, "lobby", proof, Device{IP: "192.0.2.1"})
		require.NoError(t, err, name)
		got, err := f.ops.Introspect(ctx, cookie)
		require.NoError(t, err)
		require.Equal(t, s.Handle, got.Handle)
	}
	for want, proof := range map[error]Proof{
		ErrRejected:    {Username: "bob", Password: NewSecret("wrong")},
		ErrUnsupported: {Assertion: NewSecret("<saml/>")},
		ErrMalformed:   {Token: NewSecret("bob"), Username: "bob"},
	} {
		_, _, err := f.ops.Create(ctx, "lobby", proof, Device{})
		require.ErrorIs(t, err, want)
	}
	_, _, err := f.ops.Create(ctx, "nowhere", Proof{Token: NewSecret("bob")}, Device{})
	require.ErrorIs(t, err, ErrNotFound)
	_, err = f.ops.Introspect(ctx, NewSecret("forged"))
	require.ErrorIs(t, err, ErrRejected)
}

// TestOperations_RevokeRacingRefreshThousandRounds: a refresh that was under way brings nothing back.
func TestOperations_RevokeRacingRefreshThousandRounds(t *testing.T) {
	f := newOffice(t, worldOptions{})
	for i := range 1000 {
		own, c := f.login(t, fmt.Sprint("user", i), time.Hour)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = f.ops.Refresh(t.Context(), own.Handle) })
		wg.Go(func() {
			_, err := f.ops.Revoke(t.Context(), own.Handle, EndRevoked)
			if err != nil && !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		})
		wg.Wait()
		_, err := f.validator.Validate(t.Context(), c)
		require.ErrorIs(t, err, ErrRejected, "round %d", i)
		require.Nil(t, f.stored(t, own), "round %d", i)
	}
}
