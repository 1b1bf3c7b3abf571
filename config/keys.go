package config

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
)

// maxKeysBytes bounds a key file: hundreds of keys.
const maxKeysBytes = 64 << 10

// keysHeader begins every key file made here.
const keysHeader = `# Keys of a sessionward installation, newest first: one id and 32 random bytes (base64url) on each line.
# Whoever reads this file can open every stored session and sign identities. Keep it to the gateway's own user.
`

// KeyFile is a key file in memory: its keys, and the comments between them. It is a value of its own: changing it
// changes no file until Write.
type KeyFile struct {
	path  string
	lines []keyLine
}

// keyLine is a line of a key file: a key, or a comment that is kept as it is.
type keyLine struct {
	key     session.Key // without id: the line is a comment
	comment string
}

func (l keyLine) text() string {
	if l.key.ID == "" {
		return l.comment
	}
	return l.key.ID + " " + base64.RawURLEncoding.EncodeToString([]byte(l.key.Secret.Reveal()))
}

// LoadKeys reads the key ring at path. A file that others can read or that its group can write is refused with the
// command that mends it; a line that is wrong is named by its number.
func LoadKeys(path string) (*session.KeyRing, error) {
	f, err := ReadKeyFile(path)
	if err != nil {
		return nil, err
	}
	return f.Ring()
}

// LoadOrCreateKeys is LoadKeys, and makes the file with one fresh key when there is none. created tells which. Of
// several processes that start together one makes the file and all read it.
func LoadOrCreateKeys(path string, now time.Time) (ring *session.KeyRing, created bool, err error) {
	ring, err = LoadKeys(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, false, err
	}
	ring, err = CreateKeys(path, now)
	if errors.Is(err, fs.ErrExist) {
		ring, err = LoadKeys(path)
		return ring, false, err
	}
	return ring, err == nil, err
}

// CreateKeys makes a key file with one fresh key, mode 0600. fs.ErrExist when there is one: it is never overwritten,
// because that would end every session.
func CreateKeys(path string, now time.Time) (*session.KeyRing, error) {
	f := &KeyFile{path: path}
	for line := range strings.Lines(keysHeader) {
		f.lines = append(f.lines, keyLine{comment: strings.TrimSuffix(line, "\n")})
	}
	f.Rotate(now)
	if err := f.write(true); err != nil {
		return nil, err
	}
	return f.Ring()
}

// ReadKeyFile reads the key file at path for changing it, with the checks of LoadKeys.
func ReadKeyFile(path string) (*KeyFile, error) {
	if err := checkKeyMode(path); err != nil {
		return nil, err
	}
	data, err := readRegular(path, maxKeysBytes)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return parseKeys(path, data)
}

// checkKeyMode refuses a file that more people can read or write than its owner, and its group for reading.
func checkKeyMode(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("keys: %w", fileError(path, err))
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o037 != 0 && modesMatter {
		return fmt.Errorf("keys: %s has mode %04o and is open to others than the gateway; run: chmod 600 %s: %w",
			path, info.Mode().Perm(), path, session.ErrMalformed)
	}
	return nil
}

// parseKeys reads the lines of a key file: "id base64url", comments behind #, and empty lines. Errors never quote a
// line, as it may be a key.
func parseKeys(path string, data []byte) (*KeyFile, error) {
	f := &KeyFile{path: path}
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		text := strings.TrimRight(line, "\r\n")
		key, err := parseKeyLine(text)
		if err != nil {
			return nil, fmt.Errorf("keys: %s:%d: %w: %w", path, number, err, session.ErrMalformed)
		}
		if key.ID != "" {
			text = ""
		}
		f.lines = append(f.lines, keyLine{key: key, comment: text})
	}
	if _, err := f.Ring(); err != nil {
		return nil, err
	}
	return f, nil
}

func parseKeyLine(text string) (session.Key, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return session.Key{}, nil
	}
	if len(fields) != 2 {
		return session.Key{}, errors.New("must be a key id, a space and 43 characters of base64url, or begin with #")
	}
	secret, err := base64.RawURLEncoding.Strict().DecodeString(fields[1])
	if err != nil || len(secret) != session.KeySize {
		return session.Key{}, fmt.Errorf("the key must be %d bytes in base64url without padding; make one with: sessionward keys rotate", session.KeySize)
	}
	return session.Key{ID: fields[0], Secret: session.NewSecret(string(secret))}, nil
}

// Ring returns the keys as a ring.
func (f *KeyFile) Ring() (*session.KeyRing, error) {
	ring, err := session.NewKeyRing(f.keys()...)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", f.path, err)
	}
	return ring, nil
}

// IDs returns the ids of the keys, newest first.
func (f *KeyFile) IDs() []string {
	var ids []string
	for _, k := range f.keys() {
		ids = append(ids, k.ID)
	}
	return ids
}

func (f *KeyFile) keys() []session.Key {
	var keys []session.Key
	for _, l := range f.lines {
		if l.key.ID != "" {
			keys = append(keys, l.key)
		}
	}
	return keys
}

// Rotate puts a fresh key in front of the others, which go on opening what they sealed. It returns the id, which
// begins with the day of now in UTC.
func (f *KeyFile) Rotate(now time.Time) (id string) {
	random := make([]byte, session.KeySize+4)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	secret := random[:session.KeySize]
	id = now.UTC().Format("20060102") + "-" + hex.EncodeToString(random[session.KeySize:])
	fresh := keyLine{key: session.Key{ID: id, Secret: session.NewSecret(string(secret))}}
	at := len(f.lines)
	for i, l := range f.lines {
		if l.key.ID != "" {
			at = i
			break
		}
	}
	f.lines = append(f.lines[:at:at], append([]keyLine{fresh}, f.lines[at:]...)...)
	return id
}

// Prune removes all but the keep newest keys and returns the ids of the removed ones. What they sealed opens no more:
// sessions sealed with them are gone. keep below 1 counts as 1.
func (f *KeyFile) Prune(keep int) (removed []string) {
	left := max(keep, 1)
	f.lines = slices.DeleteFunc(f.lines, func(l keyLine) bool {
		if l.key.ID == "" {
			return false
		}
		left--
		if left >= 0 {
			return false
		}
		removed = append(removed, l.key.ID)
		return true
	})
	return removed
}
