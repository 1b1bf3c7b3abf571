package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/demo/provider"
)

func parseReply(t testing.TB, data []byte) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), nil)
	require.NoError(t, err, "%q", data)
	body, _ := io.ReadAll(res.Body)
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res
}

// TestMainJob is the whole of it: log in, see the identity, outlive the token, outlive the gateway, log out.
func TestMainJob(t *testing.T) {
	const ttl = 4 * time.Second
	w := newWorld(t, worldOptions{tokenTTL: ttl})

	b, s := w.login("/deep/page?x=1")
	require.Equal(t, "/deep/page?x=1", s.URI, "the login came back to where it began")
	require.Equal(t, "alice-sub", s.Header.Get("X-Forwarded-User"))
	require.Equal(t, "alice", s.Header.Get("X-Forwarded-Preferred-Username"))
	require.Equal(t, "alice@corp.example", s.Header.Get("X-Forwarded-Email"))
	require.Equal(t, "staff", s.Header.Get("X-Forwarded-Groups"))
	require.NotEmpty(t, s.Header.Get("X-Sessionward-Assertion"))
	require.Empty(t, s.Header.Get("Cookie"), "our cookies are not the application's")
	require.Equal(t, 1, w.provider.TokenCalls("authorization_code"))

	// The token's life passes without a request; the group changes meanwhile.
	changed := alice
	changed.Groups = []string{"staff", "admins"}
	require.NoError(t, w.provider.SetUser(changed))
	before := w.provider.TokenCalls("refresh_token")
	<-time.After(ttl + 500*time.Millisecond)
	const parallel = 200
	groups := w.parallel(b, parallel, "/")
	require.Equal(t, before+1, w.provider.TokenCalls("refresh_token"), "one token call for %d requests at expiry", parallel)
	for _, g := range groups {
		require.Equal(t, "staff,admins", g, "the application sees the new token's claims")
	}

	w.stop()
	w.start()
	s = w.seen(w.get(b, "/after-restart"))
	require.Equal(t, "alice-sub", s.Header.Get("X-Forwarded-User"), "still logged in")
	require.Equal(t, 1, w.provider.TokenCalls("authorization_code"), "and that without a new login")

	require.Equal(t, 1, w.provider.Sessions(alice.Subject))
	cookie := cookieHeader(b, w.url)
	w.logout(b)
	require.Zero(t, w.provider.Sessions(alice.Subject), "the provider's session ended")
	require.Zero(t, w.provider.ActiveRefreshTokens(alice.Subject))
	calls := w.app.count()
	res := w.get(b, "/")
	require.Equal(t, http.StatusFound, res.StatusCode)
	res = w.do(w.browser(), http.MethodGet, "/", nil, "Cookie", cookie)
	require.Equal(t, http.StatusUnauthorized, res.StatusCode, "the old cookie never works again")
	require.Equal(t, calls, w.app.count())
}

// parallel sends n requests at once and returns the groups the application saw for each.
func (w *world) parallel(b *http.Client, n int, path string) []string {
	w.t.Helper()
	groups := make([]string, n)
	statuses := make([]int, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			res := w.get(b, path)
			statuses[i] = res.StatusCode
			if res.StatusCode == http.StatusOK {
				groups[i] = w.seen(res).Header.Get("X-Forwarded-Groups")
			}
		})
	}
	close(start)
	wg.Wait()
	for _, code := range statuses {
		require.Equal(w.t, http.StatusOK, code, "%s", w.output)
	}
	return groups
}

// logout posts the form of the logout page and follows it to the end.
func (w *world) logout(b *http.Client) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodPost, w.url+"/_session/logout", nil)
	require.NoError(w.t, err)
	req.Header.Set("Origin", w.url)
	req.Header.Set("Accept", "text/html")
	res, err := b.Do(req)
	require.NoError(w.t, err)
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	require.Equal(w.t, http.StatusOK, res.StatusCode, "%s", body)
	require.Equal(w.t, "/_session/signed-out", res.Request.URL.Path, "back from the provider's logout")
	require.Contains(w.t, string(body), "You are signed out")
}

// TestTwentyTabs: logins begun at once in one browser each land on their own target, with one small cookie.
func TestTwentyTabs(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b := w.browser()
	const tabs = 20
	authorize := make([]string, tabs)
	for i := range tabs {
		res := w.get(b, fmt.Sprintf("/tab/%d", i))
		require.Equal(t, http.StatusFound, res.StatusCode)
		res = w.get(b, strings.TrimPrefix(res.Header.Get("Location"), w.url))
		require.Equal(t, http.StatusFound, res.StatusCode)
		authorize[i] = res.Header.Get("Location")
	}
	require.Less(t, len(cookieHeader(b, w.url)), 1500)
	for i, start := range authorize {
		res, err := provider.Login(context.Background(), b, start, alice.Username, alice.Password)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("/tab/%d", i), w.seen(res).URI)
	}
}

// TestKillNine: what a browser was given a cookie for is there after kill -9, however the gateway died.
func TestKillNine(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 5
	}
	w := newWorld(t, worldOptions{noStart: true})
	var kept []*http.Client
	for round := range rounds {
		w.start()
		for _, b := range kept {
			require.Equal(t, http.StatusOK, w.get(b, "/").StatusCode, "round %d: a session whose cookie was sent is gone", round)
		}
		kept = w.loginsUntilKilled()
		require.NotEmpty(t, kept, "round %d", round)
	}
}

// loginsUntilKilled has several browsers log in at once, kills the gateway in the midst of it, and returns those that
// got their session cookie.
func (w *world) loginsUntilKilled() []*http.Client {
	w.t.Helper()
	var mu sync.Mutex
	var kept []*http.Client
	first := make(chan struct{}, 64)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				b := w.browser()
				res, err := provider.Login(ctx, b, w.url+"/", alice.Username, alice.Password)
				if err == nil {
					_ = res.Body.Close()
				}
				if strings.Contains(cookieHeader(b, w.url), "sessionward=") {
					mu.Lock()
					kept = append(kept, b)
					mu.Unlock()
					first <- struct{}{}
				}
			}
		})
	}
	select {
	case <-first:
	case <-time.After(20 * time.Second):
		w.t.Error("nobody logged in")
	}
	w.kill()
	cancel()
	wg.Wait()
	return kept
}

// TestSecondProcessOnOneStore: it ends within two seconds and says what to do.
func TestSecondProcessOnOneStore(t *testing.T) {
	w := newWorld(t, worldOptions{})
	began := time.Now()
	second := w.launch()
	select {
	case <-second.done:
	case <-time.After(5 * time.Second):
		t.Fatal("the second process did not end")
	}
	require.Error(t, second.err)
	require.Less(t, time.Since(began), 4*time.Second) // two seconds of its own, the rest for a busy machine
	require.Contains(t, w.output.String(), filepath.Join(w.dir, "sessions.db"))
}

// TestProviderDown: the gateway starts without its provider, says so to people, and recovers by itself.
func TestProviderDown(t *testing.T) {
	w := newWorld(t, worldOptions{noStart: true})
	w.provider.Fail(provider.DiscoveryPath, http.StatusBadGateway, "down")
	w.start()
	require.Equal(t, http.StatusOK, w.get(w.browser(), "/public/x").StatusCode, "public routes do not care")
	b := w.browser()
	res := w.get(b, "/")
	require.Equal(t, http.StatusFound, res.StatusCode)
	res = w.get(b, strings.TrimPrefix(res.Header.Get("Location"), w.url))
	body, _ := io.ReadAll(res.Body)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.NotEmpty(t, res.Header.Get("Retry-After"))
	require.Contains(t, string(body), res.Header.Get("X-Request-Id"), "the page names its request")
	require.Empty(t, res.Cookies(), "no login began")

	w.provider.Heal()
	deadline := time.Now().Add(20 * time.Second)
	for w.get(b, "/_session/login").StatusCode != http.StatusFound {
		require.True(t, time.Now().Before(deadline), "it did not recover")
		<-time.After(100 * time.Millisecond)
	}
}

// TestProviderDownLater: an outage at renewal ends nobody's session.
func TestProviderDownLater(t *testing.T) {
	const ttl = 3 * time.Second
	w := newWorld(t, worldOptions{tokenTTL: ttl})
	b, _ := w.login("/")
	w.provider.Fail(provider.TokenPath, http.StatusServiceUnavailable, "down")
	<-time.After(ttl + 200*time.Millisecond)
	res := w.get(b, "/")
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.NotEmpty(t, res.Header.Get("Retry-After"))
	require.Empty(t, res.Header.Values("Set-Cookie"), "no cookie is taken away")
	require.Equal(t, 1, w.provider.ActiveRefreshTokens(alice.Subject))

	w.provider.Heal()
	deadline := time.Now().Add(30 * time.Second)
	for w.get(b, "/").StatusCode != http.StatusOK {
		require.True(t, time.Now().Before(deadline), "it did not recover\n%s", w.output)
		<-time.After(200 * time.Millisecond)
	}
	require.Equal(t, 1, w.provider.TokenCalls("authorization_code"), "without a login")
}

// TestRevokedAtProvider: a definite refusal ends the session on that very request.
func TestRevokedAtProvider(t *testing.T) {
	const ttl = 3 * time.Second
	w := newWorld(t, worldOptions{tokenTTL: ttl})
	b, _ := w.login("/")
	w.provider.RevokeUser(alice.Subject)
	<-time.After(ttl + 200*time.Millisecond)
	res := w.get(b, "/")
	require.Equal(t, http.StatusFound, res.StatusCode)
	to, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, "/_session/login", to.Path)
}

// TestNoSecretIsPrinted: S-217. Everything the gateway wrote at debug level holds none of the secrets of this run.
func TestNoSecretIsPrinted(t *testing.T) {
	w := newWorld(t, worldOptions{})
	b, _ := w.login("/?token=planted-query-secret")
	w.get(b, "/_session/callback/corp?code=planted-code&state=planted-state")
	w.do(w.browser(), http.MethodGet, "/", nil, "Authorization", "Bearer planted-bearer-secret", "Cookie", "sessionward=planted-cookie-secret")
	w.logout(b)
	secrets := []string{clientSecret, "planted-"}
	for _, c := range strings.Split(cookieHeader(b, w.url), "; ") {
		_, value, _ := strings.Cut(c, "=")
		secrets = append(secrets, value)
	}
	out := w.output.String()
	require.Contains(t, out, "listening")
	for _, s := range secrets {
		if len(s) > 7 {
			require.NotContains(t, out, s)
		}
	}
}
