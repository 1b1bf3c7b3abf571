package vsphere

import (
	"testing"
	"time"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/vsphere"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
)

// The contract of all sources, with logins by tokens that hold for a key: it has every power there is.
func TestConformance(t *testing.T) {
	t.Run("basic", func(t *testing.T) {
		sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture {
			f := fixture(t, peer.Options{Envelopes: true}, func(o *Options) { o.Login, o.CertificateFile, o.KeyFile = "", "", "" })
			f.Source = unrenewable{f.Source.(*Source)}
			return f
		})
	})
	for name, po := range map[string]peer.Options{"api": {}, "rest": {Old: true}, "envelopes": {Envelopes: true}} {
		t.Run(name, func(t *testing.T) {
			sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture {
				f := fixture(t, po)
				if name != "api" { // these wait for a timeout each time, and the path makes no difference
					delete(f.Nonsense, "drip")
					delete(f.Nonsense, "stall")
				}
				return f
			})
		})
	}
}

// unrenewable is a source whose sessions nobody can replace: without a key the power to refresh is unsupported.
type unrenewable struct{ lesser }

type lesser interface {
	session.Toucher
	session.Verifier
	session.Revoker
	session.PasswordLogin
	session.HealthChecker
}

func fixture(t *testing.T, po peer.Options, change ...func(*Options)) sessiontest.SourceFixture {
	po.TouchEvery = 10 * time.Second // two looks at once are to give the same session
	w := newWorld(t, po, append([]func(*Options){withKey(t), func(o *Options) { o.Timeout = 1500 * time.Millisecond }}, change...)...)
	p := w.peer.Panel()
	set := func(m panel.Mode) func(*testing.T) { return func(*testing.T) { p.Set(m) } }
	var id string
	return sessiontest.SourceFixture{
		Source: w.Source,
		Good: func(*testing.T) session.Credential {
			if id == "" {
				id = w.peer.Login(user)
			}
			return w.header(id)
		},
		Bad: func(*testing.T) session.Credential { return w.header("52d4a8f17c2e4a9bb3f29e1c6d5a2b8f") },
		Foreign: func(*testing.T) []session.Credential {
			other := w.header("52d4a8f1")
			other.Name = "X-Api-Key"
			bearer := session.Credential{Place: session.Place{Kind: session.KindBearer}, Value: session.NewSecret("52d4a8f1")}
			return []session.Credential{{}, other, bearer, w.header("two words"), w.header("line\nbreak")}
		},
		Login:    func(*testing.T) *session.Session { return w.mustLogin() },
		Password: func() (string, string) { return user, password },
		End:      func(_ *testing.T, c session.Credential) { w.peer.End(c.Value.Reveal()) },
		EndLogin: func(_ *testing.T, s *session.Session) { w.peer.End(s.Tokens.Access.Reveal()) },
		Asked:    p.Asked,
		Down:     set(panel.Down),
		Stall:    set(panel.Stall),
		Up: func(*testing.T) {
			p.Set(panel.Up)
			p.Advance(time.Minute) // past what is remembered of a register that gave nothing
		},
		Nonsense: map[string]func(*testing.T){
			"html": set(panel.HTML), "garbage": set(panel.Garbage), "huge": set(panel.Huge), "redirect": set(panel.Redirect),
			"drip": set(panel.Drip), "stall": set(panel.Stall),
		},
		Secrets: func() []string { return append(w.peer.Sessions(), password, "52d4a8f17c2e4a9bb3f29e1c6d5a2b8f") },
		Logs:    w.logs.String,
	}
}
