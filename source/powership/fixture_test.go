package powership

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	peer "github.com/sessionward/sessionward/cmd/peers/powership"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	browser = "Mozilla/5.0 (X11; Linux x86_64)"
	address = "203.0.113.9"
	wonder  = "wonderland"
	secret  = "a secret of at least thirty-two bytes"
)

// clock is a clock that tests turn.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now().UTC()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// logged is what was logged.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// hashOfPassword is a bcrypt hash of the least cost that is accepted.
var hashOfPassword = sync.OnceValue(func() string {
	hash, err := bcrypt.GenerateFromPassword([]byte(wonder), bcrypt.MinCost+6)
	if err != nil {
		panic(err)
	}
	return string(hash)
})

// writeAccounts writes an accounts file with alice, bob who has no password, and carol who is deactivated.
func writeAccounts(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "accounts.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`accounts:
  - id: 01GM7285ZR7MX76PNMF3G2MD3P
    username: alice
    password_hash: "`+hashOfPassword()+`"
    email: alice@example.com
    name: Alice Liddell
    groups: [staff, readers]
  - id: 01GM7285ZR7MX76PNMF3G2BBBB
    username: bob
  - id: 01GM7285ZR7MX76PNMF3G2CCCC
    username: carol
    password_hash: "`+hashOfPassword()+`"
    deactivated: true
`), 0o600))
	return path
}

func nativeOptions(t *testing.T) Options {
	t.Helper()
	return Options{Native: &NativeOptions{Secret: session.NewSecret(secret), AccountsFile: writeAccounts(t)}}
}

// nativeWorld is a source that keeps its sessions itself, in a store that can be disturbed.
type nativeWorld struct {
	*Source
	clock *clock
	log   *logged
	docs  *disturbed
}

func openNativeWorld(t *testing.T, o Options) *nativeWorld {
	t.Helper()
	require.NoError(t, checked(&o))
	w := &nativeWorld{clock: newClock(), log: &logged{}}
	s, err := Open("accounts", o, authority.Deps{Now: w.clock.now, Log: w.log.logger()})
	require.NoError(t, err)
	w.docs = &disturbed{documents: s.native.docs, broken: make(chan struct{})}
	s.native.docs, w.Source = w.docs, s
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return w
}

func checked(o *Options) error {
	p := authority.NewProblems("source")
	o.Check(p)
	return p.Err()
}

// token logs alice in as the application would that shares the secret, and returns her token.
func (w *nativeWorld) token(t *testing.T) session.Secret {
	t.Helper()
	alice := w.native.accounts.Current().byUsername["alice"]
	r, err := w.native.begin(t.Context(), alice, ConnectionInfo{IP: address, UserAgent: browser})
	require.NoError(t, err)
	return r.AuthToken
}

// document returns the document behind a token.
func (w *nativeWorld) document(t *testing.T, raw session.Secret) Document {
	t.Helper()
	tok, err := readToken(raw.Reveal())
	require.NoError(t, err)
	d, err := w.docs.documents.find(t.Context(), tok.session)
	require.NoError(t, err)
	return d
}

func cookie(raw session.Secret) session.Credential {
	return session.Credential{
		Place: session.Place{Kind: session.KindCookie, Name: DefaultCookie}, Value: raw, UserAgent: browser, RemoteIP: address,
	}
}

func bearer(raw session.Secret) session.Credential {
	c := cookie(raw)
	c.Place = session.Place{Kind: session.KindBearer}
	return c
}

// disturbed is a store that can be down or stall.
type disturbed struct {
	documents
	mu     sync.Mutex
	asked  int
	down   bool
	stall  bool
	broken chan struct{}
}

var errDown = errors.Join(session.ErrUnavailable, errors.New("the store is down"))

func (d *disturbed) set(down, stall bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down, d.stall = down, stall
}

func (d *disturbed) enter(ctx context.Context) error {
	d.mu.Lock()
	d.asked++
	down, stall := d.down, d.stall
	d.mu.Unlock()
	if stall {
		<-ctx.Done()
		return errDown
	}
	if down {
		return errDown
	}
	return nil
}

func (d *disturbed) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

func (d *disturbed) insert(ctx context.Context, doc Document) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	return d.documents.insert(ctx, doc)
}

func (d *disturbed) find(ctx context.Context, c cursor) (Document, error) {
	if err := d.enter(ctx); err != nil {
		return Document{}, err
	}
	return d.documents.find(ctx, c)
}

func (d *disturbed) update(ctx context.Context, c cursor, change func(*Document) error) (Document, error) {
	if err := d.enter(ctx); err != nil {
		return Document{}, err
	}
	return d.documents.update(ctx, c, change)
}

func (d *disturbed) list(ctx context.Context, accountID string) iter.Seq2[Document, error] {
	if err := d.enter(ctx); err != nil {
		return func(yield func(Document, error) bool) { yield(Document{}, err) }
	}
	return d.documents.list(ctx, accountID)
}

// bridgeWorld is a source that asks an application.
type bridgeWorld struct {
	*Source
	peer *peer.Peer
	log  *logged
}

const bridgeToken = "shared-between-the-two"

func openBridgeWorld(t *testing.T, o Options, po peer.Options) *bridgeWorld {
	t.Helper()
	po.Bearer = bridgeToken
	p, err := peer.New(po)
	require.NoError(t, err)
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Panel().Set("up")
		server.Close()
	})
	if o.Bridge == nil {
		o.Bridge = &BridgeOptions{}
	}
	o.Bridge.URL, o.Bridge.Token = server.URL, session.NewSecret(bridgeToken)
	if o.Bridge.Timeout == 0 {
		o.Bridge.Timeout = 2 * time.Second
	}
	require.NoError(t, checked(&o))
	w := &bridgeWorld{peer: p, log: &logged{}}
	w.Source, err = Open("accounts", o, authority.Deps{Now: p.Panel().Now, Log: w.log.logger()})
	require.NoError(t, err)
	return w
}

// token logs alice in at the application and returns her token.
func (w *bridgeWorld) token(t *testing.T) session.Secret {
	t.Helper()
	raw, err := w.peer.Login("alice", address, browser)
	require.NoError(t, err)
	return session.NewSecret(raw)
}
