package middleware

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// TestRejectFloodOfMadeUpCodes (S-123): one address cannot spend the token calls that are everybody's.
func TestRejectFloodOfMadeUpCodes(t *testing.T) {
	var r refusals
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	bad, good := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for range maxRefusals {
		require.False(t, r.tooMany(bad, now))
		r.note(bad, now)
	}
	require.True(t, r.tooMany(bad, now))
	require.False(t, r.tooMany(good, now), "others do not wait")
	require.True(t, r.tooMany(bad, now.Add(refusalWindow)), "a full count outlives the turn of a window")
	require.False(t, r.tooMany(bad, now.Add(2*refusalWindow)), "and is forgotten")

	six := netip.MustParseAddr("2001:db8::1")
	for i := range maxRefusals {
		r.note(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)), now)
	}
	require.True(t, r.tooMany(six, now), "a /64 is one client")
	require.False(t, r.tooMany(netip.MustParseAddr("2001:db8:0:1::1"), now))
	r.note(netip.Addr{}, now)
	require.False(t, r.tooMany(netip.Addr{}, now))
}

func TestRefusalsAreBounded(t *testing.T) {
	var r refusals
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range 3 * maxRefusers {
		r.note(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	require.LessOrEqual(t, len(r.newer)+len(r.older), 2*maxRefusers)
}

// TestRejectFloodOfGuesses: what one address may guess at an authority is bounded here, before it is asked.
func TestRejectFloodOfGuesses(t *testing.T) {
	door := &doorman{name: "door"}
	h := newHouse(t, houseOptions{sources: []session.Source{door}})
	b := h.browser()
	guess := func(password string) int {
		return b.post("/_session/login", url.Values{"source": {"door"}, "username": {"alice"}, "password": {password}}).StatusCode
	}
	for range maxRefusals {
		require.Equal(t, http.StatusUnauthorized, guess("wrong"))
	}
	require.Equal(t, http.StatusTooManyRequests, guess("pw-alice"))
	h.clock.Advance(2 * refusalWindow)
	require.Equal(t, http.StatusSeeOther, guess("pw-alice"))
	door.err = session.ErrUnavailable
	for range maxRefusals + 1 {
		require.Equal(t, http.StatusServiceUnavailable, guess("wrong"), "an outage is nobody's guess")
	}
}
