//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/cmd/demo/provider"
	"github.com/sessionward/sessionward/config"
)

// portal is a gateway whose users sign in at a provider in a browser.
type portal struct {
	*site
	provider *provider.Provider
}

// newPortal begins one. Sources are written below "sources"; ISSUER stands for the provider.
func newPortal(t *testing.T, sources string) *portal {
	t.Helper()
	p := &portal{site: &site{t: t, dir: t.TempDir()}}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.provider.ServeHTTP(w, r) }))
	t.Cleanup(issuer.Close)
	var err error
	p.provider, err = provider.New(provider.Options{
		Issuer: issuer.URL, DeviceInterval: time.Second,
		Clients: []provider.Client{
			{ID: "gateway", Secret: plantedSecret, RedirectURIs: []string{"http://localhost/cb"}, DeviceLogin: true, LoopbackRedirects: true},
			{ID: "web", Secret: plantedSecret, RedirectURIs: []string{"http://localhost/cb"}},
		},
		Users: []provider.User{{Username: "alice", Password: plantedPassword, Subject: "u-1", Name: "Alice Liddell"}},
	})
	require.NoError(t, err)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(app.Close)
	text := fmt.Sprintf(`
public_url: http://localhost:4180
listen: 127.0.0.1:0
admin: {listen: "127.0.0.1:0"}
sources:
%s
routes:
  - {name: app, upstream: {url: %q}}
`, strings.ReplaceAll(sources, "ISSUER", issuer.URL), app.URL)
	p.write("sessionward.yaml", text)
	p.gateway = serve(t, p.dir, "CLIENT_SECRET="+plantedSecret)
	p.admin = p.gateway.admin
	p.write("sessionward.yaml", strings.Replace(text, `"127.0.0.1:0"`, p.admin, 1))
	t.Cleanup(func() { require.NotContains(t, p.gateway.output(), "planted") })
	return p
}

const corp = `  - {name: corp, oidc: {issuer: "ISSUER", client_id: gateway, client_secret: "${CLIENT_SECRET}"}}`

// command is a command line that runs.
type command struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err shown
}

// shown is what a command printed so far.
type shown struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shown) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *shown) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (c *command) said() string { return c.err.String() }

func (p *portal) begins(env []string, args ...string) *command {
	p.t.Helper()
	c := &command{t: p.t, cmd: exec.Command(binary, args...)}
	c.cmd.Dir, c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = p.dir, append([]string{"PATH=/bin", "HOME=/nowhere"}, env...), &c.out, &c.err
	require.NoError(p.t, c.cmd.Start())
	p.t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

// says waits until standard error fits and returns the last group.
func (c *command) says(pattern string) string {
	c.t.Helper()
	var found []string
	require.Eventually(c.t, func() bool {
		found = regexp.MustCompile(pattern).FindStringSubmatch(c.said())
		return found != nil
	}, 10*time.Second, 5*time.Millisecond, "%s in %s", pattern, c.said())
	return found[len(found)-1]
}

// ends waits for the end and returns what was printed.
func (c *command) ends(code int) result {
	c.t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	err := c.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok {
		require.NoError(c.t, err)
		require.Zero(c.t, code, c.said())
	} else {
		require.Equal(c.t, code, exit.ExitCode(), c.said())
	}
	require.NotContains(c.t, c.out.String()+c.said(), "planted")
	return result{c.out.String(), c.said(), code}
}

const withCode = `address has the code in it:\s+(\S+)`

// answer answers on another device.
func (p *portal) answer(page string, allow bool) {
	p.t.Helper()
	res, err := provider.AnswerDevice(p.t.Context(), http.DefaultClient, page, "alice", plantedPassword, allow)
	require.NoError(p.t, err)
	_ = res.Body.Close()
	require.Equal(p.t, http.StatusOK, res.StatusCode)
}

// opens wants what a command printed to be a cookie that opens the application.
func (p *portal) opens(r result) {
	p.t.Helper()
	require.Regexp(p.t, `^sessionward=\S+\n$`, r.stdout)
	require.Equal(p.t, http.StatusOK, p.ask("Cookie", strings.TrimSpace(r.stdout)))
	require.Regexp(p.t, `session \S+ of alice at corp`, r.stderr)
}

// TestLogin_OnAnotherDevice: the code and the address are shown, somebody agrees elsewhere, and the cookie opens the
// application. Nothing but the cookie is on standard output.
func TestLogin_OnAnotherDevice(t *testing.T) {
	p := newPortal(t, corp)
	c := p.begins(nil, "login") // no display, so that there is no browser here
	page := c.says(withCode)
	typed := c.says(`enter the code\s+(\S+)`)
	require.Equal(t, c.says(`On any device open\s+(\S+)`)+"?user_code="+typed, page)
	require.Empty(t, c.out.String())
	p.answer(page, true)
	r := c.ends(0)
	p.opens(r)
	golden(t, "login_device", masked(r, typed, "CODE", strings.TrimSpace(r.stdout), "COOKIE", c.says(`session (\S+) of`), "HANDLE"))
	var list []admin.Entry
	require.NoError(t, json.Unmarshal([]byte(p.run("sessions", "list", "-o", "json").stdout), &list))
	require.Len(t, list, 1)
	require.Equal(t, "sessionward v0.0.0-test", list[0].Devices[0].UserAgent)
	require.Equal(t, 1, p.provider.ActiveRefreshTokens("u-1"), "it is renewed as every other session")

	c = p.begins(nil, "login", "--device", "-o", "json")
	p.answer(c.says(withCode), true)
	var made admin.Created
	require.NoError(t, json.Unmarshal([]byte(c.ends(0).stdout), &made))
	require.Equal(t, http.StatusOK, p.ask("Cookie", made.Cookie.Name+"="+made.Cookie.Value))
}

// TestRejectLogin_Refused: whoever says no on the other device is believed.
func TestRejectLogin_Refused(t *testing.T) {
	p := newPortal(t, corp)
	c := p.begins(nil, "login", "--source", "corp", "--device")
	p.answer(c.says(withCode), false)
	r := c.ends(1)
	require.Empty(t, r.stdout)
	require.Contains(t, r.stderr, "the user refused the login")
	require.Equal(t, "[]\n", p.run("sessions", "list", "-o", "json").stdout)
}

// TestLogin_ProviderDownMeanwhile: an outage ends no login.
func TestLogin_ProviderDownMeanwhile(t *testing.T) {
	p := newPortal(t, corp)
	c := p.begins(nil, "login", "--device")
	page := c.says(withCode)
	p.provider.Fail(provider.TokenPath, 503, "down")
	require.Eventually(t, func() bool { return p.provider.TokenCalls(provider.DeviceGrant) >= 1 }, 10*time.Second, 5*time.Millisecond)
	p.answer(page, true)
	p.provider.Heal()
	p.opens(c.ends(0))

	p.provider.Fail(provider.DeviceAuthorizationPath, 503, "down")
	r := p.ends(1, "", "login", "--device")
	require.Contains(t, r.stderr, "answered 503")
}

// TestLogin_CtrlC: whoever waits can go, and then nobody is waited for.
func TestLogin_CtrlC(t *testing.T) {
	p := newPortal(t, corp)
	for _, way := range []string{"--device", "--no-browser"} {
		c := p.begins(nil, "login", way)
		c.says("Ctrl-C ends it")
		require.NoError(t, c.cmd.Process.Signal(syscall.SIGINT))
		require.Contains(t, c.ends(1).stderr, "interrupted; nobody was signed in")
	}
	asked := p.provider.TokenCalls(provider.DeviceGrant)
	require.Never(t, func() bool { return p.provider.TokenCalls(provider.DeviceGrant) > asked+1 }, 2500*time.Millisecond, 100*time.Millisecond)
}

// TestLogin_GatewayStops: a gateway that stops lets nobody wait.
func TestLogin_GatewayStops(t *testing.T) {
	p := newPortal(t, corp)
	c := p.begins(nil, "login", "--device")
	c.says(withCode)
	require.NoError(t, p.gateway.cmd.Process.Signal(syscall.SIGTERM))
	require.Contains(t, c.ends(1).stderr, "the login is over")
	select {
	case err := <-p.gateway.done:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("the gateway does not stop")
	}
}

const address = `browser of this machine, at\s+(\S+)`

func browserOf(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar}
}

// TestLogin_InABrowser: the browser that is opened signs in at the provider and comes back by itself.
func TestLogin_InABrowser(t *testing.T) {
	p := newPortal(t, corp)
	bin := t.TempDir()
	opened := filepath.Join(bin, "opened")
	script := "#!/bin/sh\necho noise\nprintf %s \"$1\" > " + opened + ".new && mv " + opened + ".new " + opened + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "xdg-open"), []byte(script), 0o755))
	c := p.begins([]string{"PATH=" + bin + ":/bin", "DISPLAY=:0"}, "login")
	to := c.says(address)
	require.Eventually(t, func() bool { _, err := os.Stat(opened); return err == nil }, 10*time.Second, 5*time.Millisecond)
	text, err := os.ReadFile(opened)
	require.NoError(t, err)
	require.Equal(t, to, string(text))
	res, err := provider.Login(t.Context(), browserOf(t), to, "alice", plantedPassword)
	require.NoError(t, err)
	page, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode, "%s", page)
	require.Contains(t, string(page), "You can close this window")
	require.Contains(t, res.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	p.opens(c.ends(0))
	_, err = http.Get(res.Request.URL.String())
	require.Error(t, err, "nothing listens any more")
}

// TestRejectLogin_StrayAnswers: what is not the browser that was sent away ends no login and learns nothing.
func TestRejectLogin_StrayAnswers(t *testing.T) {
	p := newPortal(t, corp)
	c := p.begins(nil, "login", "--no-browser")
	to, err := url.Parse(c.says(address))
	require.NoError(t, err)
	back, err := url.Parse(to.Query().Get("redirect_uri"))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", back.Hostname())
	state := to.Query().Get("state")
	for _, stray := range []struct {
		method, path, query, host string
		status                    int
	}{
		{"GET", "/callback", "code=x&state=wrong", "", 400},
		{"GET", "/callback", "code=x", "", 400},
		{"GET", "/callback", "code=x&state=wrong&state=" + state, "", 400},
		{"GET", "/callback", "code=x&state=" + state + "&state=" + state, "", 400},
		{"GET", "/favicon.ico", "state=" + state, "", 404},
		{"POST", "/callback", "code=x&state=" + state, "", 404},
		{"GET", "/callback", "code=x&state=" + state, "rebound.example", 404},
	} {
		req, err := http.NewRequest(stray.method, "http://"+back.Host+stray.path+"?"+stray.query, nil)
		require.NoError(t, err)
		req.Host = stray.host
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, stray.status, res.StatusCode, "%v", stray)
	}
	require.Zero(t, p.provider.TokenCalls("authorization_code"))
	res, err := provider.Login(t.Context(), browserOf(t), to.String(), "alice", plantedPassword)
	require.NoError(t, err)
	_ = res.Body.Close()
	p.opens(c.ends(0))
}

// TestRejectLogin_CodeOfAnother: a code that was not made for this login makes no session (PKCE), and the reason is told.
func TestRejectLogin_CodeOfAnother(t *testing.T) {
	p := newPortal(t, corp)
	c := p.begins(nil, "login", "--no-browser")
	to, err := url.Parse(c.says(address))
	require.NoError(t, err)
	res, err := http.Get(to.Query().Get("redirect_uri") + "?" + url.Values{"code": {"planted-elsewhere"}, "state": {to.Query().Get("state")}, "iss": {to.Scheme + "://" + to.Host}}.Encode())
	require.NoError(t, err)
	page, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.Contains(t, string(page), "the terminal says why")
	r := c.ends(1)
	require.Contains(t, r.stderr, "invalid_grant")
	require.Empty(t, r.stdout)
}

// TestRejectLogin_AddressNobodyShouldOpen: what a gateway elsewhere answers is opened as a page of the web or not at all.
func TestRejectLogin_AddressNobodyShouldOpen(t *testing.T) {
	bin := t.TempDir()
	opened := filepath.Join(bin, "opened")
	require.NoError(t, os.WriteFile(filepath.Join(bin, "xdg-open"), []byte("#!/bin/sh\n: > "+opened+"\n"), 0o755))
	for _, to := range []string{"file:///etc/passwd?state=x", "file://localhost/etc/passwd?state=x", "ssh://id.example.com/?state=x", "--help?state=x", "javascript:alert(1)//?state=x", "https://id.example.com/"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/sources") {
				_ = json.NewEncoder(w).Encode(admin.SourceList{Sources: []admin.SourceEntry{{Name: "corp", Powers: []string{canRedirect}}}})
				return
			}
			_ = json.NewEncoder(w).Encode(admin.Loopback{AuthorizationURL: to, Attempt: "x"})
		}))
		r := run(t, t.TempDir(), "", []string{config.EnvAdminURL + "=" + s.URL, config.EnvAdminToken + "=t", "PATH=" + bin + ":/bin", "DISPLAY=:0"}, "login")
		s.Close()
		require.Equal(t, 1, r.code, to)
		require.Contains(t, r.stderr, "no browser should be sent to", to)
	}
	require.Never(t, func() bool { _, err := os.Stat(opened); return err == nil }, 200*time.Millisecond, 20*time.Millisecond)
}

// TestLogin_Chooses: the source, and the way that fits it.
func TestLogin_Chooses(t *testing.T) {
	p := newPortal(t, corp+`
  - {name: other, oidc: {issuer: "ISSUER", client_id: web, client_secret: "${CLIENT_SECRET}"}}
  - {name: vcenter, vsphere: {url: "ISSUER"}}
  - {name: partner, jwt: {issuers: [{issuer: "ISSUER", audiences: [x]}]}}`)
	for _, tt := range []struct {
		args string
		code int
		text string
	}{
		{"login", 2, "say with --source where to sign in; these can: corp, other, vcenter"},
		{"login --device", 2, "these can: corp, other"},
		{"login --source nowhere", 1, `there is no source "nowhere"; these can: corp, other, vcenter`},
		{"login --source partner", 1, `nobody can sign in like that at source "partner"`},
		{"login --source vcenter --device", 1, `nobody can sign in like that at source "vcenter"`},
		{"login --assertion-file sessionward.yaml", 1, "not a SAML 2.0 assertion"}, // the only one that takes one,
		{"login --source other", 1, "--no-browser"},                                // the provider does not let that client
		{"login --source other --device", 1, "unauthorized_client"},
		{"login --source=", 2, "--source: is empty"},
		{"login --username=", 2, "--username: is empty"},
		{"login --device --browser", 2, "none of the others can be"},
		{"login --device --username alice", 2, "none of the others can be"},
		{"login --no-browser --password-file x", 2, "none of the others can be"},
	} {
		r := p.ends(tt.code, "", strings.Fields(tt.args)...)
		require.Contains(t, r.stderr, tt.text, tt.args)
		require.Empty(t, r.stdout)
	}
}
