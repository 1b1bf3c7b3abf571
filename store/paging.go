package store

import "iter"

// pageSize is how many index entries a Find looks at before it lets go of the store. It bounds how long a reader
// keeps writers waiting, not what Find yields.
const pageSize = 128

// page is one look at an index.
type page struct {
	keys []string // to be yielded, copied out of the store
	last string   // where the next look begins; also past what had expired
	done bool     // there is nothing after last
}

// pages yields what look finds, page by page. Nothing of the store is held while it yields, so the caller's loop may
// take its time and may write.
func pages(after string, look func(after string) (page, error)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		from, done := after, false
		for !done {
			p, err := look(from)
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range p.keys {
				if !yield(key, nil) {
					return
				}
			}
			from, done = p.last, p.done
		}
	}
}

// sweepSize is how many records a Sweep removes before it lets others write.
const sweepSize = 256

// inSteps calls sweep, which removes at most as many records as it is told, until limit or all of them are removed.
func inSteps(limit int, sweep func(most int) (int, error)) (int, error) {
	swept := 0
	for swept < limit {
		n, err := sweep(min(limit-swept, sweepSize))
		swept += n
		if err != nil || n == 0 {
			return swept, err
		}
	}
	return swept, nil
}
