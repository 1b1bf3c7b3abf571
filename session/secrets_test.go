package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// TestSecrets_ShowNowhere plants secrets in everything that holds some and looks for them in all that is printed.
func TestSecrets_ShowNowhere(t *testing.T) { // S-217
	const planted = "PLANTED"
	secret := func(what string) Secret { return NewSecret(planted + strings.Repeat(what, 8)) }
	ring, err := NewKeyRing(Key{ID: "k1", Secret: secret("ringkey")})
	require.NoError(t, err)
	s := &Session{
		ID: planted + "id", Handle: "h", Source: "corp", Active: true, Identity: Identity{Subject: "ann"},
		Tokens:    Tokens{Type: "Bearer", Access: secret("access"), Refresh: secret("refresh"), ID: secret("id")},
		Tokenized: secret("tokenized"),
	}
	store := newMapStore()
	m := newTestManager(t, ManagerOptions{Store: store, Keys: ring, CookieName: "c"})
	v := newTestValidator(t, ValidatorOptions{Resolvers: []Resolver{m}})
	created, cookie, err := m.Create(t.Context(), s, Device{})
	require.NoError(t, err)
	c := cookieOf("c", cookie.Reveal())
	_, err = v.Validate(t.Context(), c)
	require.NoError(t, err)
	_, release := v.Watch(created)
	defer release()
	store.writesFail = errDown
	m.keepPending(t.Context(), created, func(s *Session) *Session { return s })
	v.End(created)
	_, endedErr := v.Validate(t.Context(), c)
	_, badErr := m.Resolve(t.Context(), cookieOf("c", planted+"cookie"))
	_, refreshErr := m.Refresh(t.Context(), created)
	_, saveErr := m.save(t.Context(), created, 0)
	_, keyErr := NewKeyRing(Key{ID: "k1", Secret: NewSecret(planted)})
	require.Error(t, errors.Join(endedErr, badErr, refreshErr, saveErr, keyErr))

	key := v.key(&c)
	derived := ring.Derive("x", 32)
	needles := []string{
		planted, cookie.Reveal(), created.ID, fmt.Sprintf("%x", key[:8]),
		strings.Trim(fmt.Sprint(v.hashKey[:]), "[]"), strings.Trim(fmt.Sprint(derived[0].Bytes), "[]"),
	}
	things := map[string]any{
		"session": *s, "session pointer": s, "created": created, "tokens": s.Tokens, "credential": c, "secret": s.Tokens.Access,
		"key": Key{ID: "k1", Secret: secret("ringkey")}, "ring": ring, "ring value": *ring, "derived": derived, "derived one": derived[0],
		"manager": m, "validator": v, "sealer": m.sealer, "options": m.o, "validator options": v.o,
		"answer": Answer{Session: created}, "list": []*Session{s}, "by value": []Session{*s}, "map": map[string]*Session{"a": s},
		"inside": struct{ S *Session }{s}, "hidden": struct{ s Secret }{s.Tokens.Access}, "transaction": Transaction{CodeVerifier: secret("verifier")},
		"ended": endedErr, "bad": badErr, "refresh": refreshErr, "save": saveErr, "key error": keyErr,
	}
	for name, thing := range things {
		for how, shown := range everyWay(thing) {
			for _, needle := range needles {
				if strings.Contains(shown, needle) {
					t.Errorf("%s by %s shows a secret: %.200s", name, how, shown)
				}
			}
		}
	}
}

func everyWay(thing any) map[string]string {
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out[verb] = fmt.Sprintf(verb, thing)
	}
	if b, err := json.Marshal(thing); err == nil {
		out["json"] = string(b)
	}
	var text, js bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "thing", thing, slog.Group("g", "thing", thing))
	slog.New(slog.NewJSONHandler(&js, nil)).Info("m", "thing", thing, slog.Group("g", "thing", thing))
	out["slog text"], out["slog json"] = text.String(), js.String()
	return out
}

func TestSecret_Behaves(t *testing.T) {
	s := NewSecret("text")
	require.Equal(t, "text", s.Reveal())
	require.True(t, NewSecret("").Empty())
	require.Equal(t, Secret{}, NewSecret(""))
	require.True(t, s.Equal(NewSecret("text")))
	require.False(t, s.Equal(NewSecret("texT")))
	require.False(t, s.Equal(NewSecret("tex")))
	require.True(t, Secret{}.Equal(NewSecret("")))
	var fromYAML struct{ Key Secret }
	require.NoError(t, yaml.Unmarshal([]byte("key: from-yaml"), &fromYAML))
	require.Equal(t, "from-yaml", fromYAML.Key.Reveal())
	back, err := yaml.Marshal(fromYAML)
	require.NoError(t, err)
	require.NotContains(t, string(back), "from-yaml")
	var fromJSON struct{ Key Secret }
	require.NoError(t, json.Unmarshal([]byte(`{"Key":"from-json"}`), &fromJSON))
	require.Equal(t, "from-json", fromJSON.Key.Reveal())
}

// Nothing that happens on the way of a session logs one of its secrets.
func TestSecrets_NotInTheLog(t *testing.T) {
	var log logLines
	clock := newTestClock()
	w := newWorld(t, worldOptions{now: clock.now, log: log.logger()})
	s, c := w.login(t, "ann", 10*time.Minute)
	use := func() { _, _ = w.validator.Validate(t.Context(), c) }
	use()
	clock.turn(10 * time.Minute)
	w.authority.refresh = func(contextT, *Session) (*Session, error) { return nil, errDown }
	use()
	w.store.set(func(m *mapStore) { m.readsFail, m.writesFail, m.deleteFail = errDown, errDown, errDown })
	clock.turn(time.Minute)
	use()
	clock.turn(time.Hour)
	use()
	w.store.set(func(m *mapStore) { m.readsFail, m.writesFail, m.deleteFail = nil, nil, nil })
	use()
	w.validator.Close()
	w.manager.Close()
	require.NotEmpty(t, log.String())
	for _, secret := range []string{s.ID, c.Value.Reveal(), "access-ann", "refresh-ann"} {
		require.NotContains(t, log.String(), secret)
	}
}
