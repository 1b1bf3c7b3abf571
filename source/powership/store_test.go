package powership

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/sessionward/sessionward/session"
)

func inBothStores(t *testing.T, most int, f func(t *testing.T, docs documents)) {
	t.Run("memory", func(t *testing.T) { f(t, newMemory(most)) })
	t.Run("file", func(t *testing.T) {
		file := newBoltFile(t.TempDir()+"/sessions.db", most)
		t.Cleanup(func() { require.NoError(t, file.close()) })
		f(t, file)
	})
}

func someDocument(account string, at time.Time) Document {
	d := Document{
		AccountID: account, ULID: newULID(at), Valid: true, CreatedAt: at, UpdatedAt: at, endsAt: at.Add(time.Hour), rotatedAt: at, previous: "before",
		Connection: ConnectionInfo{IP: address, UserAgent: browser, Extra: map[string]string{"theme": "dark"}},
	}
	d.Token = newData(d.cursor(), d.Connection)
	return d
}

func collect(t *testing.T, docs documents, account string) (list []Document) {
	t.Helper()
	for d, err := range docs.list(t.Context(), account) {
		require.NoError(t, err)
		list = append(list, d)
	}
	return list
}

func TestDocumentsAreKept(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	inBothStores(t, 100, func(t *testing.T, docs documents) {
		first, second, other := someDocument("a", at), someDocument("a", at.Add(time.Second)), someDocument("ab", at)
		for _, d := range []Document{first, second, other} {
			require.NoError(t, docs.insert(t.Context(), d))
		}
		got, err := docs.find(t.Context(), first.cursor())
		require.NoError(t, err)
		require.Equal(t, first, got)
		require.Equal(t, []Document{second, first}, collect(t, docs, "a"), "the newest first, and nobody else's")
		require.Len(t, collect(t, docs, ""), 3)
		_, err = docs.find(t.Context(), sessionCursor("a", "x"))
		require.ErrorIs(t, err, SessionNotFound)

		changed, err := docs.update(t.Context(), first.cursor(), func(d *Document) error {
			d.Valid, d.Connection.Extra["theme"] = false, "light"
			return nil
		})
		require.NoError(t, err)
		require.False(t, changed.Valid)
		changed.Connection.Extra["theme"] = "changed by the caller"
		got, err = docs.find(t.Context(), first.cursor())
		require.NoError(t, err)
		require.Equal(t, "light", got.Connection.Extra["theme"])

		_, err = docs.update(t.Context(), first.cursor(), func(d *Document) error {
			d.Valid = true
			return InvalidSession
		})
		require.ErrorIs(t, err, InvalidSession)
		got, err = docs.find(t.Context(), first.cursor())
		require.NoError(t, err)
		require.False(t, got.Valid, "an error changes nothing")
		_, err = docs.update(t.Context(), sessionCursor("a", "x"), func(*Document) error { return nil })
		require.ErrorIs(t, err, SessionNotFound)
	})
}

func TestDocumentsAreDroppedWhenNoTokenIsLeft(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	inBothStores(t, 1000, func(t *testing.T, docs documents) {
		for i := range 300 {
			require.NoError(t, docs.insert(t.Context(), someDocument("a", at.Add(time.Duration(i)*time.Second))))
		}
		require.Len(t, collect(t, docs, "a"), 300, "more than a page")
		require.NoError(t, docs.drop(t.Context(), at.Add(time.Hour+290*time.Second)))
		require.Len(t, collect(t, docs, "a"), 10)
		if file, ok := docs.(*boltFile); ok {
			require.EqualValues(t, 10, file.count.Load())
		}
	})
}

func TestDocumentsAreBounded(t *testing.T) {
	at := time.Now().UTC()
	inBothStores(t, 2, func(t *testing.T, docs documents) {
		d := someDocument("a", at)
		require.NoError(t, docs.insert(t.Context(), d))
		require.NoError(t, docs.insert(t.Context(), someDocument("b", at)))
		err := docs.insert(t.Context(), someDocument("c", at))
		require.ErrorIs(t, err, session.ErrUnavailable)
		_, err = docs.update(t.Context(), d.cursor(), func(*Document) error { return nil })
		require.NoError(t, err, "those there are go on")
	})
}

func TestFileOutlivesTheProcess(t *testing.T) {
	path := t.TempDir() + "/sessions.db"
	file := newBoltFile(path, 2)
	d := someDocument("a", time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC))
	require.NoError(t, file.insert(t.Context(), d))
	second := newBoltFile(path, 2)
	_, err := second.find(t.Context(), d.cursor())
	require.ErrorIs(t, err, session.ErrUnavailable, "one process at a time has the file")
	require.NotErrorIs(t, err, session.ErrRejected)
	require.NoError(t, file.close())
	require.NoError(t, file.close())
	got, err := second.find(t.Context(), d.cursor())
	require.NoError(t, err)
	require.Equal(t, d, got)
	require.EqualValues(t, 1, second.count.Load())
	require.NoError(t, second.close())
}

func TestFileThatCannotBeReadDeniesNobody(t *testing.T) {
	file := newBoltFile(t.TempDir()+"/missing/sessions.db", 2)
	d := someDocument("a", time.Now())
	_, err := file.find(t.Context(), d.cursor())
	require.ErrorIs(t, err, session.ErrUnavailable)

	file = newBoltFile(t.TempDir()+"/sessions.db", 2)
	t.Cleanup(func() { _ = file.close() })
	require.NoError(t, file.insert(t.Context(), d))
	require.NoError(t, file.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(sessionsBucket).Put([]byte(d.cursor().String()), []byte("{"))
	}))
	_, err = file.find(t.Context(), d.cursor())
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, file.insert(canceled, d), session.ErrUnavailable)
}

// What stands in the file has the members of the library's single-collection layout.
func TestLayoutOfADocument(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := Document{
		AccountID: vectorAccount, ULID: vectorULID, Token: "eyJzIjoi", Valid: true, CreatedAt: at, UpdatedAt: at,
		Connection: ConnectionInfo{IP: "203.0.113.9", UserAgent: "curl/8.5.0", Extra: map[string]string{"theme": "dark"}},
	}
	text, err := d.encode()
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, map[string]any{
		"_id":   "account⋮_id⋮01GM7285ZR7MX76PNMF3G2MD3P⊰session⋮01GM72860ZP6SHJRAKJVRWJVQV⋮",
		"_idPK": "account⋮_id⋮01GM7285ZR7MX76PNMF3G2MD3P⊰session⋮", "_idSK": vectorULID,
		"_rpk": []any{"account⋮_id⋮01GM7285ZR7MX76PNMF3G2MD3P⊰"}, "_e": "session",
		"id":   "~!YWNjb3VudOKLrl9pZOKLrjAxR003Mjg1WlI3TVg3NlBOTUYzRzJNRDNQ4oqwc2Vzc2lvbuKLrjAxR003Mjg2MFpQNlNISlJBS0pWUldKVlFW4ouu",
		"ulid": vectorULID, "accountId": vectorAccount, "token": "eyJzIjoi", "valid": true,
		"connectionInfo": map[string]any{"ip": "203.0.113.9", "userAgent": "curl/8.5.0", "theme": "dark"},
		"createdAt":      "2026-01-02T03:04:05Z", "updatedAt": "2026-01-02T03:04:05Z",
	}, got)
	back, err := decodeDocument(text)
	require.NoError(t, err)
	require.Equal(t, d, back)
}

func TestSessionsOutliveARestart(t *testing.T) {
	o := nativeOptions(t)
	o.Native.StoreFile = t.TempDir() + "/sessions.db"
	w := openNativeWorld(t, o)
	raw := w.token(t)
	require.NoError(t, w.Close())
	again := openNativeWorld(t, o)
	s, err := again.Resolve(t.Context(), cookie(raw))
	require.NoError(t, err)
	require.Equal(t, vectorAccount, s.Identity.Subject)
}

func TestRunDropsWhatHasEnded(t *testing.T) {
	w := openNativeWorld(t, nativeOptions(t))
	raw := w.token(t)
	w.clock.advance(DefaultTokenDuration + keepEnded + time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // one round, and out
	require.NoError(t, w.Run(ctx))
	_, err := w.Logout(t.Context(), &Request{AuthToken: raw, User: &Account{ID: vectorAccount}})
	require.ErrorIs(t, err, SessionNotFound)
	require.NoError(t, w.Revoke(t.Context(), &session.Session{Tokens: session.Tokens{Access: raw}, Identity: session.Identity{Subject: vectorAccount}}))
}

func TestListsOfAllAccountsStandTogetherAndCanBeLeft(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	inBothStores(t, 10_000, func(t *testing.T, docs documents) {
		for i := range 400 {
			for _, account := range []string{"a", "ab", "b"} {
				require.NoError(t, docs.insert(t.Context(), someDocument(account, at.Add(time.Duration(i)*time.Second))))
			}
			if _, ok := docs.(*boltFile); ok && i == 99 {
				break // every write goes to the disk; this is more than a page
			}
		}
		ended := map[string]bool{}
		var last Document
		n := 0
		for d, err := range docs.list(t.Context(), "") {
			require.NoError(t, err)
			require.False(t, ended[d.AccountID], "an account came twice")
			if n > 0 && last.AccountID != d.AccountID {
				ended[last.AccountID] = true
			} else if n > 0 {
				require.Greater(t, last.ULID, d.ULID, "the newest first")
			}
			last = d
			n++
		}
		require.Contains(t, []int{300, 1200}, n)
		for range docs.list(t.Context(), "") {
			break
		}
		require.NoError(t, docs.insert(t.Context(), someDocument("c", at)), "who left holds up nobody")
	})
}
