package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Defaults of ValidatorOptions.
const (
	DefaultFreshFor       = 30 * time.Second
	DefaultStaleFor       = 30 * time.Second
	DefaultRejectedFor    = 5 * time.Second
	DefaultMaxEntries     = 200_000
	DefaultMaxBytes       = 256 << 20
	DefaultResolveTimeout = 10 * time.Second
	DefaultRefreshTimeout = 30 * time.Second
)

// MaxCredentialBytes bounds what is looked at as a credential at all.
const MaxCredentialBytes = 16 << 10

// CacheOptions say how long answers are remembered and how much room they may take.
type CacheOptions struct {
	// FreshFor is how long an answer is served without asking again. 0: DefaultFreshFor.
	FreshFor time.Duration `yaml:"fresh_for" json:"fresh_for"`
	// StaleFor is how long after that an answer is still served while one question is asked in the background.
	// 0: DefaultStaleFor. Negative: never.
	StaleFor time.Duration `yaml:"stale_for" json:"stale_for"`
	// StaleIfError is how long after FreshFor an answer is served while its authority cannot be reached. 0: never.
	StaleIfError time.Duration `yaml:"stale_if_error" json:"stale_if_error"`
	// RejectedFor is how long a rejection is remembered. 0: DefaultRejectedFor.
	RejectedFor time.Duration `yaml:"rejected_for" json:"rejected_for"`
	// MaxEntries bounds the answers remembered. 0: DefaultMaxEntries.
	MaxEntries int `yaml:"max_entries" json:"max_entries"`
	// MaxBytes bounds the memory they are estimated to take. 0: DefaultMaxBytes.
	MaxBytes int64 `yaml:"max_bytes" json:"max_bytes"`
}

func (o CacheOptions) withDefaults() CacheOptions {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
		*d = max(0, *d)
	}
	set(&o.FreshFor, DefaultFreshFor)
	set(&o.StaleFor, DefaultStaleFor)
	set(&o.StaleIfError, 0)
	set(&o.RejectedFor, DefaultRejectedFor)
	if o.MaxEntries == 0 {
		o.MaxEntries = DefaultMaxEntries
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	return o
}

// Validate says which value makes no sense.
func (o CacheOptions) Validate() error {
	for _, field := range []struct {
		name  string
		wrong bool
	}{
		{"fresh_for", o.FreshFor < 0}, {"stale_if_error", o.StaleIfError < 0}, {"rejected_for", o.RejectedFor < 0},
		{"max_entries", o.MaxEntries < 0}, {"max_bytes", o.MaxBytes < 0},
	} {
		if field.wrong {
			return fmt.Errorf("cache: %s must not be negative; leave it out for the default: %w", field.name, ErrMalformed)
		}
	}
	return nil
}

// ValidatorOptions are the parts of a Validator.
type ValidatorOptions struct {
	// Resolvers are asked in order; the first that recognises a credential decides.
	Resolvers []Resolver
	Cache     CacheOptions
	// ResolveTimeout and RefreshTimeout bound one question and one renewal, apart from who waits for them.
	ResolveTimeout time.Duration
	RefreshTimeout time.Duration
	Hooks          Hooks
	// Ledger is told of every foreign session that is answered for, and may refuse it; nil: all are taken.
	Ledger Ledger
	// Tally counts hits, misses and refreshes; nil: nobody does.
	Tally *Tally
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged
}

// Ledger knows which foreign sessions were ended here.
type Ledger interface {
	// Admit takes note of s, which its source has just vouched for and c has shown. ErrRejected when it was ended here,
	// ErrUnavailable when nobody can say.
	Admit(ctx context.Context, s *Session, c Credential) error
}

// Freshness says where an answer came from.
type Freshness string

// The kinds of freshness.
const (
	Hit    Freshness = "hit"    // remembered and fresh
	Stale  Freshness = "stale"  // remembered, and past its freshness
	Miss   Freshness = "miss"   // asked for this request
	Shared Freshness = "shared" // asked for another request at the same time
)

// Answer is what the validator knows of a credential.
type Answer struct {
	Session   *Session
	Freshness Freshness
	// Renewed is true when this request waited for its session's tokens to be renewed.
	Renewed bool
}

// Validator remembers what the sources said of credentials, so that an authority is asked once and not once per
// request, and has tokens renewed before they end. It is safe for concurrent use.
//
// It remembers by a keyed hash of the credential, never the credential. What it remembers ends at the earliest of the
// cache's own limit, the session's end, the end of tokens that cannot be renewed here, and a call of End. Only answers are remembered: that an authority could not be
// reached never is. Requirements of a route are none of its business, so a hit can never satisfy more than was asked.
type Validator struct {
	o         ValidatorOptions
	resolvers map[Place][]Resolver
	places    []Place
	keepers   []Keeper
	bound     map[Place]bool     // credentials found there hold for one User-Agent
	companion map[Place][]string // cookies that belong to the credentials found there
	hashKey   [32]byte
	buffers   sync.Pool // *[]byte

	answers    *cache // sessions
	rejections *cache // apart, so that a flood of bad credentials cannot push out good ones
	questions  singleflight.Group
	renewals   renewals
	ended      endedSet
	work       *background
	sweepAt    int   // next shard to sweep
	roundLow   int64 // earliest time the clock showed since the sweep last began with shard 0
}

// NewValidator returns a validator over o.Resolvers. Call Run to have it forget what it may, and Close at the end.
func NewValidator(o ValidatorOptions) (*Validator, error) {
	if err := o.Cache.Validate(); err != nil {
		return nil, err
	}
	if o.ResolveTimeout < 0 || o.RefreshTimeout < 0 {
		return nil, fmt.Errorf("validator: resolve and refresh timeouts must not be negative: %w", ErrMalformed)
	}
	o.Cache = o.Cache.withDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ResolveTimeout == 0 {
		o.ResolveTimeout = DefaultResolveTimeout
	}
	if o.RefreshTimeout == 0 {
		o.RefreshTimeout = DefaultRefreshTimeout
	}
	v := &Validator{o: o, resolvers: map[Place][]Resolver{}, bound: map[Place]bool{}, companion: map[Place][]string{}, work: newBackground(o.Log)}
	_, _ = rand.Read(v.hashKey[:]) // never fails: crypto/rand ends the process instead
	v.buffers.New = func() any { b := make([]byte, 0, 512); return &b }
	v.answers = newCache(o.Cache.MaxEntries, o.Cache.MaxBytes)
	v.rejections = newCache(o.Cache.MaxEntries/8, o.Cache.MaxBytes/8)
	v.renewals.init()
	v.ended.init()
	for _, r := range o.Resolvers {
		if k, ok := r.(Keeper); ok {
			v.keepers = append(v.keepers, k)
		}
		for _, p := range r.Places() {
			if v.resolvers[p] == nil {
				v.places = append(v.places, p)
			}
			v.resolvers[p] = append(v.resolvers[p], r)
			if b, ok := r.(UserAgentBinder); ok && b.BindsUserAgent() {
				v.bound[p] = true
			}
			if cc, ok := r.(CompanionCookies); ok {
				v.companion[p] = append(v.companion[p], cc.CompanionCookies()...)
			}
		}
	}
	return v, nil
}

// Places lists where credentials are looked for, in the order of the resolvers. The result is the caller's.
func (v *Validator) Places() []Place { return slices.Clone(v.places) }

// Companions lists the cookies that belong to a credential found at p. The result is the caller's.
func (v *Validator) Companions(p Place) []string { return slices.Clone(v.companion[p]) }

// Validate says whose credential c is. ErrRejected: an authority said no, or nobody recognises it. ErrUnavailable:
// nobody could say. It waits no longer than ctx; what it asked for goes on and is remembered for the next request.
func (v *Validator) Validate(ctx context.Context, c Credential) (Answer, error) {
	a, err := v.validate(ctx, c)
	if err != nil {
		return Answer{}, v.o.Hooks.failed(ctx, err)
	}
	if len(v.o.Hooks.OnRequest) == 0 {
		return a, nil
	}
	if a.Session, err = v.o.Hooks.request(ctx, a.Session); err != nil {
		return Answer{}, err
	}
	return a, nil
}

func (v *Validator) validate(ctx context.Context, c Credential) (Answer, error) {
	if len(c.Value.Reveal()) > MaxCredentialBytes {
		return Answer{}, fmt.Errorf("credential: longer than %d bytes: %w", MaxCredentialBytes, ErrRejected)
	}
	key := v.key(&c)
	now := v.o.Now().UnixNano()
	if e := v.answers.get(&key); e != nil {
		if now < e.quietUntil && now >= e.notBefore && !v.ended.has(e.session) {
			v.o.Tally.add(Hits, now/int64(time.Second))
			return Answer{Session: e.session, Freshness: Hit}, nil
		}
		if a, err, ok := v.remembered(ctx, &key, e, c, now); ok {
			v.o.Tally.add(Hits, now/int64(time.Second))
			return a, err
		}
	} else if err := v.rejectedBefore(&key, now); err != nil {
		v.o.Tally.add(Hits, now/int64(time.Second))
		return Answer{}, err
	}
	v.o.Tally.add(Misses, now/int64(time.Second))
	return v.ask(ctx, key, c)
}

// rejectedBefore returns the rejection that is remembered for key, nil when there is none.
func (v *Validator) rejectedBefore(key *cacheKey, now int64) error {
	if e := v.rejections.get(key); e != nil && now < e.dropAt && now >= e.notBefore {
		return e.rejected
	}
	return nil
}

// key hashes where the credential was found and what it is, length by length, so that no two credentials share one. What
// binds its credentials to the User-Agent gets a key for each.
func (v *Validator) key(c *Credential) cacheKey {
	p := v.buffers.Get().(*[]byte)
	b := append((*p)[:0], v.hashKey[:]...)
	for _, field := range [...]string{string(c.Kind), c.Name, c.Value.Reveal()} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	if len(v.bound) > 0 && v.bound[c.Place] {
		b = binary.BigEndian.AppendUint32(b, uint32(len(c.UserAgent)))
		b = append(b, c.UserAgent...)
	}
	for _, companion := range c.Companions {
		for _, field := range [...]string{companion.Name, companion.Value.Reveal()} {
			b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
			b = append(b, field...)
		}
	}
	sum := sha256.Sum256(b)
	clear(b)
	*p = b
	v.buffers.Put(p)
	return sum
}

// remembered answers from e where something is due: it may be stale, over, or its tokens near their end. ok is false
// when e is of no use and the question must be asked.
func (v *Validator) remembered(ctx context.Context, key *cacheKey, e *entry, c Credential, now int64) (a Answer, err error, ok bool) {
	if v.ended.has(e.session) {
		return Answer{}, errEnded, true
	}
	if now < e.notBefore {
		return Answer{}, nil, false
	}
	freshness := Hit
	if now >= e.freshUntil {
		unreachable := now < e.errorUntil && e.failedWithin(2*v.o.ResolveTimeout, now)
		if now >= e.staleUntil && !unreachable {
			return Answer{}, nil, false
		}
		freshness = Stale
		v.revalidate(ctx, *key, e, c, now)
	}
	a, err = v.serve(ctx, key, e, c, now)
	a.Freshness = freshness
	return a, err, true
}

var errEnded = fmt.Errorf("session: ended here: %w", ErrRejected)

// serve hands out e's session after what is due has been set in motion: its use written down, its tokens renewed. Only
// when the token has truly ended does the request wait for the renewal.
func (v *Validator) serve(ctx context.Context, key *cacheKey, e *entry, c Credential, now int64) (Answer, error) {
	if e.touchAt != 0 && now >= e.touchAt {
		v.touch(ctx, *key, e, c, now)
	}
	if e.renewAt == 0 || now < e.renewAt {
		return Answer{Session: e.session}, nil
	}
	if !e.session.Tokens.Expired(time.Unix(0, now)) {
		return Answer{Session: v.renewals.aside(ctx, v, *key, e)}, nil
	}
	s, err := v.renewals.wait(ctx, v, *key, e)
	if err != nil {
		return Answer{}, err
	}
	if v.ended.has(s) || s.Ended(v.o.Now()) {
		return Answer{}, errEnded
	}
	return Answer{Session: s, Renewed: true}, nil
}

// Run forgets what can no longer be served, a little every tick, until ctx ends.
func (v *Validator) Run(ctx context.Context) error {
	const tick, shardsEachTick = time.Second, 4 // a whole round in about a minute, no lock held for long
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			v.sweep(shardsEachTick)
		}
	}
}

// sweep forgets in the next few shards. What ended is remembered until a whole round has passed over all answers
// with a clock that never showed less than its end: a clock that jumps ahead and back brings nothing to life.
func (v *Validator) sweep(shards int) {
	now := v.o.Now().UnixNano()
	for range shards {
		if v.sweepAt%len(v.answers.shards) == 0 {
			v.ended.sweep(v.roundLow)
			v.roundLow = now
		}
		v.roundLow = min(v.roundLow, now)
		v.answers.sweep(v.sweepAt, now)
		v.rejections.sweep(v.sweepAt, now)
		v.sweepAt++
	}
	v.renewals.sweep(now)
}

// Close ends the streams that are watched, for nobody looks after them any more, and waits for questions and renewals
// under way; each has a deadline of its own. What would begin after it is ErrUnavailable; what is fresh in memory is
// still answered.
func (v *Validator) Close() {
	v.ended.close()
	v.work.close()
}

// Format implements fmt.Formatter: what a validator remembers is not for printing.
func (v *Validator) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "session.Validator") }

// Remembered returns what is remembered of a session that is known by its source and id, with its tokens; false when
// nothing is. It looks at everything: for operators, not for requests.
func (v *Validator) Remembered(s *Session) (*Session, bool) {
	name, now := nameOf(s), v.o.Now().UnixNano()
	if v.ended.has(s) {
		return nil, false
	}
	return v.answers.find(func(e *entry) bool { return nameOf(e.session) == name && now < e.dropAt && now >= e.notBefore })
}

// Renewed takes note that s was renewed apart from requests: it is counted, and stands in for what is remembered of its
// session by the same credential.
func (v *Validator) Renewed(s *Session) {
	name, now := nameOf(s), v.o.Now().UnixNano()
	v.o.Tally.Add(Refreshes)
	v.answers.replaceAll(now, func(e *entry) *entry {
		if nameOf(e.session) != name || !e.session.Tokens.Access.Equal(s.Tokens.Access) || v.ended.has(s) {
			return nil
		}
		return v.newEntry(e.resolver, s, now)
	})
}

// Renew has s renewed by r, which vouches for it, and waits for that. It shares the answer with whoever else has s renewed
// at the same time; after a failure it answers with that failure until the session is to be tried again.
func (v *Validator) Renew(ctx context.Context, r Renewer, s *Session) (*Session, error) {
	var key cacheKey
	_, _ = rand.Read(key[:]) // of nobody's credential: what is remembered under it is met by nobody
	renewed, err := v.renewals.wait(ctx, v, key, v.newEntry(r, s, v.o.Now().UnixNano()))
	if err == nil && v.ended.has(renewed) {
		return nil, errEnded
	}
	return renewed, err
}
