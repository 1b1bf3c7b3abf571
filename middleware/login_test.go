package middleware

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// TestEndpointsAndMethods: what each endpoint of ours takes; all else below the prefix is 404 or 405 and reaches no
// application.
func TestEndpointsAndMethods(t *testing.T) {
	h := newHouse(t, houseOptions{change: func(o *Options) {
		o.JWKS = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
	}})
	h.app = func(http.ResponseWriter, *http.Request) { t.Error("reached the application") }
	takes := map[string]string{
		"/login": "GET HEAD POST", "/logout": "GET POST", "/callback/corp": "GET POST", "/signed-out": "GET HEAD",
		"/me": "GET HEAD", "/jwks.json": "GET HEAD", "/static/style.css": "GET HEAD",
		"": "GET HEAD", "/": "GET HEAD", "/sessions/end": "POST", "/sessions": "", "/sessions/end/": "", "/nothing": "", "/login/": "", "/login/x": "", "/callback": "", "/callback/": "", "/callback/corp/x": "", "/static": "", "/Login": "",
	}
	for path, methods := range takes {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "MADEUP"} {
			res := h.browser().do(method, "/_session"+path, nil)
			where := method + " " + path
			require.NotEmpty(t, res.Header.Get("X-Request-Id"), where)
			require.Less(t, res.StatusCode, 500, where)
			if strings.Contains(" "+methods+" ", " "+method+" ") {
				require.NotContains(t, []int{404, 405}, res.StatusCode, where)
				continue
			}
			require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), where)
			require.Contains(t, []int{404, 405}, res.StatusCode, where)
			if methods != "" {
				require.Equal(t, 405, res.StatusCode, where)
				require.NotEmpty(t, res.Header.Get("Allow"), where)
			}
		}
	}
	require.Equal(t, 404, newHouse(t, houseOptions{}).browser().get("/_session/jwks.json").StatusCode, "nothing is signed")
}

// TestLoginRoundTrip is the whole way: asked for a page, logged in, back on the page.
func TestLoginRoundTrip(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	res := b.get("/app/page?x=1&y=2")
	require.Equal(t, http.StatusFound, res.StatusCode)
	require.Equal(t, "https://gw.example/_session/login?return_to=%2Fapp%2Fpage%3Fx%3D1%26y%3D2", res.Header.Get("Location"))
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	res = b.get(res.Header.Get("Location"))
	to := location(t, res)
	require.Equal(t, "https://gw.example/_session/callback/corp", to.Query().Get("redirect_uri"))
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		require.GreaterOrEqual(t, len(to.Query().Get(name)), 43, name)
	}
	require.NotContains(t, b.jar, sessionCookie)
	res = b.get(callback(to.Query().Get("state"), "alice"))
	require.Equal(t, http.StatusSeeOther, res.StatusCode, "a clean address, and no form sent on (S-209, S-210)")
	require.Equal(t, "/app/page?x=1&y=2", res.Header.Get("Location"))
	require.Contains(t, strings.Join(res.Header.Values("Set-Cookie"), "\n"), "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax", "a browser's clock may be wrong")
	require.Equal(t, "alice", b.who())
}

// TestLoginLongQueryComesBack: a state of ours is never longer than we take, whatever its target is made of.
func TestLoginLongQueryComesBack(t *testing.T) {
	b := newHouse(t, houseOptions{}).browser()
	b.login("alice", "/app?"+strings.Repeat("&", 1000))
}

func TestLoginChooser(t *testing.T) {
	corp, other := newAuthority("corp", "Corp & Sons"), newAuthority("partner", "")
	local := &doorman{name: "local"}
	h := newHouse(t, houseOptions{
		sources: []session.Source{corp, other, local, badges{}},
		routes: []policy.RouteOptions{
			{Name: "partners", Paths: []string{"/partners"}, Require: policy.RuleOptions{Sources: []string{"partner"}}},
			{Name: "staff", Paths: []string{"/staff"}, Require: policy.RuleOptions{Sources: []string{"corp", "local"}}},
			{Name: "machines", Paths: []string{"/machines"}, Require: policy.RuleOptions{Sources: []string{"badges"}}},
			{Name: "app"},
		},
	})
	b := h.browser()
	page := text(b.get("/_session/login?return_to=/app/x"))
	require.Contains(t, page, "Sign in with Corp &amp; Sons")
	require.Contains(t, page, "Sign in with partner", "a source without a title goes by its name")
	require.Contains(t, page, `name="password"`)
	require.NotContains(t, page, "badges")
	require.Contains(t, page, "/_session/login?return_to=%2Fapp%2Fx&amp;source=corp")
	require.NotContains(t, page, "prompt")

	require.Equal(t, http.StatusFound, b.get("/_session/login?return_to=/partners/x").StatusCode, "one source fits: straight to it")
	page = text(b.get("/_session/login?return_to=/staff"))
	require.Contains(t, page, "source=corp")
	require.NotContains(t, page, "partner")
	require.Contains(t, text(b.get("/_session/login?return_to=/machines")), "source=corp", "none fits: all are offered")
	require.Contains(t, text(b.get("/_session/login?source=local")), `name="password"`)
	require.Equal(t, http.StatusBadRequest, b.get("/_session/login?source=badges").StatusCode)
	require.Equal(t, http.StatusBadRequest, b.get("/_session/login?source=nobody").StatusCode)

	page = text(b.get("/_session/login?prompt=login&return_to=/staff"))
	require.Contains(t, page, "/_session/login?prompt=login&amp;return_to=%2Fstaff&amp;source=corp", "what was asked for goes on with the choice")
}

func TestLoginWithoutLogins(t *testing.T) {
	h := newHouse(t, houseOptions{sources: []session.Source{badges{}}})
	require.Equal(t, http.StatusNotFound, h.browser().get("/_session/login").StatusCode)
	require.Equal(t, http.StatusUnauthorized, h.browser().get("/app").StatusCode, "a redirect would help nobody")
}

// TestRejectParametersOfTheLink (S-043): a link can choose the source and our target, and nothing the provider is asked.
func TestRejectParametersOfTheLink(t *testing.T) {
	b := newHouse(t, houseOptions{}).browser()
	res := b.get("/_session/login?target_link_uri=https://evil.example&scope=admin&prompt=none&acr_values=weak&max_age=0&redirect_uri=https://evil.example&state=x&nonce=x&return_to=https://evil.example")
	q := location(t, res).Query()
	require.Empty(t, q.Get("prompt"))
	require.Empty(t, q.Get("acr_values"))
	require.Equal(t, "https://gw.example/_session/callback/corp", q.Get("redirect_uri"))
	res = b.get(callback(q.Get("state"), "alice"))
	require.Equal(t, "/", res.Header.Get("Location"))
}

// TestRejectForcedLogin (S-203): a picture or a script of another page begins no login.
func TestRejectForcedLogin(t *testing.T) {
	h := newHouse(t, houseOptions{})
	for _, mode := range []string{"no-cors", "cors", "same-origin", "websocket"} {
		res := h.browser().get("/_session/login", "Sec-Fetch-Mode", mode)
		require.Equal(t, http.StatusBadRequest, res.StatusCode)
		require.Empty(t, res.Cookies())
	}
}

func TestLoginWithLiveSession(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.login("alice", "/app")
	res := b.get("/_session/login?return_to=/app/x")
	require.Equal(t, "/app/x", res.Header.Get("Location"), "straight to the target")
	require.Equal(t, "https://spa.example/x", b.get("/_session/login?return_to=https://spa.example/x").Header.Get("Location"))
	for _, asks := range []string{"prompt=login", "source=corp"} {
		require.Equal(t, "idp.example", location(t, b.get("/_session/login?return_to=/app/x&"+asks)).Host, asks)
	}
	q := location(t, b.get("/_session/login?prompt=login")).Query()
	require.Equal(t, "login", q.Get("prompt"))
	old := b.jar[sessionCookie]
	b.get(callback(q.Get("state"), "bob"))
	require.Equal(t, "bob", b.who())
	b.jar[sessionCookie] = old
	require.Equal(t, "302", b.who(), "the session of the one before has ended (S-014)")
}

// TestRejectPlantedSession (S-016): a login never goes on with the session that a planted cookie names.
func TestRejectPlantedSession(t *testing.T) {
	h := newHouse(t, houseOptions{})
	attacker, victim := h.browser(), h.browser()
	attacker.login("mallory", "/")
	victim.jar[sessionCookie] = attacker.jar[sessionCookie]
	q := location(t, victim.get("/_session/login?prompt=login")).Query()
	victim.get(callback(q.Get("state"), "alice"))
	require.Equal(t, "alice", victim.who())
	require.NotEqual(t, attacker.jar[sessionCookie], victim.jar[sessionCookie])
	require.NotEqual(t, "alice", attacker.who())
}

// TestStepUpLogin: what the target's route wants proved is asked of the provider, and held against its answer.
func TestStepUpLogin(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	b.login("alice", "/app")
	res := b.get("/strong")
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	page := text(res)
	require.Contains(t, page, `href="https://gw.example/_session/login?prompt=login&amp;return_to=%2Fstrong"`)
	require.Contains(t, page, "Sign in again")
	require.NotContains(t, page, "somebody else")
	q := location(t, b.get("/_session/login?prompt=login&return_to=/strong")).Query()
	require.Equal(t, "login", q.Get("prompt"))
	require.Equal(t, "gold pl\"at\\inum", q.Get("acr_values"))
	require.Equal(t, "5m0s", q.Get("max_age"))
	require.Equal(t, http.StatusSeeOther, b.get(callback(q.Get("state"), "alice")).StatusCode, "the answer is held against the same demands")
	res = b.get("/admin")
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Contains(t, text(res), "Sign in as somebody else")
}

// TestRejectLoginLoopOfRouteLifetimes: a session too old for its route leads to a new login, not back and forth between
// the page and the login for ever.
func TestRejectLoginLoopOfRouteLifetimes(t *testing.T) {
	h := newHouse(t, houseOptions{lifetimes: map[int]session.Lifetime{4: {MaxLifetime: 5 * time.Minute}}})
	b := h.browser()
	b.login("alice", "/app")
	h.clock.Advance(6 * time.Minute)
	res := b.get("/app")
	require.Equal(t, http.StatusFound, res.StatusCode)
	res = b.get(res.Header.Get("Location"))
	require.Equal(t, "idp.example", location(t, res).Host, "not back to the page")
	b.get(callback(location(t, res).Query().Get("state"), "alice"))
	require.Equal(t, "alice", b.who())
}

// TestRejectLoginLoopWithoutCookie: a browser that does not keep the session cookie is told so after a few rounds.
func TestRejectLoginLoopWithoutCookie(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	for range maxInARow {
		b.login("alice", "/app")
		delete(b.jar, sessionCookie)
	}
	res := b.get(b.get("/app").Header.Get("Location"))
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.Contains(t, text(res), "login_loop")
	require.Contains(t, text(res), "prompt=login", "a person may go on")
	delete(b.jar, againCookie) // it lives for a minute
	b.login("alice", "/app")
	require.Equal(t, "alice", b.who())
}

// TestRejectLoginLoopAcrossHosts: where browsers would not show the session cookie, no login is offered by redirect.
func TestRejectLoginLoopAcrossHosts(t *testing.T) {
	h := newHouse(t, houseOptions{})
	res := h.browser().get("/app", "Host", "spa.example")
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	shared := newHouse(t, houseOptions{change: func(o *Options) {
		o.Cookie.Domain, o.ReturnOrigins = "gw.example", []string{"https://app.gw.example"}
	}})
	res = shared.browser().get("/app", "Host", "app.gw.example")
	require.Equal(t, "https://gw.example/_session/login?return_to=https%3A%2F%2Fapp.gw.example%2Fapp", res.Header.Get("Location"))
}

// TestRejectForeignHost: an address of ours is made of the public URL, whatever host a request claims.
func TestRejectForeignHost(t *testing.T) {
	h := newHouse(t, houseOptions{})
	res := h.browser().get("/app", "Host", "evil.example")
	require.Equal(t, "https://gw.example/_session/login?return_to=%2Fapp", res.Header.Get("Location"))
	res = h.browser().get("/_session/login", "Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example")
	require.Equal(t, "https://gw.example/_session/callback/corp", location(t, res).Query().Get("redirect_uri"))
	require.NotContains(t, text(h.browser().get("/admin", "Host", "evil.example", "Sec-Fetch-Mode", "cors")), "evil.example")
}

// TestRejectOpenRedirectAtEveryEndpoint (S-002 to S-006, S-034, S-042, S-068, S-144): whatever the target, no Location of
// ours leads away.
func TestRejectOpenRedirectAtEveryEndpoint(t *testing.T) {
	h := newHouse(t, houseOptions{})
	in := h.browser()
	in.login("alice", "/")
	for _, raw := range []string{
		"//evil.example", "/\\evil.example", "/\t/evil.example", "/./\\evil.example", "/..//evil.example", "https://evil.example", "https://gw.example@evil.example/",
		"https://gw.example.evil.example/", "javascript:alert(1)", "/%09/evil.example", "/\r\nSet-Cookie: a=b", "/\r\nLocation: https://evil.example", "https://[::1]/", "https://gw.example:bad/",
	} {
		q := url.QueryEscape(raw)
		require.Equal(t, "/", in.get("/_session/login?return_to="+q).Header.Get("Location"), raw)
		out := h.browser()
		out.login("bob", "/")
		res := out.post("/_session/logout", url.Values{"return_to": {raw}})
		require.Equal(t, "/", res.Header.Get("Location"), raw)
		require.Len(t, res.Cookies(), 2, "what is cleared, and nothing more")
		fresh := h.browser()
		state := location(t, fresh.get("/_session/login?return_to="+q)).Query().Get("state")
		require.Equal(t, "/", fresh.get(callback(state, "carol")).Header.Get("Location"), raw)
	}
}

// TestParallelLogins (S-176): 500 users log in at once, and each gets their own session.
func TestParallelLogins(t *testing.T) {
	h := newHouse(t, houseOptions{})
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			b, user := h.browser(), fmt.Sprintf("user-%d", i)
			state := location(t, b.get("/_session/login?return_to=/app/"+user)).Query().Get("state")
			res := b.get(callback(state, user))
			if got := res.Header.Get("Location"); got != "/app/"+user {
				t.Errorf("%s landed on %q", user, got)
			}
			if got := b.who(); got != user {
				t.Errorf("%s became %s", user, got)
			}
		})
	}
	wg.Wait()
}

// TestManyTabs (S-068): twenty tabs of one browser log in at once, and each lands on its own target.
func TestManyTabs(t *testing.T) {
	h := newHouse(t, houseOptions{})
	b := h.browser()
	states := map[string]string{}
	for i := range 20 {
		target := fmt.Sprintf("/app/%d", i)
		states[target] = b.begin(target).Get("state")
	}
	for target, state := range states {
		require.Equal(t, target, b.get(callback(state, "alice")).Header.Get("Location"))
		require.Equal(t, "alice", b.who())
	}
}

// TestProviderDownAtLogin: 503 with a page, Retry-After and the request id; no cookie, and no link that comes back by
// itself.
func TestProviderDownAtLogin(t *testing.T) {
	h := newHouse(t, houseOptions{})
	h.corp.fail(session.WithRetryAfter(session.ErrUnavailable, 1500*time.Millisecond))
	b := h.browser()
	to := b.get("/app").Header.Get("Location")
	res := b.get(to)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "2", res.Header.Get("Retry-After"))
	require.Contains(t, text(res), res.Header.Get("X-Request-Id"))
	require.Empty(t, res.Cookies())
	require.Empty(t, b.jar)
	links := hrefs(text(res))
	require.NotEmpty(t, links)
	for _, link := range links {
		again := b.get(link)
		require.Empty(t, again.Header.Get("Location"), "%s redirects by itself", link)
	}
	require.NotContains(t, text(res), "http-equiv")
	res = h.browser().get("/_session/callback/corp?state=garbage", "Cookie", loginCookie+"="+strings.Repeat("A", 52))
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Empty(t, res.Cookies(), "nor is a stray answer marked before the login could begin")
}

func hrefs(page string) (links []string) {
	for _, part := range strings.Split(page, `href="`)[1:] {
		link, _, _ := strings.Cut(part, `"`)
		links = append(links, strings.ReplaceAll(link, "&amp;", "&"))
	}
	return links
}
