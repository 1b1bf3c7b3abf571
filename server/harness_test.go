package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
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

	"github.com/sessionward/sessionward/cmd/demo/provider"
)

// The end-to-end tests drive the built binary from a YAML file, against the real OpenID provider of the demonstration
// in this process and an application that tells what it was sent.

const (
	clientID     = "gateway"
	clientSecret = "planted-client-secret-4711"
)

var alice = provider.User{
	Username: "alice", Password: "wonderland", Subject: "alice-sub", Name: "Alice Liddell", Email: "alice@corp.example",
	EmailVerified: true, Groups: []string{"staff"},
}

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sessionward-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sessionward")
	out, err := exec.Command("go", "build", "-o", path, "github.com/sessionward/sessionward/cmd/sessionward").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if role := os.Getenv(benchRole); role != "" {
		playRole(role)
		return
	}
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// world is a provider, an application and the configuration of a gateway between them.
type world struct {
	t        testing.TB
	provider *provider.Provider
	idp      *httptest.Server
	app      *application
	addr     string
	admin    string // URL; a port of the gateway's own choice
	url      string
	dir      string
	config   string
	gateway  *gateway
	output   *safeBuffer // of all gateways that ran in this world
	talks    bool        // the gateway says where it listens for operators
}

type worldOptions struct {
	tokenTTL time.Duration
	extra    string // further top-level YAML
	routes   string // instead of the default route
	sources  string // further sources
	admin    string // further settings of the listener for operators, each after a comma
	logLevel string // "": debug
	noStart  bool
	tap      *tapped // between the gateway and the provider
}

func newWorld(t testing.TB, o worldOptions) *world {
	t.Helper()
	if o.tokenTTL == 0 {
		o.tokenTTL = time.Minute
	}
	if o.logLevel == "" {
		o.logLevel = "debug"
	}
	w := &world{t: t, talks: o.logLevel == "debug" || o.logLevel == "info", dir: t.TempDir(), output: &safeBuffer{}, app: newApplication(t), idp: httptest.NewUnstartedServer(nil)}
	w.addr = freeAddr(t) // last: nobody here takes it in between
	w.url = "http://" + w.addr
	issuer := "http://" + w.idp.Listener.Addr().String()
	p, err := provider.New(provider.Options{
		Issuer: issuer, AccessTokenTTL: o.tokenTTL, Users: []provider.User{alice},
		Clients: []provider.Client{{
			ID: clientID, Secret: clientSecret, RedirectURIs: []string{w.url + "/_session/callback/corp"},
			PostLogoutRedirectURIs: []string{w.url + "/_session/signed-out"},
		}},
	})
	require.NoError(t, err)
	w.provider = p
	w.idp.Config.Handler = p
	if o.tap != nil {
		o.tap.Handler = p
		w.idp.Config.Handler = o.tap
	}
	w.idp.Start()
	t.Cleanup(w.idp.Close)
	if o.routes == "" {
		o.routes = fmt.Sprintf(`
  - name: public
    paths: [/public]
    access: public
    upstream: {url: %[1]q}
  - name: optional
    paths: [/optional]
    access: optional
    upstream: {url: %[1]q}
  - name: admins
    paths: [/admin]
    require: {any_group: [admins]}
    upstream: {url: %[1]q}
  - name: app
    upstream: {url: %[1]q}
    identity: {families: [x-forwarded, x-sessionward], assertion: {ttl: 60s}}
`, w.app.URL)
	}
	w.config = filepath.Join(w.dir, "sessionward.yaml")
	w.write(fmt.Sprintf(`
listen: %q
admin: {listen: "127.0.0.1:0"%s}
public_url: %q
keys_file: %q
store: {bolt: {path: %q}}
log: {level: %s}
shutdown_timeout: 5s
sources:
  - name: corp
    oidc: {issuer: %q, client_id: %s, client_secret: %s, scopes: [openid, profile, email, groups, offline_access]}
%s
routes:%s
%s
`, w.addr, o.admin, w.url, filepath.Join(w.dir, "keys"), filepath.Join(w.dir, "sessions.db"), o.logLevel, issuer, clientID, clientSecret, o.sources, o.routes, o.extra))
	if !o.noStart {
		w.start()
	}
	return w
}

func (w *world) write(yaml string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(w.config, []byte(yaml), 0o600))
}

// gateway is a running process of the built binary.
type gateway struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// start runs the binary and returns when it answers.
func (w *world) start() {
	w.t.Helper()
	before := len(w.output.String())
	w.gateway = w.launch()
	deadline := time.Now().Add(20 * time.Second)
	for {
		res, err := http.Get(w.url + "/_session/static/style.css")
		if err == nil {
			_ = res.Body.Close()
		}
		if err == nil && res.StatusCode == http.StatusOK {
			w.admin = w.adminURL(before)
		}
		if err == nil && res.StatusCode == http.StatusOK && (w.admin != "" || !w.talks) { // its lines come through a pipe
			return
		}
		select {
		case <-w.gateway.done:
			w.t.Fatalf("the gateway ended: %v\n%s", w.gateway.err, w.output)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the gateway does not answer\n%s", w.output)
		}
	}
}

// adminURL is where the gateway whose output begins at from says it listens for operators; "" when it does not say.
func (w *world) adminURL(from int) string {
	said := regexp.MustCompile(`"listening for operators","address":"([^"]+)"`).FindStringSubmatch(w.output.String()[from:])
	if said == nil {
		return ""
	}
	return "http://" + said[1]
}

func (w *world) launch() *gateway {
	w.t.Helper()
	path, err := binary()
	require.NoError(w.t, err)
	g := &gateway{cmd: exec.Command(path, "serve", "--config", w.config), done: make(chan struct{})}
	g.cmd.Stdout, g.cmd.Stderr = w.output, w.output
	require.NoError(w.t, g.cmd.Start())
	go func() {
		g.err = g.cmd.Wait()
		close(g.done)
	}()
	w.t.Cleanup(func() {
		_ = g.cmd.Process.Kill()
		<-g.done
	})
	return g
}

// stop ends the gateway as an operator does, and wants a clean exit.
func (w *world) stop() {
	w.t.Helper()
	require.NoError(w.t, w.gateway.cmd.Process.Signal(syscall.SIGTERM))
	w.wait(10 * time.Second)
	require.NoError(w.t, w.gateway.err, "exit after SIGTERM\n%s", w.output)
}

func (w *world) kill() {
	w.t.Helper()
	require.NoError(w.t, w.gateway.cmd.Process.Kill())
	w.wait(10 * time.Second)
}

func (w *world) wait(limit time.Duration) {
	w.t.Helper()
	select {
	case <-w.gateway.done:
	case <-time.After(limit):
		w.t.Fatalf("the gateway did not end in %s\n%s", limit, w.output)
	}
}

// browser is an HTTP client with a cookie jar that says what browsers say.
func (w *world) browser() *http.Client {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(w.t, err)
	tr := &http.Transport{MaxIdleConnsPerHost: 256}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: tr, Timeout: 30 * time.Second}
}

// login signs alice in at path and returns the browser and what the application saw.
func (w *world) login(path string) (*http.Client, seen) {
	w.t.Helper()
	b, res := w.loginAnywhere(path)
	return b, w.seen(res)
}

// loginAnywhere is login in front of any application.
func (w *world) loginAnywhere(path string) (*http.Client, *http.Response) {
	w.t.Helper()
	b := w.browser()
	res, err := provider.Login(context.Background(), b, w.url+path, alice.Username, alice.Password)
	require.NoError(w.t, err, "%s", w.output)
	return b, res
}

// get asks for path as a navigating browser, without following redirects.
func (w *world) get(b *http.Client, path string, headers ...string) *http.Response {
	w.t.Helper()
	return w.do(b, http.MethodGet, path, nil, append([]string{"Accept", "text/html"}, headers...)...)
}

func (w *world) do(b *http.Client, method, path string, body io.Reader, headers ...string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url+path, body)
	require.NoError(w.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	one := *b
	one.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := one.Do(req)
	require.NoError(w.t, err, "%s", w.output)
	data, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(data))
	return res
}

// seen is what the application was sent.
type seen struct {
	Method, URI, Host string
	Header            http.Header
	Trailer           http.Header
}

func (w *world) seen(res *http.Response) seen {
	w.t.Helper()
	data, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	_ = res.Body.Close()
	require.Equal(w.t, http.StatusOK, res.StatusCode, "%s\n%s", data, w.output)
	var s seen
	require.NoError(w.t, json.Unmarshal(data, &s), "%s", data)
	return s
}

// application answers every request with what it was sent, and counts.
type application struct {
	*httptest.Server
	mu    sync.Mutex
	calls int
	last  seen
}

func newApplication(t testing.TB) *application {
	a := &application{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s := seen{Method: r.Method, URI: r.RequestURI, Host: r.Host, Header: r.Header, Trailer: r.Trailer}
		a.mu.Lock()
		a.calls++
		a.last = s
		a.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *application) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

// raw sends bytes as they are and returns the reply.
func (w *world) raw(text string) *http.Response {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	require.NoError(w.t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(w.t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(w.t, err)
	data, err := io.ReadAll(conn)
	require.NoError(w.t, err)
	return parseReply(w.t, data)
}

func cookieHeader(b *http.Client, rawURL string) string {
	req, _ := http.NewRequest(http.MethodGet, rawURL, nil)
	var parts []string
	for _, c := range b.Jar.Cookies(req.URL) {
		parts = append(parts, c.Name+"="+c.Value)
	}
	return strings.Join(parts, "; ")
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// safeBuffer is written by processes while tests read it.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
