package secretserver

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/secretserver"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// TestNoRedirectIsFollowed: whoever is redirected to would be shown a password, a refresh token or a token.
func TestNoRedirectIsFollowed(t *testing.T) {
	seen := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen++ }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := answering(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL+r.URL.Path, status) })
		_, loggedIn := s.VerifyPassword(t.Context(), "alice", session.NewSecret(password), "")
		_, refreshed := s.Refresh(t.Context(), formSession("a", "r"))
		_, resolved := s.Resolve(t.Context(), bearer("token"))
		for _, err := range []error{loggedIn, refreshed, resolved, s.Revoke(t.Context(), formSession("a", "r"))} {
			unavailable(t, err, status)
		}
		require.Error(t, s.Health(), status)
	}
	own := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/other" {
			seen++
		}
		http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
	})
	_, err := own.Refresh(t.Context(), formSession("a", "r"))
	unavailable(t, err)
	require.Zero(t, seen, "nobody else was asked, and no other path")
}

// TestEachCallShowsOneCredential: token calls carry no token beside what they spend, all others one and nothing else of
// the client's.
func TestEachCallShowsOneCredential(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	s := w.login()
	n, err := w.Refresh(t.Context(), s)
	require.NoError(t, err)
	_, err = drain(t.Context(), w.Source, n)
	require.NoError(t, err)
	_, err = w.RevokeOthers(t.Context(), n)
	require.NoError(t, err)
	require.NoError(t, w.Revoke(t.Context(), n))
	c := bearer(w.peer.Login("alice").Access)
	c.UserAgent, c.RemoteIP = "planted-agent", "198.51.100.77"
	_, err = w.Resolve(t.Context(), c)
	require.NoError(t, err)
	secrets := []string{
		password, "planted-wonder%25%2B%26%3Dland", s.Tokens.Access.Reveal(), s.Tokens.Refresh.Reveal(), n.Tokens.Access.Reveal(),
		n.Tokens.Refresh.Reveal(), c.Value.Reveal(),
	}
	for _, shown := range w.peer.Panel().Shown() {
		found := 0
		for _, secret := range secrets {
			found += strings.Count(shown, secret)
		}
		require.Equal(t, 1, found, shown)
		require.Equal(t, strings.Contains(shown, "POST /oauth2/token"), !strings.Contains(shown, "Authorization:"), shown)
		require.NotContains(t, shown, "Cookie:")
		require.NotContains(t, shown, "planted-agent")
		require.NotContains(t, shown, "198.51.100.77")
	}
}

// TestImpossibleTokensAskNobody: what a header cannot carry would look like an outage of the authority.
func TestImpossibleTokensAskNobody(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	for _, odd := range []string{"a b", "a\nb", "a\x00", "ä", "\x7f", strings.Repeat("x", session.MaxCredentialBytes+1)} {
		_, err := w.Resolve(t.Context(), bearer(odd))
		require.ErrorIs(t, err, session.ErrRejected, "%q", odd)
		require.NotErrorIs(t, err, session.ErrUnavailable, "%q", odd)
	}
	require.Zero(t, w.peer.Panel().Asked())
	require.NoError(t, w.Health())
}

func TestPasswordsThatCannotBeOneAskNobody(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	long := strings.Repeat("x", maxTyped+1)
	for _, typed := range [][2]string{{"", password}, {"alice", ""}, {long, password}, {"alice", long}} {
		_, err := w.VerifyPassword(t.Context(), typed[0], session.NewSecret(typed[1]), "")
		require.ErrorIs(t, err, session.ErrRejected)
	}
	require.Zero(t, w.peer.Panel().Asked())
}

// TestAcceptedIsWhatIsConfigured: a form where only tokens are accepted, and tokens where only the form is.
func TestAcceptedIsWhatIsConfigured(t *testing.T) {
	tokensOnly := newWorld(t, peer.Options{}, func(o *Options) { o.Accept = []string{"tokens"} })
	require.False(t, tokensOnly.HasPasswords())
	_, err := tokensOnly.VerifyPassword(t.Context(), "alice", session.NewSecret(password), "")
	require.ErrorIs(t, err, session.ErrUnsupported)
	require.Zero(t, tokensOnly.peer.Panel().Asked())

	formOnly := newWorld(t, peer.Options{}, func(o *Options) { o.Accept = []string{"form"} })
	require.True(t, formOnly.HasPasswords())
	require.Empty(t, formOnly.Places())
	_, err = formOnly.Resolve(t.Context(), bearer(formOnly.peer.Login("alice").Access))
	require.ErrorIs(t, err, session.ErrNotMine)
	require.Zero(t, formOnly.peer.Panel().Asked())

	prefixed := newWorld(t, peer.Options{}, func(o *Options) {
		o.Credentials = authority.Credentials{Header: "X-Vault-Token", Prefix: "AgL"}
	})
	require.Equal(t, []session.Place{{Kind: session.KindHeader, Name: "X-Vault-Token"}}, prefixed.Places())
	c := session.Credential{Place: prefixed.Places()[0], Value: session.NewSecret(prefixed.peer.Login("alice").Access)}
	_, err = prefixed.Resolve(t.Context(), c)
	require.NoError(t, err)
}

// TestATokenOfAnotherUserIsNotTaken: neither at a renewal nor when a session is verified.
func TestATokenOfAnotherUserIsNotTaken(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == tokenPath {
			_, _ = w.Write([]byte(`{"access_token":"a2","token_type":"bearer","expires_in":60,"refresh_token":"r2"}`))
			return
		}
		_, _ = w.Write([]byte(`{"id":13,"userName":"mallory"}`))
	})
	_, err := s.Refresh(t.Context(), formSession("a", "r"))
	unavailable(t, err)
	unavailable(t, s.Verify(t.Context(), formSession("a", "r")))
}

// TestARenewalIsTakenWhenNobodyCanSayWhoItIs: the old refresh token is spent, and the new tokens must not be lost.
func TestARenewalIsTakenWhenNobodyCanSayWhoItIs(t *testing.T) {
	for name, status := range map[string]int{"down": 503, "expired": 403, "unknown": 401} {
		s := answering(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.URL.Path == tokenPath {
				_, _ = w.Write([]byte(`{"access_token":"a2","token_type":"","expires_in":60,"refresh_token":"r2"}`))
				return
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"message":"Authentication failed or expired token."}`))
		})
		before := formSession("a", "r")
		before.Identity.Name = "Alice"
		n, err := s.Refresh(t.Context(), before)
		require.NoError(t, err, name)
		require.Equal(t, []string{"a2", "r2"}, []string{n.Tokens.Access.Reveal(), n.Tokens.Refresh.Reveal()}, name)
		require.Equal(t, before.Identity, n.Identity, name)
	}
}

// TestALoginThatComesToNothingLeavesNoTokenBehind: the token is ended again.
func TestALoginThatComesToNothingLeavesNoTokenBehind(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	w.peer.Forbid("alice", true)
	_, err := w.VerifyPassword(t.Context(), "alice", session.NewSecret(password), "")
	require.ErrorIs(t, err, session.ErrInsufficient, "the password is right")
	require.Zero(t, w.peer.Sessions("alice"))
}

// TestARefreshIsRefusedByTheServersWordAlone: what else comes from the token endpoint ends no session.
func TestARefreshIsRefusedByTheServersWordAlone(t *testing.T) {
	const refused, unknown = "refused", "unknown"
	tests := map[string]struct {
		status     int
		body, want string
	}{
		"refused":                    {400, `{"error":"invalid_grant"}`, refused},
		"refused as by older":        {400, `{"error":"Login failed."}`, refused},
		"refused, one too many":      {400, `{"message":"The request is invalid."}`, refused},
		"refused with 401":           {401, `{"error":"invalid_grant"}`, refused},
		"refused with 403":           {403, `{"message":"Authentication failed or expired token."}`, refused},
		"rights":                     {403, `{"message":"Access Denied"}`, unknown},
		"no word":                    {400, `{}`, unknown},
		"no JSON":                    {400, `no`, unknown},
		"no body":                    {401, ``, unknown},
		"page":                       {403, maintenance, unknown},
		"this client may not":        {400, `{"error":"unauthorized_client"}`, unknown},
		"not for anybody":            {400, `{"error":"unsupported_grant_type"}`, unknown},
		"no such path":               {404, `{"message":"x"}`, unknown},
		"good status, no token":      {200, `{"token_type":"bearer","expires_in":60}`, unknown},
		"good status, error":         {200, `{"error":"invalid_grant"}`, unknown},
		"empty token":                {200, `{"access_token":"","token_type":"bearer","expires_in":60}`, unknown},
		"token no header can carry":  {200, `{"access_token":"a\nb","token_type":"bearer","expires_in":60}`, unknown},
		"refresh token that is none": {200, `{"access_token":"a","refresh_token":"\u0000","token_type":"bearer","expires_in":60}`, unknown},
		"another type":               {200, `{"access_token":"a","token_type":"mac","expires_in":60}`, unknown},
		"no lifetime":                {200, `{"access_token":"a","token_type":"bearer"}`, unknown},
		"lifetime zero":              {200, `{"access_token":"a","token_type":"bearer","expires_in":0}`, unknown},
		"lifetime beyond a year":     {200, `{"access_token":"a","token_type":"bearer","expires_in":31536001}`, unknown},
		"lifetime negative":          {200, `{"access_token":"a","token_type":"bearer","expires_in":-5}`, unknown},
		"lifetime as text":           {200, `{"access_token":"a","token_type":"bearer","expires_in":"60"}`, unknown},
	}
	for name, tt := range tests {
		_, err := scripted(t, tt.status, tt.body).Refresh(t.Context(), formSession("a", "r"))
		if tt.want == refused {
			require.ErrorIs(t, err, session.ErrRejected, name)
			require.NotErrorIs(t, err, session.ErrUnavailable, name)
			continue
		}
		unavailable(t, err, name)
	}
}

// TestRefusalsAreQuotedWithoutSecrets: a server may repeat what it was sent.
func TestRefusalsAreQuotedWithoutSecrets(t *testing.T) {
	s := scripted(t, 400, `{"error":"Login failed."}`)
	_, err := s.VerifyPassword(t.Context(), "alice", session.NewSecret("planted-secret"), "")
	require.ErrorContains(t, err, `it says "Login failed."`)
	s = scripted(t, 400, `{"error":"no: planted-secret\r\nplanted"}`)
	_, err = s.VerifyPassword(t.Context(), "alice", session.NewSecret("planted-secret"), "")
	require.ErrorIs(t, err, session.ErrRejected)
	require.NotContains(t, err.Error(), "planted")
	_, err = s.Refresh(t.Context(), formSession("a", "planted-secret"))
	require.ErrorIs(t, err, session.ErrRejected)
	require.NotContains(t, err.Error(), "planted")
	s = scripted(t, 400, `{"error":"`+strings.Repeat("\\r\\nx", 5000)+`"}`)
	_, err = s.Refresh(t.Context(), formSession("a", "r"))
	require.Less(t, len(err.Error()), 1000)
	require.NotContains(t, err.Error(), "\n")
}

// TestOnlyTheLiteralTrueEndsAToken: the vendor's own client takes every answer for a success.
func TestOnlyTheLiteralTrueEndsAToken(t *testing.T) {
	for body, ok := range map[string]bool{"true": true, " true\r\n": true, "false": false, `"true"`: false, "": false, `{"success":true}`: false, "1": false} {
		err := scripted(t, 200, body).Revoke(t.Context(), formSession("a", "r"))
		if ok {
			require.NoError(t, err, body)
			continue
		}
		unavailable(t, err, body)
	}
	require.NoError(t, scripted(t, 401, "").Revoke(t.Context(), formSession("a", "")), "unknown is gone")
	require.NoError(t, scripted(t, 403, `{"message":"Authentication failed or expired token."}`).Revoke(t.Context(), formSession("a", "")))
	require.ErrorIs(t, scripted(t, 403, `{"message":"Access Denied"}`).Revoke(t.Context(), formSession("a", "")), session.ErrInsufficient)
	require.NoError(t, scripted(t, 500, "").Revoke(t.Context(), &session.Session{}), "without a token there is nothing to end")
}

// TestTokenCallsArePatient: they get more time than other calls, for their answer cannot be had again.
func TestTokenCallsArePatient(t *testing.T) {
	release := make(chan struct{})
	h := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != tokenPath {
			_, _ = w.Write([]byte(`{"id":12}`))
			return
		}
		select {
		case <-release:
		case <-time.After(400 * time.Millisecond):
		}
		_, _ = w.Write([]byte(`{"access_token":"a2","expires_in":60}`))
	}
	server := httptest.NewServer(http.HandlerFunc(h))
	defer server.Close()
	defer close(release)
	s := open(t, Options{URL: server.URL, ClientOptions: authority.ClientOptions{Timeout: 50 * time.Millisecond}}, time.Now, &syncBuffer{})
	n, err := s.Refresh(t.Context(), formSession("a", "r"))
	require.NoError(t, err)
	require.Equal(t, "0", n.Properties[refreshesLeft], "the server gives no refresh token any more")
	s = open(t, Options{URL: server.URL, TokenTimeout: 60 * time.Millisecond, ClientOptions: authority.ClientOptions{Timeout: 50 * time.Millisecond}}, time.Now, &syncBuffer{})
	_, err = s.Refresh(t.Context(), formSession("a", "r"))
	unavailable(t, err)
}

// TestNothingIsShownToADownServerTwice: the source never tries again on its own.
func TestNothingIsShownToADownServerTwice(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	s := w.login()
	before := w.peer.Panel().Asked()
	w.peer.Panel().Set(panel.Failing)
	_, err := w.Refresh(t.Context(), s)
	unavailable(t, err)
	require.Equal(t, 7*time.Second, session.RetryAfter(err))
	require.Equal(t, before+1, w.peer.Panel().Asked())
}
