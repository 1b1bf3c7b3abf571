package server_test

import (
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
)

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
