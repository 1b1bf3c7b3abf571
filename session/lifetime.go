package session

import (
	"fmt"
	"hash/fnv"
	"time"
)

// Defaults of Lifetime. The two ends follow NIST SP 800-63B-4 §2.2.3 (AAL2: reauthentication every 24 hours, or after
// one hour of inactivity).
const (
	DefaultIdleTimeout = time.Hour
	DefaultMaxLifetime = 24 * time.Hour
	DefaultTouchEvery  = time.Minute
)

// minRefreshBefore is the least time before the end of a token at which renewal begins, tokens permitting.
const minRefreshBefore = time.Minute

// Lifetime sets the two independent clocks of sessions of ours and the habit of keeping them.
type Lifetime struct {
	// IdleTimeout ends a session that is not used for so long. 0: DefaultIdleTimeout.
	IdleTimeout time.Duration `yaml:"idle_timeout" json:"idle_timeout"`
	// MaxLifetime ends a session so long after login, whatever happens. 0: DefaultMaxLifetime.
	MaxLifetime time.Duration `yaml:"max_lifetime" json:"max_lifetime"`
	// TouchEvery is how often, at most, use is written to the store. 0: DefaultTouchEvery.
	TouchEvery time.Duration `yaml:"touch_every" json:"touch_every"`
	// RefreshBefore is how long before the end of a token its renewal begins. 0: the larger of 60 s and a tenth
	// of the token's life, and never more than half of that life.
	RefreshBefore time.Duration `yaml:"refresh_before" json:"refresh_before"`
}

// withDefaults fills the zero fields.
func (l Lifetime) withDefaults() Lifetime {
	if l.IdleTimeout == 0 {
		l.IdleTimeout = DefaultIdleTimeout
	}
	if l.MaxLifetime == 0 {
		l.MaxLifetime = DefaultMaxLifetime
	}
	if l.TouchEvery == 0 {
		l.TouchEvery = min(DefaultTouchEvery, l.IdleTimeout/4)
	}
	return l
}

// Validate says which value makes no sense and what would.
func (l Lifetime) Validate() error {
	for _, field := range []struct {
		name string
		d    time.Duration
	}{{"idle_timeout", l.IdleTimeout}, {"max_lifetime", l.MaxLifetime}, {"touch_every", l.TouchEvery}, {"refresh_before", l.RefreshBefore}} {
		if field.d < 0 {
			return fmt.Errorf("lifetime: %s is %s and must not be negative; leave it out for the default: %w", field.name, field.d, ErrMalformed)
		}
	}
	if d := l.withDefaults(); d.TouchEvery > d.IdleTimeout/2 {
		return fmt.Errorf("lifetime: touch_every (%s) must be at most half of idle_timeout (%s), or users are cut off while they work: %w", d.TouchEvery, d.IdleTimeout, ErrMalformed)
	}
	return nil
}

// renewAt returns when renewal of t should begin: before the token's end, a little earlier for some sessions than
// for others, so that tokens given out together are not renewed together.
func (l Lifetime) renewAt(t Tokens, handle string) time.Time {
	if !t.Renewable() || t.ExpiresAt.IsZero() {
		return time.Time{}
	}
	life := max(0, t.ExpiresAt.Sub(t.ObtainedAt))
	before := l.RefreshBefore
	if before == 0 {
		before = max(minRefreshBefore, life/10)
	}
	before = min(before, life/2)
	h := fnv.New32a()
	_, _ = h.Write([]byte(handle))
	jitter := time.Duration(float64(before/4) * float64(h.Sum32()) / (1 << 32))
	return t.ExpiresAt.Add(-before - jitter)
}
