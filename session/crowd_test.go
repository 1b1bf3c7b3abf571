package session_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/store"
)

// lobby vouches for every bearer token "user" or "user@2006-01-02T15:04:05Z", when its session ends.
type lobby struct{ revoked sync.Map }

func (*lobby) Name() string            { return "lobby" }
func (*lobby) Kind() string            { return "example" }
func (*lobby) Places() []session.Place { return []session.Place{{Kind: session.KindBearer}} }

func (*lobby) Resolve(_ context.Context, c session.Credential) (*session.Session, error) {
	user, end, _ := strings.Cut(c.Value.Reveal(), "@")
	at, _ := time.Parse(time.RFC3339, end)
	return &session.Session{
		ID: "id-" + user, Handle: "lobby-" + user, Source: "lobby", Active: true, ExpiresAt: at,
		Identity: session.Identity{Subject: "s-" + user, Username: user},
	}, nil
}

// crowd is a gateway whose visitors come from the lobby.
type crowd struct {
	store     session.Store
	manager   *session.Manager
	validator *session.Validator
	ops       *session.Operations
}

func newCrowd(tb testing.TB, st session.Store, sightings int, sources ...session.Source) *crowd {
	ring, err := session.NewKeyRing(session.Key{ID: "k1", Secret: session.NewSecret(strings.Repeat("k", 40))})
	require.NoError(tb, err)
	c := &crowd{store: st}
	c.manager, err = session.NewManager(session.ManagerOptions{
		Store: st, Keys: ring, CookieName: "s", Sources: sources, MaxSightings: sightings, Now: benchNow,
		Lifetime: session.Lifetime{IdleTimeout: 100 * 24 * time.Hour},
	})
	require.NoError(tb, err)
	c.validator, err = session.NewValidator(session.ValidatorOptions{
		Resolvers: []session.Resolver{c.manager, &lobby{}}, Ledger: c.manager, Now: benchNow,
	})
	require.NoError(tb, err)
	c.ops, err = session.NewOperations(session.OperationsOptions{Manager: c.manager, Validator: c.validator, Sources: sources})
	require.NoError(tb, err)
	tb.Cleanup(func() { c.validator.Close(); c.manager.Close() })
	return c
}

func newMemory(tb testing.TB, most int) session.Store {
	st, err := store.OpenMemory(store.MemoryOptions{MaxRecords: most}, store.Deps{Now: benchNow})
	require.NoError(tb, err)
	return st
}

func (c *crowd) visit(tb testing.TB, token string) {
	_, err := c.validator.Validate(tb.Context(), bearer(token))
	require.NoError(tb, err)
}

// noted lists who of the lobby is noted.
func (c *crowd) noted(tb testing.TB) (users []string) {
	for _, e := range c.all(tb, "foreign eq true") {
		users = append(users, e.Session.Identity.Username)
	}
	return users
}

func (c *crowd) all(tb testing.TB, filter string) (all []session.Entry) {
	for cursor := ""; ; {
		p, err := c.ops.List(tb.Context(), parse(tb, filter), cursor, 7)
		require.NoError(tb, err)
		all = append(all, p.Entries...)
		if cursor = p.Next; cursor == "" {
			return all
		}
	}
}

// visitUntilNoted shows the token until its session is noted: what there is no time for is noted at the next question.
func (c *crowd) visitUntilNoted(tb testing.TB, token string) {
	user, _, _ := strings.Cut(token, "@")
	s, err := (&lobby{}).Resolve(tb.Context(), bearer(token))
	require.NoError(tb, err)
	require.Eventually(tb, func() bool {
		require.NoError(tb, c.manager.Admit(tb.Context(), s, bearer(token)))
		_, err := c.ops.Get(tb.Context(), "lobby-"+user)
		return err == nil
	}, 10*time.Second, time.Millisecond, user)
}

func (c *crowd) refuse(tb testing.TB, user string) {
	_, err := c.ops.Revoke(tb.Context(), "lobby-"+user, session.EndRevoked)
	require.NoError(tb, err)
}

const atOnce = 64 // notes under way when there is no more room

func TestSightings_AFloodLeavesRoomForLogins(t *testing.T) {
	const most = 600
	c := newCrowd(t, newMemory(t, most), 0)
	for i := range 10 * most {
		c.visit(t, fmt.Sprint("flood", i))
	}
	require.Eventually(t, func() bool { return len(c.noted(t)) > 0 }, 10*time.Second, time.Millisecond)
	for i := range most/2 - atOnce {
		_, _, err := c.manager.Create(t.Context(), citizen(i), session.Device{})
		require.NoError(t, err, "login %d", i)
	}
	require.LessOrEqual(t, len(c.noted(t)), most/2+atOnce)
}

func TestSightings_ThoseThatEndFirstAreForgotten(t *testing.T) {
	c := newCrowd(t, newMemory(t, 10_000), 40)
	for i := range 20 {
		c.visitUntilNoted(t, fmt.Sprintf("long%d@%s", i, benchNow().Add(24*time.Hour).Format(time.RFC3339)))
		c.visitUntilNoted(t, fmt.Sprintf("short%d@%s", i, benchNow().Add(time.Duration(i+1)*time.Minute).Format(time.RFC3339)))
	}
	c.visitUntilNoted(t, "another") // 40 of 40: ten are forgotten first
	noted := c.noted(t)
	for i := range 20 {
		require.Contains(t, noted, fmt.Sprint("long", i))
	}
	require.NotContains(t, noted, "short0")
	require.Contains(t, noted, "short19", "no more than needed")
}

func TestSightings_WhatWasEndedHereIsNeverForgotten(t *testing.T) {
	c := newCrowd(t, newMemory(t, 10_000), 40)
	for i := range 5 {
		c.visitUntilNoted(t, fmt.Sprint("refused", i)) // remembered for 30 days, the others for 100
		c.refuse(t, fmt.Sprint("refused", i))
	}
	for i := range 200 {
		c.visitUntilNoted(t, fmt.Sprint("flood", i))
	}
	require.LessOrEqual(t, len(c.noted(t)), 40+atOnce)
	d := newCrowd(t, c.store, 40) // remembers nothing itself
	for i := range 5 {
		_, err := d.validator.Validate(t.Context(), bearer(fmt.Sprint("refused", i)))
		require.ErrorIs(t, err, session.ErrRejected)
	}
}

func TestSightings_OfThePastAreCounted(t *testing.T) {
	c := newCrowd(t, newMemory(t, 10_000), 1000)
	for i := range 100 {
		c.visitUntilNoted(t, fmt.Sprint("old", i))
	}
	d := newCrowd(t, c.store, 50)
	d.visit(t, "new")
	require.Eventually(t, func() bool { return len(d.noted(t)) < 50 }, 10*time.Second, time.Millisecond)
}

func TestSightings_OnesWithoutRoomPass(t *testing.T) {
	c := newCrowd(t, newMemory(t, 10_000), 4)
	for i := range 3 {
		c.visitUntilNoted(t, fmt.Sprint("first", i))
		c.refuse(t, fmt.Sprint("first", i)) // is never forgotten
	}
	for i := range 100 {
		c.visit(t, fmt.Sprint("next", i))
	}
	for i := range 3 {
		_, err := c.validator.Validate(t.Context(), bearer(fmt.Sprint("first", i)))
		require.ErrorIs(t, err, session.ErrRejected)
	}
}

func (l *lobby) Revoke(_ context.Context, s *session.Session) error {
	l.revoked.Store(s.Handle, true)
	return nil
}

func TestRevokeMatching_EndsManyAtOnceAndTellsOfEachOnce(t *testing.T) {
	l := &lobby{}
	c := newCrowd(t, newMemory(t, 10_000), 0, l)
	want := map[string]bool{}
	for i := range 500 {
		s, err := l.Resolve(t.Context(), bearer(fmt.Sprint("own", i)))
		require.NoError(t, err)
		own, _, err := c.manager.Create(t.Context(), s, session.Device{})
		require.NoError(t, err)
		want[own.Handle] = true
	}
	for i := range 50 {
		c.visitUntilNoted(t, fmt.Sprint("foreign", i))
		want[fmt.Sprint("lobby-foreign", i)] = true
	}
	told := map[string]bool{}
	require.NoError(t, c.ops.RevokeMatching(t.Context(), session.Filter{}, "", session.EndRevoked, func(e session.Ended, err error) bool {
		require.NoError(t, err)
		require.True(t, e.Here)
		require.False(t, told[e.Handle], "twice")
		told[e.Handle] = true
		return true
	}))
	require.Equal(t, want, told)
	require.Empty(t, c.all(t, "active eq true"))
	c.manager.Close()
	for handle := range want {
		_, asked := l.revoked.Load(handle)
		require.True(t, asked || strings.HasPrefix(handle, "lobby-"), "tokens of %s", handle)
	}
}

func TestRevokeMatching_EndsWhenNobodyWantsToBeTold(t *testing.T) {
	c := newCrowd(t, newMemory(t, 10_000), 0)
	for i := range 1000 {
		_, _, err := c.manager.Create(t.Context(), citizen(i), session.Device{})
		require.NoError(t, err)
	}
	told := 0
	require.NoError(t, c.ops.RevokeMatching(t.Context(), session.Filter{}, "", session.EndRevoked, func(session.Ended, error) bool {
		told++
		return told < 3
	}))
	require.Equal(t, 3, told)
	require.Greater(t, len(c.all(t, "true")), 500, "most go on")
}

func TestRevokeMatching_WhatHasBegunIsFinishedWhenTheCallerIsGone(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	st := &leaving{Store: newMemory(t, 10_000), leave: leave}
	c := newCrowd(t, st, 0)
	_, value, err := c.manager.Create(t.Context(), citizen(1), session.Device{})
	require.NoError(t, err)
	cookie := session.Credential{Place: session.Place{Kind: session.KindCookie, Name: "s"}, Value: value}
	_, err = c.validator.Validate(t.Context(), cookie)
	require.NoError(t, err)
	err = c.ops.RevokeMatching(ctx, session.Filter{}, "", session.EndRevoked, func(session.Ended, error) bool { return true })
	require.ErrorIs(t, err, session.ErrUnavailable)
	_, err = c.validator.Validate(t.Context(), cookie)
	require.ErrorIs(t, err, session.ErrRejected, "those who remember it were told")
}

// leaving is a store whose caller leaves during a Delete, which fails as writes to a disk do that nobody waits for.
type leaving struct {
	session.Store
	leave func()
}

func (l *leaving) Delete(ctx context.Context, key string) error {
	l.leave()
	err := l.Store.Delete(context.WithoutCancel(ctx), key)
	if ctx.Err() != nil {
		return fmt.Errorf("delete: %w", session.ErrUnavailable)
	}
	return err
}
