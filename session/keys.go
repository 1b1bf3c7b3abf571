package session

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

// KeySize is the least number of bytes a ring key must have.
const KeySize = 32

// Key is one entry of a KeyRing. Its secret is never used directly: every purpose has a key derived from it.
type Key struct {
	ID     string // 1 to 32 letters, digits, '-' or '_'; travels in the clear with what the key sealed
	Secret Secret // at least KeySize bytes of randomness
}

// KeyRing holds the keys of an installation, newest first. The first seals and signs; all of them open and verify,
// so that a key can be replaced without ending a session.
type KeyRing struct{ keys []Key }

// NewKeyRing checks keys and makes a ring of them. Errors name the key that is wrong.
func NewKeyRing(keys ...Key) (*KeyRing, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("key ring: no keys: %w", ErrMalformed)
	}
	for i, k := range keys {
		if !validKeyID(k.ID) {
			return nil, fmt.Errorf("key ring: key %d: id %q must be 1 to 32 letters, digits, '-' or '_': %w", i+1, k.ID, ErrMalformed)
		}
		if len(k.Secret.Reveal()) < KeySize {
			return nil, fmt.Errorf("key ring: key %q: needs at least %d bytes, has %d: %w", k.ID, KeySize, len(k.Secret.Reveal()), ErrMalformed)
		}
		if slices.ContainsFunc(keys[:i], func(o Key) bool { return o.ID == k.ID }) {
			return nil, fmt.Errorf("key ring: key id %q stands twice: %w", k.ID, ErrMalformed)
		}
	}
	return &KeyRing{keys: slices.Clone(keys)}, nil
}

func validKeyID(id string) bool {
	for _, c := range []byte(id) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && c != '-' && c != '_' {
			return false
		}
	}
	return id != "" && len(id) <= 32
}

// DerivedKey is a key made for one purpose.
type DerivedKey struct {
	ID    string // of the ring key it was made from
	Bytes []byte
}

// Format implements fmt.Formatter: the bytes never show.
func (k DerivedKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// Derive returns a key of size bytes for purpose from each ring key, newest first (HKDF-SHA256, RFC 5869). Keys of
// different purposes say nothing about each other.
func (r *KeyRing) Derive(purpose string, size int) []DerivedKey {
	out := make([]DerivedKey, len(r.keys))
	for i, k := range r.keys {
		b, err := hkdf.Key(sha256.New, []byte(k.Secret.Reveal()), nil, "sessionward/"+purpose, size)
		if err != nil {
			panic(err) // only a size beyond RFC 5869's limit, which is a bug of the caller
		}
		out[i] = DerivedKey{ID: k.ID, Bytes: b}
	}
	return out
}

// Sealer encrypts and authenticates bytes for one purpose (XChaCha20-Poly1305, random nonces). What it made for one
// purpose or with other associated data does not open.
type Sealer struct {
	ids  []string
	aead []cipher.AEAD
}

// Sealer returns the sealer for purpose.
func (r *KeyRing) Sealer(purpose string) *Sealer {
	s := &Sealer{}
	for _, k := range r.Derive("seal/"+purpose, chacha20poly1305.KeySize) {
		a, err := chacha20poly1305.NewX(k.Bytes)
		if err != nil {
			panic(err) // the key has the right size
		}
		s.ids = append(s.ids, k.ID)
		s.aead = append(s.aead, a)
	}
	return s
}

// sealFormat is the first byte of everything sealed: format, key id length, key id, nonce, ciphertext.
const sealFormat = 1

// Seal returns plaintext sealed with the newest key, bound to aad.
func (s *Sealer) Seal(plaintext, aad []byte) []byte {
	id, a := s.ids[0], s.aead[0]
	head := 2 + len(id)
	out := make([]byte, head+a.NonceSize(), head+a.NonceSize()+len(plaintext)+a.Overhead())
	out[0], out[1] = sealFormat, byte(len(id))
	copy(out[2:], id)
	nonce := out[head:]
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the process instead
	return a.Seal(out, nonce, plaintext, aad)
}

// SealedBy returns the id of the key that is said to have sealed the bytes, and whether the ring has it.
func (s *Sealer) SealedBy(sealed []byte) (keyID string, known bool) {
	if len(sealed) < 2 || sealed[0] != sealFormat || len(sealed) < 2+int(sealed[1]) {
		return "", true // nothing any key has made: altered, not unknown
	}
	keyID = string(sealed[2 : 2+int(sealed[1])])
	return keyID, slices.Contains(s.ids, keyID)
}

// Open returns what was sealed. ErrMalformed when it was not sealed by this ring for this purpose and aad, without
// saying which: a caller learns nothing from the difference.
func (s *Sealer) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < 2 || sealed[0] != sealFormat {
		return nil, ErrMalformed
	}
	head := 2 + int(sealed[1])
	if len(sealed) < head {
		return nil, ErrMalformed
	}
	i := slices.Index(s.ids, string(sealed[2:head]))
	if i < 0 || len(sealed) < head+s.aead[i].NonceSize() {
		return nil, ErrMalformed
	}
	body := head + s.aead[i].NonceSize()
	plain, err := s.aead[i].Open(nil, sealed[head:body], sealed[body:], aad)
	if err != nil {
		return nil, ErrMalformed
	}
	return plain, nil
}
