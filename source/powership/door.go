package powership

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sessionward/sessionward/source/authority"
	"github.com/sessionward/sessionward/source/password"
)

const (
	maxBcryptPassword = 72 // bytes; bcrypt ignores the rest
	maxWaiting        = 64 // password checks in line for a processor
)

// door checks passwords: in constant work, few at a time, and not for those who keep failing.
type door struct {
	perUser *password.Attempts
	perIP   *password.Attempts
	compare func(hash, password []byte) error // bcrypt
	slots   chan struct{}
	waiting atomic.Int64
}

func newDoor(o NativeOptions, now func() time.Time) *door {
	return &door{
		perUser: password.NewAttempts(o.MaxFailuresPerUser, o.FailureWindow, now),
		perIP:   password.NewAttempts(o.MaxFailuresPerIP, o.FailureWindow, now),
		compare: bcrypt.CompareHashAndPassword,
		slots:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
	}
}

// pass returns the account of username when the password is right, AuthenticationFailed when it is not or there is no such
// user, session.ErrTooMany when the user or the address has to wait. Failures are counted for the user, whatever the case
// it is written in and whether it exists or not, and for the address.
func (d *door) pass(ctx context.Context, list *accounts, username, given, ip string) (*accountEntry, error) {
	done, err := d.admit(username, ip)
	if err != nil {
		return nil, err
	}
	e, err := d.check(ctx, list, username, given)
	done(e != nil, err)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, AuthenticationFailed
	}
	return e, nil
}

// admit counts an attempt for the client's address and the user. done takes it back unless it failed.
func (d *door) admit(username, clientIP string) (done func(right bool, err error), err error) {
	ip, user := password.ClientKey(clientIP), strings.ToLower(username)
	if wait := d.perIP.Begin(ip); wait > 0 {
		return nil, password.TooMany("this client", wait)
	}
	counted := printable(username) // other names cannot exist, and would only fill the table
	if counted {
		if wait := d.perUser.Begin(user); wait > 0 {
			d.perIP.Undo(ip)
			return nil, password.TooMany("this user", wait)
		}
	}
	return func(right bool, err error) {
		if right || err != nil {
			d.perIP.Undo(ip)
		}
		switch {
		case counted && right:
			d.perUser.Forget(user)
		case counted && err != nil:
			d.perUser.Undo(user)
		}
	}, nil
}

// check compares in constant work: each call computes as much as one comparison at the highest cost in the file, whoever
// asks. nil when the password is wrong or nobody's.
func (d *door) check(ctx context.Context, list *accounts, username, secret string) (*accountEntry, error) {
	if err := d.acquire(ctx); err != nil {
		return nil, err
	}
	defer func() { <-d.slots }()
	possible := secret != "" && len(secret) <= maxBcryptPassword
	given := []byte(secret[:min(len(secret), maxBcryptPassword)])
	e := list.byUsername[username]
	if e == nil || e.PasswordHash == "" {
		_ = d.compare(mockHash(list.cost), given)
		return nil, nil
	}
	right := d.compare([]byte(e.PasswordHash), given) == nil
	own, _ := password.BcryptCost(e.PasswordHash) // was read once already
	for cost := own; cost < list.cost; cost++ {
		_ = d.compare(mockHash(cost), given) // 2^c + 2^c + 2^(c+1) + … = 2^max
	}
	if !right || !possible {
		return nil, nil
	}
	return e, nil
}

// mockHash is a hash no password has, for work that must look like a comparison.
func mockHash(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s%s", cost, strings.Repeat("x", 22), strings.Repeat("y", 31))
}

// acquire waits for a slot: comparisons are slow on purpose and must not starve everything else.
func (d *door) acquire(ctx context.Context) error {
	if d.waiting.Add(1) > maxWaiting {
		d.waiting.Add(-1)
		return password.TooMany("everybody", time.Second)
	}
	defer d.waiting.Add(-1)
	if ctx.Err() != nil {
		return authority.GaveUp(ctx)
	}
	select {
	case d.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return authority.GaveUp(ctx)
	}
}
