package pingam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// rest is how long an administrator that was not accepted is left alone: each attempt counts towards a lockout of the
// account.
const rest = 30 * time.Second

// administrator keeps the token of the configured administrator and logs in where that is called for, one login at a
// time.
type administrator struct {
	s    *Source
	log  *slog.Logger
	turn chan struct{} // held while logging in

	mu        sync.Mutex
	token     session.Secret
	refusal   error // nil: accepted, or not tried yet
	refusedAt time.Time
}

func newAdministrator(s *Source, log *slog.Logger) *administrator {
	return &administrator{s: s, log: log, turn: make(chan struct{}, 1), token: s.o.Administrator.Token}
}

// held returns the token, logging in when there is none yet.
func (a *administrator) held(ctx context.Context) (session.Secret, error) {
	a.mu.Lock()
	token := a.token
	a.mu.Unlock()
	if !token.Empty() {
		return token, nil
	}
	return a.anew(ctx, session.Secret{})
}

// anew returns a token other than old, which was not accepted.
func (a *administrator) anew(ctx context.Context, old session.Secret) (session.Secret, error) {
	if a.s.o.Administrator.Username == "" {
		return session.Secret{}, a.refused("the administrator's token is not accepted")
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return session.Secret{}, authority.GaveUp(ctx)
	}
	if token, err, done := a.sinceThen(old); done {
		return token, err
	}
	token, err := a.login(ctx)
	if err != nil {
		return session.Secret{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token, a.refusal = token, nil
	return token, nil
}

// sinceThen reports what another caller has reached while this one waited, and whether a refusal is too young to try
// again.
func (a *administrator) sinceThen(old session.Secret) (token session.Secret, err error, done bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.token.Empty() && !a.token.Equal(old) {
		return a.token, nil, true
	}
	wait := rest - a.s.client.Now().Sub(a.refusedAt)
	if a.refusal != nil && wait > 0 && wait <= rest {
		return session.Secret{}, session.WithRetryAfter(a.refusal, wait), true
	}
	return session.Secret{}, nil, false
}

func (a *administrator) login(ctx context.Context) (session.Secret, error) {
	o := a.s.o.Administrator
	token, err := a.s.authenticate(ctx, cmp.Or(o.Realm, rootRealm), o.Username, o.Password)
	switch {
	case errors.Is(err, session.ErrRejected):
		return session.Secret{}, a.refused("the administrator's name and password are not accepted")
	case errors.Is(err, session.ErrInsufficient):
		return session.Secret{}, a.refused("the administrator's login wants more than name and password")
	case err != nil:
		return session.Secret{}, fmt.Errorf("administrator: %w", err)
	}
	a.log.InfoContext(ctx, "logged in as administrator", slog.String("username", o.Username))
	return token, nil
}

// refused notes and returns that the administrator is not accepted: unknown, for everybody who was asked about.
func (a *administrator) refused(reason string) error {
	err := authority.Unavailable(reason)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refusal == nil {
		a.log.Error("sessions cannot be looked up", slog.String("reason", reason))
	}
	a.refusal, a.refusedAt = err, a.s.client.Now()
	return session.WithRetryAfter(err, rest)
}

// accepted notes that the administrator was let in.
func (a *administrator) accepted() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusal = nil
}

func (a *administrator) health() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refusal
}
