package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

var update = flag.Bool("update", false, "write the golden files anew")

// dump writes headers one a line, sorted.
func dump(h http.Header) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	return b.String()
}

func TestFamiliesGolden(t *testing.T) {
	bare := &session.Session{Handle: "h-2", Source: "corp", Active: true, Identity: session.Identity{Subject: "42"}}
	for _, family := range []string{FamilyXForwarded, FamilyXAuthRequest, FamilyRemote, FamilyXSessionward, FamilyNone} {
		t.Run(family, func(t *testing.T) {
			tokens := family != FamilyRemote && family != FamilyNone
			h := newHeaders(t, Options{Families: []string{family}, ForwardAccessToken: tokens, ForwardIDToken: tokens})
			var b strings.Builder
			for _, c := range []struct {
				title  string
				s      *session.Session
				status Status
			}{{"full", testSession(), StatusValid}, {"bare", bare, StatusStale}, {"anonymous", nil, StatusNone}} {
				out := http.Header{}
				require.NoError(t, h.Write(out, c.s, c.status, "app"))
				fmt.Fprintf(&b, "# %s\n%s", c.title, dump(out))
			}
			golden := filepath.Join("testdata", family+".golden")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), b.String())
		})
	}
}

func TestWriteCustomHeaders(t *testing.T) {
	for _, c := range []struct {
		o    HeaderOptions
		want string
	}{
		{HeaderOptions{Value: "identity.subject"}, "248289761001"},
		{HeaderOptions{Value: "identity.username"}, "jan%C3%A9"},
		{HeaderOptions{Value: "identity.username", Encode: "base64"}, "amFuw6k="},
		{HeaderOptions{Value: "identity.username", Encode: "json"}, `"jan\u00e9"`},
		{HeaderOptions{Value: "identity.groups"}, "staff,users%2Cadmins"},
		{HeaderOptions{Value: "identity.groups", Separator: "; "}, "staff; users,admins"},
		{HeaderOptions{Value: "identity.groups", Encode: "json"}, `["staff","users,admins"]`},
		{HeaderOptions{Value: "identity.claims.tenant"}, "blue"},
		{HeaderOptions{Value: "identity.claims.level"}, "7"},
		{HeaderOptions{Value: "identity.claims.address.country"}, "FR"},
		{HeaderOptions{Value: "identity.claims.address", Encode: "json"}, `{"country":"FR"}`},
		{HeaderOptions{Value: `identity.claims["https://corp.example/roles"]`, Encode: "join", Separator: "|"}, "ops|a%7Cb"},
		{HeaderOptions{Value: `identity.claims["address"].country`}, "FR"},
		{HeaderOptions{Value: "identity.claims.tenant.deeper"}, ""},
		{HeaderOptions{Value: "identity.claims.absent"}, ""},
		{HeaderOptions{Value: "identity.claims.n", Encode: "json"}, ""},
		{HeaderOptions{Value: "identity.email_verified"}, "true"},
		{HeaderOptions{Value: "properties.x"}, "y"},
		{HeaderOptions{Value: "properties.absent"}, ""},
		{HeaderOptions{Value: "aal"}, "aal2"},
		{HeaderOptions{Value: "amr"}, "pwd,otp"},
		{HeaderOptions{Value: "expires_at"}, "2026-11-23T17:00:00Z"},
		{HeaderOptions{Value: "authenticated_at", Encode: "json"}, `"2026-11-23T08:00:00Z"`},
		{HeaderOptions{Value: "tokenized"}, ""},
	} {
		t.Run(c.o.Value+" "+c.o.Encode, func(t *testing.T) {
			c.o.Name = "x-value"
			h := newHeaders(t, Options{Families: []string{FamilyNone}, Headers: []HeaderOptions{c.o}})
			out := http.Header{"X-Value": {"of the client"}}
			require.NoError(t, h.Write(out, testSession(), StatusValid, "app"))
			if c.want == "" {
				require.NotContains(t, out, "X-Value")
				return
			}
			require.Equal(t, []string{c.want}, out["X-Value"])
		})
	}
}

// TestWriteRemovesClientCopyOfMissingValue covers S-041, S-111, S-127: no value means no header, whoever sent one.
func TestWriteRemovesClientCopyOfMissingValue(t *testing.T) {
	h := newHeaders(t, Options{Families: []string{FamilyXForwarded, FamilyXSessionward}, ForwardAccessToken: true,
		Headers: []HeaderOptions{{Name: "X-Tenant", Value: "identity.claims.tenant"}}, Assertion: &AssertionOptions{}})
	nobody := &session.Session{Handle: "h", Active: true, Identity: session.Identity{Subject: "alice"}}
	for _, s := range []*session.Session{nil, nobody} {
		out := http.Header{"Accept": {"*/*"}}
		for _, name := range h.Names() {
			out[name] = []string{"root", "admins"}
		}
		require.NoError(t, h.Write(out, s, StatusValid, "app"))
		require.NotContains(t, dump(out), "root")
		require.NotContains(t, dump(out), "admins")
		require.Equal(t, "*/*", out.Get("Accept"))
	}
}

// TestWriteRejectsSecondValue covers S-076: two client headers come to one value, ours.
func TestWriteRejectsSecondValue(t *testing.T) {
	out := http.Header{"X-Forwarded-User": {"root", "admin"}, "X_forwarded_user": {"root"}}
	h := newHeaders(t, Options{})
	NewStripper(h.Names()...).Strip(out)
	require.NoError(t, h.Write(out, testSession(), StatusValid, "app"))
	require.Equal(t, []string{"248289761001"}, out["X-Forwarded-User"])
	require.Len(t, out, 4)
}

// TestWriteRejectsGroupDelimiterInjection covers S-057: no group can be read as two.
func TestWriteRejectsGroupDelimiterInjection(t *testing.T) {
	for _, group := range []string{"users,admins", ",admins", "users, admins", "users,admins ", `"admins"`, "%2Cadmins", "users\r\nadmins"} {
		s := testSession()
		s.Identity.Groups = []string{"staff", group}
		out := http.Header{}
		require.NoError(t, newHeaders(t, Options{}).Write(out, s, StatusValid, "app"))
		elements := strings.Split(out.Get("X-Forwarded-Groups"), ",")
		require.Len(t, elements, 2, group)
		for _, e := range elements {
			require.NotEqual(t, "admins", strings.Trim(e, ` "`), group)
		}
		r := &http.Request{Header: out}
		id, ok := FromRequest(r, FamilyXForwarded)
		require.True(t, ok)
		require.Equal(t, s.Identity.Groups, id.Groups)
	}
}

func TestWriteLeavesOutEmptyGroups(t *testing.T) {
	for want, groups := range map[string][]string{"a,b": {"", "a", "", "b", ""}, "": {"", ""}} {
		s := testSession()
		s.Identity.Groups = groups
		out := http.Header{}
		require.NoError(t, newHeaders(t, Options{}).Write(out, s, StatusValid, "app"))
		require.Equal(t, want, out.Get("X-Forwarded-Groups"))
	}
}

// TestWriteRejectsControlBytes: nothing that ends a line, hides text or is not ASCII leaves as it is, and no two
// subjects look alike.
func TestWriteRejectsControlBytes(t *testing.T) {
	h := newHeaders(t, Options{})
	seen := map[string]string{}
	for _, sub := range []string{
		"root", "ro\r\nX-Forwarded-Groups: admins", "root\x00", "root\n", "root\t", " root", "root ", "root\x7f", "r\u00f6\u00f6t",
		"root%00", "root%", "\xff", "\xfe", "\ufffd",
	} {
		s := testSession()
		s.Identity.Subject = sub
		out := http.Header{}
		require.NoError(t, h.Write(out, s, StatusValid, "app"))
		v := out.Get("X-Forwarded-User")
		requireSafe(t, v)
		require.NotContains(t, seen, v)
		seen[v] = sub
	}
}

func requireSafe(t *testing.T, v string) {
	t.Helper()
	for i := range len(v) {
		require.True(t, v[i] >= ' ' && v[i] <= '~', "%q", v)
	}
	require.Equal(t, strings.TrimSpace(v), v)
}

// TestWriteRejectsTokenThatIsNoToken: tokens go as they are or not at all.
func TestWriteRejectsTokenThatIsNoToken(t *testing.T) {
	h := newHeaders(t, Options{ForwardAccessToken: true})
	for _, token := range []string{"a\r\nX: y", "a b", "\xff", "é"} {
		s := testSession()
		s.Tokens.Access = session.NewSecret(token)
		out := http.Header{"X-Forwarded-User": {"root"}}
		err := h.Write(out, s, StatusValid, "app")
		require.ErrorIs(t, err, ErrValue)
		require.NotContains(t, err.Error(), token)
		require.Empty(t, out)
	}
}

func TestWriteRejectsListWhereOneValueBelongs(t *testing.T) {
	for _, c := range []struct {
		encode string
		claim  any
	}{
		{"", []any{"a"}}, {"", map[string]any{"a": "b"}}, {"base64", []any{"a"}},
		{"join", []any{"a", []any{"b"}}}, {"join", []any{"a", map[string]any{}}}, {"join", map[string]any{"a": "b"}},
		{"json", []any{"\xff"}}, {"json", map[string]any{"\xff": "a"}}, {"json", "\xff"}, {"json", []string{"\xff"}},
	} {
		h := newHeaders(t, Options{Headers: []HeaderOptions{{Name: "X-C", Value: "identity.claims.c", Encode: c.encode}}})
		s := testSession()
		s.Identity.Claims = map[string]any{"c": c.claim}
		out := http.Header{}
		require.ErrorIs(t, h.Write(out, s, StatusValid, "app"), ErrValue, "%s %v", c.encode, c.claim)
		require.Empty(t, out)
	}
}

// TestWriteRejectsOversize: more than the budget is refused whole, to the byte, never cut.
func TestWriteRejectsOversize(t *testing.T) {
	o := Options{Families: []string{FamilyXSessionward}, Assertion: &AssertionOptions{}}
	s := testSession()
	out := http.Header{}
	require.NoError(t, newHeaders(t, o).Write(out, s, StatusValid, "app"))
	size := 0
	for name, v := range out {
		size += len(name) + len(": \r\n") + len(v[0])
	}
	o.MaxBytes = size
	require.NoError(t, newHeaders(t, o).Write(out, s, StatusValid, "app"))
	o.MaxBytes = size - 1
	out = http.Header{"X-Sessionward-User": {"root"}, "Accept": {"*/*"}}
	require.ErrorIs(t, newHeaders(t, o).Write(out, s, StatusValid, "app"), ErrTooLarge)
	require.Equal(t, http.Header{"Accept": {"*/*"}}, out)

	for i := range 2000 {
		s.Identity.Groups = append(s.Identity.Groups, fmt.Sprint("group-", i))
	}
	require.ErrorIs(t, newHeaders(t, Options{}).Write(out, s, StatusValid, "app"), ErrTooLarge, "the default bounds too")
}

func TestWriteRejectsUnknownStatus(t *testing.T) {
	out := http.Header{"X-Forwarded-User": {"root"}}
	require.ErrorIs(t, newHeaders(t, Options{}).Write(out, testSession(), "fine", "app"), session.ErrMalformed)
	require.Empty(t, out)
}

// TestWriteRejectsSessionWithoutStatus: a session nobody vouches for names nobody.
func TestWriteRejectsSessionWithoutStatus(t *testing.T) {
	h := newHeaders(t, Options{Families: []string{FamilyXForwarded, FamilyXSessionward}})
	for _, status := range []Status{"", StatusNone} {
		out := http.Header{}
		require.NoError(t, h.Write(out, testSession(), status, "app"))
		require.Equal(t, http.Header{"X-Sessionward-Status": {"none"}}, out)
	}
}

// TestWriteNeverExpandsValues covers S-117: a value is data in every encoding.
func TestWriteNeverExpandsValues(t *testing.T) {
	t.Setenv("SECRET", "hunter2")
	h := newHeaders(t, Options{Headers: []HeaderOptions{
		{Name: "X-Text", Value: "identity.claims.c"}, {Name: "X-Json", Value: "identity.claims.c", Encode: "json"},
	}})
	for _, v := range []string{"{env.SECRET}", "${SECRET}", "$SECRET", "%{SECRET}e", "{{.ID}}", "{http.request.uri}", "`id`"} {
		s := testSession()
		s.Identity.Subject, s.Identity.Claims = v, map[string]any{"c": v}
		s.Identity.Groups = []string{v}
		out := http.Header{}
		require.NoError(t, h.Write(out, s, StatusValid, "app"))
		literal := strings.ReplaceAll(v, "%", "%25")
		require.Equal(t, literal, out.Get("X-Forwarded-User"))
		require.Equal(t, literal, out.Get("X-Forwarded-Groups"))
		require.Equal(t, literal, out.Get("X-Text"))
		var back string
		require.NoError(t, json.Unmarshal([]byte(out.Get("X-Json")), &back))
		require.Equal(t, v, back)
	}
}

// TestWriteShowsNoSecret covers S-066: neither the session's ID nor tokens appear unless asked for, and errors do not
// show values.
func TestWriteShowsNoSecret(t *testing.T) {
	out := http.Header{}
	h := newHeaders(t, Options{Families: []string{FamilyXForwarded, FamilyXAuthRequest, FamilyRemote, FamilyXSessionward}, Assertion: &AssertionOptions{}})
	require.NoError(t, h.Write(out, testSession(), StatusValid, "app"))
	for _, secret := range []string{"secret-id", "at-123", "id.456"} {
		require.NotContains(t, dump(out), secret)
	}
	var logged bytes.Buffer
	s := testSession()
	s.Identity.Claims = map[string]any{"c": []any{"hunter2"}}
	err := newHeaders(t, Options{Headers: []HeaderOptions{{Name: "X-C", Value: "identity.claims.c"}}}).Write(out, s, StatusValid, "app")
	slog.New(slog.NewTextHandler(&logged, nil)).Error("write", "err", err)
	require.Contains(t, logged.String(), "X-C")
	require.NotContains(t, logged.String(), "hunter2")
}

// TestWriteSharesNothingThatGrows: what one request adds to its headers stays its own.
func TestWriteSharesNothingThatGrows(t *testing.T) {
	h := newHeaders(t, Options{Families: []string{FamilyXForwarded, FamilyXSessionward}, Assertion: &AssertionOptions{}})
	s := testSession()
	first, second := http.Header{}, http.Header{}
	require.NoError(t, h.Write(first, s, StatusValid, "app"))
	for _, name := range h.Names() {
		first.Add(name, "root")
	}
	require.NoError(t, h.Write(second, s, StatusValid, "app"))
	for name, v := range second {
		require.Len(t, v, 1, name)
		require.NotEqual(t, "root", v[0])
	}
}

func TestWriteRemembersByPointer(t *testing.T) {
	h := newHeaders(t, Options{})
	a, b := testSession(), testSession()
	b.Identity.Subject = "other"
	for range 3 {
		for _, s := range []*session.Session{a, b} {
			out := http.Header{}
			require.NoError(t, h.Write(out, s, StatusValid, "app"))
			require.Equal(t, s.Identity.Subject, out.Get("X-Forwarded-User"))
		}
	}
	require.Equal(t, 2, h.rendered.len())
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

// TestMemoIsBounded: a flood of sessions costs no more than the bound, and what is gone is worked out again.
func TestMemoIsBounded(t *testing.T) {
	m := newMemo[int]()
	m.limit = 4
	all := make([]*session.Session, 1000)
	for i := range all {
		all[i] = &session.Session{Handle: fmt.Sprint(i)}
		require.Equal(t, i, m.loadOrStore(all[i], i))
	}
	require.LessOrEqual(t, m.len(), 4*memoShards)
	for i, s := range all {
		require.Equal(t, i, m.loadOrStore(s, i))
	}
}

// TestMemoForgetsDeadSessions: remembering keeps neither the session nor what was made of it.
func TestMemoForgetsDeadSessions(t *testing.T) {
	m := newMemo[int]()
	gone := make(chan struct{})
	func() {
		s := testSession()
		m.loadOrStore(s, 1)
		runtime.AddCleanup(s, func(c chan struct{}) { close(c) }, gone)
	}()
	deadline := time.After(5 * time.Second)
	for collected := false; !collected || m.len() > 0; {
		runtime.GC()
		select {
		case <-gone:
			collected = true
		case <-deadline:
			t.Fatal("the session is still held")
		default:
			runtime.Gosched()
		}
	}
}

func TestWriteConcurrently(t *testing.T) {
	h := newHeaders(t, Options{Families: []string{FamilyXSessionward}, Assertion: &AssertionOptions{}})
	sessions := make([]*session.Session, 8)
	for i := range sessions {
		sessions[i] = testSession()
		sessions[i].Identity.Subject = fmt.Sprint("user-", i)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				s := sessions[(g+i)%len(sessions)]
				out := http.Header{}
				err := h.Write(out, s, StatusValid, "app")
				if err != nil || out.Get("X-Sessionward-Subject") != s.Identity.Subject {
					t.Errorf("%v %q", err, out.Get("X-Sessionward-Subject"))
				}
			}
		})
	}
	wg.Wait()
}

func (m *memo[V]) len() int {
	n := 0
	for i := range m.shards {
		m.shards[i].mu.RLock()
		n += len(m.shards[i].entries)
		m.shards[i].mu.RUnlock()
	}
	return n
}

func FuzzHeaderValue(f *testing.F) {
	f.Add("alice", "users,admins", "a\r\nb")
	f.Add("", " ", "\x00%")
	f.Add("{env.X}", "%2C", "\u00e9\xff\u2028\U0001f600")
	f.Add(`"`, `\`, "\x7f")
	full := []Options{
		{Headers: []HeaderOptions{
			{Name: "X-A", Value: "identity.groups", Separator: "; "}, {Name: "X-B", Value: "identity.groups", Separator: " "},
			{Name: "X-C", Value: "identity.claims.c", Encode: "json"}, {Name: "X-D", Value: "identity.claims.c", Encode: "base64"},
		}},
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		h := newHeaders(t, full[0])
		s := testSession()
		s.Identity.Subject, s.Identity.Email, s.Identity.Groups = a, b, []string{a, b, c}
		s.Identity.Claims = map[string]any{"c": c}
		out := http.Header{}
		err := h.Write(out, s, StatusValid, "app")
		if err != nil {
			require.True(t, errors.Is(err, ErrTooLarge) || errors.Is(err, ErrValue), err)
			require.Empty(t, out)
			return
		}
		for _, v := range out {
			require.Len(t, v, 1)
			requireSafe(t, v[0])
		}
		want := slices.DeleteFunc([]string{a, b, c}, func(s string) bool { return s == "" })
		for name, sep := range map[string]string{"X-Forwarded-Groups": ",", "X-A": "; ", "X-B": " "} {
			got, ok := splitList(out.Get(name), sep)
			require.True(t, ok)
			require.ElementsMatch(t, want, got)
		}
		sub, ok := unescape(out.Get("X-Forwarded-User"))
		require.True(t, ok)
		require.Equal(t, a, sub)
	})
}

func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"x-forwarded", Options{}},
		{"x-sessionward", Options{Families: []string{FamilyXSessionward}}},
		{"assertion", Options{Assertion: &AssertionOptions{}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := newHeaders(b, c.o)
			s := testSession()
			out := http.Header{}
			b.ReportAllocs()
			for b.Loop() {
				if err := h.Write(out, s, StatusValid, "app"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWriteFirst is what the first request of a session costs.
func BenchmarkWriteFirst(b *testing.B) {
	h := newHeaders(b, Options{Families: []string{FamilyXSessionward}})
	s := testSession()
	b.ReportAllocs()
	for b.Loop() {
		h.renderFields(s)
	}
}
