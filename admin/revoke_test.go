package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// serve puts the API behind a listener as the gateway does, and tells of each request's context.
func (h *house) serve(t *testing.T, timeout time.Duration) (*Client, <-chan context.Context) {
	t.Helper()
	begun := make(chan context.Context, 8)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- r.Context()
		h.handler.ServeHTTP(w, r)
	}))
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = timeout, timeout
	srv.Start()
	t.Cleanup(srv.Close)
	c, err := NewClient(ClientOptions{URL: srv.URL, Token: session.NewSecret(writeToken)})
	require.NoError(t, err)
	return c, begun
}

// TestRevokeManyOutlastsTheTimeouts: a revocation may take longer than a request may take to arrive and to be answered.
func TestRevokeManyOutlastsTheTimeouts(t *testing.T) {
	const timeout = 150 * time.Millisecond
	h := newHouse(t)
	for i := range 3 {
		h.visitPeople(fmt.Sprint("user", i))
	}
	h.people.ending = func(string) { <-time.After(2 * timeout) } // a slow authority
	client, _ := h.serve(t, timeout)
	ended := 0
	require.NoError(t, client.Revoke(t.Context(), Revocation{Filter: "true"}, func(e Ended) bool {
		require.Equal(t, Ended{Handle: e.Handle, Here: true, AtAuthority: "ended"}, e)
		ended++
		return true
	}))
	require.Equal(t, 3, ended)
}

// TestRevokeManyEndsWithItsCaller: the session that is being ended ends whole, the others stay, and the log says so.
func TestRevokeManyEndsWithItsCaller(t *testing.T) {
	const users, atOnce = 40, 8 // foreign sessions are ended a few at a time
	var handles []string
	for i := range users {
		handles = append(handles, fmt.Sprint("people-user", i))
	}
	for name, what := range map[string]Revocation{"filter": {Filter: "foreign eq true"}, "handles": {Handles: handles}} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			for i := range users {
				h.visitPeople(fmt.Sprint("user", i))
			}
			client, begun := h.serve(t, 30*time.Second)
			ending, goOn := make(chan string, users), make(chan struct{})
			h.people.ending = func(user string) { ending <- user; <-goOn }
			ctx, leave := context.WithCancel(t.Context())
			left := make(chan error, 1)
			go func() { left <- client.Revoke(ctx, what, func(Ended) bool { return true }) }()
			request := <-begun
			user := <-ending
			leave()
			require.ErrorIs(t, <-left, session.ErrUnavailable)
			<-request.Done()
			close(goOn)
			require.Eventually(t, func() bool {
				return h.people.hasEnded(user) && contains(h.log, "a revocation of many was broken off")
			}, 5*time.Second, time.Millisecond)
			ended := 0
			for i := range users {
				if h.people.hasEnded(fmt.Sprint("user", i)) {
					ended++
				}
			}
			require.LessOrEqual(t, ended, atOnce, "what was begun is finished, and nothing more is begun")
		})
	}
}

// TestRevokeOneEndsWithoutItsCaller: what has begun to end is not left half ended.
func TestRevokeOneEndsWithoutItsCaller(t *testing.T) {
	h := newHouse(t)
	h.visitPeople("bob")
	client, begun := h.serve(t, 30*time.Second)
	ending, goOn := make(chan string), make(chan struct{})
	h.people.ending = func(user string) { ending <- user; <-goOn }
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := client.Delete(ctx, "people-bob")
		left <- err
	}()
	request := <-begun
	<-ending
	leave()
	require.Error(t, <-left)
	<-request.Done()
	close(goOn)
	require.Eventually(t, func() bool { return h.people.hasEnded("bob") }, 5*time.Second, time.Millisecond)
	require.ErrorIs(t, h.visit(session.Place{Kind: session.KindBearer}, "bob"), session.ErrRejected)
}

// TestRevokeUserReachesWhatIsRemembered: what the authority ended is not answered from memory, whoever remembers it, on the
// very next request.
func TestRevokeUserReachesWhatIsRemembered(t *testing.T) {
	h := newHouse(t)
	h.visitPeople("bob")
	h.visitPeople("eve")
	require.Equal(t, http.StatusOK, h.ask("POST", "/api/v1/sources/people/revoke-user", `{"subject":"bob-sub"}`).Code)
	require.ErrorIs(t, h.visit(session.Place{Kind: session.KindBearer}, "bob"), session.ErrRejected)
	require.NoError(t, h.visit(session.Place{Kind: session.KindBearer}, "eve"))
}

// TestRevokeUserAuthorityDown: nothing has ended here either, so that the answer is the truth.
func TestRevokeUserAuthorityDown(t *testing.T) {
	h := newHouse(t)
	h.visitPeople("bob")
	authorityDown(h)
	require.Equal(t, "unavailable", code(t, h.ask("POST", "/api/v1/sources/people/revoke-user", `{"subject":"bob-sub"}`)))
	require.NoError(t, h.visit(session.Place{Kind: session.KindBearer}, "bob"))
}

// TestRevokeMetHalfWay: where the list cannot be read to its end, the last line says that the rest goes on.
func TestRevokeMetHalfWay(t *testing.T) {
	const users, atOnce = 20, 8 // foreign sessions are ended a few at a time: each may end one before the store is down
	h := newHouse(t)
	for i := range users {
		h.visitPeople(fmt.Sprint("user", i))
	}
	h.people.ending = func(string) { storeDown(h) }
	rec := h.ask("POST", "/api/v1/sessions/revoke", `{"filter":"foreign eq true"}`)
	require.Equal(t, http.StatusOK, rec.Code)
	var lines []Ended
	d := json.NewDecoder(rec.Body)
	for d.More() {
		var e Ended
		require.NoError(t, d.Decode(&e))
		lines = append(lines, e)
	}
	require.Len(t, lines, users)
	here := 0
	for _, e := range lines {
		if e.Here {
			here++
			continue
		}
		require.Contains(t, e.Error, "unavailable")
	}
	require.Positive(t, here)
	require.LessOrEqual(t, here, atOnce)
}

func contains(log *safeBuffer, text string) bool { return strings.Contains(log.String(), text) }
