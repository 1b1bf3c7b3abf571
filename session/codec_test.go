package session

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write golden files that are not there")

// fullSession has a value in every field that is kept.
func fullSession() *Session {
	at := func(m int) time.Time { return testStart.Add(time.Duration(m) * time.Minute) }
	return &Session{
		ID: "c2Vzc2lvbi1pZA", Handle: "handle", Source: "corp", SourceSessionID: "sid", Realm: "realm", Active: true,
		Identity: Identity{
			Subject: "sub", Username: "ann", Email: "ann@example.com", EmailVerified: true, Name: "Änn <&> 例",
			Groups: []string{"a", "b,c"},
			Claims: map[string]any{"n": 1.5, "s": "x", "b": true, "nil": nil, "l": []any{"x", map[string]any{"y": 2.0}}, "m": map[string]any{"k": []any{}}},
		},
		AuthenticationMethods: []AuthenticationMethod{{Method: "pwd", AAL: "aal1", CompletedAt: at(1)}, {Method: "otp"}},
		AAL:                   "aal2", ACR: "urn:acr", Devices: []Device{{IP: "2001:db8::1", UserAgent: "ua", FirstSeenAt: at(2), LastSeenAt: at(3)}},
		IssuedAt: at(4), AuthenticatedAt: at(5), LastAccessAt: at(6), ExpiresAt: at(7), IdleExpiresAt: at(8),
		Tokens: Tokens{
			Type: "Bearer", Access: NewSecret("access"), Refresh: NewSecret("refresh"), ID: NewSecret("id"),
			ObtainedAt: at(9), ExpiresAt: at(10),
		},
		Properties: map[string]string{"k": "v"}, Tokenized: NewSecret("jwt"),
	}
}

var sameSession = cmp.Options{
	cmp.Comparer(func(a, b Secret) bool { return a.Reveal() == b.Reveal() }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
	cmp.AllowUnexported(Session{}),
}

func TestFullSession_ReallyIsFull(t *testing.T) {
	v := reflect.ValueOf(*fullSession())
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && f.Name != "Reissue" && f.Name != "FreshUntil" { // of one answer, not of the session
			require.False(t, v.Field(i).IsZero(), "a new field %s: keep it in the record, and say so here", f.Name)
		}
	}
}

func TestCodec_KeepsEveryField(t *testing.T) {
	plain, err := encodeSession(fullSession())
	require.NoError(t, err)
	got, err := decodeSession(plain)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(fullSession(), got, sameSession))
}

// TestCodec_OldRecordsStayReadable holds a record as it was first written. It must never be written anew: a format
// that cannot read it needs a number of its own.
func TestCodec_OldRecordsStayReadable(t *testing.T) {
	golden := filepath.Join("testdata", "session-record-v1.golden")
	if _, err := os.Stat(golden); *update && errors.Is(err, os.ErrNotExist) {
		plain, err := encodeSession(fullSession())
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, plain, 0o644))
	}
	old, err := os.ReadFile(golden)
	require.NoError(t, err)
	got, err := decodeSession(old)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(fullSession(), got, sameSession))
	now, err := encodeSession(fullSession())
	require.NoError(t, err)
	require.Equal(t, string(old), string(now))
}

func TestCodec_RefusesWhatIsNoRecord(t *testing.T) {
	for _, data := range []string{"", "\x00", "\x01", "\x02{}", "{}", "\x01{", "\x01{}{}", "\x01null x", "\x01[]", "\x01{\"issued_at\":5}"} {
		_, err := decodeSession([]byte(data))
		require.ErrorIs(t, err, ErrMalformed, "%q", data)
	}
	for name, spoil := range map[string]func(s *Session){
		"not a number": func(s *Session) { s.Identity.Claims = map[string]any{"n": math.NaN()} },
		"no such year": func(s *Session) { s.IssuedAt = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"no claim":     func(s *Session) { s.Identity.Claims = map[string]any{"f": func() {}} },
	} {
		s := fullSession()
		spoil(s)
		_, err := encodeSession(s)
		require.ErrorIs(t, err, ErrMalformed, name)
	}
}

func drawSession(t *rapid.T) *Session {
	text := rapid.String()
	secret := rapid.Custom(func(t *rapid.T) Secret { return NewSecret(text.Draw(t, "secret")) })
	at := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "none") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(0, 200_000_000_000).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	})
	claim := rapid.OneOf(rapid.Just[any](nil), rapid.Map(text, toAny), rapid.Map(rapid.Float64Range(-1e300, 1e300), toAny), rapid.Map(rapid.Bool(), toAny))
	list := rapid.Map(rapid.SliceOfN(claim, 1, 4), toAny)
	object := rapid.Map(rapid.MapOfN(text, rapid.OneOf(claim, list), 1, 4), toAny)
	s := &Session{
		ID: text.Draw(t, "id"), Handle: text.Draw(t, "handle"), Source: text.Draw(t, "source"), SourceSessionID: text.Draw(t, "sid"),
		Realm: text.Draw(t, "realm"), Active: true, AAL: text.Draw(t, "aal"), ACR: text.Draw(t, "acr"),
		IssuedAt: at.Draw(t, "iat"), AuthenticatedAt: at.Draw(t, "auth"), LastAccessAt: at.Draw(t, "last"), ExpiresAt: at.Draw(t, "exp"), IdleExpiresAt: at.Draw(t, "idle"),
		Tokenized: secret.Draw(t, "tokenized"),
		Tokens: Tokens{
			Type: text.Draw(t, "type"), Access: secret.Draw(t, "access"), Refresh: secret.Draw(t, "refresh"), ID: secret.Draw(t, "idt"),
			ObtainedAt: at.Draw(t, "obtained"), ExpiresAt: at.Draw(t, "texp"),
		},
		Identity: Identity{Subject: text.Draw(t, "sub"), Email: text.Draw(t, "email"), EmailVerified: rapid.Bool().Draw(t, "ev")},
	}
	if rapid.Bool().Draw(t, "more") {
		s.Identity.Groups = rapid.SliceOfN(text, 1, 5).Draw(t, "groups")
		s.Identity.Claims = rapid.MapOfN(text, rapid.OneOf(claim, list, object), 1, 5).Draw(t, "claims")
		s.Properties = rapid.MapOfN(text, text, 1, 5).Draw(t, "properties")
		s.Devices = []Device{{IP: text.Draw(t, "ip"), UserAgent: text.Draw(t, "ua"), FirstSeenAt: at.Draw(t, "first")}}
		s.AuthenticationMethods = []AuthenticationMethod{{Method: text.Draw(t, "amr"), CompletedAt: at.Draw(t, "done")}}
	}
	return s
}

func toAny[T any](v T) any { return v }

func TestCodec_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSession(t)
		plain, err := encodeSession(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeSession(plain)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, got, sameSession); diff != "" {
			t.Fatal(diff)
		}
	})
}

// memoryOf collects the addresses of all maps, slices and pointers below v, secrets aside: their text is immutable.
func memoryOf(v reflect.Value, into map[unsafe.Pointer]string, path string) {
	if v.IsValid() && v.Type() == reflect.TypeFor[Secret]() || v.IsValid() && v.Type() == reflect.TypeFor[time.Time]() {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			into[v.UnsafePointer()] = path
		}
		if !v.IsNil() {
			memoryOf(v.Elem(), into, path)
		}
	case reflect.Map:
		if !v.IsNil() {
			into[v.UnsafePointer()] = path
		}
		for _, k := range v.MapKeys() {
			memoryOf(v.MapIndex(k), into, fmt.Sprint(path, "[", k, "]"))
		}
	case reflect.Slice:
		if v.Cap() > 0 {
			into[v.UnsafePointer()] = path
		}
		for i := range v.Len() {
			memoryOf(v.Index(i), into, fmt.Sprint(path, "[", i, "]"))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			memoryOf(v.Field(i), into, path+"."+v.Type().Field(i).Name)
		}
	}
}

func TestClone_SharesNothing(t *testing.T) {
	s := fullSession()
	c := s.Clone()
	require.Empty(t, cmp.Diff(s, c, sameSession))
	mine, theirs := map[unsafe.Pointer]string{}, map[unsafe.Pointer]string{}
	memoryOf(reflect.ValueOf(s), mine, "")
	memoryOf(reflect.ValueOf(c), theirs, "")
	require.Greater(t, len(mine), 8)
	for p, path := range theirs {
		if at, shared := mine[p]; shared && p != unsafe.Pointer(unsafe.SliceData([]any{})) {
			t.Errorf("%s is shared with %s", path, at)
		}
	}
	before, err := json.Marshal(s)
	require.NoError(t, err)
	c.Identity.Groups[0], c.Properties["k"], c.Devices[0].IP, c.AuthenticationMethods[0].Method = "x", "x", "x", "x"
	c.Identity.Claims["l"].([]any)[1].(map[string]any)["y"] = "x"
	c.Identity.Claims["m"].(map[string]any)["k"] = "x"
	after, err := json.Marshal(s)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	require.Equal(t, &Session{}, (&Session{}).Clone(), "nil stays nil")
}

func TestClone_Property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSession(t)
		if diff := cmp.Diff(s, s.Clone(), sameSession); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Stores and answers are the caller's: changing them changes nothing here.
func TestManager_SharesNoMemory(t *testing.T) {
	w := newWorld(t, worldOptions{})
	answered := fullSession()
	answered.ExpiresAt, answered.Identity.Subject = time.Time{}, "sub"
	s, value, err := w.manager.Create(t.Context(), answered, Device{})
	require.NoError(t, err)
	answered.Identity.Groups[0] = "changed"
	answered.Identity.Claims["s"] = "changed"
	require.Equal(t, "a", s.Identity.Groups[0])
	c := cookieOf(testCookie, value.Reveal())
	one, err := w.manager.Resolve(t.Context(), c)
	require.NoError(t, err)
	one.Identity.Groups[0] = "changed"
	two, err := w.manager.Resolve(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "a", two.Identity.Groups[0])
}
