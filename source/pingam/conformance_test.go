package pingam

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/pingam"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
	"github.com/sessionward/sessionward/source/authority"
)

// TestSource_Contract holds the source to the contract in both profiles, with and without an administrator, and with the
// look that tells less.
func TestSource_Contract(t *testing.T) {
	for name, row := range map[string]struct {
		peer peer.Options
		o    Options
		slow bool // with the answers that never end, which take their time
	}{
		"self-service":               {peer.Options{}, Options{}, true},
		"administrator":              {peer.Options{}, administered(Options{}), true},
		"administrator, dead is 401": {peer.Options{DeadSubjectUnauthorized: true}, administered(Options{}), false},
		"validate":                   {peer.Options{}, Options{LookUp: LookUpValidate}, false},
		"OpenAM":                     {peer.Options{Profile: peer.OpenAM}, Options{}, false},
		"OpenAM, administrator":      {peer.Options{Profile: peer.OpenAM}, administered(Options{}), false},
		"HttpOnly, no version":       {peer.Options{HTTPOnly: true, NoDefaultVersion: true}, administered(Options{}), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture { return fixture(t, row.peer, row.o, row.slow) })
		})
	}
}

func fixture(t *testing.T, p peer.Options, o Options, slow bool) sessiontest.SourceFixture {
	o.ClientOptions = authority.ClientOptions{Timeout: 1500 * time.Millisecond}
	o.PasswordLogin = true
	g := open(t, p, o)
	var good session.Credential
	set := func(m panel.Mode) func(*testing.T) {
		return func(*testing.T) { g.peer.Panel().Set(m) }
	}
	nonsense := map[string]func(*testing.T){}
	modes := append(panel.Nonsense(), panel.Failing)
	if slow {
		modes = append(modes, panel.Stall, panel.Drip)
	}
	for _, m := range modes {
		nonsense[string(m)] = set(m)
	}
	end := func(t *testing.T, token session.Secret) { require.True(t, g.peer.End(token.Reveal())) }
	other := shown("AQIC5wM2LY4Sfc*")
	other.Name = "iPlanetDirectoryPro2"
	return sessiontest.SourceFixture{
		Source: g.Source,
		Good: func(*testing.T) session.Credential {
			if good.Value.Empty() {
				good = g.login("alice")
			}
			return good
		},
		Bad: func(*testing.T) session.Credential { return shown("AQIC5wM2LY4SfcNobody*AAJTSQACMDE*") },
		Foreign: func(*testing.T) []session.Credential {
			return []session.Credential{other, {Place: session.Place{Kind: session.KindBearer}, Value: session.NewSecret("AQIC5wM2LY4Sfc*")}, {}}
		},
		Login: func(t *testing.T) *session.Session {
			s, err := g.VerifyPassword(t.Context(), "alice", session.NewSecret("wonderland"), "203.0.113.9")
			require.NoError(t, err)
			return s
		},
		Password: func() (string, string) { return "alice", "wonderland" },
		End:      func(t *testing.T, c session.Credential) { end(t, c.Value) },
		EndLogin: func(t *testing.T, s *session.Session) { end(t, s.Tokens.Access) },
		Asked:    g.peer.Panel().Asked,
		Down:     set(panel.Down), Stall: set(panel.Stall),
		Up: func(*testing.T) {
			g.peer.Panel().Set(panel.Up)
			g.advance(rest)
		},
		Nonsense: nonsense,
		Secrets: func() []string {
			return append([]string{"wonderland", adminPassword, good.Value.Reveal()}, g.peer.Sessions()...)
		},
		Logs: g.log.String,
	}
}
