package middleware

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

const elsewhere = "elsewhere_session"

// villa is a session system with a cookie, a login page and a logout of its own. The value of the cookie says how it
// answers, and before a colon whose it is.
type villa struct {
	mu      sync.Mutex
	revoked []string
	failing error
}

func (*villa) Name() string { return "villa" }
func (*villa) Kind() string { return "scripted" }
func (*villa) Places() []session.Place {
	return []session.Place{{Kind: session.KindCookie, Name: elsewhere}, {Kind: session.KindHeader, Name: "X-Villa"}}
}

func (v *villa) Resolve(_ context.Context, c session.Credential) (*session.Session, error) {
	value := c.Value.Reveal()
	user, how, _ := strings.Cut(value, ":")
	s := &session.Session{ID: value, Handle: "h-" + user, Source: "villa", Active: true, Identity: session.Identity{Subject: user}}
	switch how {
	case "weak":
		return nil, session.WithLoginURL(session.ErrInsufficient, "https://villa.example/login?aal=2")
	case "odd":
		return nil, session.WithLoginURL(session.ErrInsufficient, "javascript:alert(1)")
	case "blocked":
		return nil, session.ErrInsufficient
	case "new":
		s.Reissue = []session.ReplyHeader{{Name: "Set-Cookie", Value: session.NewSecret(elsewhere + "=newer; Path=/; HttpOnly")}}
	case "ended":
		return nil, session.ErrRejected
	}
	return s, nil
}

func (*villa) LoginURL(returnTo string) string {
	return "https://villa.example/login?" + url.Values{"return_to": {returnTo}}.Encode()
}

func (v *villa) Revoke(_ context.Context, s *session.Session) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failing == nil {
		v.revoked = append(v.revoked, s.ID)
	}
	return v.failing
}

func newVilla(t *testing.T) (*villa, *house, *browser) {
	v := &villa{}
	h := newHouse(t, houseOptions{sources: []session.Source{v}})
	return v, h, h.browser()
}

func TestExternalLoginGetsTheWholeAddress(t *testing.T) {
	_, _, b := newVilla(t)
	res := b.get("/app/x?y=1&z=2")
	require.Equal(t, http.StatusFound, res.StatusCode)
	res = b.get(res.Header.Get("Location"))
	require.Equal(t, http.StatusFound, res.StatusCode, text(res))
	require.Equal(t, "villa.example", location(t, res).Host)
	require.Equal(t, "https://gw.example/app/x?y=1&z=2", location(t, res).Query().Get("return_to"))
	b.jar[elsewhere] = "alice"
	require.Contains(t, text(b.get("/app/x?y=1&z=2")), "application for alice")
	res = b.get("/_session/login?return_to=https://evil.example/")
	require.Equal(t, "/", res.Header.Get("Location"), "signed in already")
	delete(b.jar, elsewhere)
	res = b.get("/_session/login?return_to=https://evil.example/")
	require.Equal(t, "https://gw.example/", location(t, res).Query().Get("return_to"), "never to a foreign site")
	require.Equal(t, http.StatusUnauthorized, b.do("GET", "/app", nil, "Accept", "application/json").StatusCode, "programs are told")
}

func TestExternalLoginStandsInTheChooser(t *testing.T) {
	h := newHouse(t, houseOptions{sources: []session.Source{&villa{}, &doorman{name: "door"}}})
	page := text(h.browser().get("/_session/login?return_to=/x"))
	require.Contains(t, page, "source=villa")
	require.Contains(t, page, `value="door"`)
}

// TestExternalLoginLoopIsStopped: the authority's cookie never reaches us, so that every return is another login.
func TestExternalLoginLoopIsStopped(t *testing.T) {
	_, _, b := newVilla(t)
	for range maxInARow {
		require.Equal(t, http.StatusFound, b.get("/_session/login").StatusCode)
	}
	res := b.get("/_session/login")
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.Contains(t, text(res), "several times")
}

func TestProveMoreSendsBrowsersAndTellsPrograms(t *testing.T) {
	_, _, b := newVilla(t)
	b.jar[elsewhere] = "alice:weak"
	res := b.get("/app/x?y=1")
	require.Equal(t, http.StatusFound, res.StatusCode)
	to := location(t, res)
	require.Equal(t, "villa.example", to.Host)
	require.Equal(t, "2", to.Query().Get("aal"))
	require.Equal(t, "https://gw.example/app/x?y=1", to.Query().Get("return_to"))
	require.Empty(t, res.Cookies(), "nobody is logged out")
	res = b.do("GET", "/app/x", nil, "Accept", "application/json")
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Contains(t, text(res), "insufficient_session")
	require.Contains(t, text(b.get("/optional")), "application for nobody")
	for _, value := range []string{"alice:blocked", "alice:odd"} {
		b.jar[elsewhere] = value
		require.Equal(t, http.StatusForbidden, b.get("/app").StatusCode, value)
	}
}

func TestReissuedCredentialReachesTheClient(t *testing.T) {
	_, h, b := newVilla(t)
	h.app = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Cache-Control", "public, max-age=60")
	}
	b.jar[elsewhere] = "alice:new"
	for _, path := range []string{"/app", "/_session/me", "/admin"} { // the last one is refused by its rule
		b.jar[elsewhere] = "alice:new"
		res := b.get(path)
		require.Len(t, res.Cookies(), 1, path)
		require.Equal(t, "newer", b.jar[elsewhere], path)
		require.NotEqual(t, []string{"public, max-age=60"}, res.Header.Values("Cache-Control"), "%s: no shared cache keeps a credential", path)
	}
	b.jar[elsewhere] = "alice"
	require.Equal(t, []string{"public, max-age=60"}, b.get("/app").Header.Values("Cache-Control"), "otherwise nothing is touched")
	require.NotContains(t, h.log.String(), "newer")
}

func TestForeignLogoutEndsAtTheAuthorityAndHere(t *testing.T) {
	v, _, b := newVilla(t)
	b.jar[elsewhere] = "alice"
	require.Equal(t, http.StatusForbidden, b.post("/_session/logout", url.Values{}, "Sec-Fetch-Site", "cross-site").StatusCode)
	page := b.get("/_session/logout")
	require.Contains(t, text(page), "signed in as <strong>alice</strong>")
	require.Empty(t, v.revoked)

	v.failing = session.ErrUnavailable
	require.Equal(t, http.StatusServiceUnavailable, b.post("/_session/logout", url.Values{}).StatusCode)
	require.Contains(t, text(b.get("/app")), "application for alice", "nobody is told they are signed out while they are not")

	v.failing = nil
	res := b.post("/_session/logout", url.Values{})
	require.Equal(t, "/_session/signed-out", res.Header.Get("Location"))
	require.Equal(t, []string{"alice"}, v.revoked)
	require.Equal(t, http.StatusFound, b.get("/app").StatusCode, "the authority would still say yes, and is not asked")
}

func TestForeignLogoutWithoutSuchACallEndsHere(t *testing.T) {
	v, _, b := newVilla(t)
	v.failing = errors.Join(errors.New("no such call"), session.ErrUnsupported)
	b.jar[elsewhere] = "alice"
	require.Equal(t, http.StatusSeeOther, b.post("/_session/logout", url.Values{}).StatusCode)
	require.Equal(t, http.StatusFound, b.get("/app").StatusCode)
}
