package pingam

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/pingam"
	"github.com/sessionward/sessionward/session"
)

func TestTrap17_ValidateWithoutRefreshFalseKeepsUsersLoggedIn(t *testing.T) {
	looks := map[string]struct {
		p peer.Options
		o Options
	}{
		"info": {peer.Options{}, Options{}}, "validate": {peer.Options{}, Options{LookUp: LookUpValidate}},
		"OpenAM": {peer.Options{Profile: peer.OpenAM}, Options{LookUp: LookUpValidate}},
	}
	for name, row := range looks {
		t.Run(name, func(t *testing.T) {
			g := open(t, row.p, row.o)
			c := g.login("alice")
			for range 2 { // looked at, at 0, 10, 20 minutes, and never used
				g.resolve(c)
				g.advance(10 * time.Minute)
			}
			g.resolve(c)
			g.advance(11 * time.Minute)
			_, err := g.Resolve(t.Context(), c)
			exactlyOne(t, err, session.ErrRejected, c.Value.Reveal())
		})
	}
	t.Run("the trap", func(t *testing.T) {
		g := open(t, peer.Options{}, Options{})
		c := g.login("alice")
		for range 3 {
			g.advance(29 * time.Minute)
			_, err := g.validate(t.Context(), c.Value, true) // what a careless look does
			require.NoError(t, err)
		}
		g.advance(20 * time.Minute)
		require.WithinDuration(t, g.peer.Panel().Now().Add(10*time.Minute), g.resolve(c).IdleExpiresAt, 3*time.Second)
	})
}

func TestTrap18_LogoutOfADeadTokenSucceeds(t *testing.T) {
	for _, o := range []peer.Options{{}, {Profile: peer.OpenAM}} {
		g := open(t, o, Options{})
		c := g.login("alice")
		s := g.resolve(c)
		require.NoError(t, g.Revoke(t.Context(), s))
		_, err := g.Resolve(t.Context(), c)
		exactlyOne(t, err, session.ErrRejected)
		r, err := g.ask(t.Context(), question{action: logout, caller: c.Value})
		require.NoError(t, err)
		require.Equal(t, 200, r.Status, "the trap")
		require.Contains(t, string(r.Body), "Token has expired")
		require.NoError(t, g.Revoke(t.Context(), s), "gone is gone")
	}
}

// Some versions answer 401 about a token that has ended. That is gone as well; a page of somebody else's is not.
func TestALogoutAnsweredWith401IsDone(t *testing.T) {
	g := answering(t, http.StatusUnauthorized, `{"code":401,"reason":"Unauthorized","message":"Access denied"}`)
	require.NoError(t, g.Revoke(t.Context(), held(g.Source)))
	g = answering(t, http.StatusUnauthorized, `<!DOCTYPE html><title>Sign in to the proxy</title>`)
	exactlyOne(t, g.Revoke(t.Context(), held(g.Source)), session.ErrUnavailable)
}

func TestTrap19_MinutesAndSecondsInRefresh(t *testing.T) {
	g := open(t, peer.Options{}, Options{})
	s := g.resolve(g.login("alice"))
	g.advance(10 * time.Minute)
	r, err := g.refresh(t.Context(), s.Tokens.Access)
	require.NoError(t, err)
	require.Equal(t, refreshed{idle: 0, maxIdle: 30 * time.Minute, timeLeft: r.timeLeft}, r)
	require.InDelta(t, (110 * time.Minute).Seconds(), r.timeLeft.Seconds(), 3)
	raw, err := g.ask(t.Context(), g.about(refresh, s.Tokens.Access))
	require.NoError(t, err)
	require.Contains(t, string(raw.Body), `"maxidletime":30`, "the trap: minutes")
	require.Contains(t, string(raw.Body), `"maxtime":6`, "beside seconds: 6599 or 6600")

	n, err := g.Refresh(t.Context(), s)
	require.NoError(t, err)
	require.WithinDuration(t, g.peer.Panel().Now().Add(30*time.Minute), n.IdleExpiresAt, 3*time.Second)
	require.Equal(t, s.ExpiresAt, n.ExpiresAt, "the absolute end stays")
	s.ExpiresAt = time.Time{}
	n, err = g.Refresh(t.Context(), s)
	require.NoError(t, err)
	require.WithinDuration(t, g.peer.Panel().Now().Add(110*time.Minute), n.ExpiresAt, 3*time.Second, "told here, in seconds")
}

func TestTrap20_A401OfTheAdministratorIsNotTheUsers(t *testing.T) {
	for name, p := range map[string]peer.Options{"PingAM": {}, "OpenAM": {Profile: peer.OpenAM}, "a dead subject is 401": {DeadSubjectUnauthorized: true}} {
		t.Run(name, func(t *testing.T) {
			g := open(t, p, administered(Options{}))
			c := g.login("alice")
			g.resolve(c)
			g.peer.EndUser("amAdmin")
			from := g.mark()
			r, err := g.send(t.Context(), g.about(getSessionInfo, c.Value), g.adminHeader(g.admin.token))
			require.NoError(t, err)
			require.Equal(t, http.StatusUnauthorized, r.Status, "the trap: 401, and alice is well")
			g.resolve(c)
			require.Equal(t, 1, count1(g.asked(from), "authenticate"), "the administrator logs in again once: %v", g.asked(from))
			g.peer.End(c.Value.Reveal())
			from = g.mark()
			_, err = g.Resolve(t.Context(), c)
			exactlyOne(t, err, session.ErrRejected, c.Value.Reveal())
			require.Zero(t, count1(g.asked(from), "authenticate"), "a dead user costs no login of the administrator")
		})
	}
}

func count1(list []string, part string) int {
	n := 0
	for _, s := range list {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

// A password that was changed must neither log users out nor lock the administrator's account with attempts.
func TestAnAdministratorThatIsNotAcceptedEndsNothing(t *testing.T) {
	o := administered(Options{})
	o.Administrator.Password = session.NewSecret("planted-wrong-password")
	g := open(t, peer.Options{}, o)
	c := g.login("alice")
	for range 5 {
		_, err := g.Resolve(t.Context(), c)
		exactlyOne(t, err, session.ErrUnavailable, "planted-wrong-password", c.Value.Reveal())
		require.Positive(t, session.RetryAfter(err))
		require.ErrorIs(t, g.Health(), session.ErrUnavailable)
	}
	require.Equal(t, 1, count1(g.asked(0), "authenticate"), "one attempt in 30 s")
	g.advance(rest)
	_, err := g.Resolve(t.Context(), c)
	exactlyOne(t, err, session.ErrUnavailable)
	require.Equal(t, 2, count1(g.asked(0), "authenticate"))
	require.NotContains(t, g.log.String(), "planted-wrong-password")
}

func TestAFixedTokenThatIsNotAcceptedEndsNothing(t *testing.T) {
	for _, bearer := range []bool{false, true} {
		o := Options{Administrator: AdministratorOptions{Token: session.NewSecret("planted-token"), Bearer: bearer}}
		g := open(t, peer.Options{AccessToken: "another"}, o)
		_, err := g.Resolve(t.Context(), g.login("alice"))
		exactlyOne(t, err, session.ErrUnavailable, "planted-token")
		require.ErrorIs(t, g.Health(), session.ErrUnavailable)
	}
	o := Options{Administrator: AdministratorOptions{Token: session.NewSecret("access-token"), Bearer: true}}
	g := open(t, peer.Options{AccessToken: "access-token"}, o)
	g.resolve(g.login("alice"))
	require.True(t, g.peer.Panel().Saw("Bearer access-token"))
	require.NoError(t, g.Health())
}

// The 401 of a proxy in between is nobody's word.
func TestA401ThatIsNotTheAuthoritysEndsNothing(t *testing.T) {
	for _, body := range []string{`<!DOCTYPE html><title>Sign in to the proxy</title>`, ``, `{"error":"unauthorized"}`, `[]`} {
		g := answering(t, http.StatusUnauthorized, body)
		_, err := g.Resolve(t.Context(), shown("AQIC5planted"))
		exactlyOne(t, err, session.ErrUnavailable, "AQIC5planted")
	}
	g := answering(t, http.StatusUnauthorized, `{"code":401,"reason":"Unauthorized","message":"Access Denied"}`)
	_, err := g.Resolve(t.Context(), shown("AQIC5planted"))
	exactlyOne(t, err, session.ErrRejected)
}

func TestTrap21_TheTokenTravelsInTheHeaderWithAVersion(t *testing.T) {
	g := open(t, peer.Options{NoDefaultVersion: true}, Options{PasswordLogin: true})
	c := g.login("alice")
	s := g.resolve(c)
	_, err := g.Touch(t.Context(), s, c)
	require.NoError(t, err)
	_, err = g.UpdateProperties(t.Context(), s, map[string]string{"color": "green"})
	require.NoError(t, err)
	_, err = g.VerifyPassword(t.Context(), "alice", session.NewSecret("wonderland"), "")
	require.NoError(t, err)
	require.NoError(t, g.Revoke(t.Context(), s))
	for _, text := range g.peer.Panel().Shown() {
		require.Contains(t, text, "Accept-Api-Version: resource=")
		require.NotContains(t, text, "\nCookie:")
	}
	req, err := http.NewRequest("POST", g.o.address("/", "sessions", url.Values{"_action": {"getSessionInfo"}}), nil)
	require.NoError(t, err)
	req.AddCookie(&http.Cookie{Name: defaultCookie, Value: g.login("alice").Value.Reveal()})
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusForbidden, res.StatusCode, "the trap: a good token in the cookie")
}

func TestTrap22_TwoRefreshesWithinAMinute(t *testing.T) {
	g := open(t, peer.Options{}, Options{KeepAliveBefore: 29 * time.Minute})
	c := g.login("alice")
	s := g.resolve(c)
	g.advance(30 * time.Second)
	n, err := g.Refresh(t.Context(), s)
	require.NoError(t, err)
	require.WithinDuration(t, s.IdleExpiresAt, n.IdleExpiresAt, 2*time.Second, "the trap: nothing has moved, and nothing is wrong")
	g.advance(31 * time.Second)
	n, err = g.Refresh(t.Context(), s)
	require.NoError(t, err)
	require.WithinDuration(t, s.IdleExpiresAt.Add(61*time.Second), n.IdleExpiresAt, 2*time.Second)

	from := g.mark()
	for range 5 { // a stampede of browsers
		_, err = g.Touch(t.Context(), s, c)
		require.NoError(t, err)
	}
	require.Equal(t, 1, count1(g.asked(from), resetIdleTime), "once a minute")
	g.advance(touchEvery)
	_, err = g.Touch(t.Context(), s, c)
	require.NoError(t, err)
	require.Equal(t, 2, count1(g.asked(from), resetIdleTime))
}

func TestTrap23_RealmsInPathsAndValuesInFilters(t *testing.T) {
	for realm, want := range map[string]string{
		"/": "realms/root", "": "realms/root", "/alpha": "realms/root/realms/alpha", "/alpha/beta": "realms/root/realms/alpha/realms/beta",
		"/a b": "realms/root/realms/a%20b", "/a?x=1": "realms/root/realms/a%3Fx=1", "/a%2Fb": "realms/root/realms/a%252Fb",
	} {
		require.Equal(t, want, realmPath(realm), realm)
	}
	require.Equal(t, "true", filter("", ""))
	require.Equal(t, `username eq "bjensen" and realm eq "/alpha"`, filter("bjensen", "/alpha"))
	require.Equal(t, `username eq "a\"b\\c"`, filter(`a"b\c`, ""))

	const sly = `x" or realm eq "/`
	g := open(t, peer.Options{Users: append(peer.DefaultUsers(), peer.User{Username: sly, Password: "p"})}, administered(Options{}))
	g.login("alice")
	own := g.login(sly)
	list := collect(t, g.List(t.Context(), session.Query{Username: sly}))
	require.Len(t, list, 1, "the name is a value, and not a part of the filter")
	require.Equal(t, g.peer.Handle(own.Value.Reveal()), list[0].SourceSessionID)
	g.login("bob")
	list = collect(t, g.List(t.Context(), session.Query{Realm: "/alpha"}))
	require.Len(t, list, 1)
	require.True(t, g.peer.Panel().Saw("/json/realms/root/realms/alpha/sessions?_queryFilter=realm%20eq%20%22%2Falpha%22"), "as the vendor writes it")
}

func TestTrap24_MillisecondsAreSometimesThere(t *testing.T) {
	g := open(t, peer.Options{}, administered(Options{}))
	c := g.login("alice")
	s := g.resolve(c)
	list := collect(t, g.List(t.Context(), session.Query{Username: "alice"}))
	require.Len(t, list, 1)
	require.Zero(t, s.LastAccessAt.Nanosecond())
	require.Equal(t, s.LastAccessAt, list[0].LastAccessAt.Truncate(time.Second))
	raw, err := g.ask(t.Context(), question{action: query, params: url.Values{"_queryFilter": {"true"}}})
	require.NoError(t, err)
	require.Regexp(t, `"latestAccessTime":"[^"]*\.\d{3}Z"`, string(raw.Body), "the trap")
	for text, want := range map[string]time.Time{
		"2024-02-21T14:31:18Z":          time.Date(2024, 2, 21, 14, 31, 18, 0, time.UTC),
		"2022-11-11T09:32:28.265Z":      time.Date(2022, 11, 11, 9, 32, 28, 265e6, time.UTC),
		"2022-11-11T10:32:28.265+01:00": time.Date(2022, 11, 11, 9, 32, 28, 265e6, time.UTC),
		"+292278994-08-17T07:12:55Z":    {},
		"292278994-08-17T07:12:55Z":     {},
		"":                              {},
	} {
		var got time.Time
		require.NoError(t, timeOf(map[string]any{"at": text}, "at", &got), text)
		require.Equal(t, want, got, text)
	}
	for _, bad := range []any{"yesterday", "2024-02-21", 1708525878.0, true} {
		var got time.Time
		require.Error(t, timeOf(map[string]any{"at": bad}, "at", &got))
	}
}

// While the authority cannot be asked, nobody is logged out by anything.
func TestOutagesEndNothing(t *testing.T) {
	for name, o := range map[string]Options{"self-service": {}, "administrator": administered(Options{})} {
		g := open(t, peer.Options{}, o)
		c := g.login("alice")
		s := g.resolve(c)
		for _, mode := range append(panel.Nonsense(), panel.Down, panel.Failing) {
			g.peer.Panel().Set(mode)
			for what, err := range map[string]error{
				"verify": g.Verify(t.Context(), s), "revoke": g.Revoke(t.Context(), s),
				"refresh": second(g.Refresh(t.Context(), s)), "properties": second(g.ReadProperties(t.Context(), s)),
				"current": second(g.Current(t.Context(), s)), "touch": second(g.Touch(t.Context(), s, c)),
			} {
				exactlyOne(t, err, session.ErrUnavailable, c.Value.Reveal())
				require.NotErrorIs(t, err, session.ErrRejected, "%s %s %s", name, mode, what)
			}
		}
		g.peer.Panel().Set(panel.Up)
		g.resolve(c)
	}
}

func second[T any](_ T, err error) error { return err }
