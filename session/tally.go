package session

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Counted is something a Tally counts.
type Counted int

// What is counted.
const (
	Logins    Counted = iota // sessions of ours that began
	Refreshes                // sessions renewed or prolonged at their authority
	Denials                  // requests refused for the credential they showed, or for what its session may not do
	Hits                     // questions answered from memory, rejections included
	Misses                   // questions an authority or the store was asked
	countedKinds
)

const (
	tallyMinutes = 60
	tallySlots   = 64 // a power of two with room for the hour and the minute that begins
	tallyShards  = 8  // so that processors seldom meet in one counter
)

// Tally counts what happened in each minute of the last hour, in this process. It is safe for concurrent use, takes no lock
// and allocates nothing. A nil Tally counts nothing.
type Tally struct {
	now    func() time.Time
	shards [tallyShards]tallyShard
}

// tallyShard has a counter for each minute and kind: the minute in the upper half, how often in the lower. A counter of an
// hour ago is known by its minute and begins anew.
type tallyShard [tallySlots][countedKinds]atomic.Uint64

// NewTally returns a tally that has counted nothing. now may be nil for time.Now.
func NewTally(now func() time.Time) *Tally {
	if now == nil {
		now = time.Now
	}
	return &Tally{now: now}
}

// Add counts one now.
func (t *Tally) Add(what Counted) {
	if t != nil {
		t.add(what, t.now().Unix())
	}
}

// add counts one at the given time, in Unix seconds.
func (t *Tally) add(what Counted, at int64) {
	if t == nil || what < 0 || what >= countedKinds {
		return
	}
	minute := uint64(uint32(at / 60))
	c := &t.shards[rand.Uint32()%tallyShards][minute%tallySlots][what]
	for {
		old := c.Load()
		next := minute<<32 | 1
		if old>>32 == minute {
			next = old + 1
		}
		if c.CompareAndSwap(old, next) {
			return
		}
	}
}

// Minute is what was counted in the minute that began At.
type Minute struct {
	At        time.Time `json:"at"`
	Logins    int64     `json:"logins"`
	Refreshes int64     `json:"refreshes"`
	Denials   int64     `json:"denials"`
	Hits      int64     `json:"hits"`
	Misses    int64     `json:"misses"`
}

// Minutes returns the last sixty minutes, the oldest first; the last one is under way.
func (t *Tally) Minutes() []Minute {
	if t == nil {
		return nil
	}
	last := t.now().Unix() / 60
	out := make([]Minute, 0, tallyMinutes)
	for m := last - tallyMinutes + 1; m <= last; m++ {
		sum := t.sum(uint64(uint32(m)))
		out = append(out, Minute{
			At: time.Unix(m*60, 0).UTC(), Logins: sum[Logins], Refreshes: sum[Refreshes], Denials: sum[Denials],
			Hits: sum[Hits], Misses: sum[Misses],
		})
	}
	return out
}

func (t *Tally) sum(minute uint64) (sum [countedKinds]int64) {
	for i := range t.shards {
		for what := range sum {
			if v := t.shards[i][minute%tallySlots][what].Load(); v>>32 == minute {
				sum[what] += int64(uint32(v))
			}
		}
	}
	return sum
}
