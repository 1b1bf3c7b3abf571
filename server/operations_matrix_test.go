package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
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

func (w *matrixWorld) touch(own bool, reason string) {
	if own {
		h := w.make(own)
		require.Eventually(w.t, func() bool { // the use that made it may be a millisecond ago
			e, err := w.operator().Touch(w.t.Context(), h.handle)
			return err == nil && e.LastAccessAt.After(h.entry.LastAccessAt) && e.IdleExpiresAt.After(h.entry.IdleExpiresAt)
		}, 5*time.Second, 5*time.Millisecond)
		return
	}
	w.orRefused(w.touches, reason, func(h held) error {
		_, err := w.operator().Touch(w.t.Context(), h.handle)
		return err
	})
}

// orRefused has act done where it works, and wants the reason otherwise.
func (w *matrixWorld) orRefused(observe func(func(held)), reason string, act func(held) error) {
	w.t.Helper()
	if reason == "" {
		observe(func(h held) { require.NoError(w.t, act(h)) })
		return
	}
	h := w.make(false)
	require.Equal(w.t, reason, w.refusal(act(h), h))
	w.holds(h)
}

func (w *matrixWorld) refresh(own bool, reason string) {
	act := func(h held) error {
		_, err := w.operator().Refresh(w.t.Context(), h.handle)
		return err
	}
	if !own {
		w.orRefused(w.prolongs, reason, act)
		return
	}
	h := w.make(own)
	before := 0
	if w.renewed != nil {
		before = w.renewed()
	}
	require.Equal(w.t, reason, w.refusal(act(h), h))
	if reason == "" {
		require.Equal(w.t, before+1, w.renewed(), "at its authority")
	}
	w.holds(h)
}

func (w *matrixWorld) extend(own bool, reason string) {
	act := func(h held) error {
		_, err := w.operator().Extend(w.t.Context(), h.handle)
		return err
	}
	if !own {
		w.orRefused(w.prolongs, reason, act)
		return
	}
	h := w.make(own)
	require.Equal(w.t, reason, w.refusal(act(h), h))
	w.holds(h)
}

func (w *matrixWorld) readProperties(own bool, _ string) {
	h := w.make(own)
	list, err := w.operator().Properties(w.t.Context(), h.handle)
	require.NoError(w.t, err)
	_, there := list.Properties[w.property]
	require.Equal(w.t, w.kind == "pingam", there, "the authority tells of those that are not set, too: %v", list)
}

func (w *matrixWorld) setProperties(own bool, reason string) {
	h := w.make(own)
	asked := w.asked()
	_, err := w.operator().UpdateProperties(w.t.Context(), h.handle, map[string]string{w.property: "dark"})
	require.Equal(w.t, reason, w.refusal(err, h))
	w.holds(h)
	if reason != "" {
		return
	}
	list, err := w.operator().Properties(w.t.Context(), h.handle)
	require.NoError(w.t, err)
	require.Equal(w.t, "dark", list.Properties[w.property])
	if w.kind == "pingam" {
		require.GreaterOrEqual(w.t, w.asked(), asked+2, "written and read there")
	}
	_, err = w.operator().UpdateProperties(w.t.Context(), h.handle, map[string]string{"nobody-may": "x"})
	require.ErrorContains(w.t, err, "not_allowed")
}

func (w *matrixWorld) tokenize(own bool, reason string) {
	h := w.make(own)
	template := "app"
	if !own && w.template != "" {
		template = w.template
	}
	made, err := w.operator().Tokenize(w.t.Context(), h.handle, template)
	require.Equal(w.t, reason, w.refusal(err, h))
	if reason != "" {
		return
	}
	token, err := jwt.ParseSigned(made.Token, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(w.t, err)
	var claims jwt.Claims
	if template == w.template {
		require.NoError(w.t, token.Claims(w.signer, &claims), "signed by the authority")
	} else {
		var keys jose.JSONWebKeySet
		require.NoError(w.t, json.NewDecoder(w.get(w.browser(), "/_session/jwks.json").Body).Decode(&keys))
		require.NoError(w.t, token.Claims(keys, &claims), "signed by the gateway")
		require.Equal(w.t, jwt.Audience{"app"}, claims.Audience)
	}
	require.Equal(w.t, h.entry.Identity.Subject, claims.Subject)
	require.True(w.t, made.ExpiresAt.After(time.Now()))
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
