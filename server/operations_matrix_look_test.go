package server_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func (w *matrixWorld) shown(own bool, _ string) {
	h := w.make(own)
	asked := w.asked()
	e, err := w.operator().Get(w.t.Context(), h.handle)
	require.NoError(w.t, err)
	require.Equal(w.t, asked, w.asked(), "nobody is asked")
	require.True(w.t, e.Active)
	require.Equal(w.t, !own, e.Foreign)
	require.Equal(w.t, w.source, e.Source)
	require.Equal(w.t, "alice", e.Identity.Username)
}

func (w *matrixWorld) findByFilter(own bool, _ string) {
	h := w.make(own)
	filter := fmt.Sprintf("source eq %q and username eq \"alice\" and active eq true and foreign eq %t", w.source, !own)
	found := func(filter string) (is bool) {
		list, err := w.operator().List(w.t.Context(), filter, "", 0)
		require.NoError(w.t, err)
		for _, e := range list.Sessions {
			require.Equal(w.t, !own, e.Foreign)
			is = is || e.Handle == h.handle
		}
		return is
	}
	require.True(w.t, found(filter))
	require.True(w.t, found(filter+` and ip eq "127.0.0.1"`))
	require.False(w.t, found(filter+` and ip eq "192.0.2.1"`))
}

func (w *matrixWorld) devices(own bool, _ string) {
	h := w.make(own)
	list, err := w.operator().Devices(w.t.Context(), h.handle)
	require.NoError(w.t, err)
	require.NotEmpty(w.t, list.Devices)
	require.Equal(w.t, "127.0.0.1", list.Devices[0].IP)
}

func (w *matrixWorld) ttl(own bool, _ string) {
	h := w.make(own)
	soon, err := w.operator().TTL(w.t.Context(), h.handle, time.Second)
	require.NoError(w.t, err)
	far, err := w.operator().TTL(w.t.Context(), h.handle, 1000*time.Hour)
	require.NoError(w.t, err)
	require.True(w.t, soon.ValidSession && soon.ValidToken)
	require.False(w.t, soon.EndsWithin)
	known := own || w.endKnown
	require.Equal(w.t, known, far.EndsWithin)
	require.Equal(w.t, known, far.Known)
	require.Equal(w.t, known, soon.TTL > 0)
}

// validate asks, and asks once more when the authority has ended the session.
func (w *matrixWorld) validate(own bool, reason string) {
	h := w.make(own)
	asked := w.asked()
	e, err := w.operator().Validate(w.t.Context(), h.handle)
	require.Equal(w.t, reason, w.refusal(err, h))
	w.holds(h)
	if reason != "" {
		return
	}
	require.Equal(w.t, h.handle, e.Handle)
	if w.asked() == asked { // nobody stands by sessions of ours: docs/powers.md, Verifier
		require.True(w.t, own)
		require.Contains(w.t, []string{"oidc", "kratos"}, w.kind)
		return
	}
	w.endAll()
	_, err = w.operator().Validate(w.t.Context(), h.handle)
	require.ErrorContains(w.t, err, "rejected")
	require.Equal(w.t, http.StatusUnauthorized, w.use(h).StatusCode, "what it has said holds for the next request")
}

func (w *matrixWorld) readProperties(own bool, _ string) {
	h := w.make(own)
	list, err := w.operator().Properties(w.t.Context(), h.handle)
	require.NoError(w.t, err)
	_, there := list.Properties[w.property]
	require.Equal(w.t, w.kind == "pingam", there, "the authority tells of those that are not set, too: %v", list)
}

func (w *matrixWorld) introspect(own bool, _ string) {
	h := w.make(own)
	told, err := w.operator().Introspect(w.t.Context(), session.NewSecret(w.cookie(h.browser)))
	require.NoError(w.t, err)
	require.True(w.t, told.Active)
	require.Equal(w.t, h.handle, told.SessionID)
	_, err = w.operator().Delete(w.t.Context(), h.handle)
	require.NoError(w.t, err)
	told, err = w.operator().Introspect(w.t.Context(), session.NewSecret(w.cookie(h.browser)))
	require.NoError(w.t, err)
	require.False(w.t, told.Active)
}
