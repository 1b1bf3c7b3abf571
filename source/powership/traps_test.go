package powership

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/powership"
	"github.com/sessionward/sessionward/session"
)

// world is what traps are shown in: a source in either mode.
type world struct {
	*Source
	token   func(t *testing.T) session.Secret
	advance func(time.Duration)
	valid   func(t *testing.T) int // sessions that still hold
	where   func(t *testing.T, raw session.Secret) ConnectionInfo
}

// inBothModes runs f natively and across the bridge.
func inBothModes(t *testing.T, o Options, po peer.Options, f func(t *testing.T, w world)) {
	t.Run("native", func(t *testing.T) {
		n := nativeOptions(t)
		o := o
		o.Native = n.Native
		w := openNativeWorld(t, o)
		f(t, world{
			Source: w.Source, token: w.token, advance: w.clock.advance,
			valid: func(t *testing.T) (n int) {
				for d, err := range w.docs.documents.list(t.Context(), "") {
					require.NoError(t, err)
					if d.Valid {
						n++
					}
				}
				return n
			},
			where: func(t *testing.T, raw session.Secret) ConnectionInfo { return w.document(t, raw).Connection },
		})
	})
	t.Run("bridge", func(t *testing.T) {
		w := openBridgeWorld(t, o, po)
		f(t, world{
			Source: w.Source, token: w.token, advance: w.peer.Panel().Advance,
			valid: func(*testing.T) (n int) {
				for _, d := range w.peer.Sessions() {
					if d.Valid {
						n++
					}
				}
				return n
			},
			where: func(t *testing.T, raw session.Secret) ConnectionInfo {
				d, ok := w.peer.Session(raw.Reveal())
				require.True(t, ok)
				return ConnectionInfo{IP: d.From.IP, UserAgent: d.From.UserAgent}
			},
		})
	})
}

func TestTrap06_ChangedUserAgentIsRefusedAndChangedAddressIsNot(t *testing.T) {
	inBothModes(t, Options{}, peer.Options{}, func(t *testing.T, w world) {
		require.True(t, w.BindsUserAgent())
		raw := w.token(t)
		moved := cookie(raw)
		moved.RemoteIP = "198.51.100.7"
		s, err := w.Resolve(t.Context(), moved)
		require.NoError(t, err)
		require.Equal(t, "198.51.100.7", s.Devices[0].IP)
		require.Equal(t, ConnectionInfo{IP: "198.51.100.7", UserAgent: browser}, w.where(t, raw), "the new address is written down")

		other := cookie(raw)
		other.UserAgent = "curl/8.5.0"
		_, err = w.Resolve(t.Context(), other)
		require.ErrorIs(t, err, session.ErrRejected)
		require.ErrorIs(t, err, InvalidSession)
		_, err = w.Resolve(t.Context(), cookie(raw))
		require.NoError(t, err, "whoever tries it elsewhere ends nothing")
	})
}

func TestTrap07_OldTokenOfAValidSessionStillWorks(t *testing.T) {
	inBothModes(t, Options{}, peer.Options{}, func(t *testing.T, w world) {
		first := w.token(t)
		w.advance(time.Hour)
		s, err := w.Resolve(t.Context(), cookie(first))
		require.NoError(t, err)
		require.False(t, s.Tokens.Access.Equal(first), "it was exchanged")
		w.advance(time.Hour)
		again, err := w.Resolve(t.Context(), cookie(first))
		require.NoError(t, err, "there is no detection of reuse")
		require.Equal(t, s.ID, again.ID)
	})
}

func TestTrap07_StrictTakesTheNewestTokenAlone(t *testing.T) {
	inBothModes(t, Options{Strict: true}, peer.Options{Strict: true}, func(t *testing.T, w world) {
		first := w.token(t)
		w.advance(time.Hour)
		s, err := w.Resolve(t.Context(), cookie(first))
		require.NoError(t, err)
		second := s.Tokens.Access
		w.advance(time.Second)
		_, err = w.Resolve(t.Context(), cookie(first))
		require.NoError(t, err, "a request that was under way")
		w.advance(DefaultGrace)
		_, err = w.Resolve(t.Context(), cookie(first))
		require.ErrorIs(t, err, session.ErrRejected)
		if w.native != nil {
			_, err = w.Resolve(t.Context(), cookie(second))
			require.NoError(t, err)
		}
	})
}

// The library ends every session of the account and tells nobody. Here that is refused, or asked for and told.
func TestTrap08_LogoutWithUnverifiableTokenWidensOnlyWhenAsked(t *testing.T) {
	for _, widen := range []bool{false, true} {
		inBothModes(t, Options{WidenLogout: widen}, peer.Options{}, func(t *testing.T, w world) {
			raw := w.token(t)
			w.token(t)
			w.token(t)
			ended, err := w.Logout(t.Context(), &Request{AuthToken: damaged(raw), UserAgent: browser, User: &Account{ID: vectorAccount}})
			if !widen {
				require.ErrorIs(t, err, TokenVerificationFailed)
				require.Equal(t, 3, w.valid(t))
				return
			}
			require.NoError(t, err)
			require.Equal(t, Invalidated{Invalidated: 3, Scope: ScopeAll}, ended)
			require.Zero(t, w.valid(t))
		})
	}
}

// The trap itself, as an application shows it that hands the library's answers through.
func TestTrap08_TheLibraryWidensSilently(t *testing.T) {
	w := openBridgeWorld(t, Options{}, peer.Options{Bare: true})
	raw := w.token(t)
	w.token(t)
	ended, err := w.Logout(t.Context(), &Request{AuthToken: damaged(raw), User: &Account{ID: vectorAccount}})
	require.NoError(t, err)
	require.Equal(t, Invalidated{Invalidated: 1}, ended, "nothing is claimed about the scope")
	for _, d := range w.peer.Sessions() {
		require.False(t, d.Valid)
	}
}

func TestTrap08_AWidenedLogoutIsLogged(t *testing.T) {
	o := nativeOptions(t)
	o.WidenLogout = true
	w := openNativeWorld(t, o)
	raw := w.token(t)
	w.token(t)
	_, err := w.Logout(t.Context(), &Request{AuthToken: damaged(raw), User: &Account{ID: vectorAccount}})
	require.NoError(t, err)
	require.Contains(t, w.log.String(), "invalidated=2 scope=all subject="+vectorAccount)
}

func TestTrap09_ExpiredTokenCanStillLogOut(t *testing.T) {
	inBothModes(t, Options{}, peer.Options{}, func(t *testing.T, w world) {
		raw := w.token(t)
		w.token(t)
		s, err := w.Resolve(t.Context(), cookie(raw))
		require.NoError(t, err)
		w.advance(DefaultTokenDuration)
		_, err = w.Resolve(t.Context(), cookie(raw))
		require.ErrorIs(t, err, TokenVerificationFailed, "it has ended")
		ended, err := w.Logout(t.Context(), &Request{AuthToken: raw, UserAgent: browser, User: &Account{ID: vectorAccount}})
		require.NoError(t, err)
		require.Equal(t, Invalidated{Invalidated: 1, Scope: ScopeOne}, ended)
		require.Equal(t, 1, w.valid(t), "and that session alone")
		require.NoError(t, w.Revoke(t.Context(), s), "what is gone is gone")
	})
}

func TestTrap10_NonASCIIUserAgentsAreHashedByUTF16Units(t *testing.T) {
	const odd = "Browser/1.0 (日本語; Ünïcode; 😀)"
	inBothModes(t, Options{}, peer.Options{}, func(t *testing.T, w world) {
		var raw session.Secret
		if w.native != nil {
			r, err := w.native.login(t.Context(), "alice", session.NewSecret(wonder), ConnectionInfo{IP: address, UserAgent: odd})
			require.NoError(t, err)
			raw = r.AuthToken
		} else {
			r, err := w.keeper.login(t.Context(), "alice", session.NewSecret(wonder), ConnectionInfo{IP: address, UserAgent: odd})
			require.NoError(t, err)
			raw = r.AuthToken
		}
		read, err := readToken(raw.Reveal())
		require.NoError(t, err)
		require.NotEqual(t, fnvOverBytes(odd), read.claims.UserAgent)
		c := cookie(raw)
		c.UserAgent = odd
		_, err = w.Resolve(t.Context(), c)
		require.NoError(t, err)
		c.UserAgent = "Browser/1.0 (日本語; Unicode; 😀)"
		_, err = w.Resolve(t.Context(), c)
		require.ErrorIs(t, err, session.ErrRejected)
	})
}

func fnvOverBytes(text string) uint32 {
	h := uint32(2166136261)
	for _, b := range []byte(text) {
		h = (h ^ uint32(b)) * 16777619
	}
	return h
}

// Node's HTTP server hands out headers byte by byte: a library that is given those makes other tokens.
func TestTrap10_UserAgentsReadByteByByte(t *testing.T) {
	const sent = "Browser/1.0 (é)"
	o := nativeOptions(t)
	o.BytewiseUserAgent = true
	w := openNativeWorld(t, o)
	r, err := w.native.login(t.Context(), "alice", session.NewSecret(wonder), ConnectionInfo{IP: address, UserAgent: "Browser/1.0 (\u00c3\u00a9)"})
	require.NoError(t, err)
	c := cookie(r.AuthToken)
	c.UserAgent = sent
	s, err := w.Resolve(t.Context(), c)
	require.NoError(t, err)
	_, err = w.Current(t.Context(), s)
	require.NoError(t, err)
	w.o.BytewiseUserAgent = false
	_, err = w.Resolve(t.Context(), c)
	require.ErrorIs(t, err, session.ErrRejected)
}

// The stand-in and the source were written apart; each takes what the other makes.
func TestPeerAndSourceTakeEachOthersTokens(t *testing.T) {
	for _, ids := range []bool{false, true} {
		p, err := peer.New(peer.Options{GraphIDs: ids})
		require.NoError(t, err)
		theirs, err := p.Login("alice", address, browser)
		require.NoError(t, err)
		read, err := verifySignature(theirs, session.NewSecret(peer.DefaultSecret))
		require.NoError(t, err)
		require.Equal(t, fingerprint(browser), read.claims.UserAgent)
		require.Equal(t, accountCursor(vectorAccount), read.account)

		ours, _, err := signToken(session.NewSecret(peer.DefaultSecret), newData(read.session, ConnectionInfo{IP: address, UserAgent: browser}), time.Now(), time.Hour)
		require.NoError(t, err)
		d, ok := p.Session(ours)
		require.True(t, ok)
		require.Equal(t, d.ID, read.session.graphID())
		require.Equal(t, d.Cursor, read.session.String())
	}
}
