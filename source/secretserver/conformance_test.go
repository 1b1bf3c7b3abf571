package secretserver

import (
	"testing"
	"time"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/secretserver"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
)

func TestConformance(t *testing.T) {
	sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture {
		w := newWorld(t, peer.Options{}, func(o *Options) {
			o.Timeout, o.TokenTimeout = 300*time.Millisecond, 300*time.Millisecond
		})
		token := w.peer.Login("alice")
		secrets := []string{password, token.Access, token.Refresh, "planted-unknown-token"}
		nonsense := map[string]func(*testing.T){}
		for _, mode := range append(panel.Nonsense(), panel.Drip, panel.Stall) {
			nonsense[string(mode)] = func(*testing.T) { w.peer.Panel().Set(mode) }
		}
		return sessiontest.SourceFixture{
			Source:  w.Source,
			Good:    func(*testing.T) session.Credential { return bearer(token.Access) },
			Bad:     func(*testing.T) session.Credential { return bearer("planted-unknown-token") },
			Foreign: foreign,
			Login: func(*testing.T) *session.Session {
				s := w.login()
				secrets = append(secrets, s.Tokens.Access.Reveal(), s.Tokens.Refresh.Reveal())
				return s
			},
			Asked:    w.peer.Panel().Asked,
			Down:     func(*testing.T) { w.peer.Panel().Set(panel.Down) },
			Stall:    func(*testing.T) { w.peer.Panel().Set(panel.Stall) },
			Up:       func(*testing.T) { w.peer.Panel().Set(panel.Up) },
			Password: func() (string, string) { return "alice", password },
			End:      func(_ *testing.T, c session.Credential) { w.peer.End(c.Value.Reveal()) },
			EndLogin: func(_ *testing.T, s *session.Session) { w.peer.End(s.Tokens.Access.Reveal()) },
			Nonsense: nonsense,
			Secrets:  func() []string { return secrets },
			Logs:     w.logs.String,
		}
	})
}

// foreign are credentials of others: a JWT, which names its issuer, and what is carried elsewhere.
func foreign(*testing.T) []session.Credential {
	jwt := bearer("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln")
	cookie := session.Credential{Place: session.Place{Kind: session.KindCookie, Name: "sid"}, Value: session.NewSecret("planted-unknown-token")}
	header := session.Credential{Place: session.Place{Kind: session.KindHeader, Name: "X-Token"}, Value: session.NewSecret("planted-unknown-token")}
	return []session.Credential{jwt, cookie, header, bearer("")}
}
