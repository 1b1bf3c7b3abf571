package server_test

import (
	"fmt"
	"net/http"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/admin"
)

// revokeUser ends all sessions of alice's at the authority: one the gateway has seen and one it has not.
func (w *matrixWorld) revokeUser(reason string) {
	own := w.begin == nil
	h := w.make(own)
	unseen := ""
	if !own {
		unseen = w.begin()
	}
	done, err := w.operator().RevokeUser(w.t.Context(), w.source, admin.UserRevocation{Subject: h.entry.Identity.Subject, Realm: h.entry.Realm})
	require.Equal(w.t, reason, w.refusal(err, h))
	if reason != "" {
		w.holds(h)
		return
	}
	require.Positive(w.t, done.Here)
	w.ended(h)
	require.False(w.t, w.alive(unseen), "one the gateway has never seen")
	require.Equal(w.t, http.StatusUnauthorized, w.use(held{browser: w.browser(), credential: unseen}).StatusCode)
}

// said wants what an end says of the authority: it is asked about sessions of ours, and has ended its own.
func (w *matrixWorld) said(own bool, e admin.Ended) {
	w.t.Helper()
	require.True(w.t, e.Here)
	require.Empty(w.t, e.Error)
	require.Equal(w.t, map[bool]string{true: "asked", false: "ended"}[own], e.AtAuthority)
}

func (w *matrixWorld) logout(own bool, _ string) {
	h := w.make(own)
	e, err := w.operator().Logout(w.t.Context(), h.handle)
	require.NoError(w.t, err)
	w.said(own, e)
	w.ended(h)
	if own && w.theirsStays {
		require.Equal(w.t, h.before+1, w.living(), "whoever had the token still has it")
	}
}

func (w *matrixWorld) remove(own bool, _ string) {
	h, other := w.make(own), w.make(own)
	h.before++ // the other's
	e, err := w.operator().Delete(w.t.Context(), h.handle)
	require.NoError(w.t, err)
	w.said(own, e)
	w.ended(h)
	w.holds(other)
}

// revoke ends many and returns what became of those of this source, by handle.
func (w *matrixWorld) revoke(what admin.Revocation) map[string]admin.Ended {
	w.t.Helper()
	told := map[string]admin.Ended{}
	require.NoError(w.t, w.operator().Revoke(w.t.Context(), what, func(e admin.Ended) bool {
		told[e.Handle] = e
		return true
	}))
	return told
}

func (w *matrixWorld) revokeHandles(own bool, _ string) {
	a, b, other := w.make(own), w.make(own), w.make(own)
	a.before++ // the other's stays
	told := w.revoke(admin.Revocation{Handles: []string{a.handle, b.handle}})
	require.Len(w.t, told, 2)
	for _, h := range []held{a, b} {
		w.said(own, told[h.handle])
		w.ended(h)
	}
	w.holds(other)
}

// revokeOfUser ends those of alice's of this source; hers of another source go on.
func (w *matrixWorld) revokeOfUser(own bool, _ string) {
	h := w.make(own)
	filter := fmt.Sprintf(`source eq %q and username eq "alice"`, w.source)
	if realm := h.entry.Realm; realm != "" {
		filter += fmt.Sprintf(" and realm eq %q", realm)
	}
	bystander, _ := w.world.login("/_session/login?source=corp&return_to=%2F")
	if w.kind == "oidc" {
		filter += fmt.Sprintf(" and handle eq %q", h.handle)
	}
	told := w.revoke(admin.Revocation{Filter: filter})
	w.said(own, told[h.handle])
	require.Equal(w.t, http.StatusUnauthorized, w.use(h).StatusCode)
	require.Equal(w.t, http.StatusOK, w.get(bystander, "/x").StatusCode)
}

// revokeAllBut ends everything but one session, whatever its source.
func (w *matrixWorld) revokeAllBut(own bool, _ string) {
	kept, gone := w.make(own), w.make(own)
	bystander, _ := w.world.login("/_session/login?source=corp&return_to=%2F")
	told := w.revoke(admin.Revocation{Filter: "true", Keep: kept.handle})
	require.NotContains(w.t, told, kept.handle)
	w.said(own, told[gone.handle])
	require.Equal(w.t, http.StatusUnauthorized, w.use(gone).StatusCode)
	require.Equal(w.t, http.StatusFound, w.get(bystander, "/x").StatusCode)
	w.holds(kept)
	if !own {
		require.True(w.t, w.alive(kept.credential))
		require.False(w.t, w.alive(gone.credential))
	}
}

func (w *matrixWorld) revokeAll(own bool, _ string) {
	h := w.make(own)
	told := w.revoke(admin.Revocation{Filter: "true"})
	w.said(own, told[h.handle])
	w.ended(h)
	for _, e := range w.entries() {
		require.False(w.t, e.Active)
	}
}
