package secretserver

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/secretserver"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// TestResolvedSession: what is known of a token that is shown, and nothing more.
func TestResolvedSession(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	token := w.peer.Login("alice").Access
	s := w.resolve(token)
	require.Equal(t, authority.SessionID("vault", session.NewSecret(token)), s.ID)
	require.True(t, strings.HasPrefix(s.Handle, "secretserver-"))
	require.Equal(t, session.Identity{
		Subject: "12", Username: "alice", Name: "Alice Liddell", Email: "alice@example.com",
		Claims: map[string]any{
			"dateOptionId": 1.0, "timeOptionId": 1.0, "userLcid": 1033.0, "userTheme": "", "permissions": []any{}, "platformIntegrationType": "None",
		},
	}, s.Identity)
	require.Equal(t, []session.AuthenticationMethod{{Method: "external"}}, s.AuthenticationMethods)
	require.Equal(t, session.Tokens{Type: TypeExternal, Access: session.NewSecret(token)}, s.Tokens, "its end is not known")
	require.Equal(t, map[string]string{"api_url": w.url + "/api/v1", "take": "100", "server_version": "11.7.000049"}, s.Properties)
	for _, at := range []time.Time{s.IssuedAt, s.AuthenticatedAt, s.LastAccessAt, s.ExpiresAt, s.IdleExpiresAt} {
		require.Zero(t, at, "a time the server does not tell")
	}
	require.Empty(t, s.AAL)
}

// TestLoggedInSession: what a login by the form gives.
func TestLoggedInSession(t *testing.T) {
	w := newWorld(t, peer.Options{
		Path:  "/SecretServer",
		Users: []peer.User{{Username: "alice", Password: password, Domain: "CORP"}},
	}, func(o *Options) {
		o.URL += "/"
		o.Domain = "corp"
	})
	before := w.peer.Panel().Now()
	s := w.login()
	require.Equal(t, []string{"", "", "vault", "91", "corp", "aal1"}, []string{s.ID, s.Handle, s.Source, s.SourceSessionID, s.Realm, s.AAL})
	require.Equal(t, "12", s.Identity.Subject)
	require.Equal(t, TypeBearer, s.Tokens.Type)
	require.WithinDuration(t, before.Add(1199*time.Second-clockSkew), s.Tokens.ExpiresAt, 2*time.Second)
	require.Equal(t, []session.AuthenticationMethod{{Method: "pwd", AAL: "aal1", CompletedAt: s.AuthenticatedAt}}, s.AuthenticationMethods)
	require.Equal(t, map[string]string{
		"api_url": w.url + "/api/v1", "take": "100", "server_version": "11.7.000049", "refreshes_left": "3",
	}, s.Properties)
	require.True(t, w.ValidSession(s))
	require.True(t, w.ValidToken(s))
}

// TestTheSkewIsTakenOffTheLifetime: the server counts from its own moment of issue. A short life is not eaten up.
func TestTheSkewIsTakenOffTheLifetime(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for seconds, want := range map[string]time.Duration{"1199": 1194 * time.Second, "8": 4 * time.Second, "31536000": 365*24*time.Hour - 5*time.Second} {
		s := scripted(t, 200, `{"access_token":"a","expires_in":`+seconds+`,"id":12}`)
		s.now = func() time.Time { return now }
		n, err := s.Refresh(t.Context(), formSession("a", "r"))
		require.NoError(t, err)
		require.Equal(t, now.Add(want), n.Tokens.ExpiresAt, seconds)
	}
}

func TestWrongPasswordsAndUsersLookTheSame(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	_, wrong := w.VerifyPassword(t.Context(), "alice", session.NewSecret("wrong"), "")
	_, nobody := w.VerifyPassword(t.Context(), "nobody", session.NewSecret(password), "")
	require.ErrorIs(t, wrong, session.ErrRejected)
	require.Equal(t, wrong.Error(), nobody.Error())
	require.NoError(t, w.Health(), "a wrong password is no outage")
	w.peer.Panel().Set(panel.HTML)
	_, err := w.VerifyPassword(t.Context(), "alice", session.NewSecret(password), "")
	unavailable(t, err)
	w.peer.Panel().Set(panel.Up)
	require.Error(t, w.Health())
	_, err = w.VerifyPassword(t.Context(), "alice", session.NewSecret("wrong"), "")
	require.ErrorIs(t, err, session.ErrRejected)
	require.NoError(t, w.Health(), "and ends one: the server knows what it says")
}

// TestAccountsWithAOneTimePasswordCannotLogIn: it would travel in a header, and the form has no field for it.
func TestAccountsWithAOneTimePasswordCannotLogIn(t *testing.T) {
	w := newWorld(t, peer.Options{Users: []peer.User{{Username: "alice", Password: password, OTP: "256380"}}}, nil)
	for _, typed := range []string{password, password + "256380", password + ",256380"} {
		_, err := w.VerifyPassword(t.Context(), "alice", session.NewSecret(typed), "")
		require.ErrorIs(t, err, session.ErrRejected)
	}
	require.False(t, w.peer.Panel().Saw("Otp:"))
}

// TestServersWithoutRefreshTokens: a login works, and lasts as long as its token.
func TestServersWithoutRefreshTokens(t *testing.T) {
	w := newWorld(t, peer.Options{RefreshTokensOff: true}, nil)
	s := w.login()
	require.False(t, s.Tokens.Renewable())
	require.Equal(t, "0", s.Properties[refreshesLeft])
	require.True(t, w.ValidSession(s))
	_, err := w.Refresh(t.Context(), s)
	require.ErrorIs(t, err, session.ErrUnsupported)
}

// TestOlderServers have no list of sessions and wrap their version.
func TestOlderServers(t *testing.T) {
	w := newWorld(t, peer.Options{NoSessionList: true, WrappedVersion: true, Version: "10.9.000002"}, nil)
	s := w.login()
	require.Empty(t, s.SourceSessionID)
	require.Equal(t, "10.9.000002", s.Properties["server_version"])
	_, err := drain(t.Context(), w.Source, s)
	require.ErrorIs(t, err, session.ErrUnsupported)
	require.ErrorContains(t, err, "this version of Secret Server has no /users/sessions")
	require.NotContains(t, err.Error(), "?")
	require.ErrorIs(t, w.RevokeOwn(t.Context(), s, "91"), session.ErrUnsupported)
	_, err = w.RevokeOthers(t.Context(), s)
	require.ErrorIs(t, err, session.ErrUnsupported)
	require.NoError(t, w.Revoke(t.Context(), s))
	require.NoError(t, w.Health())
}

// TestTheVersionIsAskedOnceAnHour, and a server that does not tell it is asked again after a while and is no worse.
func TestTheVersionIsAskedOnceAnHour(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	token := w.peer.Login("alice").Access
	asked := func() int { return strings.Count(strings.Join(w.peer.Panel().Shown(), "\n"), "GET /api/v1/version") }
	for range 3 {
		w.resolve(token)
	}
	require.Equal(t, 1, asked())
	w.peer.Panel().Advance(versionFor)
	w.resolve(w.peer.Login("alice").Access)
	require.Equal(t, 2, asked())

	for name, answer := range map[string]string{"nothing": `{}`, "odd": `{"version":"<script>"}`, "null": `{"model":null}`, "long": `{"version":"` + strings.Repeat("1", 99) + `"}`} {
		askedHere := 0
		s := answering(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Path == apiPath+versionPath {
				askedHere++
				_, _ = w.Write([]byte(answer))
				return
			}
			_, _ = w.Write([]byte(`{"id":12}`))
		})
		now := time.Now()
		s.now = func() time.Time { return now }
		for range 3 {
			got, err := s.Resolve(t.Context(), bearer("token"))
			require.NoError(t, err, name)
			require.NotContains(t, got.Properties, "server_version", name)
		}
		require.Equal(t, 1, askedHere, name)
		now = now.Add(versionRetry)
		_, err := s.Resolve(t.Context(), bearer("token"))
		require.NoError(t, err, name)
		require.Equal(t, 2, askedHere, name)
		require.NoError(t, s.Health(), name)
	}
}

func TestSDKTokens(t *testing.T) {
	w := newWorld(t, peer.Options{}, func(o *Options) { o.TokenType = TypeSDK })
	token := w.peer.SDKToken("alice")
	s := w.resolve(token)
	require.Equal(t, TypeSDK, s.Tokens.Type)
	require.Equal(t, []session.AuthenticationMethod{{Method: "sdk"}}, s.AuthenticationMethods)
	require.True(t, w.ValidSession(s))
	require.True(t, w.ValidToken(s))
	require.ErrorIs(t, w.Revoke(t.Context(), s), session.ErrUnsupported)
	require.True(t, w.peer.Alive(token))
	_, err := w.Refresh(t.Context(), s)
	require.ErrorIs(t, err, session.ErrUnsupported)
	w.peer.End(token)
	_, err = w.Resolve(t.Context(), bearer(token))
	require.ErrorIs(t, err, session.ErrRejected)
}

// TestTokenChecks: the five local questions of the vendor's module, as they are meant.
func TestTokenChecks(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	s := open(t, Options{URL: "https://vault.example.com"}, func() time.Time { return now }, &syncBuffer{})
	type change func(*session.Session)
	external := func(o *session.Session) {
		*o = session.Session{Tokens: session.Tokens{Type: TypeExternal, Access: o.Tokens.Access}}
	}
	tests := map[string]struct {
		change              change
		session, token      bool
		ends, endsIsUnknown bool
	}{
		"a login":            {func(*session.Session) {}, true, true, false, false},
		"no access token":    {func(o *session.Session) { o.Tokens.Access = session.Secret{} }, false, false, false, false},
		"no time of login":   {func(o *session.Session) { o.AuthenticatedAt = time.Time{} }, false, true, false, false},
		"refresh token lost": {func(o *session.Session) { o.Tokens.Refresh = session.Secret{} }, false, true, false, false},
		"no refresh token is given": {func(o *session.Session) {
			o.Tokens.Refresh, o.Properties = session.Secret{}, map[string]string{refreshesLeft: "0"}
		}, true, true, false, false},
		"ends within":              {func(o *session.Session) { o.Tokens.ExpiresAt = now.Add(10 * time.Minute) }, true, true, true, false},
		"ends right now":           {func(o *session.Session) { o.Tokens.ExpiresAt = now }, true, false, true, false},
		"has ended":                {func(o *session.Session) { o.Tokens.ExpiresAt = now.Add(-time.Hour) }, true, false, true, false},
		"end unknown":              {func(o *session.Session) { o.Tokens.ExpiresAt = time.Time{} }, true, false, false, true},
		"made elsewhere":           {external, true, true, false, true},
		"made elsewhere, no token": {func(o *session.Session) { o.Tokens.Access = session.Secret{}; external(o) }, false, true, false, true},
		"Windows":                  {func(o *session.Session) { *o = session.Session{Tokens: session.Tokens{Type: TypeWindows}} }, true, true, false, true},
		"SDK client":               {func(o *session.Session) { *o = session.Session{Tokens: session.Tokens{Type: TypeSDK}} }, true, true, false, true},
	}
	for name, tt := range tests {
		o := formSession("a", "r")
		o.Tokens.ExpiresAt = now.Add(time.Hour)
		tt.change(o)
		require.Equal(t, tt.session, s.ValidSession(o), name)
		require.Equal(t, tt.token, s.ValidToken(o), name)
		ends, known := s.EndsWithin(o, 10*time.Minute)
		require.Equal(t, []bool{tt.ends, !tt.endsIsUnknown}, []bool{ends, known}, name)
	}
}
