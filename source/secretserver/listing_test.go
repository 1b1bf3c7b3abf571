package secretserver

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/secretserver"
	"github.com/sessionward/sessionward/session"
)

func ids(list []*session.Session) (out []string) {
	for _, s := range list {
		out = append(out, s.SourceSessionID)
	}
	return out
}

func TestListOwn(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	w.peer.Login("bob")
	w.peer.Login("alice")
	w.peer.Panel().Advance(time.Minute)
	at := w.peer.Panel().Now()
	own := w.login()
	own.ID, own.Handle = "own-id", "own-handle"
	list, err := drain(t.Context(), w.Source, own)
	require.NoError(t, err)
	require.Equal(t, []string{"93", "92"}, ids(list), "hers alone, newest first")
	require.Equal(t, []string{"own-id", "own-handle"}, []string{list[0].ID, list[0].Handle})
	require.Equal(t, "sessionward", list[0].Devices[0].UserAgent)
	require.Equal(t, []session.Device{{IP: "192.0.2.1", UserAgent: "Test", FirstSeenAt: list[1].IssuedAt}}, list[1].Devices)
	require.WithinDuration(t, at, list[0].IssuedAt, 2*time.Second)
	require.Equal(t, time.UTC, list[0].IssuedAt.Location())
	require.NotEqual(t, list[1].ID, list[0].ID)
	for _, s := range list {
		require.Equal(t, []string{"vault", "12"}, []string{s.Source, s.Identity.Subject})
		require.True(t, s.Tokens.Access.Empty(), "no tokens")
		require.True(t, s.Active)
	}
	w.peer.End(own.Tokens.Access.Reveal())
	_, err = drain(t.Context(), w.Source, own)
	require.ErrorIs(t, err, session.ErrRejected)
}

// TestListOwnTurnsPages: as many as there are, and one call each.
func TestListOwnTurnsPages(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	for range 2*pageSize + 5 {
		w.peer.Login("alice")
	}
	own := w.resolve(w.peer.Login("alice").Access)
	before := w.peer.Panel().Asked()
	list, err := drain(t.Context(), w.Source, own)
	require.NoError(t, err)
	require.Len(t, list, 2*pageSize+6)
	require.Equal(t, before+3, w.peer.Panel().Asked())
	for range w.ListOwn(t.Context(), own) {
		break
	}
	require.Equal(t, before+4, w.peer.Panel().Asked(), "who stops reading stops asking")
}

// TestListsThatDoNotEnd: a server that goes round in circles, or always has more, is left.
func TestListsThatDoNotEnd(t *testing.T) {
	const record = `{"records":[{"userSessionId":1}],"hasNext":true,"nextSkip":%d}`
	asked := 0
	more := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = fmt.Fprintf(w, record, asked)
	})
	_, err := drain(t.Context(), more, formSession("a", ""))
	unavailable(t, err)
	require.Equal(t, maxPages, asked)
	_, err = drain(t.Context(), scripted(t, 200, fmt.Sprintf(record, 0)), formSession("a", ""))
	unavailable(t, err)
	require.ErrorContains(t, err, "circles")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = drain(ctx, more, formSession("a", ""))
	unavailable(t, err)
}

func TestDatesAreOfTheConfiguredZone(t *testing.T) {
	body := `{"records":[{"userSessionId":1,"loginDate":%q}]}`
	for _, tt := range []struct{ zone, date, want string }{
		{"", "2024-02-21T14:31:18.123", "2024-02-21T14:31:18.123Z"},
		{"Europe/Berlin", "2024-02-21T14:31:18.123", "2024-02-21T13:31:18.123Z"},
		{"Europe/Berlin", "2024-07-21T14:31:18", "2024-07-21T12:31:18Z"},
		{"Europe/Berlin", "2024-02-21T14:31:18Z", "2024-02-21T14:31:18Z"},
		{"", "2024-02-21T14:31:18+02:00", "2024-02-21T12:31:18Z"},
		{"", "yesterday", "0001-01-01T00:00:00Z"},
		{"", "", "0001-01-01T00:00:00Z"},
	} {
		s := scripted(t, 200, fmt.Sprintf(body, tt.date))
		if tt.zone != "" {
			s = open(t, Options{URL: s.base, TimeZone: tt.zone}, time.Now, &syncBuffer{})
		}
		list, err := drain(t.Context(), s, formSession("a", ""))
		require.NoError(t, err)
		require.Equal(t, tt.want, list[0].IssuedAt.Format(time.RFC3339Nano), tt.date)
	}
}

func TestRevokeOwn(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	own, other, bobs := w.login(), w.peer.Login("alice"), w.peer.Login("bob")
	require.NoError(t, w.RevokeOwn(t.Context(), own), "none is none")
	before := w.peer.Panel().Asked()
	for _, odd := range []string{"", "x", "-1", "0", "92;93", "9223372036854775808"} {
		require.ErrorIs(t, w.RevokeOwn(t.Context(), own, "92", odd), session.ErrMalformed, odd)
	}
	require.Equal(t, before, w.peer.Panel().Asked())
	require.ErrorIs(t, w.RevokeOwn(t.Context(), own, "92", "93"), session.ErrMalformed, "bob's is none of hers")
	require.True(t, w.peer.Alive(other.Access), "then none has ended")
	require.NoError(t, w.RevokeOwn(t.Context(), own, "92"))
	require.False(t, w.peer.Alive(other.Access))
	require.True(t, w.peer.Alive(own.Tokens.Access.Reveal()))
	w.peer.Login("alice")
	list, err := drain(t.Context(), w.Source, own)
	require.NoError(t, err)
	require.NoError(t, w.RevokeOwn(t.Context(), own, ids(list)...), "all of them, its own among them")
	require.Zero(t, w.peer.Sessions("alice"))
	require.True(t, w.peer.Alive(bobs.Access))
	require.ErrorIs(t, w.RevokeOwn(t.Context(), own, "92"), session.ErrRejected)
}

// TestRevokeOwnEndsItsOwnLast: the calls for the others need its token.
func TestRevokeOwnEndsItsOwnLast(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	for range pageSize + 5 {
		w.peer.Login("alice")
	}
	own := w.login()
	list, err := drain(t.Context(), w.Source, own)
	require.NoError(t, err)
	require.Equal(t, own.SourceSessionID, list[0].SourceSessionID, "it comes first in the list")
	require.NoError(t, w.RevokeOwn(t.Context(), own, ids(list)...))
	require.Zero(t, w.peer.Sessions("alice"))
}

func TestRevokeOthers(t *testing.T) {
	w := newWorld(t, peer.Options{}, nil)
	own := w.login()
	for range 3 {
		w.peer.Login("alice")
	}
	bobs := w.peer.Login("bob")
	n, err := w.RevokeOthers(t.Context(), own)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, 1, w.peer.Sessions("alice"))
	require.True(t, w.peer.Alive(own.Tokens.Access.Reveal()))
	require.True(t, w.peer.Alive(bobs.Access))
	n, err = w.RevokeOthers(t.Context(), own)
	require.NoError(t, err)
	require.Zero(t, n)
}

// TestRevokeOthersNeedsToKnowItsOwn: where the server does not say which one is this, it could be among the others.
func TestRevokeOthersNeedsToKnowItsOwn(t *testing.T) {
	ended := false
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		ended = ended || strings.HasSuffix(r.URL.Path, terminatePath)
		_, _ = w.Write([]byte(`{"success":true,"records":[{"userSessionId":1,"current":false},{"userSessionId":2,"current":null}]}`))
	})
	_, err := s.RevokeOthers(t.Context(), formSession("a", ""))
	unavailable(t, err)
	require.False(t, ended)
}

func TestTerminateNeedsASuccess(t *testing.T) {
	for _, body := range []string{`{"success":false}`, `{"success":"true"}`, `{}`, `true`, ``} {
		unavailable(t, scripted(t, 200, body).RevokeOwn(t.Context(), formSession("a", ""), "1"), body)
	}
	require.NoError(t, scripted(t, 200, `{"success":true}`).RevokeOwn(t.Context(), formSession("a", ""), "1"))
}
