package vsphere

import (
	"compress/gzip"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/vsphere"
	"github.com/sessionward/sessionward/session"
)

// Looking is touching: a session that is asked about lives on for ever, so nothing here can be used to watch one.
func TestTrap25_IntrospectionIsAKeepAlive(t *testing.T) {
	for name, po := range map[string]peer.Options{"api": {}, "rest": {Old: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, po)
			id := w.peer.Login(user)
			for range 5 { // the trap: 100 minutes of an idle timeout of 30
				w.peer.Panel().Advance(20 * time.Minute)
				s, err := w.resolve(id)
				require.NoError(t, err)
				require.WithinDuration(t, w.peer.Panel().Now().Add(30*time.Minute), s.IdleExpiresAt, time.Minute)
			}
			var source session.Source = w.Source
			_, watches := source.(session.Keeper)
			require.False(t, watches, "streams are not kept alive by watching them")
			_, runs := source.(session.Starter)
			require.False(t, runs, "nothing polls")
			asked := w.peer.Panel().Asked()
			s, err := w.resolve(id)
			require.NoError(t, err)
			require.True(t, w.ValidToken(s))
			_, _ = w.EndsWithin(s, time.Hour)
			w.TouchAt(s)
			require.Equal(t, asked+1, w.peer.Panel().Asked(), "questions about time ask nobody")
			w.peer.Panel().Advance(31 * time.Minute)
			_, err = w.resolve(id)
			require.ErrorIs(t, err, session.ErrRejected, "not looked at, it ends")
		})
	}
}

func TestTrap26_401WithoutBodyAndInBothEnvelopes(t *testing.T) {
	for name, po := range map[string]peer.Options{
		"empty": {}, "api envelope": {Envelopes: true}, "rest envelope": {Envelopes: true, Old: true}, "rest empty": {Old: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, po)
			res, err := http.Get(w.url + map[bool]string{false: apiPath, true: restPath}[po.Old]) // the trap: the peer shows it
			require.NoError(t, err)
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			require.Equal(t, http.StatusUnauthorized, res.StatusCode)
			require.Equal(t, po.Envelopes, len(body) > 0)
			_, err = w.resolve("dead")
			require.ErrorIs(t, err, session.ErrRejected)
			_, err = w.VerifyPassword(t.Context(), user, session.NewSecret("wrong"), "")
			require.ErrorIs(t, err, session.ErrRejected)
			require.NoError(t, w.Health(), "a refusal is an answer")
		})
	}
}

// A 401 that is not the API's own says nothing: a proxy in between may ask for a password of its own.
func TestA401OfSomethingElseDeniesNobody(t *testing.T) {
	for name, body := range map[string]string{
		"html": "<html>401</html>", "other json": `{"error":"login"}`, "another kind": `{"error_type":"SERVICE_UNAVAILABLE"}`,
		"kind twice": `{"error_type":"UNAUTHENTICATED","error_type":"ERROR"}`, "half": `{"error_type":"UNAUTHENTICATED"`,
	} {
		t.Run(name, func(t *testing.T) {
			w := answering(t, http.StatusUnauthorized, body)
			_, err := w.Resolve(t.Context(), (&world{}).header("52d4a8f1"))
			require.ErrorIs(t, err, session.ErrUnavailable)
			require.NotErrorIs(t, err, session.ErrRejected)
			require.ErrorIs(t, w.Health(), session.ErrUnavailable)
		})
	}
}

func TestTrap27_404OnAPISessionFallsBackToRestAndIsRemembered(t *testing.T) {
	w := newWorld(t, peer.Options{Old: true})
	id := w.peer.Login(user)
	res, err := http.Get(w.url + apiPath) // the trap
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	before := w.peer.Panel().Asked()
	s, err := w.resolve(id)
	require.NoError(t, err)
	require.Equal(t, user, s.Identity.Subject)
	require.Equal(t, before+2, w.peer.Panel().Asked(), "once at each path")
	_, err = w.resolve(id)
	require.NoError(t, err)
	require.Equal(t, before+3, w.peer.Panel().Asked(), "remembered")
	require.NoError(t, w.Revoke(t.Context(), s))
	_, err = w.resolve(id)
	require.ErrorIs(t, err, session.ErrRejected)
}

// A vCenter that answers 404 at both paths is starting: nobody is logged out, and nothing is remembered.
func TestNeitherGenerationIsUnknown(t *testing.T) {
	w := answering(t, http.StatusNotFound, "")
	_, err := w.Resolve(t.Context(), (&world{}).header("52d4a8f1"))
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.ErrorContains(t, err, "at either of its paths")
	require.False(t, w.old.Load())
}

// answering is a source whose vCenter has one answer for everything.
func answering(t *testing.T, status int, body string) *Source {
	t.Helper()
	w := newWorld(t, peer.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	}))
	t.Cleanup(server.Close)
	return w.open(func(o *Options) { o.URL = server.URL })
}

// The port that is signed is 80 when the URL has none, for https too: that is what the vCenter finds in the Host header.
func TestTrap28_HolderOfKeySignatureUsesPort80WithoutAPort(t *testing.T) {
	for name, address := range map[string]string{
		"name": "https://VCenter.example.com", "port": "https://vcenter.example.com:8443", "IPv6": "https://[2001:db8::1]", "IPv6 and port": "https://[2001:db8::1]:443",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, peer.Options{}, withKey(t))
			token, err := w.tokens.issue(t.Context(), user, session.NewSecret(password))
			require.NoError(t, err)
			require.True(t, token.holder)
			target, err := url.Parse(address + apiPath)
			require.NoError(t, err)
			post := func(signedFor *url.URL) int {
				by, err := w.tokens.proof(token)
				require.NoError(t, err)
				header, err := by(http.MethodPost, signedFor)
				require.NoError(t, err)
				r := httptest.NewRequest(http.MethodPost, target.String(), nil)
				r.Header = header
				rec := httptest.NewRecorder()
				w.peer.ServeHTTP(rec, r)
				return rec.Code
			}
			require.Equal(t, http.StatusCreated, post(target))
			if target.Port() == "" { // the trap: the port that https has is wrong
				withPort := *target
				withPort.Host += ":443"
				require.Equal(t, http.StatusUnauthorized, post(&withPort))
			}
		})
	}
}

func TestTrap29_503LogsNobodyOut(t *testing.T) {
	for name, po := range map[string]peer.Options{"api": {Envelopes: true}, "rest": {Envelopes: true, Old: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, po)
			id := w.peer.Login(user)
			ours := w.mustLogin()
			w.peer.Unavailable(true)
			_, err := w.resolve(id)
			require.ErrorIs(t, err, session.ErrUnavailable)
			require.NotErrorIs(t, err, session.ErrRejected)
			require.ErrorIs(t, w.Verify(t.Context(), ours), session.ErrUnavailable)
			require.ErrorIs(t, w.Revoke(t.Context(), ours), session.ErrUnavailable)
			_, err = w.login()
			require.ErrorIs(t, err, session.ErrUnavailable)
			w.peer.Unavailable(false)
			_, err = w.resolve(id)
			require.NoError(t, err, "the same credential")
			require.NoError(t, w.Verify(t.Context(), ours))
			w.peer.Panel().Set(panel.Failing)
			_, err = w.resolve(id)
			require.Equal(t, 7*time.Second, session.RetryAfter(err))
		})
	}
}

// The assertion is signed by who issued it: written anew it is another one, and refused.
func TestTrap30_AssertionBytesArriveUnchanged(t *testing.T) {
	w := newWorld(t, peer.Options{}, func(o *Options) { o.Login = loginSAML })
	assertion := w.peer.Assertion(user)
	require.Contains(t, assertion, "&apos;", "what an XML writer would not write")
	require.Contains(t, assertion, "\n")
	s, err := w.VerifyAssertion(t.Context(), session.NewSecret(assertion))
	require.NoError(t, err)
	require.Equal(t, user, s.Identity.Subject)
	require.Equal(t, "saml_bearer", s.AuthenticationMethods[0].Method)
	require.Equal(t, assertion, sentAssertion(t, w))
	_, err = w.VerifyAssertion(t.Context(), session.NewSecret(strings.Replace(assertion, "&apos;", "'", 1))) // the trap
	require.ErrorIs(t, err, session.ErrRejected)

	_, err = w.login()
	require.NoError(t, err, "what the token service gave arrives unchanged as well")
}

// sentAssertion unpacks the assertion of the last SIGN header the vCenter was shown.
func sentAssertion(t *testing.T, w *world) string {
	t.Helper()
	var last string
	for _, shown := range w.peer.Panel().Shown() {
		if m := regexp.MustCompile(`SIGN token="([^"]+)"`).FindStringSubmatch(shown); m != nil {
			last = m[1]
		}
	}
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(last)))
	require.NoError(t, err)
	data, err := io.ReadAll(z)
	require.NoError(t, err)
	return string(data)
}
