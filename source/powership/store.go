package powership

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

// documents keeps session documents. All errors are of the classes of package session; session.ErrUnavailable when the
// store cannot be asked. Documents handed in and out share no memory with it.
type documents interface {
	// insert adds d, whose id is new.
	insert(ctx context.Context, d Document) error
	// find returns the document of c; SessionNotFound when there is none.
	find(ctx context.Context, c cursor) (Document, error)
	// update changes the document of c at one stroke and returns it as it is then. An error of change changes nothing
	// and is returned; SessionNotFound when there is no document.
	update(ctx context.Context, c cursor, change func(*Document) error) (Document, error)
	// list returns the documents of one account, those of all accounts when it is "", the newest of each account first.
	// They may be changed while it goes on.
	list(ctx context.Context, accountID string) iter.Seq2[Document, error]
	// drop removes what no token can be used for since before.
	drop(ctx context.Context, before time.Time) error
	close() error
}

// memory keeps documents as long as the process lives.
type memory struct {
	most int

	mu sync.Mutex
	by map[cursor]Document
}

func newMemory(most int) *memory { return &memory{most: most, by: map[cursor]Document{}} }

func (m *memory) insert(_ context.Context, d Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.by) >= m.most {
		return errFull
	}
	m.by[d.cursor()] = d.clone()
	return nil
}

func (m *memory) find(_ context.Context, c cursor) (Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.by[c]
	if !ok {
		return Document{}, SessionNotFound
	}
	return d.clone(), nil
}

func (m *memory) update(_ context.Context, c cursor, change func(*Document) error) (Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.by[c]
	if !ok {
		return Document{}, SessionNotFound
	}
	changed := d.clone()
	if err := change(&changed); err != nil {
		return Document{}, err
	}
	m.by[c] = changed
	return changed.clone(), nil
}

func (m *memory) list(_ context.Context, accountID string) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for _, d := range m.snapshot(accountID) {
			if !yield(d, nil) {
				return
			}
		}
	}
}

func (m *memory) snapshot(accountID string) []Document {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Document
	for _, d := range m.by {
		if accountID == "" || d.AccountID == accountID {
			all = append(all, d.clone())
		}
	}
	slices.SortFunc(all, newestFirst)
	return all
}

func (m *memory) drop(_ context.Context, before time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c, d := range m.by {
		if d.endsAt.Before(before) {
			delete(m.by, c)
		}
	}
	return nil
}

func (m *memory) close() error { return nil }

var _ documents = (*memory)(nil)
