package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/securecookie"
)

const (
	sessionIDBytes = 32  // 256 bits
	maxCookieName  = 40  // bytes of the cookie's name; with its value the cookie stays below 200
	maxCookieValue = 160 // bytes a cookie value may have
	maxRecordBytes = 256 << 10
	swapAttempts   = 8
	revokeTimeout  = 10 * time.Second
	maxUserAgent   = 256       // bytes of a User-Agent that are kept
	keepEnded      = time.Hour // how long the record of a session is kept after one of its clocks ran out
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
	// Tally counts logins; nil: nobody does.
	Tally *Tally
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged
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
	pending   map[string]*pendingChange // what the store has not taken yet, by store key
	retrying  bool                      // somebody sees to pending

	noting chan struct{} // sightings being written
	work   *background   // revocations and retries
}

// NewManager checks o and returns a manager. Close it after the last request.
func NewManager(o ManagerOptions) (*Manager, error) {
	if o.Store == nil || o.Keys == nil || o.CookieName == "" {
		return nil, fmt.Errorf("session manager: store, keys and cookie name are required: %w", ErrMalformed)
	}
	if !validCookieName(o.CookieName) {
		return nil, fmt.Errorf("session manager: cookie name %q must be 1 to %d of the characters RFC 6265 allows in a name: %w", o.CookieName, maxCookieName, ErrMalformed)
	}
	if err := o.Lifetime.Validate(); err != nil {
		return nil, fmt.Errorf("session manager: %w", err)
	}
	for name, l := range o.SourceLifetime {
		if err := l.Validate(); err != nil {
			return nil, fmt.Errorf("session manager: source %q: %w", name, err)
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := &Manager{
		o: o, sealer: o.Keys.Sealer("session"), sources: map[string]Source{},
		pending: map[string]*pendingChange{}, noting: make(chan struct{}, sightingsAtOnce), work: newBackground(o.Log),
	}
	for _, s := range o.Sources {
		if m.sources[s.Name()] != nil {
			return nil, fmt.Errorf("session manager: two sources are named %q: %w", s.Name(), ErrMalformed)
		}
		m.sources[s.Name()] = s
	}
	for _, k := range o.Keys.Derive("cookie/"+o.CookieName, 32) {
		m.codecs = append(m.codecs, newCookieCodec(k.Bytes))
	}
	return m, nil
}

// validCookieName allows the token characters of RFC 9110 §5.6.2, as RFC 6265 §4.1.1 asks for.
func validCookieName(name string) bool {
	for _, c := range []byte(name) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != "" && len(name) <= maxCookieName
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

// Resolve implements Resolver. A cookie that does not verify, a session that is not there and one that has ended, here or
// at its authority, are all ErrRejected and look the same to the client.
func (m *Manager) Resolve(ctx context.Context, c Credential) (*Session, error) {
	s, err := m.LookUp(ctx, c)
	if err != nil {
		return nil, err
	}
	return m.verified(ctx, s)
}

// LookUp is Resolve without asking the source of the session: for what must work while that is down, such as a logout.
func (m *Manager) LookUp(ctx context.Context, c Credential) (*Session, error) {
	if c.Kind != KindCookie || c.Name != m.o.CookieName {
		return nil, ErrNotMine
	}
	id, err := m.openCookie(c.Value.Reveal())
	if err != nil {
		return nil, err
	}
	s, err := m.load(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("session: ended or never was: %w", ErrRejected)
	}
	return s, err
}

// verified asks the source of s, where it wants to be asked, whether s still holds there. Tokens that are due for renewal
// are not asked about: the renewal answers the same question, and may be spending them right now.
func (m *Manager) verified(ctx context.Context, s *Session) (*Session, error) {
	src, ok := m.sources[s.Source].(Verifier)
	if at := m.RenewAt(s); !ok || (!at.IsZero() && !m.now().Before(at)) {
		return s, nil
	}
	err := answerOf(src.Verify(ctx, s))
	switch {
	case errors.Is(err, ErrRejected):
		return m.refused(ctx, s, err)
	case err != nil:
		return nil, fmt.Errorf("source %s: %w", s.Source, err)
	}
	return s, nil
}

// Current implements Keeper: s as the store has it. Sessions that no manager has saved are not of its making.
func (m *Manager) Current(ctx context.Context, s *Session) (*Session, error) {
	if s.version == 0 {
		return nil, ErrNotMine
	}
	newest, err := m.load(ctx, s.ID)
	return newest, endedIfMissing(err)
}

// openCookie returns the session id in a cookie value of ours. There is one spelling of each value: what base64 is
// lenient about (line breaks, spare bits) is refused.
func (m *Manager) openCookie(value string) (id string, err error) {
	if len(value) > maxCookieValue {
		return "", fmt.Errorf("session cookie: too long: %w", ErrRejected)
	}
	b, err := base64.URLEncoding.DecodeString(value)
	if err != nil || base64.URLEncoding.EncodeToString(b) != value {
		return "", fmt.Errorf("session cookie: misspelt: %w", ErrRejected)
	}
	var raw []byte
	if err := securecookie.DecodeMulti(m.o.CookieName, value, &raw, m.codecs...); err != nil || len(raw) != sessionIDBytes {
		return "", fmt.Errorf("session cookie: not signed by us: %w", ErrRejected)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// Create makes a session of ours out of what a source answered at login: a new id and handle, our two clocks, the
// device. It returns the session and the value of its cookie only after the store has it. ErrRejected when what the
// source answered has ended already.
func (m *Manager) Create(ctx context.Context, answered *Session, d Device) (*Session, Secret, error) {
	id := newSessionID()
	value, err := m.codecs[0].Encode(m.o.CookieName, id)
	if err != nil {
		return nil, Secret{}, fmt.Errorf("session cookie: encode: %w", errors.Join(ErrUnavailable, err))
	}
	fresh := m.fresh(answered, base64.RawURLEncoding.EncodeToString(id), d)
	s, err := m.o.Hooks.create(ctx, fresh)
	if err != nil {
		return nil, Secret{}, err
	}
	if s.ID != fresh.ID || s.Handle != fresh.Handle { // the cookie is made for this id, whatever a hook returns
		s = s.Clone()
		s.ID, s.Handle = fresh.ID, fresh.Handle
	}
	if s.Ended(m.now()) {
		return nil, Secret{}, fmt.Errorf("session %s: source %s answered with a session that has ended: %w", s.Handle, s.Source, ErrRejected)
	}
	if s, err = m.save(ctx, s, 0); err != nil {
		return nil, Secret{}, err
	}
	m.o.Tally.Add(Logins)
	return s, NewSecret(value), nil
}

func newSessionID() []byte {
	id := make([]byte, sessionIDBytes)
	_, _ = rand.Read(id) // never fails: crypto/rand ends the process instead
	return id
}

// fresh is what a source answered, as a session of ours that begins now.
func (m *Manager) fresh(answered *Session, id string, d Device) *Session {
	now := m.now()
	life := m.lifetime(answered.Source)
	s := answered.Clone()
	s.ID = id
	s.Handle = strings.ToLower(rand.Text()[:20])
	s.Active = true
	s.IssuedAt, s.LastAccessAt = now, now
	s.ExpiresAt = earliest(now.Add(life.MaxLifetime), answered.ExpiresAt)
	s.IdleExpiresAt = earliest(now.Add(life.IdleTimeout), s.ExpiresAt)
	s.Tokens.ObtainedAt = now
	s.version = 0
	d.FirstSeenAt, d.LastSeenAt, d.UserAgent = now, now, clip(d.UserAgent, maxUserAgent)
	s.Devices = []Device{d}
	return s
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
	if err := m.o.Store.Delete(ctx, storeKey(s.ID)); err != nil {
		return fmt.Errorf("session %s: end: %w", s.Handle, classed(err))
	}
	m.announce(ctx, s, why)
	if why != EndRefused {
		m.revokeAside(ctx, s)
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

// revokeAside asks the authority of s to revoke its tokens, in the background and apart from the request.
func (m *Manager) revokeAside(ctx context.Context, s *Session) {
	r, ok := m.sources[s.Source].(Revoker)
	if !ok {
		return
	}
	ctx = context.WithoutCancel(ctx)
	started := m.work.run(ctx, "revoking tokens", func() {
		ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
		defer cancel()
		if err := r.Revoke(ctx, s); err != nil && !errors.Is(err, ErrUnsupported) {
			m.o.Log.WarnContext(ctx, "revoking tokens at the authority failed", "handle", s.Handle, "source", s.Source, "error", err)
		}
	})
	if !started {
		m.o.Log.WarnContext(ctx, "tokens were not revoked at the authority: shutting down", "handle", s.Handle, "source", s.Source)
	}
}

// Close waits for work in the background. Sessions the store has not taken are tried once more. It does not close
// the store.
func (m *Manager) Close() { m.work.close() }

// Format implements fmt.Formatter: what a manager holds is not for printing.
func (m *Manager) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "session.Manager") }

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

// clip cuts s to limit bytes of valid UTF-8, which is what a record can hold.
func clip(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "")
}

var (
	_ Renewer = (*Manager)(nil)
	_ Toucher = (*Manager)(nil)
	_ Keeper  = (*Manager)(nil)
)
