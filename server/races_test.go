package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLogoutWinsAgainstRenewal: a logout in the midst of requests that renew, ask again about and write down the
// use of the same session. Once it has answered the session never works again, and no token of it is left.
func TestLogoutWinsAgainstRenewal(t *testing.T) {
	const sessions, parallel = 24, 6
	const ttl = 2 * time.Second
	w := newWorld(t, worldOptions{tokenTTL: ttl, logLevel: "error", extra: "session: {idle_timeout: 4s, touch_every: 100ms}\ncache: {fresh_for: 50ms, stale_for: 10s}\n"})
	var wg sync.WaitGroup
	for i := range sessions {
		b, _ := w.login("/")
		cookie := cookieHeader(b, w.url)
		wg.Go(func() {
			<-time.After(ttl/2 + time.Duration(i%8)*ttl/16) // from where renewal begins to where the token ends
			var requests sync.WaitGroup
			for range parallel {
				requests.Go(func() {
					for range 4 {
						w.do(w.browser(), http.MethodGet, "/", nil, "Cookie", cookie)
					}
				})
			}
			res := w.do(w.browser(), http.MethodPost, "/_session/logout", nil, "Cookie", cookie, "Origin", w.url)
			if res.StatusCode != http.StatusSeeOther {
				t.Errorf("logout answered %d", res.StatusCode)
			}
			for range 3 {
				if code := w.do(w.browser(), http.MethodGet, "/", nil, "Cookie", cookie).StatusCode; code != http.StatusUnauthorized {
					t.Errorf("%d with the cookie of a session that has ended", code)
				}
			}
			requests.Wait()
			if code := w.do(w.browser(), http.MethodGet, "/", nil, "Cookie", cookie).StatusCode; code != http.StatusUnauthorized {
				t.Errorf("%d later", code)
			}
		})
	}
	wg.Wait()
	require.Eventually(t, func() bool { return w.provider.ActiveRefreshTokens(alice.Subject) == 0 }, 5*time.Second, 10*time.Millisecond, "tokens of ended sessions are left")
}

// slowApplication answers /slow when told to, and /stream never to the end.
func slowApplication(t *testing.T) (url string, began <-chan string, finish chan<- struct{}) {
	t.Helper()
	begun, finished := make(chan string, 8), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
		}
		begun <- r.URL.Path
		select {
		case <-finished:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, begun, finished
}

// TestStopLetsRequestsComplete: after SIGTERM nobody new is let in, what is under way completes, and the exit is
// clean. A second SIGTERM does not wait for a stream.
func TestStopLetsRequestsComplete(t *testing.T) {
	app, began, finish := slowApplication(t)
	w := newWorld(t, worldOptions{routes: fmt.Sprintf("\n  - {name: app, access: public, upstream: {url: %q}}\n", app)})
	status := make(chan int, 1)
	go func() { status <- w.get(w.browser(), "/slow").StatusCode }()
	require.Equal(t, "/slow", <-began)
	require.NoError(t, w.gateway.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, w.refusesConnections, 5*time.Second, 5*time.Millisecond)
	finish <- struct{}{}
	require.Equal(t, http.StatusOK, <-status)
	w.wait(5 * time.Second)
	require.NoError(t, w.gateway.err)

	w.start()
	res, err := http.Get(w.url + "/stream")
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.NoError(t, w.gateway.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, w.refusesConnections, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, w.gateway.cmd.Process.Signal(syscall.SIGTERM))
	w.wait(time.Second) // and not the shutdown_timeout of 5 s
}

func (w *world) refusesConnections() bool {
	res, err := http.Get(w.url + "/_session/static/style.css")
	if err == nil {
		_ = res.Body.Close()
	}
	return err != nil
}
