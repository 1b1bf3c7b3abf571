package kratos

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/kratos"
	"github.com/sessionward/sessionward/session"
)

// TestTrap11_TheTokenHeaderShadowsAGoodCookie: Kratos looks at X-Session-Token first, however bad it is. A question of ours
// shows one credential.
func TestTrap11_TheTokenHeaderShadowsAGoodCookie(t *testing.T) {
	p := sharedPeer(t)
	good := loginAlice(t, p)
	res, _ := ask(t, http.MethodGet, p.URL()+"/sessions/whoami", http.Header{
		"Cookie": {defaultCookie + "=" + good.Value.Reveal()}, tokenHeader: {"ory_st_bad"},
	})
	require.Equal(t, http.StatusUnauthorized, res.StatusCode, "the trap")

	s := sourceOf(t, p, nil)
	token := login(t, p, "bob", "the builder")
	bearer := tokenIn(session.KindBearer, token.Value.Reveal())
	for place, c := range map[string]session.Credential{"Cookie": good, tokenHeader: token, "bearer": bearer} {
		before := len(p.Panel().Shown())
		got := resolve(t, s, c)
		require.Equal(t, place == "Cookie", got.Identity.Username == "alice", place)
		shown := p.Panel().Shown()[before:]
		require.Len(t, shown, 1)
		carried := 0
		for _, header := range []string{"\nCookie:", "\n" + tokenHeader + ":", "\nAuthorization:"} {
			carried += strings.Count("\n"+shown[0], header)
		}
		require.Equal(t, 1, carried, shown[0])
		require.Contains(t, shown[0], c.Value.Reveal())
	}
}

// TestTrap12_UnauthorizedHasNoErrorID: the API description promises session_inactive, whoami does not send it.
func TestTrap12_UnauthorizedHasNoErrorID(t *testing.T) {
	p := sharedPeer(t)
	res, body := ask(t, http.MethodGet, p.URL()+"/sessions/whoami", http.Header{tokenHeader: {"ory_st_bad"}})
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.JSONEq(t, fixture(t, "unauthorized.json"), body)
	require.NotContains(t, body, `"id"`, "the trap")
	_, err := sourceOf(t, p, nil).Resolve(t.Context(), tokenIn(session.KindHeader, "ory_st_bad"))
	require.ErrorIs(t, err, session.ErrRejected)
}

// TestTrap13_ExtendOutsideItsWindowSucceedsWithoutEffect: 200 and nothing has changed. That is no renewal, and ends nothing
// either; the next attempt comes later.
func TestTrap13_ExtendOutsideItsWindowSucceedsWithoutEffect(t *testing.T) {
	p := startPeer(t, peer.Options{Lifespan: time.Hour, ExtendUntil: time.Minute})
	s := sourceOf(t, p, func(o *Options) { o.ExtendBefore = 2 * time.Hour })
	good := login(t, p, "alice", "wonderland")
	held := resolve(t, s, good)
	res, _ := ask(t, http.MethodPatch, p.AdminURL()+"/admin/sessions/"+held.SourceSessionID+"/extend", nil)
	require.Equal(t, http.StatusOK, res.StatusCode, "the trap")
	require.Equal(t, held.ExpiresAt, resolve(t, s, good).ExpiresAt, "the trap")

	require.True(t, s.RenewAt(held).Before(time.Now()), "due at once: extend_before is longer than a session")
	_, err := s.Refresh(t.Context(), held)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.InDelta(t, 30*time.Minute, session.RetryAfter(err), float64(time.Minute))
	require.ErrorContains(t, err, "earliest_possible_extend")
	require.WithinDuration(t, held.ExpiresAt.Add(-30*time.Minute), s.RenewAt(held), time.Minute, "the source has learnt")
	require.Equal(t, held.ExpiresAt, resolve(t, s, good).ExpiresAt)
}

// TestTrap14_TheCookieWrittenAnewReachesTheBrowser: after an extension whoami writes the session cookie anew, and the old
// one would end in the browser when it was to end at first.
func TestTrap14_TheCookieWrittenAnewReachesTheBrowser(t *testing.T) {
	for name, faster := range map[string]bool{"200": false, "204": true} {
		t.Run(name, func(t *testing.T) {
			p := startPeer(t, peer.Options{Lifespan: time.Hour, FasterExtend: faster})
			s := sourceOf(t, p, func(o *Options) { o.ExtendBefore = time.Hour })
			good := loginAlice(t, p)
			held := resolve(t, s, good)
			require.Empty(t, held.Reissue)
			next, err := s.Refresh(t.Context(), held)
			require.NoError(t, err)
			require.True(t, next.ExpiresAt.After(held.ExpiresAt))
			require.Equal(t, next.ExpiresAt, next.Tokens.ExpiresAt)
			require.Len(t, next.Reissue, 1)
			require.Equal(t, "Set-Cookie", next.Reissue[0].Name)
			c, err := http.ParseSetCookie(next.Reissue[0].Value.Reveal())
			require.NoError(t, err)
			require.Equal(t, defaultCookie, c.Name)
			require.True(t, c.HttpOnly)
			require.NotEqual(t, good.Value.Reveal(), c.Value)
			require.Len(t, resolve(t, s, good).Reissue, 1, "until the browser shows the new one")
			again := resolve(t, s, cookie(c.Value))
			require.Empty(t, again.Reissue)
			require.Equal(t, held.ID, again.ID, "another cookie, not another session")
			require.Equal(t, next.ExpiresAt, again.ExpiresAt)
		})
	}
}

// TestTrap15_TheOwnSessionIsLoggedOutNotRevoked: DELETE /sessions/{id} refuses the session that asks.
func TestTrap15_TheOwnSessionIsLoggedOutNotRevoked(t *testing.T) {
	p := sharedPeer(t)
	s := sourceOf(t, p, nil)
	good, other := loginAlice(t, p), login(t, p, "alice", "wonderland")
	held, second := resolve(t, s, good), resolve(t, s, other)
	res, body := ask(t, http.MethodDelete, p.URL()+"/sessions/"+held.SourceSessionID, http.Header{"Cookie": {defaultCookie + "=" + good.Value.Reveal()}})
	require.Equal(t, http.StatusBadRequest, res.StatusCode, "the trap")
	require.Contains(t, body, "cannot revoke current session")

	require.NoError(t, s.RevokeOwn(t.Context(), held, held.SourceSessionID, "../escape", "00000000-0000-0000-0000-000000000001", second.SourceSessionID))
	for _, c := range []session.Credential{good, other} {
		_, err := s.Resolve(t.Context(), c)
		require.ErrorIs(t, err, session.ErrRejected)
	}
	require.False(t, p.Panel().Saw("escape"))
	require.ErrorIs(t, s.RevokeOwn(t.Context(), held, second.SourceSessionID), session.ErrRejected, "as an ended session nobody is let in")
}

// TestTrap16_TheIdentityMayBeNull: a session without a user is good for nothing yet, and is not ended either. In lists it
// is one of many.
func TestTrap16_TheIdentityMayBeNull(t *testing.T) {
	body := strings.Replace(fixture(t, "whoami_v1.3.1.json"), `"identity":{"id"`, `"identity":null,"was":{"id"`, 1)
	s, _ := canned(t, map[string]reply{
		"GET /sessions/whoami": {status: 200, body: body},
		"GET /admin/sessions":  {status: 200, body: "[" + body + "]"},
	}, nil)
	_, err := s.Resolve(t.Context(), tokenIn(session.KindHeader, "ory_st_x"))
	require.ErrorIs(t, err, session.ErrInsufficient)
	require.NotErrorIs(t, err, session.ErrRejected)
	require.Equal(t, s.o.loginURL()+"?aal=aal2", session.LoginURL(err))
	for one, err := range s.List(t.Context(), session.Query{}) {
		require.NoError(t, err)
		require.Empty(t, one.Identity.Subject)
		require.Equal(t, "50c59411-875a-4745-b3e4-e70b46c725fc", one.SourceSessionID)
	}

	p := sharedPeer(t)
	login(t, p, "bob", "the builder")
	_, list := ask(t, http.MethodGet, p.AdminURL()+"/admin/sessions", nil)
	require.Contains(t, list, `"identity":null`, "the trap, without expand")
}

// TestAnEndedSessionIsNotBroughtBackToLife: Kratos extends sessions that have expired as well.
func TestAnEndedSessionIsNotBroughtBackToLife(t *testing.T) {
	p := startPeer(t, peer.Options{Lifespan: time.Second})
	s := sourceOf(t, p, func(o *Options) { o.ExtendBefore = time.Second })
	good := login(t, p, "alice", "wonderland")
	held := resolve(t, s, good)
	ended := func() bool {
		_, err := s.Resolve(t.Context(), good)
		return err != nil
	}
	require.Eventually(t, ended, 10*time.Second, 50*time.Millisecond)
	_, err := s.Refresh(t.Context(), held)
	require.ErrorIs(t, err, session.ErrRejected)
	require.Zero(t, p.AdminPanel().Asked())
	_, err = s.Resolve(t.Context(), good)
	require.ErrorIs(t, err, session.ErrRejected)

	require.NoError(t, p.Extend(t.Context(), held.SourceSessionID))
	require.False(t, ended(), "the trap: whoever extends without asking first revives it")
}

// TestADatabaseOutageOfKratosIsNoLogout: whoami answers 401, in the words for a session that has ended, when Kratos cannot
// read its database.
func TestADatabaseOutageOfKratosIsNoLogout(t *testing.T) {
	p := startPeer(t, peer.Options{})
	s := sourceOf(t, p, nil)
	for name, good := range map[string]session.Credential{"cookie": loginAlice(t, p), "token": login(t, p, "alice", "wonderland")} {
		held := resolve(t, s, good)
		mend, err := p.BreakDatabase()
		require.NoError(t, err)
		res, body := ask(t, http.MethodGet, p.URL()+"/sessions/whoami", s.header(proofOf(held)))
		require.Equal(t, http.StatusUnauthorized, res.StatusCode, "the trap")
		require.JSONEq(t, fixture(t, "unauthorized.json"), body, "the trap")
		_, err = s.Resolve(t.Context(), good)
		require.ErrorIs(t, err, session.ErrUnavailable, name)
		require.NotErrorIs(t, err, session.ErrRejected, name)
		require.ErrorIs(t, s.Health(), session.ErrUnavailable, name)
		_, err = s.RevokeOthers(t.Context(), held)
		require.ErrorIs(t, err, session.ErrUnavailable, name)
		require.ErrorIs(t, s.Revoke(t.Context(), held), session.ErrUnavailable, name)
		require.NoError(t, mend())
		resolve(t, s, good)
		require.NoError(t, s.Health())
	}
}

// TestARejectionIsConfirmed: by anything but the answer of a Kratos that cannot say, or that knows the session after all.
func TestARejectionIsConfirmed(t *testing.T) {
	for name, tt := range map[string]struct {
		second reply
		want   error
	}{
		"as Kratos does":     {reply{status: 401, body: `{"error":{"id":"session_inactive","code":401}}`}, session.ErrRejected},
		"hidden by a proxy":  {reply{status: 404, body: "<html>"}, session.ErrRejected},
		"led elsewhere":      {reply{status: 302, header: http.Header{"Location": {"http://elsewhere.invalid/"}}}, session.ErrRejected},
		"the database fails": {reply{status: 500, body: `{"error":{"code":500,"message":"planted-trace"}}`}, session.ErrUnavailable},
		"nobody is there":    {reply{status: brokenOff}, session.ErrUnavailable},
		"it is there":        {reply{status: 200, body: `{"logout_token":"planted"}`}, session.ErrUnavailable},
	} {
		s, asked := canned(t, map[string]reply{
			"GET /sessions/whoami":             {status: 401, body: fixture(t, "unauthorized.json")},
			"GET /self-service/logout/browser": tt.second,
		}, nil)
		_, err := s.Resolve(t.Context(), cookie("x"))
		require.ErrorIs(t, err, tt.want, name)
		require.NotContains(t, err.Error(), "planted", name)
		require.Equal(t, "GET /self-service/logout/browser ", asked()[1], name)
	}
}
