package source

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
	"github.com/sessionward/sessionward/source/password"
)

const (
	maxBcryptPassword = 72 // bytes; bcrypt ignores the rest
	maxWaiting        = 64 // password checks in line for a processor
	defaultKeyHeader  = "X-Api-Key"
)

// Local knows users from a password file and services by their keys.
//
// User names are matched exactly: "Alice" is nobody when the file knows "alice", and a file with both is refused. They
// are ASCII, so that no two look alike.
type Local struct {
	name    string
	header  string // canonical
	now     func() time.Time
	file    *password.File[*passwords] // nil: no passwords
	users   map[string]LocalUser
	keys    map[string]*apiKey
	perUser *password.Attempts
	perIP   *password.Attempts

	compare func(hash, password []byte) error // bcrypt
	slots   chan struct{}                     // comparisons at a time
	waiting atomic.Int64
}

func openLocal(o Options, d Deps) (session.Source, error) {
	opts := o.Local
	window := cmp.Or(opts.FailureWindow, password.DefaultWindow)
	l := &Local{
		name:    o.Name,
		header:  http.CanonicalHeaderKey(cmp.Or(opts.APIKeyHeader, defaultKeyHeader)),
		now:     d.Now,
		users:   map[string]LocalUser{},
		keys:    readAPIKeys(opts.APIKeys),
		perUser: password.NewAttempts(cmp.Or(opts.MaxFailuresPerUser, password.DefaultPerUser), window, d.Now),
		perIP:   password.NewAttempts(cmp.Or(opts.MaxFailuresPerIP, password.DefaultPerIP), window, d.Now),
		compare: bcrypt.CompareHashAndPassword,
		slots:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
	}
	for _, u := range opts.Users {
		u.Groups = slices.Clone(u.Groups)
		l.users[u.Username] = u
	}
	if opts.HtpasswdFile == "" {
		return l, nil
	}
	file, err := password.OpenFile(password.FileOptions[*passwords]{
		Setting: "htpasswd_file", Path: opts.HtpasswdFile, Now: d.Now, Log: d.Log,
		Read:  func(text []byte) (*passwords, error) { return readPasswords(bytes.NewReader(text)) },
		Count: func(p *passwords) int { return len(p.hash) },
	})
	if err != nil {
		return nil, fmt.Errorf("local.%w", err)
	}
	l.file = file
	return l, nil
}

// Name implements session.Source.
func (l *Local) Name() string { return l.name }

// Kind implements session.Source.
func (l *Local) Kind() string { return "local" }

// Health implements session.HealthChecker: an error when the password file changed to something that makes no sense.
func (l *Local) Health() error {
	if l.file == nil {
		return nil
	}
	if err := l.file.Health(); err != nil {
		return fmt.Errorf("local %s: %w", l.name, err)
	}
	return nil
}

// HasPasswords reports whether people can log in here at all; otherwise there are only keys of programs.
func (l *Local) HasPasswords() bool { return l.file != nil }

// VerifyPassword implements session.PasswordLogin. A wrong password, an unknown user and a name or password that
// cannot be one cost the same work. Failures are counted for the user, whatever the case it is written in and whether
// it exists or not, and for the client's address; after too many both wait, longer each time.
func (l *Local) VerifyPassword(ctx context.Context, username string, given session.Secret, clientIP string) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "local "+l.name, "verify password")
	if l.file == nil {
		return nil, fmt.Errorf("%w: no htpasswd_file is configured", session.ErrUnsupported)
	}
	done, err := l.admit(username, clientIP)
	if err != nil {
		return nil, err
	}
	right, err := l.check(ctx, username, given.Reveal())
	done(right, err)
	switch {
	case err != nil:
		return nil, err
	case !right:
		return nil, authority.Rejected("user name or password is wrong")
	}
	now := l.now().UTC()
	return &session.Session{
		Source:                l.name,
		Active:                true,
		Identity:              l.identity(username),
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "pwd", AAL: "aal1", CompletedAt: now}},
		AAL:                   "aal1",
		AuthenticatedAt:       now,
	}, nil
}

// admit counts an attempt for the client's address and the user. done takes it back unless it failed.
func (l *Local) admit(username, clientIP string) (done func(right bool, err error), err error) {
	ip, user := password.ClientKey(clientIP), strings.ToLower(username)
	if ip != "" {
		if wait := l.perIP.Begin(ip); wait > 0 {
			return nil, password.TooMany("this client", wait)
		}
	}
	counted := validUsername(username) // other names cannot exist, and would only fill the table
	if counted {
		if wait := l.perUser.Begin(user); wait > 0 {
			l.perIP.Undo(ip)
			return nil, password.TooMany("this user", wait)
		}
	}
	return func(right bool, err error) {
		if right || err != nil {
			l.perIP.Undo(ip)
		}
		switch {
		case counted && right:
			l.perUser.Forget(user)
		case counted && err != nil:
			l.perUser.Undo(user)
		}
	}, nil
}

// check compares in constant work: each call computes as much as one comparison at the highest cost in the file,
// whoever asks.
func (l *Local) check(ctx context.Context, username, given string) (bool, error) {
	if err := l.acquire(ctx); err != nil {
		return false, err
	}
	defer func() { <-l.slots }()
	users := l.file.Current()
	possible := given != "" && len(given) <= maxBcryptPassword
	clipped := []byte(given[:min(len(given), maxBcryptPassword)])
	hash, known := users.hash[username]
	if !known {
		_ = l.compare(users.mock[users.max], clipped)
		return false, nil
	}
	right := l.compare(hash, clipped) == nil
	for cost := users.cost[username]; cost < users.max; cost++ {
		_ = l.compare(users.mock[cost], clipped) // 2^c + 2^c + 2^(c+1) + … = 2^max
	}
	return right && possible, nil
}

// acquire waits for a slot: comparisons are slow on purpose and must not starve everything else.
func (l *Local) acquire(ctx context.Context) error {
	if l.waiting.Add(1) > maxWaiting {
		l.waiting.Add(-1)
		return password.TooMany("everybody", time.Second)
	}
	defer l.waiting.Add(-1)
	if ctx.Err() != nil {
		return authority.GaveUp(ctx)
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return authority.GaveUp(ctx)
	}
}

// identity returns what is known of a user. The slices are the caller's.
func (l *Local) identity(username string) session.Identity {
	u := l.users[username]
	return session.Identity{
		Subject:       username,
		Username:      username,
		Email:         u.Email,
		EmailVerified: u.Email != "",
		Name:          u.Name,
		Groups:        slices.Clone(u.Groups),
	}
}

var (
	_ session.PasswordLogin = (*Local)(nil)
	_ session.Resolver      = (*Local)(nil)
	_ session.HealthChecker = (*Local)(nil)
)
