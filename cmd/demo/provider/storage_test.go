package provider

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// These tests stand where the library does, between two calls of the storage: the moments that requests over HTTP
// cannot hit on purpose.

func openStorage(t *testing.T) (*Provider, *storage) {
	t.Helper()
	p, err := New(Options{
		Issuer:  "http://localhost:4000",
		Clients: []Client{{ID: "app", Secret: "s", RedirectURIs: []string{"http://localhost/cb"}}},
		Users:   []User{{Username: "alice", Password: "wonderland", Subject: "u-1"}},
	})
	require.NoError(t, err)
	return p, p.store
}

// request begins a sign-in and lets alice finish it.
func request(t *testing.T, s *storage) op.AuthRequest {
	t.Helper()
	a, err := s.CreateAuthRequest(t.Context(), pkce(), "")
	require.NoError(t, err)
	_, b := s.signIn("", "u-1")
	s.finish(a.GetID(), b)
	return a
}

func pkce() *oidc.AuthRequest {
	return &oidc.AuthRequest{ClientID: "app", CodeChallenge: "c", CodeChallengeMethod: oidc.CodeChallengeMethodS256}
}

// redeemed begins a sign-in and stops where the code has been spent and the tokens have not been made.
func redeemed(t *testing.T, s *storage) op.AuthRequest {
	t.Helper()
	require.NoError(t, s.SaveAuthCode(t.Context(), request(t, s).GetID(), "code"))
	a, err := s.AuthRequestByCode(t.Context(), "code")
	require.NoError(t, err)
	return a
}

func TestRejectsTokensOfASessionThatEndsDuringTheExchange(t *testing.T) {
	p, s := openStorage(t)
	a := redeemed(t, s)
	p.RevokeUser("u-1")
	_, _, err := s.CreateAccessToken(t.Context(), a)
	require.ErrorIs(t, err, oidc.ErrInvalidGrant())
	_, _, _, err = s.CreateAccessAndRefreshTokens(t.Context(), a, "")
	require.ErrorIs(t, err, oidc.ErrInvalidGrant())
	require.Zero(t, p.ActiveRefreshTokens("u-1"))
}

func TestRejectsCodeReusedDuringTheExchange(t *testing.T) {
	_, s := openStorage(t)
	a := redeemed(t, s)
	_, err := s.AuthRequestByCode(t.Context(), "code")
	require.ErrorIs(t, err, errUnknown)
	_, _, _, err = s.CreateAccessAndRefreshTokens(t.Context(), a, "")
	require.ErrorIs(t, err, oidc.ErrInvalidGrant())
}

func TestRejectsSecondCodeForOneSignIn(t *testing.T) {
	_, s := openStorage(t)
	id := request(t, s).GetID()
	require.NoError(t, s.SaveAuthCode(t.Context(), id, "code"))
	require.ErrorIs(t, s.SaveAuthCode(t.Context(), id, "another"), oidc.ErrInvalidRequest())
}

func TestRejectsSignInsBeyondTheLimitUntilOldOnesExpire(t *testing.T) {
	_, s := openStorage(t)
	now := time.Now()
	s.o.Now = func() time.Time { return now }
	for i := range maxRequests {
		s.requests[strconv.Itoa(i)] = &authRequest{expiring: expiring{now.Add(time.Minute)}}
	}
	_, err := s.CreateAuthRequest(t.Context(), pkce(), "")
	require.ErrorIs(t, err, oidc.ErrServerError())
	now = now.Add(2 * time.Minute)
	_, err = s.CreateAuthRequest(t.Context(), pkce(), "")
	require.NoError(t, err)
	require.Len(t, s.requests, 1)
}

func BenchmarkRefresh(b *testing.B) {
	p, err := New(Options{
		Issuer:  "http://localhost:4000",
		Clients: []Client{{ID: "app", Secret: "s", RedirectURIs: []string{"http://localhost/cb"}}},
		Users:   []User{{Username: "alice", Password: "wonderland", Subject: "u-1"}},
	})
	require.NoError(b, err)
	_, session := p.store.signIn("", "u-1")
	g := &refreshRequest{grant{clientID: "app", subject: "u-1", sid: session.sid, familyID: "f"}}
	_, current, _, err := p.store.CreateAccessAndRefreshTokens(b.Context(), g, "")
	require.NoError(b, err)
	for b.Loop() {
		_, current, _, err = p.store.CreateAccessAndRefreshTokens(b.Context(), g, current)
		if err != nil {
			b.Fatal(err)
		}
	}
}
