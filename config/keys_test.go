package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/store"
)

var day = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const goodKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

func writeKeys(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sessionward.keys")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestKeysAreMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessionward.keys")
	_, err := LoadKeys(path)
	require.ErrorIs(t, err, fs.ErrNotExist)

	made, created, err := LoadOrCreateKeys(path, day)
	require.NoError(t, err)
	require.True(t, created)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())

	loaded, created, err := LoadOrCreateKeys(path, day)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, made.Derive("test", 32)[0].Bytes, loaded.Derive("test", 32)[0].Bytes)

	_, err = CreateKeys(path, day)
	require.ErrorIs(t, err, fs.ErrExist, "a key file is never replaced by a new one")
	leftovers, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".sessionward-keys-*"))
	require.NoError(t, err)
	require.Empty(t, leftovers)
}

// TestKeysOfProcessesThatStartTogether: whoever makes the file, all use its key.
func TestKeysOfProcessesThatStartTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessionward.keys")
	const processes = 8
	keys := make([]string, processes)
	var made [processes]bool
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() {
			ring, created, err := LoadOrCreateKeys(path, day)
			if err == nil {
				keys[i], made[i] = string(ring.Derive("test", 32)[0].Bytes), created
			}
		})
	}
	wg.Wait()
	creators := 0
	for i := range processes {
		require.NotEmpty(t, keys[i])
		require.Equal(t, keys[0], keys[i])
		if made[i] {
			creators++
		}
	}
	require.Equal(t, 1, creators)
}

func TestKeysRotateAndPrune(t *testing.T) {
	path := writeKeys(t, "# mine\n\nold "+goodKey+" \n# behind\n")
	require.NoError(t, os.Chmod(path, 0o640))
	f, err := ReadKeyFile(path)
	require.NoError(t, err)
	before, err := f.Ring()
	require.NoError(t, err)
	id := f.Rotate(day)
	require.Regexp(t, `^20261123-[0-9a-f]{8}$`, id)
	require.NoError(t, f.Write())

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode().Perm(), "whoever could read the file still can")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Regexp(t, `^# mine\n\n`+id+` \S{43}\nold `+goodKey+`\n# behind\n$`, string(text))

	f, err = ReadKeyFile(path)
	require.NoError(t, err)
	require.Equal(t, []string{id, "old"}, f.IDs())
	ring, err := f.Ring()
	require.NoError(t, err)
	sealed := before.Sealer("test").Seal([]byte("x"), nil)
	_, err = ring.Sealer("test").Open(sealed, nil)
	require.NoError(t, err, "what the old key sealed stays open")

	require.Empty(t, f.Prune(2))
	require.Equal(t, []string{"old"}, f.Prune(0), "one key always stays")
	require.NoError(t, f.Write())
	_, err = LoadKeys(path)
	require.NoError(t, err)
}

func TestKeysOpenToOthersAreRefused(t *testing.T) {
	for mode, ok := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: true, 0o440: true, 0o644: false, 0o660: false, 0o604: false, 0o602: false} {
		path := writeKeys(t, "a "+goodKey+"\n")
		require.NoError(t, os.Chmod(path, mode))
		_, err := LoadKeys(path)
		if ok {
			require.NoError(t, err, "%o", mode)
			continue
		}
		require.ErrorIs(t, err, session.ErrMalformed, "%o", mode)
		require.ErrorContains(t, err, "run: chmod 600 "+path)
	}
}

func TestKeysThatAreWrong(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"empty":        {"", "no keys"},
		"comments":     {"# a " + goodKey + "\n", "no keys"},
		"no id":        {goodKey + "\n", ":1: must be a key id, a space and 43 characters"},
		"three words":  {"# x\n\na " + goodKey + " b\n", ":3: must be a key id"},
		"short":        {"a " + goodKey[:40] + "\n", ":1: the key must be 32 bytes in base64url"},
		"long":         {"a " + goodKey + "AAAA\n", ":1: the key must be 32 bytes in base64url"},
		"padded":       {"a " + goodKey + "=\n", ":1: the key must be 32 bytes in base64url"},
		"standard":     {"a +/ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n", ":1: the key must be 32 bytes in base64url"},
		"twice":        {"a " + goodKey + "\na " + goodKey + "\n", `key id "a" stands twice`},
		"id":           {"a/b " + goodKey + "\n", `id "a/b" must be`},
		"id too long":  {strings.Repeat("a", 33) + " " + goodKey + "\n", "must be 1 to 32"},
		"beyond limit": {strings.Repeat("# padding\n", 7000), "larger than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeKeys(t, tt.text)
			_, err := LoadKeys(path)
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), goodKey[:20], "no error shows a key")
		})
	}
	_, err := LoadKeys(t.TempDir())
	require.ErrorContains(t, err, "is a folder")
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte("# comment\na " + goodKey + "\n"))
	f.Add([]byte("a " + goodKey + "\r\n\r\nb " + goodKey))
	f.Add([]byte("a\x00b c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parseKeys("keys", data)
		if err != nil {
			return
		}
		ids := file.IDs()
		require.NotEmpty(t, ids)
		var text strings.Builder
		for _, l := range file.lines {
			text.WriteString(l.text() + "\n")
		}
		again, err := parseKeys("keys", []byte(text.String()))
		require.NoError(t, err)
		require.Equal(t, ids, again.IDs())
	})
}

// TestKeysMissingBesideStore: a key file that is mounted late must not be replaced by one that ends every session.
func TestKeysMissingBesideStore(t *testing.T) {
	dir := t.TempDir()
	c := &Config{KeysFile: filepath.Join(dir, "keys"), Store: store.Options{Bolt: &store.BoltOptions{Path: filepath.Join(dir, "db")}}}
	require.NoError(t, os.WriteFile(c.Store.Bolt.Path, []byte("sessions"), 0o600))
	_, created, err := c.OpenKeys(day)
	require.ErrorIs(t, err, session.ErrMalformed)
	require.ErrorContains(t, err, "put the key file back, or remove the store, which ends all sessions")
	require.False(t, created)
	require.NoFileExists(t, c.KeysFile)

	memory := &Config{KeysFile: filepath.Join(dir, "memory-keys"), Store: store.Options{Memory: &store.MemoryOptions{}}}
	_, created, err = memory.OpenKeys(day)
	require.NoError(t, err)
	require.True(t, created, "sessions in memory are gone anyway")

	require.NoError(t, os.Truncate(c.Store.Bolt.Path, 0))
	require.NoError(t, c.CheckKeys(), "a file that was only made holds no sessions")
	require.NoError(t, os.Remove(c.Store.Bolt.Path))
	_, created, err = c.OpenKeys(day)
	require.NoError(t, err)
	require.True(t, created, "the first start")
	require.NoError(t, os.WriteFile(c.Store.Bolt.Path, []byte("sessions"), 0o600))
	_, created, err = c.OpenKeys(day)
	require.NoError(t, err)
	require.False(t, created)
}

// TestKeysMissingAndStoreUnknown: what cannot be looked at may hold sessions.
func TestKeysMissingAndStoreUnknown(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	c := &Config{KeysFile: filepath.Join(dir, "keys"), Store: store.Options{Bolt: &store.BoltOptions{Path: filepath.Join(file, "db")}}}
	_, _, err := c.OpenKeys(day)
	require.ErrorContains(t, err, "it is not known whether there is a store")
	require.NoFileExists(t, c.KeysFile)
}
