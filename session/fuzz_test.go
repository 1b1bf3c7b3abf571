package session

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// FuzzCookie: whatever a client sends as its cookie is the cookie that was given out, or rejected.
func FuzzCookie(f *testing.F) {
	w := newWorld(f, worldOptions{})
	s, value, err := w.manager.Create(f.Context(), answer("x"), Device{})
	if err != nil {
		f.Fatal(err)
	}
	good := value.Reveal()
	for _, seed := range []string{"", good, good[:len(good)-1], good + "=", "\n" + good, strings.ToUpper(good), "MTIzfHx8", base64.URLEncoding.EncodeToString([]byte("1|QUFB|mac"))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		got, err := w.manager.Resolve(t.Context(), cookieOf(testCookie, sent))
		if sent == good {
			if err != nil || got.ID != s.ID {
				t.Fatalf("the cookie that was given out: %v", err)
			}
			return
		}
		if classOf(err) != "rejected" || got != nil {
			t.Fatalf("%q: got %v, %v", sent, got, err)
		}
	})
}

// FuzzOpenRecord: sealed bytes open only as they were sealed.
func FuzzOpenRecord(f *testing.F) {
	sealer := testRing(f, "k1", "k2").Sealer("session")
	aad := []byte("key")
	sealed, err := hex.DecodeString("01026b3169640cafb89cef2974d8134335681615b5ad7d8e3a9cc96f9505a168e96f96ce886d9c719574a5958412454541")
	if err != nil {
		f.Fatal(err)
	}
	if plain, err := sealer.Open(sealed, aad); err != nil || string(plain) != "plain" {
		f.Fatalf("what was sealed long ago no longer opens: %q, %v", plain, err)
	}
	for _, seed := range [][]byte{nil, {1}, {1, 0}, {1, 255}, {1, 2, 'k', '1'}, {1, 2, 'k', '2', 0}, sealed, sealed[:len(sealed)-1], sealed[:30], {2, 0, 0}} {
		f.Add(seed, aad)
	}
	f.Fuzz(func(t *testing.T, data, with []byte) {
		plain, err := sealer.Open(data, with)
		_, _ = sealer.SealedBy(data)
		if err == nil && !(bytes.Equal(data, sealed) && bytes.Equal(with, aad) && string(plain) == "plain") {
			t.Fatalf("%x opened", data)
		}
	})
}

// FuzzDecodeSession: what decodes is the same after another round, and nothing brings the decoder down.
func FuzzDecodeSession(f *testing.F) {
	full, err := encodeSession(fullSession())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, full, full[:len(full)/2], []byte("\x01{}"), []byte("\x01null"), []byte("\x01" + `{"id":"a","identity":{"claims":{"a":[1,{"b":null}]}},"expires_at":"0001-01-01T00:00:00Z","tokens":{"access":""}}`), []byte("\x01" + strings.Repeat("[", 100))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeSession(data)
		if err != nil {
			return
		}
		_ = sizeOf(s)
		_ = s.Ended(testStart)
		again, err := encodeSession(s)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := decodeSession(again)
		if err != nil {
			t.Fatal(err)
		}
		third, err := encodeSession(back)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("not the same after another round: %v", err)
		}
	})
}

// FuzzCacheKey: no two of kind, name and value share a key, wherever the bytes are cut (S-081, S-192).
func FuzzCacheKey(f *testing.F) {
	v, err := NewValidator(ValidatorOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("cookie", "name", "value", 3, 5)
	f.Add("bearer", "", "value", 0, 0)
	f.Add("", "", "", 0, 0)
	f.Add("\x00\x00\x00\x01", "a", "\x00", 4, 5)
	f.Add("header", "X-Api-Key", "%s%n", 15, 2)
	f.Fuzz(func(t *testing.T, kind, name, value string, i, j int) {
		all := kind + name + value
		i, j = cut(i, len(all)), cut(j, len(all))
		if i > j {
			i, j = j, i
		}
		a := credentialOf(Kind(kind), name, value)
		b := credentialOf(Kind(all[:i]), all[i:j], all[j:])
		same := a.Place == b.Place && a.Value.Reveal() == b.Value.Reveal()
		if (v.key(&a) == v.key(&b)) != same {
			t.Fatalf("%q %q %q and %q %q %q", kind, name, value, all[:i], all[i:j], all[j:])
		}
		b = a
		b.UserAgent, b.RemoteIP = "x", "y"
		if v.key(&a) != v.key(&b) {
			t.Fatal("the client is no part of the credential")
		}
	})
}

func cut(i, n int) int { return int(uint(i) % uint(n+1)) }

func TestCacheKey_MovedBytesAndOtherFieldsDiffer(t *testing.T) {
	v := newTestValidator(t, ValidatorOptions{})
	seen := map[cacheKey]string{}
	for _, c := range []Credential{
		credentialOf("a", "b", "c"), credentialOf("ab", "", "c"), credentialOf("", "ab", "c"), credentialOf("", "", "abc"),
		credentialOf("abc", "", ""), credentialOf("a", "bc", ""), credentialOf("a", "", "bc"), credentialOf("", "a", "bc"),
		credentialOf("a", "b\x00", "c"), credentialOf("a", "b", "\x00c"), credentialOf("", "", ""),
	} {
		key := v.key(&c)
		if other, twice := seen[key]; twice {
			t.Errorf("%q shares a key with %q", c.Value.Reveal(), other)
		}
		seen[key] = c.Value.Reveal()
	}
	other := newTestValidator(t, ValidatorOptions{})
	c := bearer("a")
	if v.key(&c) == other.key(&c) {
		t.Error("keys are not keyed")
	}
}

// classOf names the one class err belongs to.
func classOf(err error) string {
	names := []string{}
	for name, class := range map[string]error{
		"not mine": ErrNotMine, "rejected": ErrRejected, "unavailable": ErrUnavailable, "not found": ErrNotFound,
		"conflict": ErrConflict, "unsupported": ErrUnsupported, "malformed": ErrMalformed, "too many": ErrTooMany,
	} {
		if err != nil && errors.Is(err, class) {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}
