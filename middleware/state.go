package middleware

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/sessionward/sessionward/session"
)

const (
	attemptLifetime = 10 * time.Minute
	spentLifetime   = attemptLifetime + time.Minute // an attempt has expired by itself before that
	maxState        = 4096                          // bytes of a state parameter that are looked at
)

// attempt is one login under way. It travels sealed in the state parameter, so any number of tabs can log in at once
// with one small cookie, and nothing is kept here for a login that is never finished.
//
// It is bound to the browser by the login cookie, whose hash it carries. The PKCE verifier and the nonce are never
// sent: both are derived from that cookie, the attempt's id and a key of ours, so that neither the state parameter nor
// the cookie alone gives them away.
type attempt struct {
	ID       string    `json:"i"`
	Source   string    `json:"s"`
	ReturnTo string    `json:"r"`
	Browser  []byte    `json:"b"` // SHA-256 of the login cookie
	Began    time.Time `json:"t"`
	Key      string    `json:"k"` // id of the ring key nonce and verifier are derived from
	Restarts int       `json:"n,omitempty"`
	InARow   int       `json:"d,omitempty"` // logins this browser completed right before, each leading to the next

	// What is asked of the login.
	Prompt string        `json:"p,omitempty"`
	ACR    []string      `json:"a,omitempty"`
	MaxAge time.Duration `json:"m,omitempty"`

	stray bool // begins because an answer's state was not ours
}

// states makes and reads state parameters.
type states struct {
	sealer  *session.Sealer
	derived []session.DerivedKey
	now     func() time.Time
	spent   session.Spent
}

func newStates(keys *session.KeyRing, now func() time.Time) *states {
	return &states{sealer: keys.Sealer("login-state"), derived: keys.Derive("login-proof", 32), now: now, spent: session.Spent{Lifetime: spentLifetime}}
}

// begin returns wish as a new attempt of the browser with the given login cookie.
func (st *states) begin(wish attempt, browser string) attempt {
	wish.ID, wish.Browser, wish.Began, wish.Key = rand.Text(), browserHash(browser), st.now().UTC(), st.derived[0].ID
	return wish
}

// seal returns the attempt as a state parameter.
func (st *states) seal(a attempt) (string, error) {
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false) // a target has many '&', and six bytes for each would make the state longer than it may be
	if err := e.Encode(a); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(st.sealer.Seal(plain.Bytes(), nil)), nil
}

// open reads a state parameter that we made, whoever brings it.
func (st *states) open(state string) (attempt, bool) {
	if len(state) > maxState {
		return attempt{}, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(state)
	if err != nil {
		return attempt{}, false
	}
	plain, err := st.sealer.Open(sealed, nil)
	if err != nil {
		return attempt{}, false
	}
	var a attempt
	return a, json.Unmarshal(plain, &a) == nil
}

// expired reports whether a began too long ago.
func (st *states) expired(a attempt) bool { return st.now().Sub(a.Began) > attemptLifetime }

// of reports whether a began in the browser with the given login cookie.
func (a attempt) of(browser string) bool {
	return browser != "" && hmac.Equal(a.Browser, browserHash(browser))
}

// spend marks a as answered, and reports whether it was not before: an attempt is good for one answer.
func (st *states) spend(a attempt) bool { return st.spent.Add(a.ID, st.now()) }

// transaction is what a source needs to know of the attempt.
func (st *states) transaction(a attempt, browser, state, redirectURI string) (session.Transaction, bool) {
	for _, k := range st.derived {
		if k.ID == a.Key {
			return session.Transaction{
				State: state, RedirectURI: redirectURI, Prompt: a.Prompt, ACRValues: a.ACR, MaxAge: a.MaxAge,
				Nonce:        proof(k.Bytes, "nonce", a.ID, browser),
				CodeVerifier: session.NewSecret(proof(k.Bytes, "verifier", a.ID, browser)),
			}, true
		}
	}
	return session.Transaction{}, false
}

// proof derives 256 bits for one purpose of one attempt in one browser; all parts have fixed lengths or stand last.
func proof(key []byte, purpose, id, browser string) string {
	m := hmac.New(sha256.New, key)
	for _, part := range []string{purpose, "\x00", id, "\x00", browser} {
		_, _ = m.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func browserHash(cookie string) []byte {
	sum := sha256.Sum256([]byte("sessionward/browser\x00" + cookie))
	return sum[:16]
}
