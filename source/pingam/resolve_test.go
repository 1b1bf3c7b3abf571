package pingam

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/pingam"
	"github.com/sessionward/sessionward/session"
)

func TestResolveFillsInWhatTheAuthorityTells(t *testing.T) {
	g := open(t, peer.Options{Shown: []string{"AMCtxId", "AuthLevel", "AuthType", "authInstant"}}, Options{AuthLevels: AuthLevelsOptions{AAL2: 10, AAL3: 20}})
	c := g.login("carol")
	now := g.peer.Panel().Now()
	s := g.resolve(c)
	require.Equal(t, session.Identity{Subject: "id=carol,ou=user,dc=am,dc=example,dc=com", Username: "carol"}, s.Identity)
	require.Equal(t, []string{"/", "am", "sso_server", c.Value.Reveal()}, []string{s.Realm, s.Source, s.Tokens.Type, s.Tokens.Access.Reveal()})
	require.NotEmpty(t, s.SourceSessionID)
	require.Equal(t, s.Properties["AMCtxId"], s.SourceSessionID)
	for at, want := range map[time.Time]time.Duration{s.LastAccessAt: 0, s.IdleExpiresAt: 30 * time.Minute, s.ExpiresAt: 2 * time.Hour, s.AuthenticatedAt: 0} {
		require.WithinDuration(t, now.Add(want), at, 2*time.Second)
	}
	require.Zero(t, s.IssuedAt, "the authority does not tell")
	require.Zero(t, s.Tokens.ExpiresAt)
	require.Equal(t, "aal2", s.AAL)
	require.Equal(t, []session.AuthenticationMethod{{Method: "DataStore", CompletedAt: s.AuthenticatedAt}, {Method: "HOTP", CompletedAt: s.AuthenticatedAt}}, s.AuthenticationMethods)

	g = open(t, peer.Options{}, Options{AuthLevels: AuthLevelsOptions{AAL2: 10}})
	s = g.resolve(g.login("alice"))
	require.Empty(t, s.AAL, "a level that is not shown is not guessed")
	require.Empty(t, s.AuthenticationMethods)
	require.Zero(t, s.AuthenticatedAt)
}

func TestResolveInOpenAMTellsTheHandle(t *testing.T) {
	g := open(t, peer.Options{Profile: peer.OpenAM}, administered(Options{}))
	c := g.login("alice")
	require.Equal(t, g.peer.Handle(c.Value.Reveal()), g.resolve(c).SourceSessionID)
}

func TestValidateTellsUsersOfTwoRealmsApart(t *testing.T) {
	users := append(peer.DefaultUsers(), peer.User{Username: "alice", Password: "p", Realm: "/alpha"})
	g := open(t, peer.Options{Users: users}, Options{LookUp: LookUpValidate})
	other, err := g.peer.Login("alice", "/alpha")
	require.NoError(t, err)
	first, second := g.resolve(g.login("alice")), g.resolve(shown(other))
	require.Equal(t, []string{"/alice", "/alpha/alice"}, []string{first.Identity.Subject, second.Identity.Subject})
	require.Equal(t, first.Identity.Username, second.Identity.Username)
	require.NotEmpty(t, first.SourceSessionID)
	require.Zero(t, first.ExpiresAt)
}

// All realms of a deployment share one cookie: a user of another one must not get in with it.
func TestASessionOfAnotherRealmIsRejected(t *testing.T) {
	for _, look := range []string{LookUpInfo, LookUpValidate} {
		g := open(t, peer.Options{}, Options{Realm: "/alpha", LookUp: look})
		require.Equal(t, "/alpha", g.resolve(g.login("bob")).Realm)
		_, err := g.Resolve(t.Context(), g.login("alice"))
		exactlyOne(t, err, session.ErrRejected)
	}
	for realm, want := range map[string]bool{"/alpha": true, "/alpha/beta": true, "/Alpha": true, "/alphabet": false, "/": false} {
		require.Equal(t, want, within(realm, "/alpha"), realm)
		require.True(t, within(realm, "/"))
	}
}

// What no token can be is never sent: a line break in it would spoil the call, and the health of the source with it.
func TestWhatCannotBeATokenIsNotSent(t *testing.T) {
	g := open(t, peer.Options{}, Options{})
	for _, value := range []string{"a b", "a\r\nX-Admin: 1", "é", "\x00", strings.Repeat("x", maxToken+1)} {
		_, err := g.Resolve(t.Context(), shown(value))
		exactlyOne(t, err, session.ErrRejected)
	}
	require.Zero(t, g.peer.Panel().Asked())
	require.NoError(t, g.Health())
}

func TestOneCredentialIsShownAndOnlyThere(t *testing.T) {
	g := open(t, peer.Options{}, Options{})
	c := g.login("alice")
	c.UserAgent, c.RemoteIP = "planted-agent", "203.0.113.77"
	g.resolve(c)
	text := g.peer.Panel().Shown()[0]
	require.Equal(t, 1, strings.Count(text, c.Value.Reveal()))
	require.NotContains(t, text, "planted-agent")
	line, _, _ := strings.Cut(text, "\n")
	require.NotContains(t, line, c.Value.Reveal(), "not in the address, where logs would keep it")
}

func TestCookieNameOfTheAuthority(t *testing.T) {
	g := open(t, peer.Options{CookieName: "am-auth"}, Options{CookieName: "am-auth"})
	require.Equal(t, []session.Place{{Kind: session.KindCookie, Name: "am-auth"}, {Kind: session.KindHeader, Name: "Am-Auth"}}, g.Places())
	token := g.login("alice").Value
	g.resolve(session.Credential{Place: session.Place{Kind: session.KindHeader, Name: "Am-Auth"}, Value: token})
	_, err := g.Resolve(t.Context(), shown(token.Reveal()))
	require.ErrorIs(t, err, session.ErrNotMine)
}

func TestClientSideSessions(t *testing.T) {
	g := open(t, peer.Options{ClientSide: true}, Options{})
	c := g.login("alice")
	s := g.resolve(c)
	require.Equal(t, "sso_client", s.Tokens.Type)
	require.Zero(t, s.IdleExpiresAt)
	require.Zero(t, g.TouchAt(s))
	require.NotZero(t, s.ExpiresAt)
	_, err := g.Refresh(t.Context(), s)
	exactlyOne(t, err, session.ErrUnsupported)
	_, err = g.UpdateProperties(t.Context(), s, map[string]string{"color": "green"})
	exactlyOne(t, err, session.ErrUnsupported)
}

// A status that is no answer about a session ends none: 403 says that a right is missing, 404 that the version is another.
func TestStatusesThatSayNothingOfTheSession(t *testing.T) {
	for _, status := range []int{201, 400, 403, 404, 406, 418, 500, 501, 503} {
		g := answering(t, status, `{"code":`+http.StatusText(status)+`}`)
		_, err := g.Resolve(t.Context(), shown("AQIC5planted"))
		exactlyOne(t, err, session.ErrUnavailable, "AQIC5planted")
		require.ErrorIs(t, g.Health(), session.ErrUnavailable)
	}
}

func TestLoginURL(t *testing.T) {
	g := open(t, peer.Options{}, Options{Realm: "/alpha"})
	raw := g.LoginURL("https://app.example/a?b=c&d")
	u, err := url.Parse(raw)
	require.NoError(t, err)
	require.Equal(t, g.o.URL+"/XUI/", strings.TrimSuffix(raw, "?"+u.RawQuery))
	require.Equal(t, url.Values{"realm": {"/alpha"}, "goto": {"https://app.example/a?b=c&d"}}, u.Query())
	g.o.LoginURL = "https://id.example.com/am/XUI/?service=Staff"
	u, err = url.Parse(g.LoginURL("https://app.example/"))
	require.NoError(t, err)
	require.Equal(t, url.Values{"service": {"Staff"}, "realm": {"/alpha"}, "goto": {"https://app.example/"}}, u.Query())
	g.o.Credentials.Bearer = true
	require.Empty(t, g.LoginURL("https://app.example/"), "no cookie, nothing to come back with")
}

func TestTouchIsDueWhenHalfTheIdleTimeIsGone(t *testing.T) {
	g := open(t, peer.Options{}, Options{})
	c := g.login("alice")
	s := g.resolve(c)
	require.Equal(t, s.LastAccessAt.Add(15*time.Minute), g.TouchAt(s))
	g.o.KeepAliveBefore = 20 * time.Minute
	require.Equal(t, s.LastAccessAt.Add(10*time.Minute), g.TouchAt(s))
	g.o.KeepAliveBefore = 40 * time.Minute
	require.Equal(t, s.LastAccessAt.Add(time.Minute), g.TouchAt(s), "at most once a minute")
	g.o.KeepAliveBefore = -1
	require.Zero(t, g.TouchAt(s))
}

// An authority that writes use down less often than once a minute must not be asked at every request.
func TestATouchWithoutEffectIsNotRepeatedAtOnce(t *testing.T) {
	g := open(t, peer.Options{UpdateEvery: 20 * time.Minute}, Options{})
	c := g.login("alice")
	s := g.resolve(c)
	g.advance(16 * time.Minute)
	n, err := g.Touch(t.Context(), s, c)
	require.NoError(t, err)
	require.Equal(t, s.IdleExpiresAt, n.IdleExpiresAt, "no effect")
	require.False(t, g.TouchAt(n).Before(g.peer.Panel().Now().Add(touchEvery-2*time.Second)))
}

func TestTouchedIsBounded(t *testing.T) {
	to, now := newTouched(), time.Now()
	for i := range maxTouched {
		to.times[strconv.Itoa(i)] = now
	}
	to.note("new", now)
	require.LessOrEqual(t, len(to.times), maxTouched)
	require.Equal(t, now, to.at("new"))
}

func TestKeepAliveInUse(t *testing.T) {
	for name, row := range map[string]struct {
		p peer.Options
		o Options
	}{"PingAM": {peer.Options{}, Options{}}, "OpenAM": {peer.Options{Profile: peer.OpenAM}, administered(Options{})}, "validate": {peer.Options{}, Options{LookUp: LookUpValidate}}} {
		g := open(t, row.p, row.o)
		c := g.login("alice")
		for range 5 { // 100 minutes of use
			g.advance(20 * time.Minute)
			s := g.resolve(c)
			require.False(t, g.peer.Panel().Now().Add(time.Second).Before(g.TouchAt(s)), name)
			_, err := g.Touch(t.Context(), s, c)
			require.NoError(t, err)
		}
		g.advance(21 * time.Minute)
		_, err := g.Resolve(t.Context(), c)
		exactlyOne(t, err, session.ErrRejected) // the absolute end is not moved
	}
}

func TestPasswordLogin(t *testing.T) {
	g := open(t, peer.Options{Users: []peer.User{{Username: "zoë", Password: " pä ss=?"}, {Username: "dora", Password: "=?UTF-8?B?YQ==?= "}, {Username: "ed", Password: " x "}, {Username: "carol", Password: "x", Code: "1"}}}, Options{PasswordLogin: true})
	require.True(t, g.HasPasswords())
	s, err := g.VerifyPassword(t.Context(), "zoë", session.NewSecret(" pä ss=?"), "")
	require.NoError(t, err)
	require.Equal(t, "zoë", s.Identity.Username)
	require.Equal(t, "pwd", s.AuthenticationMethods[0].Method)
	for user, password := range map[string]string{"dora": "=?UTF-8?B?YQ==?= ", "ed": " x "} {
		_, err = g.VerifyPassword(t.Context(), user, session.NewSecret(password), "")
		require.NoError(t, err, "not decoded, not trimmed")
	}
	_, err = g.VerifyPassword(t.Context(), "carol", session.NewSecret("x"), "")
	exactlyOne(t, err, session.ErrInsufficient)
	require.Equal(t, g.LoginURL(""), session.LoginURL(err))
	require.NotEmpty(t, session.LoginURL(err))
	_, err = g.VerifyPassword(t.Context(), "a\r\nX-Admin: 1", session.NewSecret("x"), "")
	exactlyOne(t, err, session.ErrRejected)
	require.False(t, g.peer.Panel().Saw("X-Admin"))
	require.False(t, open(t, peer.Options{}, Options{}).HasPasswords())
}

// The clocks of a session that began with our form are the manager's.
func TestRefreshLeavesTheClocksOfASessionOfOursAlone(t *testing.T) {
	g := open(t, peer.Options{}, Options{PasswordLogin: true})
	s, err := g.VerifyPassword(t.Context(), "alice", session.NewSecret("wonderland"), "")
	require.NoError(t, err)
	s.ID = "the manager's"
	s.IdleExpiresAt = g.peer.Panel().Now().Add(time.Minute)
	n, err := g.Refresh(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, s, n)
}

func TestVerifyKeepsASessionOfOursAlive(t *testing.T) {
	g := open(t, peer.Options{}, Options{PasswordLogin: true})
	s, err := g.VerifyPassword(t.Context(), "alice", session.NewSecret("wonderland"), "")
	require.NoError(t, err)
	for range 5 {
		g.advance(20 * time.Minute)
		require.NoError(t, g.Verify(t.Context(), s))
	}
	g.advance(21 * time.Minute)
	exactlyOne(t, g.Verify(t.Context(), s), session.ErrRejected)
}

func TestAnAnswerToALoginWithoutATokenIsNonsense(t *testing.T) {
	g := answering(t, http.StatusOK, `{"successUrl":"/console"}`)
	_, err := g.VerifyPassword(t.Context(), "alice", session.NewSecret("planted"), "")
	exactlyOne(t, err, session.ErrUnavailable, "planted")
}
