package session

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// inspected is an authority that is asked whether sessions of ours still hold there.
type inspected struct {
	scriptedRenewer
	verdict error
	asked   int
}

func (i *inspected) Verify(context.Context, *Session) error {
	i.asked++
	return i.verdict
}

func newInspected(t *testing.T, lifetime Lifetime) (*inspected, *Manager, *Session, Credential) {
	src := &inspected{scriptedRenewer: scriptedRenewer{scripted{name: "corp"}}}
	m := newTestManager(t, ManagerOptions{Store: newMapStore(), Keys: testRing(t, "k1"), CookieName: testCookie, Sources: []Source{src}, Lifetime: lifetime})
	s, value, err := m.Create(t.Context(), &Session{
		Source: "corp", Active: true, Identity: Identity{Subject: "ann"},
		Tokens: Tokens{Access: NewSecret("a"), Refresh: NewSecret("r"), ExpiresAt: time.Now().Add(time.Hour)},
	}, Device{})
	require.NoError(t, err)
	return src, m, s, cookieOf(testCookie, value.Reveal())
}

func TestVerify_TheAuthoritysWordEndsASessionOfOurs(t *testing.T) {
	src, m, s, c := newInspected(t, Lifetime{})
	got, err := m.Resolve(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, s.ID, got.ID)
	require.Equal(t, 1, src.asked)
	src.verdict = ErrRejected
	_, err = m.Resolve(t.Context(), c)
	require.ErrorIs(t, err, ErrRejected)
	src.verdict = nil
	_, err = m.Resolve(t.Context(), c)
	require.ErrorIs(t, err, ErrRejected, "what has ended stays ended")
}

func TestVerify_UnknownEndsNothing(t *testing.T) {
	src, m, _, c := newInspected(t, Lifetime{})
	for _, verdict := range []error{ErrUnavailable, errors.New("a bug"), errors.Join(ErrUnavailable, ErrRejected)} {
		src.verdict = verdict
		_, err := m.Resolve(t.Context(), c)
		require.ErrorIs(t, err, ErrUnavailable)
		require.NotErrorIs(t, err, ErrRejected)
	}
	src.verdict = ErrInsufficient
	_, err := m.Resolve(t.Context(), c)
	require.ErrorIs(t, err, ErrInsufficient)
	src.verdict = nil
	_, err = m.Resolve(t.Context(), c)
	require.NoError(t, err, "and it is there when the authority is back")
}

// TestVerify_TokensThatAreBeingRenewedAreNotAskedAbout: an authority may take the old token for ended while its
// exchange is under way.
func TestVerify_TokensThatAreBeingRenewedAreNotAskedAbout(t *testing.T) {
	src, m, _, c := newInspected(t, Lifetime{RefreshBefore: 29 * time.Minute})
	m.o.Now = func() time.Time { return time.Now().Add(45 * time.Minute) }
	src.verdict = ErrRejected
	_, err := m.Resolve(t.Context(), c)
	require.NoError(t, err)
	require.Zero(t, src.asked)
}

func TestVerify_RefusedButRenewedMeanwhile(t *testing.T) {
	src, m, s, c := newInspected(t, Lifetime{})
	renewing := &racing{inspected: src, during: func() {
		_, err := m.update(t.Context(), s, func(n *Session) *Session {
			n = n.Clone()
			n.Tokens.Access = NewSecret("newer")
			return n
		})
		require.NoError(t, err)
	}}
	m.sources["corp"] = renewing
	got, err := m.Resolve(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "newer", got.Tokens.Access.Reveal())
}

// racing says no to a token that is exchanged while it is asked.
type racing struct {
	*inspected
	during func()
}

func (r *racing) Verify(context.Context, *Session) error {
	r.during()
	return ErrRejected
}

func TestLookUp_AsksNobody(t *testing.T) {
	src, m, s, c := newInspected(t, Lifetime{})
	src.verdict = ErrUnavailable
	got, err := m.LookUp(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, s.ID, got.ID)
	require.Zero(t, src.asked)
}

// bound binds its credentials to the User-Agent.
type bound struct {
	scripted
	binds bool
}

func (b *bound) BindsUserAgent() bool { return b.binds }

func TestValidator_WhatIsBoundToAUserAgentIsRememberedForItAlone(t *testing.T) {
	for _, binds := range []bool{true, false} {
		src := &bound{scripted: scripted{name: "corp"}, binds: binds}
		src.resolve = func(_ context.Context, c Credential) (*Session, error) {
			if c.UserAgent != "browser" {
				return nil, ErrRejected
			}
			return answer(c.Value.Reveal()), nil
		}
		v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
		c := bearer("t")
		c.UserAgent = "browser"
		_, err := v.Validate(t.Context(), c)
		require.NoError(t, err)
		c.UserAgent = "thief"
		_, err = v.Validate(t.Context(), c)
		if binds {
			require.ErrorIs(t, err, ErrRejected)
		} else {
			require.NoError(t, err)
		}
		c.UserAgent = "browser"
		_, err = v.Validate(t.Context(), c)
		require.NoError(t, err, "the rejection of one program is not another's")
	}
}

func TestValidator_InsufficientIsNotRemembered(t *testing.T) {
	src := &scripted{name: "corp", resolve: func(context.Context, Credential) (*Session, error) {
		return nil, WithLoginURL(ErrInsufficient, "https://id.example/more")
	}}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
	for range 2 {
		_, err := v.Validate(t.Context(), bearer("t"))
		require.ErrorIs(t, err, ErrInsufficient)
		require.Equal(t, "https://id.example/more", LoginURL(err), "who has just proved more is asked about again")
	}
	require.EqualValues(t, 2, src.questions.Load())
}

func TestValidator_AnAuthorityLimitsHowLongItsAnswerIsRemembered(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	src := &scripted{name: "corp"}
	src.resolve = func(_ context.Context, c Credential) (*Session, error) {
		s := answer(c.Value.Reveal())
		s.FreshUntil = now.Add(2 * time.Second)
		return s, nil
	}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Now: func() time.Time { return now }, Cache: CacheOptions{StaleIfError: time.Minute}})
	ask := func() (Answer, error) { return v.Validate(t.Context(), bearer("t")) }
	_, err := ask()
	require.NoError(t, err)
	now = now.Add(time.Second)
	a, err := ask()
	require.NoError(t, err)
	require.Equal(t, Hit, a.Freshness)
	now = now.Add(time.Second)
	a, err = ask()
	require.NoError(t, err)
	require.Equal(t, Miss, a.Freshness, "neither fresh nor stale after that")
	now = now.Add(3 * time.Second)
	src.resolve = func(context.Context, Credential) (*Session, error) { return nil, ErrUnavailable }
	a, err = ask()
	require.NoError(t, err)
	require.Equal(t, Stale, a.Freshness, "whether it is served in an outage is for the operator to say")
}

// companioned needs another cookie beside its own.
type companioned struct{ scripted }

func (*companioned) CompanionCookies() []string { return []string{"tenant"} }

func TestValidator_ACredentialIsRememberedWithItsCompanions(t *testing.T) {
	src := &companioned{scripted{name: "corp"}}
	src.resolve = func(_ context.Context, c Credential) (*Session, error) {
		return answer(c.Value.Reveal() + "@" + c.Companions[0].Value.Reveal()), nil
	}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}})
	require.Equal(t, []string{"tenant"}, v.Companions(Place{Kind: KindBearer}))
	for _, tenant := range []string{"a", "b"} {
		c := bearer("t")
		c.Companions = []Companion{{Name: "tenant", Value: NewSecret(tenant)}}
		a, err := v.Validate(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, "t@"+tenant, a.Session.ID)
	}
}

// TestValidator_ATouchMakesNoAnswerFresher: it is written down here, and no authority was asked.
func TestValidator_ATouchMakesNoAnswerFresher(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()).UTC() }
	src := &scriptedToucher{scripted{name: "corp"}}
	src.resolve = func(_ context.Context, c Credential) (*Session, error) {
		s := answer(c.Value.Reveal())
		s.LastAccessAt = clock().Add(-59 * time.Second) // TouchAt is a second from now
		return s, nil
	}
	src.touch = func(_ context.Context, s *Session) (*Session, error) {
		n := s.Clone()
		n.LastAccessAt = clock()
		return n, nil
	}
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{src}, Now: clock, Cache: CacheOptions{FreshFor: 10 * time.Second, StaleFor: -1}})
	ask := func() Freshness {
		a, err := v.Validate(t.Context(), bearer("t"))
		require.NoError(t, err)
		return a.Freshness
	}
	require.Equal(t, Miss, ask())
	now.Add(int64(9 * time.Second))
	require.Equal(t, Hit, ask())
	require.Eventually(t, func() bool {
		e, _, _ := v.answered(keyOf(v, bearer("t")))
		return src.touches.Load() == 1 && e != nil && e.session.LastAccessAt.Equal(clock())
	}, 5*time.Second, time.Millisecond)
	now.Add(int64(2 * time.Second))
	require.Equal(t, Miss, ask(), "eleven seconds after it was asked")
}

func keyOf(v *Validator, c Credential) *cacheKey {
	key := v.key(&c)
	return &key
}
