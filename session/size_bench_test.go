package session_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/store"
)

// The benchmarks of many sessions run with few, so that all benchmarks together take little time. These variables of the
// environment change that:
//
//	SESSIONWARD_BENCH_SESSIONS  how many sessions there are, such as 1000000
//	SESSIONWARD_BENCH_DIR       where the bolt file of so many is kept for the next run; empty: it is made anew
//	SESSIONWARD_BENCH_ALL       set to anything: all sessions of a file that is kept are ended too
const (
	sessionsEnv     = "SESSIONWARD_BENCH_SESSIONS"
	dirEnv          = "SESSIONWARD_BENCH_DIR"
	revokeAllEnv    = "SESSIONWARD_BENCH_ALL"
	defaultSessions = 2_000
	perUser         = 10
)

// benchNow is when all of it happens: a file that was kept holds sessions that still last.
func benchNow() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func benchSessions(tb testing.TB) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv(sessionsEnv), strconv.Itoa(defaultSessions)))
	require.NoError(tb, err)
	return n
}

// town is a manager over a store with many sessions, and the operations on them.
type town struct {
	n       int
	store   session.Store
	manager *session.Manager
	ops     *session.Operations
}

func newTown(tb testing.TB, st session.Store, n int) *town {
	ring, err := session.NewKeyRing(session.Key{ID: "k1", Secret: session.NewSecret(strings.Repeat("k", 40))})
	require.NoError(tb, err)
	m, err := session.NewManager(session.ManagerOptions{Store: st, Keys: ring, CookieName: "s", Now: benchNow})
	require.NoError(tb, err)
	v, err := session.NewValidator(session.ValidatorOptions{Resolvers: []session.Resolver{m}, Ledger: m, Now: benchNow})
	require.NoError(tb, err)
	ops, err := session.NewOperations(session.OperationsOptions{Manager: m, Validator: v})
	require.NoError(tb, err)
	tb.Cleanup(func() { v.Close(); m.Close() })
	return &town{n: n, store: st, manager: m, ops: ops}
}

// citizen is session i as an OpenID provider makes it: 2 kB of tokens, ten groups, a few claims. Every user has ten.
func citizen(i int) *session.Session {
	user := fmt.Sprintf("user%07d", i/perUser)
	token := func(size int) session.Secret { return session.NewSecret(strings.Repeat("eyJhbGciOi", size/10)) }
	s := &session.Session{
		Source: "corp", SourceSessionID: fmt.Sprint("sid-", i), Active: true, AAL: "aal1", ACR: "silver",
		Identity: session.Identity{
			Subject: "sub-" + user, Username: user, Email: user + "@example.com", EmailVerified: true, Name: "User " + user,
			Claims: map[string]any{"locale": "en-GB", "department": "research", "employee": float64(i), "zoneinfo": "Europe/London"},
		},
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "pwd", AAL: "aal1", CompletedAt: benchNow()}},
		Tokens: session.Tokens{
			Type: "Bearer", Access: token(900), Refresh: token(200), ID: token(900), ExpiresAt: benchNow().Add(time.Hour),
		},
	}
	for g := range 10 {
		s.Identity.Groups = append(s.Identity.Groups, fmt.Sprint("department-", (i/perUser+g)%50))
	}
	if i%50_000 == 77 { // few
		s.ACR = "gold"
	}
	return s
}

func (w *town) create(tb testing.TB, i int) *session.Session {
	s, _, err := w.manager.Create(context.Background(), citizen(i), session.Device{IP: fmt.Sprintf("192.0.2.%d", i%250), UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"})
	require.NoError(tb, err)
	return s
}

// fill makes sessions first to last-1, many at once.
func (w *town) fill(tb testing.TB, first, last int) {
	const writers = 256
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			for i := first + g; i < last; i += writers {
				w.create(tb, i)
			}
		})
	}
	wg.Wait()
}

func openBolt(tb testing.TB, path string) session.Store {
	st, err := store.OpenBolt(store.BoltOptions{Path: path}, store.Deps{Now: benchNow})
	require.NoError(tb, err)
	return st
}

// boltFile returns the path of a closed file with n sessions.
func boltFile(tb testing.TB, n int) string {
	dir := cmp.Or(os.Getenv(dirEnv), tb.TempDir())
	path := filepath.Join(dir, fmt.Sprintf("sessions-%d.db", n))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	making := path + ".new" // a run that is broken off leaves no file that looks whole
	require.NoError(tb, os.RemoveAll(making))
	st := openBolt(tb, making)
	began := time.Now()
	newTown(tb, st, n).fill(tb, 0, n)
	tb.Logf("bolt: %d sessions written in %s", n, time.Since(began).Round(time.Millisecond))
	require.NoError(tb, st.Close())
	require.NoError(tb, os.Rename(making, path))
	return path
}

// eachTown runs f over every kind of store with as many sessions as the environment asks for.
func eachTown(b *testing.B, f func(b *testing.B, w *town)) {
	n := benchSessions(b)
	b.Run("memory", func(b *testing.B) {
		st, err := store.OpenMemory(store.MemoryOptions{MaxRecords: 2 * n}, store.Deps{Now: benchNow})
		require.NoError(b, err)
		defer st.Close()
		w := newTown(b, st, n)
		w.fill(b, 0, n)
		f(b, w)
	})
	b.Run("bolt", func(b *testing.B) {
		st := openBolt(b, boltFile(b, n))
		defer st.Close()
		f(b, newTown(b, st, n))
	})
}

func parse(tb testing.TB, text string) session.Filter {
	f, err := session.ParseFilter(text)
	require.NoError(tb, err)
	return f
}

// worst keeps the longest of what is measured.
type worst time.Duration

func (w *worst) since(began time.Time) { *w = max(*w, worst(time.Since(began))) }
func (w worst) report(b *testing.B)    { b.ReportMetric(float64(w)/1e6, "worst-ms") }

// BenchmarkList asks for sessions of one user, and for one page of many.
func BenchmarkList(b *testing.B) {
	eachTown(b, func(b *testing.B, w *town) {
		user := func(i int) string { return fmt.Sprintf("user%07d", i*7919%(w.n/perUser)) }
		for _, bench := range []struct {
			name   string
			filter func(i int) string
			want   int // entries of a page; -1: as many as there are
		}{
			{"username", func(i int) string { return fmt.Sprintf("username eq %q", user(i)) }, perUser},
			{"subject-and-source", func(i int) string {
				return fmt.Sprintf(`source eq "corp" and subject eq "sub-%s" and active eq true`, user(i))
			}, perUser},
			{"page", func(int) string { return "true" }, 100},
			{"half-match", func(int) string { return `ip ne "192.0.2.7" and groups eq "department-7" or email co "1@"` }, -1},
			{"few-match", func(int) string { return `acr eq "gold"` }, -1},
			{"none-match", func(int) string { return `email sw "nobody" or name co "nobody"` }, -1},
		} {
			b.Run(bench.name, func(b *testing.B) {
				var slowest worst
				var entries, pages int
				cursor := ""
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					began := time.Now()
					p, err := w.ops.List(b.Context(), parse(b, bench.filter(i)), cursor, 100)
					slowest.since(began)
					require.NoError(b, err)
					require.True(b, bench.want < 0 || len(p.Entries) == bench.want, len(p.Entries))
					cursor, pages, entries = p.Next, pages+1, entries+len(p.Entries)
				}
				slowest.report(b)
				b.ReportMetric(float64(entries)/float64(pages), "entries/page")
			})
		}
	})
}

// BenchmarkStart opens the store of a gateway that was restarted and asks it for the sessions of one user.
func BenchmarkStart(b *testing.B) {
	path, n := boltFile(b, benchSessions(b)), benchSessions(b)
	var slowest worst
	for b.Loop() {
		began := time.Now()
		st := openBolt(b, path)
		p, err := newTown(b, st, n).ops.List(b.Context(), parse(b, fmt.Sprintf(`username eq "user%07d"`, n/perUser/2)), "", 0)
		slowest.since(began)
		require.NoError(b, err)
		require.Len(b, p.Entries, perUser)
		b.StopTimer()
		require.NoError(b, st.Close())
		b.StartTimer()
	}
	slowest.report(b)
}

func (w *town) revoke(b *testing.B, filter string) (ended int) {
	err := w.ops.RevokeMatching(b.Context(), parse(b, filter), "", session.EndRevoked, func(_ session.Ended, err error) bool {
		require.NoError(b, err)
		ended++
		return true
	})
	require.NoError(b, err)
	return ended
}

// BenchmarkRevoke ends one session, those of one user, and all.
func BenchmarkRevoke(b *testing.B) {
	eachTown(b, func(b *testing.B, w *town) {
		next := w.n // users that are new
		b.Run("one", func(b *testing.B) {
			var slowest worst
			for b.Loop() {
				b.StopTimer()
				s := w.create(b, next)
				next += perUser
				b.StartTimer()
				began := time.Now()
				_, err := w.ops.Revoke(b.Context(), s.Handle, session.EndRevoked)
				slowest.since(began)
				require.NoError(b, err)
			}
			slowest.report(b)
		})
		b.Run("user-with-10", func(b *testing.B) {
			var slowest worst
			next += perUser - next%perUser
			for b.Loop() {
				b.StopTimer()
				w.fill(b, next, next+perUser)
				b.StartTimer()
				began := time.Now()
				require.Equal(b, perUser, w.revoke(b, fmt.Sprintf(`username eq "user%07d"`, next/perUser)))
				slowest.since(began)
				next += perUser
			}
			slowest.report(b)
		})
		if os.Getenv(dirEnv) != "" && os.Getenv(revokeAllEnv) == "" {
			return // the file is kept
		}
		b.Run("all", func(b *testing.B) {
			total := 0
			for i := 0; b.Loop(); i++ {
				if i > 0 {
					b.StopTimer()
					w.fill(b, 0, w.n)
					b.StartTimer()
				}
				total += w.revoke(b, "true")
			}
			b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "sessions/s")
		})
		b.Run("after-all", func(b *testing.B) { // most of the file is free
			var slowest worst
			for i := 0; b.Loop(); i++ {
				began := time.Now()
				w.create(b, i)
				slowest.since(began)
			}
			slowest.report(b)
		})
	})
}

// BenchmarkFlood logs somebody in while very many distinct foreign credentials are shown, and without that.
func BenchmarkFlood(b *testing.B) {
	for _, kind := range []string{"memory", "bolt"} {
		b.Run(kind, func(b *testing.B) {
			st := newMemory(b, 100_000)
			if kind == "bolt" {
				st = openBolt(b, filepath.Join(b.TempDir(), "flood.db"))
			}
			defer st.Close()
			c := newCrowd(b, st, 50_000)
			login := func(b *testing.B) {
				var slowest worst
				for i := 0; b.Loop(); i++ {
					began := time.Now()
					_, _, err := c.manager.Create(b.Context(), citizen(i), session.Device{})
					slowest.since(began)
					require.NoError(b, err)
				}
				slowest.report(b)
			}
			b.Run("login-quiet", login)
			b.Run("login-in-flood", func(b *testing.B) {
				stop, shown := make(chan struct{}), 0
				var flood sync.WaitGroup
				flood.Go(func() {
					for ; ; shown++ {
						select {
						case <-stop:
							return
						default:
							_, _ = c.validator.Validate(context.Background(), bearer(fmt.Sprint("flood", shown)))
						}
					}
				})
				login(b)
				close(stop)
				flood.Wait()
				b.ReportMetric(float64(shown)/b.Elapsed().Seconds(), "shown/s")
			})
		})
	}
}
