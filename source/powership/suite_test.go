package powership

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/powership"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
)

// remembered collects secrets that must not leak.
type remembered struct{ texts []string }

func (r *remembered) add(raw session.Secret) session.Secret {
	parts := strings.Split(raw.Reveal(), ".")
	r.texts = append(r.texts, raw.Reveal(), parts[len(parts)-1])
	return raw
}

// foreign are credentials that are none of this source's.
func foreign(t *testing.T) []session.Credential {
	opaque := session.NewSecret("ory_st_1234567890")
	issued := session.NewSecret(forge(t, "HS256", secret, `{"data":"x","iss":"https://id.example","exp":4102444800}`))
	other := cookie(opaque)
	other.Name = "another"
	header := cookie(opaque)
	header.Place = session.Place{Kind: session.KindHeader, Name: "X-Auth-Token"}
	return []session.Credential{bearer(opaque), bearer(issued), other, header, cookie(session.Secret{})}
}

// damaged returns raw with another signature.
func damaged(raw session.Secret) session.Secret {
	text := raw.Reveal()
	at := strings.LastIndexByte(text, '.') + 1
	other := "A"
	if text[at] == 'A' {
		other = "B"
	}
	return session.NewSecret(text[:at] + other + text[at+1:])
}

func TestSuiteNative(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *Options){
		"in memory": func(*testing.T, *Options) {},
		"in a file": func(t *testing.T, o *Options) { o.Native.StoreFile = t.TempDir() + "/sessions.db" },
		"strict":    func(_ *testing.T, o *Options) { o.Strict = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture {
				o := nativeOptions(t)
				change(t, &o)
				return nativeFixture(t, o)
			})
		})
	}
}

func nativeFixture(t *testing.T, o Options) sessiontest.SourceFixture {
	w, seen := openNativeWorld(t, o), &remembered{texts: []string{secret, wonder}}
	good := seen.add(w.token(t))
	w.docs.asked = 0
	f := sessiontest.SourceFixture{
		Source:  w.Source,
		Good:    func(*testing.T) session.Credential { return cookie(good) },
		Bad:     func(*testing.T) session.Credential { return cookie(seen.add(damaged(good))) },
		Foreign: foreign,
		Login: func(t *testing.T) *session.Session {
			s, err := w.VerifyPassword(t.Context(), "alice", session.NewSecret(wonder), address)
			require.NoError(t, err)
			seen.add(s.Tokens.Access)
			return s
		},
		Password: func() (string, string) { return "alice", wonder },
		End: func(t *testing.T, c session.Credential) {
			_, err := w.InvalidateAll(t.Context(), vectorAccount, nil)
			require.NoError(t, err)
		},
		Asked:   w.docs.count,
		Down:    func(*testing.T) { w.docs.set(true, false) },
		Stall:   func(*testing.T) { w.docs.set(false, true) },
		Up:      func(*testing.T) { w.docs.set(false, false) },
		Secrets: func() []string { return seen.texts },
		Logs:    w.log.String,
	}
	f.EndLogin = func(t *testing.T, s *session.Session) { f.End(t, session.Credential{}) }
	return f
}

func TestSuiteBridge(t *testing.T) {
	for name, po := range map[string]peer.Options{
		"lenient": {}, "named by id": {GraphIDs: true}, "the library's own answers": {Bare: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture {
				return bridgeFixture(t, openBridgeWorld(t, quick(Options{}), still(po)))
			})
		})
	}
}

// still stops the application's clock: every question writes down when it was asked.
func still(o peer.Options) peer.Options {
	now := time.Now()
	o.Now = func() time.Time { return now }
	return o
}

// quick gives up early, for modes in which an answer never ends.
func quick(o Options) Options {
	o.Bridge = &BridgeOptions{}
	o.Bridge.Timeout = 1500 * time.Millisecond
	return o
}

func bridgeFixture(t *testing.T, w *bridgeWorld) sessiontest.SourceFixture {
	seen := &remembered{texts: []string{bridgeToken, peer.DefaultSecret, wonder, peer.PasswordHash}}
	good := seen.add(w.token(t))
	mode := func(m panel.Mode) func(*testing.T) { return func(*testing.T) { w.peer.Panel().Set(m) } }
	f := sessiontest.SourceFixture{
		Source:  w.Source,
		Good:    func(*testing.T) session.Credential { return bearer(good) },
		Bad:     func(*testing.T) session.Credential { return bearer(seen.add(damaged(good))) },
		Foreign: foreign,
		Login: func(t *testing.T) *session.Session {
			s, err := w.VerifyPassword(t.Context(), "alice", session.NewSecret(wonder), address)
			require.NoError(t, err)
			seen.add(s.Tokens.Access)
			return s
		},
		Password: func() (string, string) { return "alice", wonder },
		End:      func(t *testing.T, c session.Credential) { require.True(t, w.peer.End(c.Value.Reveal())) },
		EndLogin: func(t *testing.T, s *session.Session) { require.True(t, w.peer.End(s.Tokens.Access.Reveal())) },
		Asked:    w.peer.Panel().Asked,
		Down:     mode(panel.Down), Stall: mode(panel.Stall), Up: mode(panel.Up),
		Nonsense: map[string]func(*testing.T){},
		Secrets:  func() []string { return seen.texts },
		Logs:     w.log.String,
	}
	for _, m := range append(panel.Nonsense(), panel.Drip, panel.Stall) {
		f.Nonsense[string(m)] = mode(m)
	}
	return f
}
