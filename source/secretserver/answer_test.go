package secretserver

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/secretserver"
	"github.com/sessionward/sessionward/session"
)

const maintenance = "<!DOCTYPE html><title>Maintenance</title>"

// TestAnswersAboutAToken: what each answer of users/current means for a token that is shown.
func TestAnswersAboutAToken(t *testing.T) {
	const user = `{"id":12,"userName":"alice"}`
	tests := map[string]struct {
		status int
		body   string
		want   error // nil: good
	}{
		"good":                         {200, user, nil},
		"good, all that is optional":   {200, `{"id":12}`, nil},
		"unknown token":                {401, `{"message":"no"}`, session.ErrRejected},
		"unknown token, no body":       {401, "", session.ErrRejected},
		"expired":                      {403, `{"message":"Authentication failed or expired token."}`, session.ErrRejected},
		"expired, no full stop":        {403, `{"message":"Authentication failed or expired token"}`, session.ErrRejected},
		"expired, with spaces":         {403, `{"message":" Authentication failed or expired token. "}`, session.ErrRejected},
		"missing right":                {403, `{"message":"Access Denied","errorCode":"API_AccessDenied"}`, session.ErrUnavailable},
		"sentence within another":      {403, `{"message":"Not: Authentication failed or expired token."}`, session.ErrUnavailable},
		"sentence in another member":   {403, `{"detail":"Authentication failed or expired token.","message":"x"}`, session.ErrUnavailable},
		"sentence twice":               {403, `{"message":"x","message":"Authentication failed or expired token."}`, session.ErrUnavailable},
		"403 without a body":           {403, "", session.ErrUnavailable},
		"403 of a proxy":               {403, maintenance, session.ErrUnavailable},
		"401 of a proxy":               {401, maintenance, session.ErrUnavailable},
		"page":                         {200, maintenance, session.ErrUnavailable},
		"XML":                          {200, `<?xml version="1.0"?><user><id>12</id></user>`, session.ErrUnavailable},
		"not JSON":                     {200, "alice", session.ErrUnavailable},
		"no user":                      {200, `{}`, session.ErrUnavailable},
		"user null":                    {200, `null`, session.ErrUnavailable},
		"user list":                    {200, `[{"id":12}]`, session.ErrUnavailable},
		"user zero":                    {200, `{"id":0}`, session.ErrUnavailable},
		"user negative":                {200, `{"id":-1}`, session.ErrUnavailable},
		"user fraction":                {200, `{"id":1.5}`, session.ErrUnavailable},
		"user as text":                 {200, `{"id":"12"}`, session.ErrUnavailable},
		"user beyond exact numbers":    {200, `{"id":9007199254740993}`, session.ErrUnavailable},
		"user twice":                   {200, `{"id":12,"id":13}`, session.ErrUnavailable},
		"no such path":                 {404, `{"message":"x"}`, session.ErrUnavailable},
		"bad question":                 {400, `{"message":"x"}`, session.ErrUnavailable},
		"created":                      {201, user, session.ErrUnavailable},
		"no content":                   {204, "", session.ErrUnavailable},
		"gone":                         {410, user, session.ErrUnavailable},
		"fault":                        {500, `{"message":"x","stackTrace":"planted-trace"}`, session.ErrUnavailable},
		"bad gateway, expired message": {502, `{"message":"Authentication failed or expired token."}`, session.ErrUnavailable},
	}
	for name, tt := range tests {
		s := scripted(t, tt.status, tt.body)
		got, err := s.Resolve(t.Context(), bearer("token"))
		verified := s.Verify(t.Context(), formSession("token", ""))
		if tt.want == nil {
			require.NoError(t, err, name)
			require.Equal(t, "12", got.Identity.Subject, name)
			require.NoError(t, verified, name)
			continue
		}
		require.Nil(t, got, name)
		require.ErrorIs(t, err, tt.want, name)
		if tt.want == session.ErrUnavailable {
			unavailable(t, err, name)
			require.NotErrorIs(t, verified, session.ErrRejected, name)
		} else {
			require.ErrorIs(t, verified, session.ErrRejected, name)
			require.NoError(t, s.Health(), name)
		}
		require.NotContains(t, err.Error(), "planted", name)
	}
}

// TestPagesAreKnownByTheirType: a page need not begin with a bracket.
func TestPagesAreKnownByTheirType(t *testing.T) {
	for _, kind := range []string{"text/html", "text/html; charset=utf-8", "Text/HTML;charset=utf-8"} {
		s := scripted(t, http.StatusUnauthorized, "unauthorised", "Content-Type", kind)
		_, err := s.Resolve(t.Context(), bearer("token"))
		unavailable(t, err, kind)
		require.Error(t, s.Health(), kind)
	}
}

// TestFaultsAreNotForwarded: what a broken server writes of itself stays there, and its users stay.
func TestFaultsAreNotForwarded(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	s := w.login()
	w.peer.Fault(true)
	_, resolved := w.Resolve(t.Context(), bearer(s.Tokens.Access.Reveal()))
	_, refreshed := w.Refresh(t.Context(), s)
	_, listed := drain(t.Context(), w.Source, s)
	_, loggedIn := w.VerifyPassword(t.Context(), "alice", session.NewSecret(password), "")
	for _, err := range []error{resolved, refreshed, listed, loggedIn, w.Verify(t.Context(), s), w.Revoke(t.Context(), s)} {
		unavailable(t, err)
		require.NotContains(t, err.Error(), "Thycotic")
		require.NotContains(t, err.Error(), "NullReference")
	}
	require.NotContains(t, w.logs.String(), "NullReference")
}

func TestRetryAfterIsPassedOn(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	s := w.login()
	w.peer.Throttle(30 * time.Second)
	_, refreshed := w.Refresh(t.Context(), s)
	_, resolved := w.Resolve(t.Context(), bearer(s.Tokens.Access.Reveal()))
	for _, err := range []error{refreshed, resolved, w.Verify(t.Context(), s), w.Revoke(t.Context(), s)} {
		unavailable(t, err)
		require.Equal(t, 30*time.Second, session.RetryAfter(err))
	}
	require.Equal(t, 1, strings.Count(strings.Join(w.peer.Panel().Shown(), "\n"), "grant_type=refresh_token"), "nothing is tried again on its own")
}
