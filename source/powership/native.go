package powership

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
	"github.com/sessionward/sessionward/source/password"
)

// native keeps accounts and sessions itself, as the library does.
type native struct {
	o           NativeOptions
	strict      bool
	widen       bool
	rotateAfter time.Duration
	now         func() time.Time
	log         *slog.Logger

	accounts *password.File[*accounts]
	docs     documents
	gate     *door // of passwords

	mu   sync.Mutex
	last error // of the store, nil when it worked
}

func openNative(o Options, d authority.Deps) (*native, error) {
	n := &native{
		o: o.Native.withDefaults(), strict: o.Strict, widen: o.WidenLogout, rotateAfter: o.RotateAfter, now: d.Now, log: d.Log,
	}
	file, err := openAccounts(n.o.AccountsFile, d)
	if err != nil {
		return nil, err
	}
	n.accounts, n.gate = file, newDoor(n.o, d.Now)
	if n.o.StoreFile == "" {
		n.docs = newMemory(n.o.MaxSessions)
	} else {
		n.docs = newBoltFile(n.o.StoreFile, n.o.MaxSessions)
	}
	return n, nil
}

// opened is a token that was verified, with the account it belongs to.
type opened struct {
	*token
	raw     session.Secret
	account *accountEntry
}

// verify returns what is in a token that was signed with the secret, or with the one before it.
func (n *native) verify(raw session.Secret) (*token, error) {
	t, err := verifySignature(raw.Reveal(), n.o.Secret)
	if err != nil && !n.o.PreviousSecret.Empty() {
		t, err = verifySignature(raw.Reveal(), n.o.PreviousSecret)
	}
	return t, err
}

// open verifies a token, finds its account and compares the user agent, in the library's order. The address is never
// compared.
func (n *native) open(raw session.Secret, from ConnectionInfo) (opened, error) {
	t, err := n.verify(raw)
	if err != nil || !t.holds(n.now()) {
		return opened{}, TokenVerificationFailed
	}
	account := n.accounts.Current().byCursor[t.account]
	switch {
	case account == nil:
		return opened{}, UserNotFound
	case account.Deactivated: // the library lets them in
		return opened{}, UserDeactivated
	case t.claims.UserAgent != fingerprint(from.UserAgent):
		return opened{}, InvalidSession
	}
	return opened{token: t, raw: raw, account: account}, nil
}

// stands is what becomes of a token that was shown.
type stands int

const (
	keep   stands = iota // it stays the client's token
	move                 // it stays, and where it is used from is written down
	rotate               // it is exchanged for a new one
	follow               // it was exchanged a moment ago: the client gets the newest one again
)

// judge says what becomes of t, as far as document d goes. InvalidSession when d has ended, or when strict and t is
// neither its newest token nor the one before it.
func (n *native) judge(t opened, d *Document, from ConnectionInfo, always bool) (stands, error) {
	now := n.now()
	if !d.Valid || d.AccountID != t.account.ID {
		return keep, InvalidSession
	}
	if n.strict && t.data != d.Token {
		if t.data != d.previous || now.Sub(d.rotatedAt) >= n.o.Grace {
			return keep, InvalidSession
		}
		return follow, nil
	}
	switch {
	case always || n.rotateAfter < 0 || now.Sub(t.issuedAt) >= n.rotateAfter:
		return rotate, nil
	case d.Connection.IP != from.IP:
		return move, nil
	default:
		return keep, nil
	}
}

func (n *native) request(ctx context.Context, raw session.Secret, from ConnectionInfo) (*LoginResult, error) {
	return n.exchange(ctx, raw, from, false)
}

func (n *native) refresh(ctx context.Context, raw session.Secret, from ConnectionInfo) (*LoginResult, error) {
	return n.exchange(ctx, raw, from, true)
}

// exchange looks at the document first, for most requests change nothing, and judges again where it writes.
func (n *native) exchange(ctx context.Context, raw session.Secret, from ConnectionInfo, always bool) (*LoginResult, error) {
	t, err := n.open(raw, from)
	if err != nil {
		return nil, err
	}
	d, err := n.docs.find(ctx, t.session)
	if n.note(ctx, err); err != nil {
		return nil, err
	}
	todo, err := n.judge(t, &d, from, always)
	if err != nil {
		return nil, err
	}
	if todo == move || todo == rotate {
		d, err = n.docs.update(ctx, t.session, func(d *Document) error {
			if todo, err = n.judge(t, d, from, always); err == nil {
				n.write(todo, d, from)
			}
			return err
		})
		if n.note(ctx, err); err != nil {
			return nil, err
		}
	}
	return n.result(t, d, todo)
}

// write does to d what judge said.
func (n *native) write(todo stands, d *Document, from ConnectionInfo) {
	now := n.now().UTC()
	switch todo {
	case move:
		d.move(from, now)
	case rotate:
		d.rotate(from, now)
		d.endsAt = now.Add(n.o.TokenDuration)
	}
}

// result is what t is worth now. A new token is that of the document: whoever wrote last, wins.
func (n *native) result(t opened, d Document, todo stands) (*LoginResult, error) {
	r := &LoginResult{AuthToken: t.raw, ExpiresAt: t.expiresAt, Session: d, Account: t.account.account()}
	if todo != rotate && todo != follow {
		return r, nil
	}
	return r, n.sign(r)
}

// sign gives r the newest token of its document.
func (n *native) sign(r *LoginResult) error {
	raw, expiresAt, err := signToken(n.o.Secret, r.Session.Token, n.now(), n.o.TokenDuration)
	r.AuthToken, r.ExpiresAt, r.Exchanged = session.NewSecret(raw), expiresAt, true
	return err
}

func (n *native) look(ctx context.Context, raw session.Secret, from ConnectionInfo) (*LoginResult, error) {
	t, err := n.open(raw, from)
	if err != nil {
		return nil, err
	}
	d, err := n.docs.find(ctx, t.session)
	if n.note(ctx, err); err != nil {
		return nil, err
	}
	if _, err = n.judge(t, &d, from, false); err != nil {
		return nil, err
	}
	return n.result(t, d, keep)
}

// login makes a session, for an account that is not deactivated.
func (n *native) login(ctx context.Context, username string, password session.Secret, from ConnectionInfo) (*LoginResult, error) {
	e, err := n.gate.pass(ctx, n.accounts.Current(), username, password.Reveal(), from.IP)
	if err != nil {
		return nil, err
	}
	return n.begin(ctx, e, from)
}

// begin makes a session for who has proven to be e (upsertRefreshTokenAndSessionDocument with op insert).
func (n *native) begin(ctx context.Context, e *accountEntry, from ConnectionInfo) (*LoginResult, error) {
	if e.Deactivated {
		return nil, UserDeactivated
	}
	now := n.now().UTC()
	d := Document{AccountID: e.ID, ULID: newULID(now), Valid: true, Connection: from, CreatedAt: now}
	n.write(rotate, &d, from)
	err := n.docs.insert(ctx, d)
	if n.note(ctx, err); err != nil {
		return nil, err
	}
	r := &LoginResult{Session: d, Account: e.account()}
	return r, n.sign(r)
}

// note remembers how the store was. That a caller went away says nothing about it.
func (n *native) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = nil
	if errors.Is(err, session.ErrUnavailable) && !errors.Is(err, errFull) {
		n.last = err
	}
}

func (n *native) health() error {
	n.mu.Lock()
	last := n.last
	n.mu.Unlock()
	if last != nil {
		return last
	}
	return n.accounts.Health()
}

// dropEvery is how often documents no token can be used for are dropped; keepEnded is how long they stay, so that a token
// that has just ended can still log out.
const (
	dropEvery = 10 * time.Minute
	keepEnded = 24 * time.Hour
)

func (n *native) run(ctx context.Context) error {
	tick := time.NewTicker(dropEvery)
	defer tick.Stop()
	for {
		if err := n.docs.drop(ctx, n.now().Add(-keepEnded)); err != nil && ctx.Err() == nil {
			n.log.Warn("dropping ended sessions failed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return n.docs.close()
		case <-tick.C:
		}
	}
}

func (n *native) close() error { return n.docs.close() }
