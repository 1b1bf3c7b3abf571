package kratos

import (
	"crypto/ecdsa"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/kratos"
	"github.com/sessionward/sessionward/session"
)

func collect(t *testing.T, list iter.Seq2[*session.Session, error]) []string {
	t.Helper()
	var ids []string
	for one, err := range list {
		require.NoError(t, err)
		require.True(t, one.Tokens.Access.Empty(), "listed sessions carry no tokens")
		ids = append(ids, one.SourceSessionID)
	}
	slices.Sort(ids)
	return ids
}

func sorted(sessions ...*session.Session) []string {
	var ids []string
	for _, s := range sessions {
		ids = append(ids, s.SourceSessionID)
	}
	slices.Sort(ids)
	return ids
}

func twoUsers() peer.Options {
	return peer.Options{Users: []peer.User{peer.Alice(), {Username: "bob", Password: "the builder"}}}
}

func TestWhatBecomesWhat(t *testing.T) {
	p := sharedPeer(t)
	s := sourceOf(t, p, nil)
	got := resolve(t, s, login(t, p, "alice", "wonderland"))
	require.Equal(t, p.IdentityID("alice"), got.Identity.Subject)
	require.Equal(t, "alice", got.Identity.Username)
	require.Equal(t, "alice@corp.example", got.Identity.Email)
	require.True(t, got.Identity.EmailVerified)
	require.Equal(t, "Alice Liddell", got.Identity.Name)
	require.Equal(t, []string{"staff", "admins"}, got.Identity.Groups, "of metadata_public, not what people claim of themselves")
	require.Equal(t, "person", got.Realm)
	require.Equal(t, "aal1", got.AAL)
	require.Equal(t, "password", got.AuthenticationMethods[0].Method)
	require.Equal(t, map[string]string{"tier": "gold"}, got.Properties)
	require.Equal(t, "192.0.2.7", got.Devices[0].IP)
	require.Equal(t, typeToken, got.Tokens.Type)
	require.WithinDuration(t, time.Now().Add(time.Hour), got.ExpiresAt, time.Minute)
	require.True(t, strings.HasPrefix(got.Handle, "kratos-"))
	require.Zero(t, got.IdleExpiresAt, "Kratos has no idle clock")
	require.Zero(t, s.RenewAt(got), "nothing is extended unless that is configured")
	require.Equal(t, []any{"root"}, got.Identity.Claims["traits"].(map[string]any)["groups"])
	require.NotContains(t, got.Identity.Claims, "metadata_admin")
}

func TestStepUp(t *testing.T) {
	p := startPeer(t, peer.Options{})
	s := sourceOf(t, p, nil)
	first := login(t, p, "alice", "wonderland")
	codes, err := p.AddSecondFactor(t.Context(), first.Value.Reveal())
	require.NoError(t, err)
	token := login(t, p, "alice", "wonderland")
	_, err = s.Resolve(t.Context(), token)
	require.ErrorIs(t, err, session.ErrInsufficient)
	require.NotErrorIs(t, err, session.ErrRejected)
	require.Equal(t, p.URL()+"/self-service/login/browser?aal=aal2", session.LoginURL(err))
	require.NoError(t, p.StepUp(t.Context(), token.Value.Reveal(), codes[0]))
	got := resolve(t, s, token)
	require.Equal(t, "aal2", got.AAL)
	require.Len(t, got.AuthenticationMethods, 2)
}

func TestExtend_OnlyWhenDueAndOnce(t *testing.T) {
	p := startPeer(t, peer.Options{Lifespan: time.Hour})
	s := sourceOf(t, p, func(o *Options) { o.ExtendBefore = 10 * time.Minute })
	held := resolve(t, s, login(t, p, "alice", "wonderland"))
	require.WithinDuration(t, held.ExpiresAt.Add(-10*time.Minute), s.RenewAt(held), time.Second)
	same, err := s.Refresh(t.Context(), held)
	require.NoError(t, err)
	require.Equal(t, held.ExpiresAt, same.ExpiresAt)
	require.Zero(t, p.AdminPanel().Asked(), "not due")

	eager := sourceOf(t, p, func(o *Options) { o.ExtendBefore = 3 * time.Hour })
	next, err := eager.Refresh(t.Context(), held)
	require.NoError(t, err)
	require.True(t, next.ExpiresAt.After(held.ExpiresAt))
	require.Equal(t, 1, p.AdminPanel().Asked())
	require.False(t, p.AdminPanel().Saw(held.Tokens.Access.Reveal()), "administrators need no credential of a user")
	require.True(t, eager.RenewAt(next).After(time.Now().Add(20*time.Minute)), "no more than twice in a lifespan, whatever is configured")
	again, err := eager.Refresh(t.Context(), held)
	require.NoError(t, err)
	require.Equal(t, next.ExpiresAt, again.ExpiresAt, "who held the state before gets what the other did")
	require.Equal(t, 1, p.AdminPanel().Asked())
}

// TestExtend_WhenToldTo: an operator's word needs no setting and waits for nothing; what Kratos will not do is said.
func TestExtend_WhenToldTo(t *testing.T) {
	p := startPeer(t, peer.Options{Lifespan: time.Hour, ExtendUntil: time.Minute})
	s := sourceOf(t, p, nil)
	held := resolve(t, s, login(t, p, "alice", "wonderland"))
	_, err := s.Extend(t.Context(), held)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.ErrorContains(t, err, "earliest_possible_extend")

	p = startPeer(t, peer.Options{Lifespan: time.Hour})
	s = sourceOf(t, p, nil)
	held = resolve(t, s, login(t, p, "alice", "wonderland"))
	next, err := s.Extend(t.Context(), held)
	require.NoError(t, err)
	require.True(t, next.ExpiresAt.After(held.ExpiresAt))
	again, err := s.Extend(t.Context(), next)
	require.NoError(t, err)
	require.True(t, again.ExpiresAt.After(next.ExpiresAt), "each time")
	there, err := p.Session(t.Context(), held.SourceSessionID)
	require.NoError(t, err)
	require.True(t, there.ExpiresAt.Equal(again.ExpiresAt))

	sessions, err := p.Sessions(t.Context(), "alice")
	require.NoError(t, err)
	require.NoError(t, p.Revoke(t.Context(), sessions[0].ID))
	_, err = s.Extend(t.Context(), again)
	require.ErrorIs(t, err, session.ErrRejected, "what has ended is not brought back")
	_, err = sourceOf(t, p, func(o *Options) { o.AdminURL = "" }).Extend(t.Context(), resolve(t, s, login(t, p, "alice", "wonderland")))
	require.ErrorIs(t, err, session.ErrUnsupported, "administrators alone can")
}

// TestExtend_NotTwiceByTwoGateways: what another has extended meanwhile is left alone.
func TestExtend_NotTwiceByTwoGateways(t *testing.T) {
	p := startPeer(t, peer.Options{Lifespan: time.Hour})
	s := sourceOf(t, p, func(o *Options) { o.ExtendBefore = 3 * time.Hour })
	held := resolve(t, s, login(t, p, "alice", "wonderland"))
	require.NoError(t, p.Extend(t.Context(), held.SourceSessionID))
	next, err := s.Refresh(t.Context(), held)
	require.NoError(t, err)
	require.True(t, next.ExpiresAt.After(held.ExpiresAt))
	require.Zero(t, p.AdminPanel().Asked())
}

func TestTokenize(t *testing.T) {
	p := startPeer(t, peer.Options{Tokenizers: map[string]time.Duration{"gateway": time.Minute, "long": 3 * time.Hour}, Lifespan: time.Hour})
	s := sourceOf(t, p, func(o *Options) { o.TokenizeAs = "gateway" })
	held := resolve(t, s, login(t, p, "alice", "wonderland"))
	claims := verify(t, held.Tokenized.Reveal(), p.TokenKey())
	require.Equal(t, held.Identity.Subject, claims.Subject)
	require.Equal(t, claims.Expiry.Time().UTC(), held.Tokens.ExpiresAt, "the answer is not kept longer than its JWT holds")
	require.True(t, held.ExpiresAt.After(held.Tokens.ExpiresAt))
	require.WithinDuration(t, held.Tokens.ExpiresAt.Add(-tokenLead), s.RenewAt(held), 2*time.Second)
	brief := &session.Session{Tokenized: held.Tokenized, Tokens: session.Tokens{ObtainedAt: held.Tokens.ObtainedAt, ExpiresAt: held.Tokens.ObtainedAt.Add(4 * time.Second)}}
	require.Equal(t, held.Tokens.ObtainedAt.Add(3*time.Second), s.RenewAt(brief), "a short life is not spent on renewals")
	next, err := s.Refresh(t.Context(), held)
	require.NoError(t, err)
	require.NotEqual(t, held.Tokenized.Reveal(), next.Tokenized.Reveal())
	require.Zero(t, p.AdminPanel().Asked())

	token, end, err := s.Tokenize(t.Context(), held, "long")
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(3*time.Hour), end, time.Minute)
	require.Equal(t, end, verify(t, token.Reveal(), p.TokenKey()).Expiry.Time().UTC())
	_, _, err = s.Tokenize(t.Context(), held, "unknown")
	require.ErrorIs(t, err, session.ErrUnsupported)
	_, _, err = s.Tokenize(t.Context(), held, "a&b=c")
	require.ErrorIs(t, err, session.ErrMalformed)
	long := resolve(t, sourceOf(t, p, func(o *Options) { o.TokenizeAs = "long" }), tokenIn(session.KindHeader, held.Tokens.Access.Reveal()))
	require.Equal(t, long.ExpiresAt, long.Tokens.ExpiresAt, "no later than the session")
	broken := sourceOf(t, p, func(o *Options) { o.TokenizeAs = "unknown" })
	_, err = broken.Resolve(t.Context(), tokenIn(session.KindHeader, held.Tokens.Access.Reveal()))
	require.ErrorIs(t, err, session.ErrUnavailable, "a mistake of ours is no word about the session")
}

func verify(t *testing.T, token string, key *ecdsa.PublicKey) jwt.Claims {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	var claims jwt.Claims
	require.NoError(t, parsed.Claims(key, &claims))
	return claims
}

func TestOwnSessions(t *testing.T) {
	p := startPeer(t, twoUsers())
	s := sourceOf(t, p, nil)
	s.pageSize = 1
	held := resolve(t, s, loginAlice(t, p))
	second, third := resolve(t, s, login(t, p, "alice", "wonderland")), resolve(t, s, login(t, p, "alice", "wonderland"))
	bob := resolve(t, s, login(t, p, "bob", "the builder"))
	require.Equal(t, sorted(second, third), collect(t, s.ListOwn(t.Context(), held)), "page by page, without itself and without others'")
	require.NoError(t, s.RevokeOwn(t.Context(), held, bob.SourceSessionID))
	_, err := s.Current(t.Context(), bob)
	require.NoError(t, err, "nobody ends sessions of others")
	n, err := s.RevokeOthers(t.Context(), held)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Empty(t, collect(t, s.ListOwn(t.Context(), held)))
	for _, ended := range []*session.Session{second, third} {
		_, err = s.Current(t.Context(), ended)
		require.ErrorIs(t, err, session.ErrRejected)
	}
	_, err = s.Current(t.Context(), held)
	require.NoError(t, err)
	for _, err := range s.ListOwn(t.Context(), second) {
		require.ErrorIs(t, err, session.ErrRejected)
	}
}

func TestAdministrators(t *testing.T) {
	p := startPeer(t, twoUsers())
	s := sourceOf(t, p, func(o *Options) { o.AdminToken = session.NewSecret("ory_pat_planted") })
	s.pageSize = 1
	alice, more := resolve(t, s, loginAlice(t, p)), resolve(t, s, login(t, p, "alice", "wonderland"))
	bob := resolve(t, s, login(t, p, "bob", "the builder"))
	all := func(q session.Query) []string { return collect(t, s.List(t.Context(), q)) }
	require.Equal(t, sorted(alice, more, bob), all(session.Query{}))
	require.Equal(t, sorted(alice, more), all(session.Query{Username: "alice"}))
	require.Equal(t, sorted(alice, more), all(session.Query{Subject: alice.Identity.Subject, ActiveOnly: true}))
	require.Empty(t, all(session.Query{Realm: "another"}))
	require.Empty(t, all(session.Query{Subject: "00000000-0000-0000-0000-000000000001"}))
	require.Empty(t, all(session.Query{Subject: "../../identities"}))
	for one := range s.List(t.Context(), session.Query{Username: "alice"}) {
		require.Equal(t, alice.Identity.Groups, one.Identity.Groups)
		require.NotContains(t, one.Identity.Claims, "metadata_admin")
		require.NotEmpty(t, one.Devices)
	}
	require.True(t, p.AdminPanel().Saw("Bearer ory_pat_planted"))
	require.False(t, p.Panel().Saw("ory_pat_planted"))

	gone, err := s.RevokeIDs(t.Context(), alice.SourceSessionID, "00000000-0000-0000-0000-000000000001", "../escape")
	require.NoError(t, err)
	require.Equal(t, map[string]bool{alice.SourceSessionID: true, "00000000-0000-0000-0000-000000000001": true, "../escape": true}, gone)
	require.Equal(t, sorted(more, bob), all(session.Query{ActiveOnly: true}))
	require.Equal(t, sorted(alice, more, bob), all(session.Query{}), "the record stays")
	n, err := s.RevokeUser(t.Context(), session.Query{Username: "alice"})
	require.NoError(t, err)
	require.Equal(t, -1, n)
	require.Equal(t, sorted(bob), all(session.Query{}), "the records are removed")
	for _, nobody := range []session.Query{{Username: "alice"}, {Username: "carol"}, {}, {Username: "bob", Realm: "another"}, {Subject: "../escape"}} {
		n, err = s.RevokeUser(t.Context(), nobody)
		require.NoError(t, err)
		require.Zero(t, n)
	}
	require.False(t, p.AdminPanel().Saw("escape"))
	again := resolve(t, s, login(t, p, "alice", "wonderland"))
	n, err = s.RevokeAll(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Empty(t, all(session.Query{ActiveOnly: true}))
	for _, ended := range []*session.Session{again, bob} {
		_, err = s.Current(t.Context(), ended)
		require.ErrorIs(t, err, session.ErrRejected)
	}
}

func TestDisabledIdentity(t *testing.T) {
	p := startPeer(t, peer.Options{})
	s := sourceOf(t, p, nil)
	good := login(t, p, "alice", "wonderland")
	held := resolve(t, s, good)
	require.NoError(t, p.Disable(t.Context(), "alice"))
	_, err := s.Current(t.Context(), held)
	require.ErrorIs(t, err, session.ErrRejected)
	require.NoError(t, p.Enable(t.Context(), "alice"))
	resolve(t, s, good)
}

func TestCacheHint(t *testing.T) {
	p := startPeer(t, peer.Options{CacheFor: 20 * time.Second})
	got := resolve(t, sourceOf(t, p, nil), login(t, p, "alice", "wonderland"))
	require.WithinDuration(t, time.Now().Add(20*time.Second), got.FreshUntil, 5*time.Second)
	require.Zero(t, resolve(t, sourceOf(t, sharedPeer(t), nil), login(t, sharedPeer(t), "alice", "wonderland")).FreshUntil)
}

func TestWithoutAdminURL(t *testing.T) {
	s, asked := canned(t, nil, func(o *Options) { o.AdminURL = "" })
	_, err := s.RevokeAll(t.Context())
	require.ErrorIs(t, err, session.ErrUnsupported)
	_, err = s.RevokeUser(t.Context(), session.Query{Subject: "a"})
	require.ErrorIs(t, err, session.ErrUnsupported)
	_, err = s.RevokeIDs(t.Context(), "a")
	require.ErrorIs(t, err, session.ErrUnsupported)
	for _, err := range s.List(t.Context(), session.Query{}) {
		require.ErrorIs(t, err, session.ErrUnsupported)
	}
	require.Empty(t, asked())
}
