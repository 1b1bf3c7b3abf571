package admin

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

const (
	plantedCode   = "planted-code-4711"
	plantedDevice = "planted-device-code-4711"
)

// portal is an authority people log in at in a browser, here or on another device.
type portal struct {
	now   func() time.Time
	down  error
	agree func(ctx context.Context) error // waits for the user of the other device
	asked []session.Transaction
}

func newPortal() *portal { return &portal{agree: func(context.Context) error { return nil }} }

func (p *portal) Name() string { return "portal" }
func (p *portal) Kind() string { return "scripted" }

func (p *portal) session() *session.Session {
	s := corpSession("dora")
	s.Source = "portal"
	return s
}

func (p *portal) AuthorizationURL(_ context.Context, t session.Transaction) (string, error) {
	return "https://portal.example/authorize?" + url.Values{"state": {t.State}, "nonce": {t.Nonce}, "redirect_uri": {t.RedirectURI}}.Encode(), p.down
}

func (p *portal) Exchange(_ context.Context, t session.Transaction, cb session.Callback) (*session.Session, error) {
	p.asked = append(p.asked, t)
	if cb.Error != "" || cb.Code != plantedCode {
		return nil, fmt.Errorf("source portal: the provider refused the login: %w", session.ErrRejected)
	}
	return p.session(), p.down
}

func (p *portal) BeginDevice(context.Context) (session.DeviceAuthorization, error) {
	return session.DeviceAuthorization{
		DeviceCode: session.NewSecret(plantedDevice), UserCode: "WDJB-MJHT", VerificationURI: "https://portal.example/device",
		VerificationURIComplete: "https://portal.example/device?user_code=WDJB-MJHT", ExpiresAt: p.now().Add(10 * time.Minute), Interval: time.Second,
	}, p.down
}

func (p *portal) FinishDevice(ctx context.Context, a session.DeviceAuthorization) (*session.Session, error) {
	if a.DeviceCode.Reveal() != plantedDevice {
		return nil, fmt.Errorf("source portal: no such code: %w", session.ErrRejected)
	}
	return p.session(), p.agree(ctx)
}

var (
	_ session.RedirectLogin = (*portal)(nil)
	_ session.DeviceLogin   = (*portal)(nil)
)

// begin begins a login in a browser and returns what it is finished with.
func (h *house) begin() (attempt, state string) {
	h.t.Helper()
	l, err := begun(h)
	require.NoError(h.t, err)
	u, err := url.Parse(l.AuthorizationURL)
	require.NoError(h.t, err)
	return l.Attempt, u.Query().Get("state")
}

func begun(h *house) (l Loopback, err error) {
	down := h.portal.down
	h.portal.down = nil
	defer func() { h.portal.down = down }()
	rec := h.ask("POST", sessions+"/loopback", `{"source":"portal","redirect_uri":"http://127.0.0.1:40961/callback","ip":"127.0.0.1","user_agent":"cli"}`)
	return l, json.Unmarshal(rec.Body.Bytes(), &l)
}

func (h *house) finish(attempt, query string) (int, string) {
	h.t.Helper()
	body, err := json.Marshal(LoopbackAnswer{Attempt: attempt, Query: query})
	require.NoError(h.t, err)
	rec := h.ask("POST", sessions+"/loopback/finish", string(body))
	return rec.Code, rec.Body.String()
}

// TestLoopback_EndsAsCreateDoes: the session is of the client it was begun for, its cookie opens it, and what was asked for
// at the authority is what comes back with the attempt.
func TestLoopback_EndsAsCreateDoes(t *testing.T) {
	h := newHouse(t)
	attempt, state := h.begin()
	status, answer := h.finish(attempt, "code="+plantedCode+"&state="+state)
	require.Equal(t, http.StatusCreated, status, answer)
	var made Created
	require.NoError(t, json.Unmarshal([]byte(answer), &made))
	require.Equal(t, "dora", made.Session.Identity.Username)
	require.Equal(t, "cli", made.Session.Devices[0].UserAgent)
	require.NoError(t, h.shown(session.NewSecret(made.Cookie.Value)))
	asked := h.portal.asked[0]
	require.Equal(t, state, asked.State)
	require.Equal(t, "http://127.0.0.1:40961/callback", asked.RedirectURI)
	require.GreaterOrEqual(t, len(asked.CodeVerifier.Reveal()), 43, "RFC 7636 §4.1")
	require.NotEmpty(t, asked.Nonce)
	plain, err := base64.RawURLEncoding.DecodeString(attempt)
	require.NoError(t, err)
	require.NotContains(t, string(plain), asked.Nonce, "the attempt is sealed")
	require.NotContains(t, answer+h.log.String(), asked.CodeVerifier.Reveal())
	require.NotContains(t, h.log.String(), plantedCode)
}

// TestRejectSecondFinish: an attempt is good for one answer, whether that was a good one or not.
func TestRejectSecondFinish(t *testing.T) {
	h := newHouse(t)
	for _, first := range []string{"code=" + plantedCode, "code=wrong", "error=access_denied"} {
		attempt, state := h.begin()
		h.finish(attempt, first+"&state="+state)
		asked := len(h.portal.asked)
		status, answer := h.finish(attempt, "code="+plantedCode+"&state="+state)
		require.Equal(t, http.StatusUnprocessableEntity, status, answer)
		require.Contains(t, answer, "finished before")
		require.Len(t, h.portal.asked, asked)
	}
}

// TestRejectAnswerOfAnotherLogin: a state that is not the attempt's is asked of nobody, and spends nothing.
func TestRejectAnswerOfAnotherLogin(t *testing.T) {
	h := newHouse(t)
	attempt, state := h.begin()
	_, other := h.begin()
	for _, query := range []string{"code=" + plantedCode, "code=" + plantedCode + "&state=", "code=" + plantedCode + "&state=" + other, "code=" + plantedCode + "&state=" + state + "x"} {
		status, answer := h.finish(attempt, query)
		require.Equal(t, http.StatusUnprocessableEntity, status, query)
		require.Contains(t, answer, "another login")
	}
	for _, query := range []string{"code=" + plantedCode + "&state=" + state + "&state=" + state, "code=a&code=" + plantedCode + "&state=" + state, "state=%zz"} {
		status, _ := h.finish(attempt, query)
		require.Equal(t, http.StatusBadRequest, status, query)
	}
	require.Empty(t, h.portal.asked)
	status, _ := h.finish(attempt, "code="+plantedCode+"&state="+state)
	require.Equal(t, http.StatusCreated, status)
}

// TestRejectAttemptOfAnotherPurpose: what the same keys sealed for something else is no attempt, nor is one that was altered.
func TestRejectAttemptOfAnotherPurpose(t *testing.T) {
	h := newHouse(t)
	attempt, state := h.begin()
	sealed, err := base64.RawURLEncoding.DecodeString(attempt)
	require.NoError(t, err)
	plain, err := h.api.attempts.Open(sealed, nil)
	require.NoError(t, err)
	sealed[len(sealed)-1] ^= 1
	for name, forged := range map[string][]byte{
		"login state":  h.api.o.Keys.Sealer("login-state").Seal(plain, nil),
		"altered":      sealed,
		"in the clear": plain,
		"no JSON":      h.api.attempts.Seal([]byte("x"), nil),
		"empty":        {},
	} {
		status, answer := h.finish(base64.RawURLEncoding.EncodeToString(forged), "code="+plantedCode+"&state="+state)
		require.Equal(t, http.StatusBadRequest, status, name)
		require.Contains(t, answer, "attempt", name)
	}
	require.Empty(t, h.portal.asked)
	_, err = h.api.o.Keys.Sealer("login-state").Open(h.api.attempts.Seal(plain, nil), nil)
	require.Error(t, err, "nor is an attempt the state of a login in a browser of the gateway's own")
}

func TestRejectLateFinish(t *testing.T) {
	h := newHouse(t)
	attempt, state := h.begin()
	h.turn(loopbackLifetime + time.Second)
	status, answer := h.finish(attempt, "code="+plantedCode+"&state="+state)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Contains(t, answer, "took longer")
	require.Empty(t, h.portal.asked)
}

// TestRejectRedirectElsewhere: a code comes back to the caller's own machine or not at all.
func TestRejectRedirectElsewhere(t *testing.T) {
	h := newHouse(t)
	for _, to := range []string{
		"", "http://localhost:4000/callback", "https://127.0.0.1:4000/callback", "http://127.0.0.1/callback", "http://127.0.0.1:4000",
		"http://127.0.0.1:0/callback", "http://127.0.0.1:70000/callback", "http://127.0.0.1:+80/callback", "http://127.0.0.1:080/callback",
		"http://127.0.0.1:80@evil.example/callback", "http://127.0.0.1:4000@evil.example:80/", "http://evil.example/127.0.0.1:4000/",
		"http://127.0.0.1.evil.example:4000/", "http://0.0.0.0:4000/", "http://127.1:4000/", "http://127.0.0.2:4000/", "http://2130706433:4000/",
		"http://[::]:4000/", "http://[::1%25eth0]:4000/", "http://[::ffff:127.0.0.1]:4000/", "HTTP://127.0.0.1:4000/", "http://127.0.0.1:4000/?a=b",
		"http://127.0.0.1:4000/#x", "//127.0.0.1:4000/", "http://127.0.0.1:4000\\@evil.example/", "http://127.0.0.1:4000/ x", "javascript:alert(1)",
	} {
		body, err := json.Marshal(LoopbackLogin{Login: Login{Source: "portal"}, RedirectURI: to})
		require.NoError(t, err)
		rec := h.ask("POST", sessions+"/loopback", string(body))
		require.Equal(t, http.StatusBadRequest, rec.Code, to)
		require.Contains(t, rec.Body.String(), "redirect_uri", to)
	}
	for _, to := range []string{"http://127.0.0.1:1/", "http://[::1]:65535/a/callback"} {
		require.True(t, isLoopback(to), to)
	}
}

// waitingLogin begins a login on another device and returns once its codes are there.
func waitingLogin(t *testing.T, c *Client, ctx context.Context) <-chan error {
	t.Helper()
	shown, over := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := c.LoginOnDevice(ctx, Login{Source: "portal"}, func(d DeviceCodes) {
			if d.UserCode == "WDJB-MJHT" {
				close(shown)
			}
		})
		over <- err
	}()
	select {
	case <-shown:
	case err := <-over:
		t.Fatal(err)
	}
	return over
}

// TestDevice_WaitsLongerThanTheTimeouts: a person may take longer than a request may take to arrive and to be answered.
func TestDevice_WaitsLongerThanTheTimeouts(t *testing.T) {
	const timeout = 150 * time.Millisecond
	h := newHouse(t)
	h.portal.agree = func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(3 * timeout):
			return nil
		}
	}
	client, _ := h.serve(t, timeout)
	require.NoError(t, <-waitingLogin(t, client, t.Context()))
}

// TestDevice_EndsWithItsCaller: nobody is waited for on behalf of a caller who left, and a session that came too late ends.
func TestDevice_EndsWithItsCaller(t *testing.T) {
	h := newHouse(t)
	left := make(chan struct{})
	h.portal.agree = func(ctx context.Context) error { <-ctx.Done(); close(left); return nil } // agreed at the last moment
	client, _ := h.serve(t, 30*time.Second)
	ctx, leave := context.WithCancel(t.Context())
	over := waitingLogin(t, client, ctx)
	require.Len(t, h.api.waiting, 1)
	leave()
	require.Error(t, <-over)
	<-left
	require.Eventually(t, func() bool {
		n, err := h.ops.Counts(t.Context())
		return err == nil && n.Own == 0 && len(h.api.waiting) == 0
	}, 5*time.Second, time.Millisecond)
}

// deaf is a caller who reads nothing any more.
type deaf struct{ http.ResponseWriter }

func (deaf) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// TestDevice_SessionNobodyTookEnds: nobody could ever show its cookie.
func TestDevice_SessionNobodyTookEnds(t *testing.T) {
	h := newHouse(t)
	d, err := h.portal.BeginDevice(t.Context())
	require.NoError(t, err)
	h.api.awaitDevice(t.Context(), &lines{w: deaf{httptest.NewRecorder()}}, Login{Source: "portal"}, d)
	n, err := h.ops.Counts(t.Context())
	require.NoError(t, err)
	require.Zero(t, n.Own)
	require.Contains(t, h.log.String(), "a session was created")
}

// TestRejectMoreDevicesThanFit: who waits takes a place, and gives it back.
func TestRejectMoreDevicesThanFit(t *testing.T) {
	h := newHouse(t)
	var agreed atomic.Bool
	h.portal.agree = func(ctx context.Context) error {
		if !agreed.Load() {
			<-ctx.Done()
		}
		return ctx.Err()
	}
	client, _ := h.serve(t, 30*time.Second)
	ctx, leave := context.WithCancel(t.Context())
	var waiting []<-chan error
	for range 3 {
		waiting = append(waiting, waitingLogin(t, client, ctx))
	}
	for range maxWaiting - len(waiting) {
		_, err := h.api.wait()
		require.NoError(t, err)
	}
	_, err := client.LoginOnDevice(t.Context(), Login{Source: "portal"}, func(DeviceCodes) {})
	require.ErrorContains(t, err, "too_many_attempts")
	leave()
	for _, over := range waiting {
		require.Error(t, <-over)
	}
	require.Eventually(t, func() bool { return len(h.api.waiting) == maxWaiting-len(waiting) }, 5*time.Second, time.Millisecond)
	agreed.Store(true)
	_, err = client.LoginOnDevice(t.Context(), Login{Source: "portal"}, func(DeviceCodes) {})
	require.NoError(t, err)
}

// TestRejectDeviceCodeInAnswers: what proves at the authority whose login it is stays here.
func TestRejectDeviceCodeInAnswers(t *testing.T) {
	h := newHouse(t)
	for _, err := range []error{nil, fmt.Errorf("source portal: %w", session.ErrRejected), fmt.Errorf("dial %s", plantedDevice)} {
		h.portal.agree = func(context.Context) error { return err }
		rec := h.ask("POST", sessions+"/device", `{"source":"portal"}`)
		require.Equal(t, http.StatusOK, rec.Code)
		lines := 0
		for scan := bufio.NewScanner(strings.NewReader(rec.Body.String())); scan.Scan(); lines++ {
			require.True(t, json.Valid(scan.Bytes()))
		}
		require.Equal(t, 2, lines)
		for _, text := range []string{rec.Body.String(), h.log.String()} {
			for _, secret := range []string{plantedDevice, plantedAccess, plantedRefresh, plantedID} {
				require.NotContains(t, text, secret)
			}
		}
	}
}
