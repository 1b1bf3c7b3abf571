package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/demo/provider"
	"github.com/sessionward/sessionward/cmd/peers/panel"
	"github.com/sessionward/sessionward/source"
)

// readiness is the answer of /readyz.
type readiness struct {
	Status string
	Parts  []struct{ Name, Status, Reason string }
}

// readiness asks for it. It is 200 whatever a source is like.
func (w *world) readiness(t *testing.T) (r readiness, text string) {
	t.Helper()
	res, err := http.Get(w.admin + "/readyz")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode, "a source that is not well makes the gateway no less ready")
	text = w.readyState()
	require.NoError(t, json.Unmarshal([]byte(text), &r), text)
	return r, text
}

// unwell returns the parts that are not ok, with their reasons.
func (r readiness) unwell() map[string]string {
	parts := map[string]string{}
	for _, p := range r.Parts {
		if p.Status != "ok" {
			parts[p.Name] = p.Status + ": " + p.Reason
		}
	}
	return parts
}

// TestReadyzNamesTheSourceThatAnswersNonsense: one request after an authority has begun to answer with a page, operators
// see which, and why; one request after it is back, all is well.
func TestReadyzNamesTheSourceThatAnswersNonsense(t *testing.T) {
	c := newChain(t, "cache: {fresh_for: 1s, stale_for: -1s, rejected_for: 1s}\n")
	c.start()
	c.issue()
	for _, l := range c.links {
		if l.panel == nil {
			continue // local asks nobody
		}
		t.Run(l.name, func(t *testing.T) { c.tellsNonsense(t, l) })
	}
	if len(c.links) < len(source.Kinds()) {
		t.Run("ory", func(t *testing.T) { t.Skip("SKIPPED: there is no Kratos here and none can be built") })
	}
}

func (c *chain) tellsNonsense(t *testing.T, l *link) {
	r, text := c.readiness(t)
	require.Equal(t, "ok", r.Status, text)
	during, after := c.questions(t, l)
	l.panel.Set(panel.HTML)
	require.Equal(t, http.StatusServiceUnavailable, during(), "nobody can say")
	r, text = c.readiness(t)
	require.Equal(t, "degraded", r.Status, text)
	require.Len(t, r.unwell(), 1, "the others are well: %s", text)
	said, reason, _ := strings.Cut(r.unwell()["source "+l.name], ": ")
	require.Equal(t, "degraded", said, text)
	require.Regexp(t, `(?i)json|page`, reason, "what is wrong")
	for _, k := range append(c.good, c.bad...) {
		require.NotContains(t, text, mark(k.secret), "no credential is shown to operators")
	}

	l.panel.Set(panel.Up)
	after(t)
	r, text = c.readiness(t)
	require.Equal(t, "ok", r.Status, text)
}

// questions returns two requests that the authority of l has to be asked for. during tells its status; after is made when
// the authority is back, and wants the answer there would have been.
func (c *chain) questions(t *testing.T, l *link) (during func() int, after func(*testing.T)) {
	t.Helper()
	once := func(ask func() int) func(*testing.T) {
		return func(t *testing.T) { require.Less(t, ask(), http.StatusBadRequest, "the authority is back") }
	}
	switch l.name {
	case "corp":
		return c.callback(t, named("corp", 0)), once(c.callback(t, named("corp", 1)))
	case "api": // keys are asked for because of a key that was never seen, at most once in ten seconds
		unseen := c.status(t, of(c.bad, l)[unseenKey])
		return unseen, func(t *testing.T) {
			require.Equal(t, http.StatusOK, c.status(t, of(c.good, l)[0])(), "the keys there were go on to hold")
			require.Eventually(t, func() bool { return unseen() == http.StatusUnauthorized }, 20*time.Second, 100*time.Millisecond)
		}
	default: // nobody asked about these before
		return c.status(t, of(c.good, l)[0]), once(c.status(t, of(c.good, l)[1]))
	}
}

// of returns what l made of list.
func of(list []carried, l *link) (own []carried) {
	for _, k := range list {
		if k.owner == l {
			own = append(own, k)
		}
	}
	return own
}

func (c *chain) status(t *testing.T, k carried) func() int {
	client := c.browser()
	client.Jar = nil
	return func() int {
		res, _, err := c.show(client, k)
		require.NoError(t, err)
		return res.StatusCode
	}
}

// callback takes a browser through a login until the provider sends it back: that request is left to be made.
func (c *chain) callback(t *testing.T, name string) func() int {
	t.Helper()
	b := c.browser()
	b.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(next.URL.Path, "/_session/callback/") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	res, err := provider.Login(t.Context(), b, c.url+"/_session/login?source=corp&return_to=/x", name, "wonderland")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	back, err := res.Location()
	require.NoError(t, err)
	return func() int { return c.get(b, back.RequestURI()).StatusCode }
}
