package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/securecookie"
)

const (
	sessionIDBytes = 32  // 256 bits
	maxCookieValue = 160 // bytes a cookie value may have; with its name the cookie stays below 200
	maxRecordBytes = 256 << 10
	swapAttempts   = 8
	revokeTimeout  = 10 * time.Second
	maxUserAgent   = 256 // bytes of a User-Agent that are kept
)

// ManagerOptions are the parts of a Manager. Store, Keys and CookieName are required.
type ManagerOptions struct {
	Store      Store
	Keys       *KeyRing
	CookieName string
	// Sources are asked to renew and revoke the sessions that bear their name.
	Sources []Source
	// Lifetime holds for all sources but those named in SourceLifetime.
	Lifetime       Lifetime
	SourceLifetime map[string]Lifetime
	Hooks          Hooks
	Now            func() time.Time // nil: time.Now
	Log            *slog.Logger     // nil: nothing is logged
}

// Manager owns the sessions that are ours: those a login here created, carried by our cookie and kept in the store.
// To the Validator it is one more resolver. The cookie holds an opaque id signed by the key ring; the store knows
// only a hash of that id, and seals the record bound to that hash, so that neither a stolen store nor a swapped
// record opens a session.
type Manager struct {
	o       ManagerOptions
	codecs  []securecookie.Codec
	sealer  *Sealer
	sources map[string]Source

	mu        sync.Mutex
	listeners []func(*Session, EndReason)
	pending   map[string]*Session // changed sessions the store has not taken yet, by id
	work      sync.WaitGroup      // revocations and retries under way
	stop      context.CancelFunc
	stopped   context.Context
}

// NewManager checks o and returns a manager. Close it after the last request.
func NewManager(o ManagerOptions) (*Manager, error) {
	if o.Store == nil || o.Keys == nil || o.CookieName == "" {
		return nil, fmt.Errorf("session manager: store, keys and cookie name are required: %w", ErrMalformed)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := &Manager{o: o, sealer: o.Keys.Sealer("session"), sources: map[string]Source{}, pending: map[string]*Session{}}
	for _, l := range o.SourceLifetime {
		if err := l.Validate(); err != nil {
			return nil, err
		}
	}
	if err := o.Lifetime.Validate(); err != nil {
		return nil, err
	}
	for _, s := range o.Sources {
		m.sources[s.Name()] = s
	}
	for _, k := range o.Keys.Derive("cookie/"+o.CookieName, 32) {
		m.codecs = append(m.codecs, newCookieCodec(k.Bytes))
	}
	m.stopped, m.stop = context.WithCancel(context.Background())
	return m, nil
}

// newCookieCodec signs (HMAC-SHA256) without a time limit of its own: a session's clocks are kept by the server.
func newCookieCodec(key []byte) *securecookie.SecureCookie {
	c := securecookie.New(key, nil)
	c.SetSerializer(securecookie.NopEncoder{})
	c.MaxAge(0)
	c.MaxLength(maxCookieValue)
	return c
}

// Name implements Source.
func (m *Manager) Name() string { return "sessionward" }

// Kind implements Source.
func (m *Manager) Kind() string { return "session" }

// CookieName returns the name of the session cookie.
func (m *Manager) CookieName() string { return m.o.CookieName }

// Places implements Resolver: our cookie.
func (m *Manager) Places() []Place {
	return []Place{{Kind: KindCookie, Name: m.o.CookieName}}
}

// Resolve implements Resolver. A cookie that does not verify, a session that is not there and one that has ended are
// all ErrRejected and look the same to the client.
func (m *Manager) Resolve(ctx context.Context, c Credential) (*Session, error) {
	if c.Kind != KindCookie || c.Name != m.o.CookieName {
		return nil, ErrNotMine
	}
	var raw []byte
	if len(c.Value.Reveal()) > maxCookieValue {
		return nil, fmt.Errorf("session cookie: too long: %w", ErrRejected)
	}
	if err := securecookie.DecodeMulti(m.o.CookieName, c.Value.Reveal(), &raw, m.codecs...); err != nil {
		return nil, fmt.Errorf("session cookie: not signed by us: %w", ErrRejected)
	}
	s, err := m.load(ctx, base64.RawURLEncoding.EncodeToString(raw))
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("session: ended or never was: %w", ErrRejected)
	}
	return s, err
}

// Create makes a session of ours out of what a source answered at login: a new id and handle, our two clocks, the
// device. It returns the session and the value of its cookie only after the store has it.
func (m *Manager) Create(ctx context.Context, answered *Session, d Device) (*Session, Secret, error) {
	now := m.now()
	id := make([]byte, sessionIDBytes)
	_, _ = rand.Read(id) // never fails: crypto/rand ends the process instead
	life := m.lifetime(answered.Source)
	s := answered.Clone()
	s.ID = base64.RawURLEncoding.EncodeToString(id)
	s.Handle = strings.ToLower(rand.Text()[:20])
	s.Active = true
	s.IssuedAt, s.LastAccessAt = now, now
	s.ExpiresAt = earliest(now.Add(life.MaxLifetime), answered.ExpiresAt)
	s.IdleExpiresAt = now.Add(life.IdleTimeout)
	s.Tokens.ObtainedAt = now
	d.FirstSeenAt, d.LastSeenAt, d.UserAgent = now, now, clip(d.UserAgent, maxUserAgent)
	s.Devices = []Device{d}
	s, err := m.o.Hooks.create(ctx, s)
	if err != nil {
		return nil, Secret{}, err
	}
	if s, err = m.save(ctx, s, 0); err != nil {
		return nil, Secret{}, err
	}
	value, err := m.codecs[0].Encode(m.o.CookieName, id)
	if err != nil {
		return nil, Secret{}, fmt.Errorf("session cookie: encode: %w", errors.Join(ErrUnavailable, err))
	}
	return s, NewSecret(value), nil
}

// OnEnd registers f to be told of every session of ours that ends in this process, before End returns. Register
// before the first request.
func (m *Manager) OnEnd(f func(*Session, EndReason)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listeners = append(m.listeners, f)
}

// End ends s here at once: the record goes first, then everybody who remembers it is told, then its authority is
// asked to revoke it, in the background. After End returned nil the session never works again; ErrUnavailable means
// that it still may. Ending a session that is not there is not an error.
func (m *Manager) End(ctx context.Context, s *Session, why EndReason) error {
	m.forgetPending(s.ID)
	if err := m.o.Store.Delete(ctx, storeKey(s.ID)); err != nil {
		return fmt.Errorf("session %s: end: %w", s.Handle, classed(err))
	}
	m.announce(ctx, s, why)
	if r, ok := m.sources[s.Source].(Revoker); ok && why != EndRefused {
		m.detach(ctx, revokeTimeout, func(ctx context.Context) { m.revoke(ctx, r, s) })
	}
	return nil
}

func (m *Manager) announce(ctx context.Context, s *Session, why EndReason) {
	m.mu.Lock()
	listeners := m.listeners
	m.mu.Unlock()
	for _, f := range listeners {
		f(s, why)
	}
	m.o.Hooks.ended(ctx, s, why)
	m.o.Log.InfoContext(ctx, "session ended", "handle", s.Handle, "source", s.Source, "subject", s.Identity.Subject, "reason", string(why))
}

func (m *Manager) revoke(ctx context.Context, r Revoker, s *Session) {
	if err := r.Revoke(ctx, s); err != nil {
		m.o.Log.WarnContext(ctx, "revoking tokens at the authority failed", "handle", s.Handle, "source", s.Source, "error", err)
	}
}

// detach runs f in the background, apart from the request that asked for it and with a deadline of its own.
func (m *Manager) detach(ctx context.Context, limit time.Duration, f func(context.Context)) {
	m.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		f(ctx)
	})
}

// Close waits for work in the background. Sessions the store has not taken are tried once more. It does not close
// the store.
func (m *Manager) Close() {
	m.stop()
	m.work.Wait()
}

func (m *Manager) now() time.Time { return m.o.Now().UTC() }

func (m *Manager) lifetime(source string) Lifetime {
	if l, ok := m.o.SourceLifetime[source]; ok {
		return l.withDefaults()
	}
	return m.o.Lifetime.withDefaults()
}

// storeKey is what the store knows of an id: its hash.
func storeKey(id string) string {
	sum := sha256.Sum256([]byte("sessionward/store\x00" + id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func clip(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

var (
	_ Renewer = (*Manager)(nil)
	_ Toucher = (*Manager)(nil)
)
