package session

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// Bounds of one page of a list.
const (
	DefaultPageSize = 100
	MaxPageSize     = 1000
	// maxLooking is how long one page looks at records. To open one takes tens of microseconds, so that a filter few
	// match would keep its caller waiting for as long as there are sessions.
	maxLooking = 25 * time.Millisecond
	minLooked  = DefaultPageSize // records a page looks at however long that takes, so that few sessions fit on one page
)

// Entry is a session as the gateway knows it: one of ours, or a foreign one that was seen here.
type Entry struct {
	// Session holds tokens only where it is one of ours.
	Session *Session
	// Foreign sessions live at their authority; here is only what was noted when they were shown.
	Foreign bool
	// Active is false for a session that was ended here and is refused, or whose clocks ran out.
	Active bool
	// RefusedAt is when a foreign session was ended here; zero: it was not.
	RefusedAt time.Time
}

// Page is one page of a list. Next is the cursor of the page that follows, "" when there is none; a page may hold fewer
// entries than were asked for, even none, and still have one that follows.
type Page struct {
	Entries []Entry
	Next    string
}

// List returns the sessions f chooses, own and foreign, page by page, in an order that stays the same and means nothing.
// What f demands of handle, user (source and subject), username or foreign is found by an index; everything else is
// looked for record by record, on short pages: no page takes longer for that there are many.
// limit is how many at most (0: DefaultPageSize); cursor is "" or the Next of the page before. Sessions that begin or end
// meanwhile may be missed or met. ErrMalformed for a cursor that is none.
func (m *Manager) List(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	after, err := readCursor(cursor)
	if err != nil {
		return Page{}, err
	}
	if limit <= 0 {
		limit = DefaultPageSize
	}
	limit = min(limit, MaxPageSize)
	var page Page
	examined, began := 0, time.Now()
	for key, err := range m.o.Store.Find(ctx, m.termOf(f), after) {
		if err != nil {
			return Page{}, fmt.Errorf("session store: list: %w", classed(err))
		}
		if len(page.Entries) == limit || examined >= minLooked && time.Since(began) > maxLooking {
			page.Next = writeCursor(after)
			break
		}
		after = key
		examined++
		e, err := m.entry(ctx, key)
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRejected) || errors.Is(err, ErrMalformed) {
			continue // ended meanwhile, or a record nobody can read: it opens nothing
		}
		if err != nil {
			return Page{}, err
		}
		if f.Match(&e) {
			page.Entries = append(page.Entries, e)
		}
	}
	return page, nil
}

// termOf returns the index term all sessions f chooses carry, "" when there is none to find them by.
func (m *Manager) termOf(f Filter) string {
	if handle, ok := f.equals("handle"); ok {
		return termHandle(handle)
	}
	subject, bySubject := f.equals("subject")
	source, bySource := f.equals("source")
	if bySubject && bySource {
		return termUser(source, subject)
	}
	if username, ok := f.equals("username"); ok && username != "" {
		return termName(username)
	}
	if demanded(f.expr, "foreign") == true {
		return termForeign
	}
	return ""
}

func readCursor(cursor string) (after string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", fmt.Errorf("cursor: not one of ours: %w", ErrMalformed)
	}
	return string(b), nil
}

func writeCursor(after string) string { return base64.RawURLEncoding.EncodeToString([]byte(after)) }

// entry reads the record under key, of whatever kind.
func (m *Manager) entry(ctx context.Context, key string) (Entry, error) {
	plain, version, err := m.open(ctx, key)
	if err != nil {
		return Entry{}, err
	}
	now := m.now()
	if len(plain) > 0 && plain[0] == sightingFormat {
		s, err := decodeSighting(plain)
		if err != nil {
			return Entry{}, err
		}
		return Entry{Session: s.Session, Foreign: true, Active: s.RefusedAt.IsZero() && !s.Session.Ended(now), RefusedAt: s.RefusedAt}, nil
	}
	s, err := decodeSession(plain)
	if err != nil {
		return Entry{}, err
	}
	if storeKey(s.ID) != key {
		return Entry{}, fmt.Errorf("session record: holds another session: %w", ErrRejected)
	}
	s.version = version
	if p := m.pendingFor(s.ID); p != nil {
		s = p.change(s)
	}
	return Entry{Session: s, Active: !s.Ended(now)}, nil
}

// Entry returns the session with that handle, own or foreign. ErrNotFound when there is none.
func (m *Manager) Entry(ctx context.Context, handle string) (Entry, error) {
	for key, err := range m.o.Store.Find(ctx, termHandle(handle), "") {
		if err != nil {
			return Entry{}, fmt.Errorf("session store: find: %w", classed(err))
		}
		e, err := m.entry(ctx, key)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err == nil && e.Session.Handle != handle {
			continue
		}
		return e, err
	}
	return Entry{}, fmt.Errorf("session %q: %w", handle, ErrNotFound)
}
