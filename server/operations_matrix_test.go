package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/session"
)

// TestOperationsMatrix does every operation of the API on sessions of six kinds, of ours and of the authority's own, through the
// built binary. Each works, seen at the gateway and at the authority, or is 501 with its reason (docs/powers.md).
func TestOperationsMatrix(t *testing.T) {
	opened := openSmallest(t)
	for _, k := range matrixKinds() {
		t.Run(k.kind, func(t *testing.T) {
			w := k.open(t)
			powers := session.Powers(opened[k.kind])
			w.sameAsTold(t, powers)
			for _, o := range matrixOperations() {
				for _, side := range []string{ofSource, ofOurs, ofTheirs} {
					if _, has := o.needs[side]; !has || (side == ofTheirs && w.begin == nil) {
						continue
					}
					t.Run(o.name+" "+side, func(t *testing.T) {
						w.t = t
						w.operate(o.name, side, o.expected(w.kind, side, powers))
					})
				}
			}
			t.Run("command line", func(t *testing.T) {
				w.t = t
				w.commandLine(powers)
			})
			if w.begin != nil {
				t.Run("not in use", func(t *testing.T) {
					w.t = t
					w.notInUse()
				})
			}
		})
	}
}

// sameAsTold wants the running gateway to tell of the powers the expectations are made of.
func (w *matrixWorld) sameAsTold(t *testing.T, powers []string) {
	t.Helper()
	list, err := w.operator().Sources(t.Context())
	require.NoError(t, err)
	for _, s := range list.Sources {
		if s.Name == w.source {
			require.Equal(t, w.kind, s.Kind)
			require.Equal(t, powers, s.Powers)
			return
		}
	}
	require.Fail(t, "the source is not listed")
}

// operate does one operation, and wants the reason; or where that is "" the effect.
func (w *matrixWorld) operate(name, side, reason string) {
	w.t.Helper()
	switch side {
	case ofSource:
		if name == "revoke-user" {
			w.revokeUser(reason)
			return
		}
		w.create(name[len("create "):], reason)
		return
	}
	do := map[string]func(own bool, reason string){
		"get": w.shown, "list": w.findByFilter, "devices": w.devices, "ttl": w.ttl, "validate": w.validate, "touch": w.touch, "refresh": w.refresh, "extend": w.extend,
		"properties get": w.readProperties, "properties set": w.setProperties, "tokenize": w.tokenize, "introspect": w.introspect,
		"logout": w.logout, "delete": w.remove, "revoke handles": w.revokeHandles, "revoke user": w.revokeOfUser, "revoke all but": w.revokeAllBut, "revoke all": w.revokeAll,
	}[name]
	require.NotNil(w.t, do, "no test for %s", name)
	do(side == ofOurs, reason)
}

func (w *matrixWorld) create(from, reason string) {
	proof := w.proofs()[from]
	before := w.living()
	made, err := w.operator().Create(w.t.Context(), proof)
	require.Equal(w.t, reason, w.refusal(err, held{}))
	if reason != "" {
		return
	}
	if from != "token" {
		require.Equal(w.t, before+1, w.living(), "the authority has it too")
	}
	h := held{own: true, handle: made.Session.Handle, browser: w.withCookie(made.Cookie)}
	require.Equal(w.t, "alice", w.seen(w.use(h)).Header.Get("X-Forwarded-Preferred-Username"))
	_, err = w.operator().Create(w.t.Context(), forged(proof))
	require.ErrorContains(w.t, err, "rejected")
	for _, secret := range []string{proof.Token, proof.Password, proof.Assertion} {
		require.False(w.t, secret != "" && strings.Contains(w.output.String(), secret), "a secret stands in the log")
	}
}

// forged is a proof that is nearly right.
func forged(c admin.Creation) admin.Creation {
	for _, secret := range []*string{&c.Token, &c.Password} {
		if *secret != "" {
			*secret = (*secret)[:len(*secret)-3] + "xyz"
		}
	}
	c.Assertion = strings.ReplaceAll(c.Assertion, "alice", "mallory")
	return c
}

// notInUse asks for sessions of the authority's own of which the gateway holds no credential, as after a restart. What needs one
// is 501 and says so; the end holds here all the same, and there where the authority ends sessions by its own names.
func (w *matrixWorld) notInUse() {
	h := w.make(false)
	w.stop()
	w.start()
	c := w.operator()
	ask := map[string]func(context.Context, string) (admin.Entry, error){"validate": c.Validate, "touch": c.Touch, "refresh": c.Refresh, "extend": c.Extend}
	for name, ask := range ask {
		_, err := ask(w.t.Context(), h.handle)
		require.Equal(w.t, notInUse, w.refusal(err, h), name)
	}
	_, err := c.Properties(w.t.Context(), h.handle)
	require.Equal(w.t, notInUse, w.refusal(err, h))
	_, err = c.UpdateProperties(w.t.Context(), h.handle, map[string]string{w.property: "dark"})
	require.Equal(w.t, notInUse, w.refusal(err, h))
	_, err = c.Tokenize(w.t.Context(), h.handle, "app")
	require.Contains(w.t, w.refusal(err, h), notInUse[1:])
	e, err := c.Get(w.t.Context(), h.handle)
	require.NoError(w.t, err)
	require.True(w.t, e.Active, "what was noted of it is there")
	ended, err := c.Delete(w.t.Context(), h.handle)
	require.NoError(w.t, err)
	require.True(w.t, ended.Here)
	if w.byName == "" {
		require.Equal(w.t, "ended", ended.AtAuthority)
	} else {
		require.Equal(w.t, w.byName, w.sentence(ended.AtAuthority, h))
	}
	require.Equal(w.t, w.byName != "", w.alive(h.credential))
	require.Equal(w.t, http.StatusUnauthorized, w.use(h).StatusCode, "here it is refused")
}
