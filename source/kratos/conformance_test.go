package kratos

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/kratos"
	"github.com/sessionward/sessionward/cmd/peers/panel"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
	"github.com/sessionward/sessionward/source/authority"
)

// TestSource_Contract holds the source to the contract with a real Kratos, for what browsers and what programs show.
func TestSource_Contract(t *testing.T) {
	for kind, good := range map[string]func(*testing.T, *peer.Peer) session.Credential{
		"cookie": loginAlice,
		"token":  func(t *testing.T, p *peer.Peer) session.Credential { return login(t, p, "alice", "wonderland") },
	} {
		t.Run(kind, func(t *testing.T) {
			sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture { return contract(t, good) })
		})
	}
}

func contract(t *testing.T, login func(*testing.T, *peer.Peer) session.Credential) sessiontest.SourceFixture {
	p := sharedPeer(t)
	var log bytes.Buffer
	o := Options{URL: p.URL(), AdminURL: p.AdminURL(), ExtendBefore: 30 * time.Minute, ClientOptions: authority.ClientOptions{Timeout: 1500 * time.Millisecond}}
	s, err := Open("ory", o, authority.Deps{Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	var good session.Credential
	set := func(m panel.Mode) func(*testing.T) {
		return func(*testing.T) { p.Panel().Set(m) }
	}
	t.Cleanup(func() { p.Panel().Set(panel.Up) })
	nonsense := map[string]func(*testing.T){}
	for _, m := range append(panel.Nonsense(), panel.Stall, panel.Drip, panel.Failing) {
		nonsense[string(m)] = set(m)
	}
	return sessiontest.SourceFixture{
		Source: s,
		Good: func(t *testing.T) session.Credential {
			if good.Value.Empty() {
				good = login(t, p)
			}
			return good
		},
		Bad: func(*testing.T) session.Credential {
			c := cookie("MTc5NTQzNTE2NXx1bmtub3du")
			if good.Kind == session.KindHeader {
				c = tokenIn(session.KindHeader, "ory_st_00000000000000000000000000000000")
			}
			return c
		},
		Foreign: func(*testing.T) []session.Credential {
			other := cookie("MTc5NTQzNTE2NXx1bmtub3du")
			other.Name = "csrf_token"
			return []session.Credential{
				other, tokenIn(session.KindBearer, "swk_ci_0123"), tokenIn(session.KindBearer, "eyJhbGciOiJub25lIn0.e30.x"),
				tokenIn(session.KindHeader, "ory_lo_0123"), {},
			}
		},
		Asked: p.Panel().Asked,
		Down:  set(panel.Down), Stall: set(panel.Stall), Up: set(panel.Up),
		End: func(t *testing.T, c session.Credential) {
			require.NoError(t, p.Revoke(t.Context(), resolve(t, s, c).SourceSessionID))
		},
		Nonsense: nonsense,
		Secrets:  func() []string { return []string{good.Value.Reveal()} },
		Logs:     log.String,
	}
}
