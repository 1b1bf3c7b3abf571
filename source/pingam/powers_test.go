package pingam

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/pingam"
	"github.com/sessionward/sessionward/session"
)

// products are both, with an administrator.
func products() map[string]peer.Options {
	return map[string]peer.Options{"PingAM": {}, "OpenAM": {Profile: peer.OpenAM}, "PingAM before 5.1": {NoLogoutByUser: true}}
}

func TestListing(t *testing.T) {
	for name, p := range products() {
		t.Run(name, func(t *testing.T) {
			g := open(t, p, administered(Options{}))
			alice, again := g.login("alice"), g.login("alice")
			g.login("bob")
			s := g.resolve(alice)
			own := collect(t, g.ListOwn(t.Context(), s))
			require.Len(t, own, 2)
			require.Equal(t, g.peer.Handle(again.Value.Reveal()), own[1].SourceSessionID)
			require.Empty(t, own[0].Tokens)
			require.NotEqual(t, own[0].ID, own[1].ID)
			require.Equal(t, s.Identity.Subject, own[0].Identity.Subject)
			require.Equal(t, s.ExpiresAt, own[0].ExpiresAt)
			require.Len(t, collect(t, g.List(t.Context(), session.Query{Subject: s.Identity.Subject})), 2)
			require.Len(t, collect(t, g.List(t.Context(), session.Query{Username: "bob", Realm: "/alpha"})), 1)
			require.Empty(t, collect(t, g.List(t.Context(), session.Query{Username: "nobody"})))
			require.Empty(t, collect(t, g.List(t.Context(), session.Query{Subject: "id=alice,ou=user,dc=elsewhere"})))
		})
	}
}

// A source of one realm must not reach into another, whatever it is asked.
func TestQuestionsStayInTheRealm(t *testing.T) {
	g := open(t, peer.Options{}, administered(Options{Realm: "/alpha"}))
	g.login("bob")
	alice := g.login("alice")
	require.Len(t, collect(t, g.List(t.Context(), session.Query{})), 1)
	for _, realm := range []string{"/", "/alphabet", "/alpha/../beta", "alpha"} {
		for _, err := range g.List(t.Context(), session.Query{Realm: realm}) {
			exactlyOne(t, err, session.ErrMalformed)
		}
		_, err := g.RevokeUser(t.Context(), session.Query{Username: "alice", Realm: realm})
		exactlyOne(t, err, session.ErrMalformed)
	}
	_, err := g.RevokeAll(t.Context())
	require.NoError(t, err)
	require.Contains(t, g.peer.Sessions(), alice.Value.Reveal())
}

func TestWithoutAnAdministratorOthersAreOutOfReach(t *testing.T) {
	g := open(t, peer.Options{}, Options{})
	s := g.resolve(g.login("alice"))
	for _, err := range g.List(t.Context(), session.Query{}) {
		exactlyOne(t, err, session.ErrUnsupported)
	}
	for _, err := range []error{
		second(g.RevokeIDs(t.Context(), "shandle:x")), second(g.RevokeUser(t.Context(), session.Query{Username: "alice"})),
		second(g.RevokeAll(t.Context())), second(g.RevokeOthers(t.Context(), s)), g.RevokeOwn(t.Context(), s, "shandle:x"),
	} {
		exactlyOne(t, err, session.ErrUnsupported)
	}
	require.ErrorContains(t, g.RevokeOwn(t.Context(), s, "shandle:x"), "no administrator")
}

// An administrator without the right is a fault of the configuration: it denies no user anything.
func TestAnAdministratorWithoutRights(t *testing.T) {
	g := open(t, peer.Options{}, Options{Administrator: AdministratorOptions{Username: "alice", Password: session.NewSecret("wonderland")}})
	_, err := g.Resolve(t.Context(), g.login("amAdmin"))
	exactlyOne(t, err, session.ErrUnavailable)
	for _, err := range g.List(t.Context(), session.Query{}) {
		exactlyOne(t, err, session.ErrUnavailable)
	}
	require.ErrorIs(t, g.Health(), session.ErrUnavailable)
}

func TestRevokeIDs(t *testing.T) {
	g := open(t, peer.Options{}, administered(Options{}))
	var handles []string
	for range maxHandles + 5 {
		handles = append(handles, g.peer.Handle(g.login("alice").Value.Reveal()))
	}
	handles = append(handles, "shandle:unknown")
	gone, err := g.RevokeIDs(t.Context(), handles...)
	require.NoError(t, err)
	require.Len(t, gone, len(handles))
	require.Equal(t, len(handles), countTrue(gone))
	require.Equal(t, 2, count1(g.asked(0), logoutByHandle), "in calls of a hundred")
	_, err = g.RevokeIDs(t.Context(), "aba7b4f3-91932")
	exactlyOne(t, err, session.ErrUnsupported)
	g = answeringAs(t, 200, `{"result":{"shandle:a":false}}`)
	gone, err = g.RevokeIDs(t.Context(), "shandle:a")
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"shandle:a": false}, gone)
	_, err = g.RevokeIDs(t.Context(), "shandle:b")
	exactlyOne(t, err, session.ErrUnavailable) // silent about it
}

// answeringAs is answering with an administrator whose token is fixed.
func answeringAs(t *testing.T, status int, body string) *ground {
	t.Helper()
	g := answering(t, status, body)
	g.o.Administrator.Token = session.NewSecret("fixed")
	g.admin = newAdministrator(g.Source, nil)
	return g
}

// A user that names another one's handle ends nothing.
func TestRevokeOwnLeavesOthersAlone(t *testing.T) {
	g := open(t, peer.Options{}, administered(Options{}))
	alice, second, bob := g.login("alice"), g.login("alice"), g.login("bob")
	s := g.resolve(alice)
	require.NoError(t, g.RevokeOwn(t.Context(), s, g.peer.Handle(second.Value.Reveal()), g.peer.Handle(bob.Value.Reveal()), "shandle:unknown"))
	require.NotContains(t, g.peer.Sessions(), second.Value.Reveal())
	require.Contains(t, g.peer.Sessions(), bob.Value.Reveal())
	require.Contains(t, g.peer.Sessions(), alice.Value.Reveal())
}

func TestRevokeOthersKeepsTheOneThatAsks(t *testing.T) {
	for name, p := range products() {
		t.Run(name, func(t *testing.T) {
			g := open(t, p, administered(Options{}))
			for range 2 {
				g.login("alice")
				g.advance(5 * time.Second)
			}
			mine := g.login("alice")
			g.advance(5 * time.Second)
			g.login("alice")
			bob := g.login("bob")
			n, err := g.RevokeOthers(t.Context(), g.resolve(mine))
			require.NoError(t, err)
			require.Equal(t, 3, n)
			require.Len(t, collect(t, g.ListOwn(t.Context(), g.resolve(mine))), 1)
			g.resolve(bob)
		})
	}
}

func TestRevokeOthersEndsNoneWhereItCannotTellThemApart(t *testing.T) {
	list := []info{{handle: "shandle:a"}, {handle: "shandle:b"}}
	for i := range list {
		list[i].endAt = time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC)
		list[i].accessedAt = time.Date(2026, 1, 1, 0, 0, 0, 265e6, time.UTC)
	}
	now := &session.Session{ExpiresAt: list[0].endAt, LastAccessAt: list[0].accessedAt.Truncate(time.Second)}
	_, err := ownHandle(list, now)
	exactlyOne(t, err, session.ErrUnavailable)
	list[0].accessedAt = list[0].accessedAt.Add(time.Minute)
	own, err := ownHandle(list, now)
	require.NoError(t, err)
	require.Equal(t, "shandle:b", own)
	_, err = ownHandle(nil, now)
	exactlyOne(t, err, session.ErrUnavailable)
}

func TestRevokeUser(t *testing.T) {
	for name, p := range products() {
		t.Run(name, func(t *testing.T) {
			p.MaxResults = 2 // lists are cut off
			g := open(t, p, administered(Options{}))
			for range 5 {
				g.login("alice")
			}
			bob := g.login("bob")
			_, err := g.RevokeUser(t.Context(), session.Query{Username: "alice"})
			require.NoError(t, err)
			for _, token := range g.peer.Sessions() {
				s := g.resolve(shown(token))
				require.NotEqual(t, "alice", s.Identity.Username)
			}
			g.resolve(bob)
			n, err := g.RevokeUser(t.Context(), session.Query{Subject: "id=bob,ou=user,o=alpha,ou=services,dc=am,dc=example,dc=com", Realm: "/alpha"})
			require.NoError(t, err)
			require.Contains(t, []int{-1, 1}, n)
			_, err = g.Resolve(t.Context(), bob)
			exactlyOne(t, err, session.ErrRejected)
			_, err = g.RevokeUser(t.Context(), session.Query{Realm: "/alpha"})
			exactlyOne(t, err, session.ErrMalformed)
			require.NoError(t, g.Health())
		})
	}
}

func TestRevokeAllSparesTheAdministrator(t *testing.T) {
	g := open(t, peer.Options{MaxResults: 4}, administered(Options{}))
	for range 10 {
		g.login("alice")
	}
	g.login("bob")
	n, err := g.RevokeAll(t.Context())
	require.NoError(t, err)
	require.Equal(t, 11, n)
	require.Len(t, g.peer.Sessions(), 1)
	require.Equal(t, 1, count1(g.asked(0), "authenticate"))
}

func TestRevokeOfAListedSession(t *testing.T) {
	g := open(t, peer.Options{}, administered(Options{}))
	g.login("alice")
	for _, s := range collect(t, g.List(t.Context(), session.Query{Username: "alice"})) {
		require.NoError(t, g.Revoke(t.Context(), s))
	}
	require.Empty(t, collect(t, g.List(t.Context(), session.Query{Username: "alice"})))
}

func TestProperties(t *testing.T) {
	for name, p := range map[string]peer.Options{"PingAM": {}, "OpenAM": {Profile: peer.OpenAM}} {
		t.Run(name, func(t *testing.T) {
			g := open(t, p, administered(Options{}))
			alice, bob := g.login("alice"), g.login("bob")
			g.peer.SetProperty(alice.Value.Reveal(), "LoginLocation", "here")
			s := g.resolve(alice)
			got, err := g.ReadProperties(t.Context(), s)
			require.NoError(t, err)
			require.Equal(t, map[string]string{"LoginLocation": "here", "color": ""}, got)
			got, err = g.UpdateProperties(t.Context(), s, map[string]string{"color": "green"})
			require.NoError(t, err)
			require.Equal(t, map[string]string{"LoginLocation": "here", "color": "green"}, got)
			got, err = g.UpdateProperties(t.Context(), s, nil)
			require.NoError(t, err)
			require.Equal(t, "green", got["color"])
			for _, name := range []string{"AuthLevel", "am.protected.x"} {
				_, err = g.UpdateProperties(t.Context(), s, map[string]string{name: "9"})
				exactlyOne(t, err, session.ErrInsufficient)
			}
			_, err = g.UpdateProperties(t.Context(), s, map[string]string{"color": "red", "tokenId": bob.Value.Reveal()})
			exactlyOne(t, err, session.ErrInsufficient, bob.Value.Reveal())
			require.False(t, g.peer.Panel().Saw(bob.Value.Reveal()), "nobody names another one's session")
			g.peer.End(alice.Value.Reveal())
			_, err = g.ReadProperties(t.Context(), s)
			exactlyOne(t, err, session.ErrRejected)
		})
	}
}

func TestTokenChecks(t *testing.T) {
	g := open(t, peer.Options{}, Options{})
	s := g.resolve(g.login("alice"))
	require.True(t, g.ValidSession(s))
	for within, want := range map[time.Duration]bool{29 * time.Minute: false, 31 * time.Minute: true} {
		ends, known := g.EndsWithin(s, within)
		require.Equal(t, []bool{want, true}, []bool{ends, known}, "the idle end is the earlier one")
	}
	g.advance(31 * time.Minute)
	require.False(t, g.ValidToken(s))
	require.False(t, g.ValidSession(s))
	s.IdleExpiresAt, s.ExpiresAt = time.Time{}, time.Time{}
	_, known := g.EndsWithin(s, time.Hour)
	require.False(t, known)
	require.True(t, g.ValidToken(s))
	s.Source = "another"
	require.False(t, g.ValidSession(s))
}

func TestCommonName(t *testing.T) {
	for id, want := range map[string]string{
		"id=bjensen,ou=user,dc=am": "bjensen", `id=a\,b\\c,ou=user`: `a,b\c`, "id=x": "x", "bjensen": "", "": "", `id=x\`: `x\`,
	} {
		require.Equal(t, want, commonName(id), id)
	}
}

// A session of another source holds a token that is not to be shown here.
func TestTokensOfOtherSourcesAreNotShown(t *testing.T) {
	g := open(t, peer.Options{}, administered(Options{}))
	other := held(g.Source)
	other.Source = "another"
	for _, err := range []error{
		g.Verify(t.Context(), other), g.Revoke(t.Context(), other), second(g.Refresh(t.Context(), other)),
		second(g.ReadProperties(t.Context(), other)), second(g.RevokeOthers(t.Context(), other)),
		g.RevokeOwn(t.Context(), other, "shandle:x"), second(g.Touch(t.Context(), other, session.Credential{})),
	} {
		exactlyOne(t, err, session.ErrUnsupported)
	}
	require.Zero(t, g.peer.Panel().Asked())
	require.NotContains(t, fmt.Sprintf("%+v", g.Source), adminPassword)
}
