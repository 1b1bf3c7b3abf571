package secretserver

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/source/authority"
)

// FuzzReplies reads any bytes as each answer there is: no panic, and nothing that could not be one is taken.
func FuzzReplies(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"AgL","token_type":"bearer","expires_in":1199,"refresh_token":"W4m"}`,
		`{"id":12,"userName":"alice","displayName":"Alice","emailAddress":"a@example.com","permissions":[]}`,
		`{"message":"Authentication failed or expired token."}`, `{"error":"Login failed."}`,
		`{"model":{"version":"10.9.000002"}}`, `{"version":"11.7"}`, `true`, ``, `null`, `[]`, `{"id":1e400}`,
		`{"records":[{"userSessionId":91,"loginDate":"2024-02-21T14:31:18.123","current":true},{}],"hasNext":true,"nextSkip":1}`,
		`{"records":[{"userSessionId":91},7,null,{"userSessionId":{"a":[]}}]}`, `<html>`, "{\"id\":1,\"userName\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if tokens, err := parseTokens(body); err == nil {
			require.True(t, possible(tokens.access.Reveal()))
			require.True(t, tokens.refresh.Empty() || possible(tokens.refresh.Reveal()))
			require.Positive(t, tokens.lifetime)
			require.LessOrEqual(t, tokens.lifetime, maxExpiresIn)
		}
		if u, err := parseUser(body); err == nil {
			require.Regexp(t, `^[1-9][0-9]{0,15}$`, u.identity.Subject)
			require.NotContains(t, u.identity.Claims, "id")
		}
		if text, err := parseRefusal(body); err == nil {
			require.NotEmpty(t, text)
		}
		if v, err := parseVersion(body); err == nil {
			require.Regexp(t, `^[0-9.]{1,40}$`, v)
		}
		if p, err := parseSessions(body, time.UTC); err == nil {
			for _, r := range p.records {
				require.Positive(t, r.id)
				require.Equal(t, time.UTC, r.loggedAt.Location())
			}
		}
		_ = parseTrue(body)
	})
}

// FuzzVerdicts: whatever a server answers, a token has ended only by its plain word.
func FuzzVerdicts(f *testing.F) {
	f.Add(401, "application/json", "", []byte(`{"message":"x"}`))
	f.Add(401, "", "Negotiate", []byte(``))
	f.Add(403, "application/json", "", []byte(`{"message":"Authentication failed or expired token."}`))
	f.Add(403, "text/html", "", []byte(`{"message":"Authentication failed or expired token."}`))
	f.Add(403, "application/json", "", []byte(`{"message":"Access Denied"}`))
	f.Add(200, "application/json", "", []byte(`{"id":12}`))
	client, err := authority.NewClient(authority.ClientOptions{}, time.Now)
	require.NoError(f, err)
	s := &Source{client: client}
	f.Fuzz(func(t *testing.T, status int, kind, challenge string, body []byte) {
		r := authority.Reply{Status: status, Header: http.Header{"Content-Type": {kind}, "Www-Authenticate": {challenge}}, Body: body}
		switch v, reason := judge(r); v {
		case ended:
			require.Contains(t, []int{401, 403}, status)
			require.False(t, isPage(r))
			if status == 403 {
				message, err := parseRefusal(body)
				require.NoError(t, err)
				require.Contains(t, message, expiredSentence)
			}
		case nonsense:
			require.NotEmpty(t, reason)
		case good:
			require.Equal(t, 200, status)
		}
		err := s.tokenRefusal(r, map[string][]string{"refresh_token": {"planted-refresh-token"}})
		if err != nil {
			require.NotContains(t, err.Error(), "planted-refresh-token")
			require.LessOrEqual(t, len(err.Error()), 1000)
		} else {
			require.Equal(t, 200, status)
		}
	})
}
