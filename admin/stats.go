package admin

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
)

// countEvery is how long a count of live sessions is told again before the next one.
const countEvery = 10 * time.Second

// Stats is the answer of GET /stats.
type Stats struct {
	Sessions Live `json:"sessions"`
	// Minutes are the last sixty, oldest first, the last one under way; of this process alone, since it started.
	Minutes []session.Minute `json:"minutes"`
}

// Live is how many active sessions there are. When Complete is false there are more than were counted.
type Live struct {
	Own       int            `json:"own"`
	Foreign   int            `json:"foreign"`
	Sources   map[string]int `json:"sources"`
	Complete  bool           `json:"complete"`
	CountedAt time.Time      `json:"counted_at"`
}

// liveCount is the last count, so that however many ask, the store is read once in a while.
type liveCount struct {
	mu   sync.Mutex
	at   time.Time
	last Live
	err  error
}

// count returns the last count, or makes one when that is too old, apart from whoever asks first.
func (a *API) count(ctx context.Context) (Live, error) {
	c := &a.live
	c.mu.Lock()
	defer c.mu.Unlock()
	now := a.o.Now()
	if age := now.Sub(c.at); !c.at.IsZero() && age >= 0 && age < countEvery {
		return c.last, c.err
	}
	n, err := a.o.Operations.Counts(context.WithoutCancel(ctx))
	c.at, c.err = now, err
	c.last = Live{Own: n.Own, Foreign: n.Foreign, Sources: n.Sources, Complete: n.Complete, CountedAt: now.UTC()}
	return c.last, c.err
}

func (a *API) stats(w http.ResponseWriter, r *http.Request) {
	live, err := a.count(r.Context())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	minutes := a.o.Tally.Minutes()
	if minutes == nil {
		minutes = []session.Minute{}
	}
	writeJSON(w, http.StatusOK, Stats{Sessions: live, Minutes: minutes})
}
