package source

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	keyPrefix  = "swk_"
	hashPrefix = "sha256:"
	keyBytes   = 32
	keyText    = 43 // keyBytes in base64url
	maxKeyName = 32
)

// APIKey is a key of a service. The key itself is kept nowhere: only its hash, which NewAPIKey makes.
type APIKey struct {
	ID string `yaml:"id"` // 1 to 32 letters, digits and '-'; part of the key
	// Hash is "sha256:" and the SHA-256 of the whole key in hex. The key holds 256 random bits, so that a fast hash
	// is enough.
	Hash     string    `yaml:"hash"`
	Username string    `yaml:"username"`   // whose key it is
	Groups   []string  `yaml:"groups"`     // exactly these: a key does not inherit the groups of its user
	Expires  time.Time `yaml:"expires_at"` // zero: never
}

// apiKey is a key ready to compare with.
type apiKey struct {
	APIKey
	sum [sha256.Size]byte
}

// NewAPIKey makes a key "swk_ID_SECRET" and the hash to write into the configuration. The key is shown once, by the
// caller. Both are empty when id is not 1 to 32 letters, digits and '-'.
func NewAPIKey(id string) (key session.Secret, hash string) {
	if !validKeyName(id) {
		return session.Secret{}, ""
	}
	secret := make([]byte, keyBytes)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the process instead
	text := keyPrefix + id + "_" + base64.RawURLEncoding.EncodeToString(secret)
	sum := sha256.Sum256([]byte(text))
	return session.NewSecret(text), hashPrefix + hex.EncodeToString(sum[:])
}

func validKeyName(id string) bool { return madeOf(id, "-", maxKeyName) }

func checkAPIKeys(keys []APIKey, p *authority.Problems) {
	for i, k := range keys {
		at := fmt.Sprintf("local.api_keys[%d]", i)
		if !validKeyName(k.ID) {
			p.Add(at+".id", "must be 1 to 32 letters, digits and '-'", "choose a short name such as backup-1")
		}
		if slices.ContainsFunc(keys[:i], func(other APIKey) bool { return other.ID == k.ID }) {
			p.Add(at+".id", "stands twice", "give each key an id of its own")
		}
		if _, ok := readHash(k.Hash); !ok {
			p.Add(at+".hash", `must be "sha256:" and 64 hex digits`, "make one with 'sessionward keys api-key'")
		}
		if !validUsername(k.Username) {
			p.Add(at+".username", "must be printable ASCII without spaces and colons", "name the user or service whose key it is")
		}
	}
}

func readHash(text string) (sum [sha256.Size]byte, ok bool) {
	digits, ok := strings.CutPrefix(text, hashPrefix)
	if !ok || len(digits) != hex.EncodedLen(len(sum)) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(digits))
	return sum, err == nil
}

// readAPIKeys makes the table of keys from checked options.
func readAPIKeys(keys []APIKey) map[string]*apiKey {
	table := map[string]*apiKey{}
	for _, k := range keys {
		sum, _ := readHash(k.Hash)
		k.Groups = slices.Clone(k.Groups)
		table[k.ID] = &apiKey{APIKey: k, sum: sum}
	}
	return table
}

// Places implements session.Resolver. Without keys there are none: an application behind the gateway may have a header
// of that name for itself.
func (l *Local) Places() []session.Place {
	if len(l.keys) == 0 {
		return nil
	}
	return []session.Place{{Kind: session.KindHeader, Name: l.header}, {Kind: session.KindBearer}}
}

// Resolve implements session.Resolver for API keys. A bearer token that does not begin with swk_ is somebody else's;
// whatever stands in the key header is ours.
func (l *Local) Resolve(ctx context.Context, c session.Credential) (*session.Session, error) {
	text := c.Value.Reveal()
	switch {
	case len(l.keys) == 0:
		return nil, session.ErrNotMine
	case c.Kind == session.KindHeader && c.Name == l.header:
	case c.Kind == session.KindBearer && strings.HasPrefix(text, keyPrefix):
	default:
		return nil, session.ErrNotMine
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("local %s: API key: %w", l.name, authority.GaveUp(ctx))
	}
	k, ok := l.matchKey(text)
	if !ok {
		return nil, fmt.Errorf("local %s: API key: %w", l.name, authority.Rejected("not a key of ours"))
	}
	if !k.Expires.IsZero() && !l.now().Before(k.Expires) {
		return nil, fmt.Errorf("local %s: API key: %w", l.name, authority.Rejected("expired"))
	}
	return l.keySession(k), nil
}

// matchKey finds the key by its id and compares hashes in constant time, also when there is no such id.
func (l *Local) matchKey(text string) (*apiKey, bool) {
	id, wellFormed := keyName(text)
	k, known := l.keys[id]
	if !known {
		k = &apiKey{}
	}
	if len(text) > len(keyPrefix)+maxKeyName+1+keyText {
		text = "" // no key is that long: nothing of it is worth hashing
	}
	sum := sha256.Sum256([]byte(text))
	same := subtle.ConstantTimeCompare(sum[:], k.sum[:]) == 1
	return k, same && known && wellFormed
}

// keyName takes the id out of "swk_ID_SECRET".
func keyName(text string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(text, keyPrefix)
	if !ok {
		return "", false
	}
	id, secret, _ := strings.Cut(rest, "_")
	return id, validKeyName(id) && len(secret) == keyText
}

func (l *Local) keySession(k *apiKey) *session.Session {
	id := sha256.Sum256([]byte("api key\x00" + l.name + "\x00" + k.ID + "\x00" + string(k.sum[:]))) // a new key is a new session
	identity := l.identity(k.Username)
	identity.Groups = slices.Clone(k.Groups)
	s := &session.Session{
		ID:                    hex.EncodeToString(id[:]),
		Handle:                authority.Handle("key", string(id[:])),
		Source:                l.name,
		Active:                true,
		Identity:              identity,
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "api_key", AAL: "aal1"}},
		AAL:                   "aal1",
		Properties:            map[string]string{"api_key_id": k.ID},
	}
	if !k.Expires.IsZero() {
		s.ExpiresAt = k.Expires.UTC()
	}
	return s
}
