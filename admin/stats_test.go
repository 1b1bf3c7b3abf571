package admin

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (h *house) stats() Stats {
	h.t.Helper()
	rec := h.ask("GET", "/api/v1/stats", "", "Authorization", "Bearer "+readToken)
	require.Equal(h.t, http.StatusOK, rec.Code, rec.Body)
	var s Stats
	require.NoError(h.t, json.Unmarshal(rec.Body.Bytes(), &s))
	require.Len(h.t, s.Minutes, 60)
	return s
}

// TestStatsAreCountedNowAndThen: however often it is asked, the store is counted every ten seconds; what happened is told at once.
func TestStatsAreCountedNowAndThen(t *testing.T) {
	h := newHouse(t)
	_, cookie := h.login("ann")
	require.Equal(t, Live{Own: 1, Sources: map[string]int{"corp": 1}, Complete: true, CountedAt: h.now()}, h.stats().Sessions)
	h.login("eve")
	require.NoError(t, h.shown(cookie))
	require.NoError(t, h.shown(cookie))
	s := h.stats()
	require.Equal(t, 1, s.Sessions.Own, "counted a moment ago")
	last := s.Minutes[59]
	require.EqualValues(t, 2, last.Logins)
	require.EqualValues(t, 1, last.Hits)
	require.EqualValues(t, 1, last.Misses)
	h.turn(countEvery)
	require.Equal(t, 2, h.stats().Sessions.Own)
	h.turn(-time.Hour) // a clock that is put back does not stop it
	require.Equal(t, h.now(), h.stats().Sessions.CountedAt)
}

// TestStatsOfAStoreThatIsDown: it is asked no more often than one that works.
func TestStatsOfAStoreThatIsDown(t *testing.T) {
	h := newHouse(t)
	storeDown(h)
	require.Equal(t, "unavailable", code(t, h.ask("GET", "/api/v1/stats", "")))
	h.store.set(nil)
	require.Equal(t, "unavailable", code(t, h.ask("GET", "/api/v1/stats", "")), "it is left alone for a while")
	h.turn(countEvery)
	require.Zero(t, h.stats().Sessions.Own)
}
