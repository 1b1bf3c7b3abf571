package source

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

const deviceCode = "planted-device-code"

// withDevice lets a offer logins on another device, with tokens answered in turn by replies; "" is tokens, "down" no answer.
func (a *testProvider) withDevice(replies ...string) {
	a.metadata["device_authorization_endpoint"] = a.URL + "/device"
	a.issued = append(a.issued, deviceCode)
	a.answer("/device", 200, a.deviceAnswer(1))
	asked := 0
	a.set(func() {
		a.hostile["/token"] = func(w http.ResponseWriter, r *http.Request) {
			reply := replies[min(asked, len(replies)-1)]
			asked++
			status, body, _ := strings.Cut(reply, " ")
			switch {
			case r.FormValue("device_code") != deviceCode || r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:device_code":
				writeJSON(w, 400, map[string]any{"error": "invalid_request"})
			case reply == "":
				a.mu.Lock()
				defer a.mu.Unlock()
				a.count++
				tokens := map[string]any{
					"access_token": a.secret("access"), "refresh_token": a.secret("refresh"), "token_type": "Bearer", "expires_in": 300,
					"id_token": a.sign(a.idClaims("")),
				}
				a.reply(tokens)
				writeJSON(w, 200, tokens)
			case reply == "down":
				panic(http.ErrAbortHandler)
			default:
				code := 400
				if _, err := fmt.Sscan(status, &code); err != nil {
					body = status
				}
				writeJSON(w, code, map[string]any{"error": body, "error_description": "planted"})
			}
		}
	})
}

func (a *testProvider) deviceAnswer(interval int) string {
	return fmt.Sprintf(`{"device_code":%q,"user_code":"WDJB-MJHT","verification_uri":"%s/#/device","verification_uri_complete":"%[2]s/device?user_code=WDJB-MJHT","expires_in":600,"interval":%[3]d}`, deviceCode, a.URL, interval)
}

// TestDevice: the user agrees after a while, and a session comes of it as of any other login.
func TestDevice(t *testing.T) {
	t.Parallel()
	a := newTestProvider(t)
	a.withDevice("authorization_pending", "")
	answer := a.hostile["/device"]
	var form url.Values
	var name, secret string
	a.set(func() {
		a.hostile["/device"] = func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			form = r.PostForm
			name, secret, _ = r.BasicAuth()
			answer(w, r)
		}
	})
	s := a.oidc()
	d, err := s.BeginDevice(t.Context())
	require.NoError(t, err)
	require.Equal(t, url.QueryEscape(clientSecret), secret, "a client with a secret proves who it is (RFC 8628 §3.1)")
	require.Equal(t, url.QueryEscape(clientID), name)
	require.Equal(t, "openid profile email offline_access", form.Get("scope"))
	require.Equal(t, "WDJB-MJHT", d.UserCode)
	require.Equal(t, a.URL+"/#/device", d.VerificationURI)
	require.Equal(t, startOfTest().Add(10*time.Minute), d.ExpiresAt)
	got, err := s.FinishDevice(t.Context(), d)
	require.NoError(t, err)
	require.Equal(t, "alice-1", got.Identity.Subject)
	require.Equal(t, "gold", got.ACR)
	require.True(t, got.Tokens.Renewable())
	require.Equal(t, 2, a.times("/token"))
	a.noSecrets(fmt.Sprintf("%v %+v %s", d, d, a.logs))
}

// TestDevice_EndsInAWord: what ends the waiting, of which class it is, and how often the provider is asked.
func TestDevice_EndsInAWord(t *testing.T) {
	for name, tt := range map[string]struct {
		replies []string
		change  func(a *testProvider)
		life    time.Duration // of the codes
		class   error
		text    string
		asked   int
	}{
		"refused":            {replies: []string{"access_denied"}, class: session.ErrRejected, text: "the user refused", asked: 1},
		"expired":            {replies: []string{"expired_token"}, class: session.ErrRejected, text: "nobody agreed in time", asked: 1},
		"expired here":       {replies: []string{"authorization_pending"}, life: 1500 * time.Millisecond, class: session.ErrRejected, text: "nobody agreed in time", asked: 1},
		"unknown code":       {replies: []string{"invalid_grant"}, class: session.ErrRejected, text: "invalid_grant", asked: 1},
		"our secret":         {replies: []string{"401 invalid_client"}, class: session.ErrUnavailable, text: "invalid_client", asked: 1},
		"down until the end": {replies: []string{"503 access_denied"}, life: 1500 * time.Millisecond, class: session.ErrUnavailable, text: "503", asked: 1},
		"another's token": {replies: []string{""}, change: func(a *testProvider) { a.claims["aud"] = "somebody" },
			class: session.ErrRejected, text: "audience", asked: 1},
		"another access token": {replies: []string{""}, change: func(a *testProvider) { a.claims["at_hash"] = "xxxxxxxxxxxxxxxxxxxxxx" },
			class: session.ErrRejected, text: "at_hash", asked: 1},
		"no ID token": {replies: []string{""}, change: func(a *testProvider) { a.reply = func(r map[string]any) { delete(r, "id_token") } },
			class: session.ErrRejected, text: "ID token", asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newTestProvider(t)
			a.withDevice(tt.replies...)
			if tt.change != nil {
				tt.change(a)
			}
			s := a.oidc()
			d, err := s.BeginDevice(t.Context())
			require.NoError(t, err)
			if tt.life > 0 {
				d.ExpiresAt = a.clock.Now().Add(tt.life)
			}
			_, err = s.FinishDevice(t.Context(), d)
			require.ErrorIs(t, err, tt.class)
			require.ErrorContains(t, err, tt.text)
			require.Equal(t, tt.class == session.ErrUnavailable, !isRejected(err))
			require.Equal(t, tt.asked, a.times("/token"))
			a.noSecrets(err.Error() + a.logs.String())
		})
	}
}

func isRejected(err error) bool { return strings.Contains(err.Error(), session.ErrRejected.Error()) }

// TestDevice_OutlivesAnOutage: a provider that is down for a moment ends no login, and is asked more seldom.
func TestDevice_OutlivesAnOutage(t *testing.T) {
	for _, reply := range []string{"down", "503 server_error", "429 slow_dow"} {
		t.Run(reply, func(t *testing.T) {
			t.Parallel()
			a := newTestProvider(t)
			a.withDevice(reply, "")
			s := a.oidc()
			d, err := s.BeginDevice(t.Context())
			require.NoError(t, err)
			began := time.Now()
			_, err = s.FinishDevice(t.Context(), d)
			require.NoError(t, err)
			require.GreaterOrEqual(t, time.Since(began), 3*time.Second, "one second, then two")
			require.Equal(t, 2, a.times("/token"))
		})
	}
}

// TestDevice_CallerGone: nobody is asked for a caller who left, and the provider is none the worse for it.
func TestDevice_CallerGone(t *testing.T) {
	t.Parallel()
	a := newTestProvider(t)
	a.withDevice("authorization_pending")
	s := a.oidc()
	d, err := s.BeginDevice(t.Context())
	require.NoError(t, err)
	ctx, leave := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, leave)
	_, err = s.FinishDevice(ctx, d)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.Zero(t, a.times("/token"))
	require.NoError(t, s.Health())
}

func TestDevice_Unsupported(t *testing.T) {
	a := newTestProvider(t)
	_, err := a.oidc().BeginDevice(t.Context())
	require.ErrorIs(t, err, session.ErrUnsupported)
	require.ErrorContains(t, err, "device_authorization_endpoint")

	a.withDevice("")
	s := a.oidc()
	a.answer("/device", 400, `{"error":"unauthorized_client"}`)
	_, err = s.BeginDevice(t.Context())
	require.ErrorIs(t, err, session.ErrUnsupported)
	a.answer("/device", 503, `{"error":"unauthorized_client"}`, "Retry-After", "7")
	_, err = s.BeginDevice(t.Context())
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.Equal(t, 7*time.Second, session.RetryAfter(err))
	a.answer("/device", 400, `{"error":"access_denied"}`)
	_, err = s.BeginDevice(t.Context())
	require.ErrorIs(t, err, session.ErrUnavailable, "there is no user yet who could be denied")
}

// TestRejectDeviceAnswers: no code or address is shown to people that could do something else than be read, and no time
// makes the asking run wild.
func TestRejectDeviceAnswers(t *testing.T) {
	a := newTestProvider(t)
	s := a.oidc()
	good := map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(a.deviceAnswer(5)), &good))
	for name, change := range map[string]map[string]any{
		"no device code":   {"device_code": nil},
		"no user code":     {"user_code": nil},
		"escape sequence":  {"user_code": "AB\x1b[2J"},
		"turned text":      {"user_code": "AB\u202eCD"},
		"endless code":     {"user_code": strings.Repeat("A", 3000)},
		"no address":       {"verification_uri": nil},
		"script":           {"verification_uri": "javascript:alert(1)"},
		"file":             {"verification_uri_complete": "file:///etc/passwd"},
		"plain http":       {"verification_uri": "http://id.example.com/device"},
		"complete, http":   {"verification_uri_complete": "http://id.example.com/device"},
		"user in address":  {"verification_uri": "https://id.example.com@evil.example/device"},
		"escape in hash":   {"verification_uri": "https://id.example.com/#\x1b[2J"},
		"no end":           {"expires_in": nil},
		"ended":            {"expires_in": -1},
		"negative pause":   {"interval": -5},
		"overflowing":      {"interval": int64(9223372036854775807)},
		"longer than life": {"interval": 601},
		"text for numbers": {"interval": "5"},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(overlay(good, change))
			require.NoError(t, err)
			_, err = s.readDevice(body, a.clock.Now())
			require.ErrorIs(t, err, session.ErrUnavailable)
			require.Error(t, s.Health())
		})
	}
	for name, change := range map[string]map[string]any{
		"no complete address": {"verification_uri_complete": nil},
		"no pause":            {"interval": nil},
		"long life":           {"expires_in": int64(9223372036854775807)},
	} {
		body, err := json.Marshal(overlay(good, change))
		require.NoError(t, err)
		d, err := s.readDevice(body, a.clock.Now())
		require.NoError(t, err, name)
		require.Equal(t, 5*time.Second, d.Interval)
		require.LessOrEqual(t, d.ExpiresAt.Sub(a.clock.Now()), maxDeviceLifetime)
	}
}

func FuzzDeviceAnswer(f *testing.F) {
	s, err := Open(Options{Name: "corp", OIDC: &OIDCOptions{Issuer: "https://id.example.com", ClientID: "c", ClientSecret: session.NewSecret("s")}}, Deps{CallbackURL: callbackURL})
	require.NoError(f, err)
	o := s.(*OIDC)
	f.Add([]byte(`{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"https://id.example.com/device","expires_in":600,"interval":5}`))
	f.Add([]byte(`{"device_code":"d","user_code":"U","verification_url":"https://id.example.com/#/d","expires_in":1e3}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		now := startOfTest()
		d, err := o.readDevice(body, now)
		if err != nil {
			require.ErrorIs(t, err, session.ErrUnavailable)
			return
		}
		require.True(t, legible(d.UserCode) && o.mayBeOpened(d.VerificationURI) && !d.DeviceCode.Empty())
		life := d.ExpiresAt.Sub(now)
		require.True(t, life > 0 && life <= maxDeviceLifetime && d.Interval > 0 && d.Interval < life)
	})
}
