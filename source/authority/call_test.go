package authority

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	"github.com/sessionward/sessionward/session"
)

// peer answers {"status": N} with status N, taken from the path.
func peer(t *testing.T) (*panel.Panel, string) {
	p := panel.New()
	mux := http.NewServeMux()
	for path, status := range map[string]int{"/ok": 200, "/denied": 401, "/forbidden": 403, "/slow": 429, "/broken": 500, "/moved": 302} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "9")
			if status == http.StatusFound {
				w.Header().Set("Location", "/ok")
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"ok":true}`))
		})
	}
	srv := httptest.NewServer(p.Wrap(mux))
	t.Cleanup(func() {
		p.Set(panel.Up)
		srv.Close()
	})
	return p, srv.URL
}

func TestCallSaysWhichStatusesSayNothing(t *testing.T) {
	_, base := peer(t)
	c := testClient(t, ClientOptions{})
	for path, status := range map[string]int{"/ok": 200, "/denied": 401, "/forbidden": 403} {
		r, err := c.Call(t.Context(), Question{URL: base + path})
		require.NoError(t, err, path)
		require.Equal(t, status, r.Status)
	}
	for _, path := range []string{"/slow", "/broken", "/moved"} {
		_, err := c.Call(t.Context(), Question{URL: base + path, Header: http.Header{"Authorization": {"Bearer planted"}}})
		require.ErrorIs(t, err, session.ErrUnavailable, path)
		require.Equal(t, 9*time.Second, session.RetryAfter(err), path)
		require.NotContains(t, err.Error(), "planted")
	}
}

// A redirect is not followed even within the origin: what is asked carries a credential.
func TestCallFollowsNoRedirect(t *testing.T) {
	p, base := peer(t)
	c := testClient(t, ClientOptions{})
	_, err := c.Call(t.Context(), Question{URL: base + "/moved"})
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.Equal(t, 1, p.Asked())
	require.ErrorIs(t, c.Health(), session.ErrUnavailable, "an authority that redirects is not well")
}

func TestNonsenseIsUnknownAndTold(t *testing.T) {
	p, base := peer(t)
	c := testClient(t, ClientOptions{Timeout: 2 * time.Second})
	ask := func() error {
		r, err := c.Call(t.Context(), Question{URL: base + "/ok"})
		if err == nil {
			_, err = c.Object(r)
		}
		return err
	}
	for _, mode := range panel.Nonsense() {
		p.Set(mode)
		require.ErrorIs(t, ask(), session.ErrUnavailable, mode)
		require.ErrorIs(t, c.Health(), session.ErrUnavailable, mode)
		p.Set(panel.Up)
		require.NoError(t, ask())
		require.NoError(t, c.Health(), mode)
	}
}

func TestAnAnswerWithoutEndIsGivenUp(t *testing.T) {
	p, base := peer(t)
	c := testClient(t, ClientOptions{Timeout: 50 * time.Millisecond})
	for _, mode := range []panel.Mode{panel.Stall, panel.Drip} {
		p.Set(mode)
		_, err := c.Call(t.Context(), Question{URL: base + "/ok"})
		require.ErrorIs(t, err, session.ErrUnavailable, mode)
	}
}

func TestACallerThatWentAwaySaysNothingAboutTheAuthority(t *testing.T) {
	p, base := peer(t)
	p.Set(panel.Stall)
	c := testClient(t, ClientOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err := c.Get(ctx, base, nil)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.True(t, errors.Is(err, context.Canceled))
	require.NoError(t, c.Health())
}
