//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
	"golang.org/x/crypto/bcrypt"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/cmd/peers/vsphere"
	"github.com/sessionward/sessionward/config"
)

// What nothing may print.
const (
	plantedPassword = "planted-password-4711"
	plantedSecret   = "planted-client-secret-4711"
	vcenterUser     = "carol@vsphere.local"
)

// site is a gateway that runs in front of an application, with users of its own and sessions of a vCenter.
type site struct {
	t       *testing.T
	dir     string
	gateway *gateway
	vcenter *vsphere.Peer
	admin   string
}

func newSite(t *testing.T, extra string) *site {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(app.Close)
	s := &site{t: t, dir: t.TempDir()}
	var err error
	s.vcenter, err = vsphere.New(vsphere.Options{Users: []vsphere.User{{Name: vcenterUser, Password: plantedPassword}}})
	require.NoError(t, err)
	authority := httptest.NewServer(s.vcenter)
	t.Cleanup(authority.Close)
	hash, err := bcrypt.GenerateFromPassword([]byte(plantedPassword), 10)
	require.NoError(t, err)
	s.write("users", fmt.Sprintf("alice:%s\nbob:%s\n", hash, hash))
	text := fmt.Sprintf(`
public_url: http://localhost:4180
listen: 127.0.0.1:0
session_properties: [theme]
admin:
  listen: "127.0.0.1:0"
  token_audiences: [reports]
%s
sources:
  - name: local
    local:
      htpasswd_file: users
      users: [{username: alice, name: Alice Liddell, email: alice@corp.example, groups: [staff]}, {username: bob}]
  - name: corp
    oidc: {issuer: "http://127.0.0.1:1", client_id: gateway, client_secret: "${CLIENT_SECRET}", insecure_http: true}
  - name: vcenter
    vsphere: {url: %q, timeout: 5s}
routes:
  - name: app
    upstream: {url: %q}
`, extra, authority.URL, app.URL)
	s.write("sessionward.yaml", text)
	s.gateway = serve(t, s.dir, "CLIENT_SECRET="+plantedSecret)
	s.admin = s.gateway.admin
	s.write("sessionward.yaml", strings.Replace(text, `"127.0.0.1:0"`, s.admin, 1)) // the address it was given, for the commands
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
}

// run runs a command that must do, without any secret of the gateway in its environment.
func (s *site) run(args ...string) result {
	s.t.Helper()
	return s.ends(0, "", args...)
}

// ends runs a command that must end so. Nothing it prints holds a planted secret.
func (s *site) ends(code int, stdin string, args ...string) result {
	s.t.Helper()
	r := run(s.t, s.dir, stdin, nil, args...)
	require.Equal(s.t, code, r.code, "%v\n%s%s", args, r.stdout, r.stderr)
	require.NotContains(s.t, r.stdout+r.stderr, "planted")
	return r
}

// login signs a user in and returns handle and cookie.
func (s *site) login(user string, args ...string) (handle, cookie string) {
	s.t.Helper()
	r := s.ends(0, plantedPassword+"\n", append([]string{"login", "--source", "local", "--username", user, "-o", "json"}, args...)...)
	var made admin.Created
	require.NoError(s.t, json.Unmarshal([]byte(r.stdout), &made))
	return made.Session.Handle, made.Cookie.Name + "=" + made.Cookie.Value
}

// carol shows a session of the vCenter to the gateway and returns its handle and id.
func (s *site) carol() (handle, id string) {
	s.t.Helper()
	id = s.vcenter.Login(vcenterUser)
	require.Equal(s.t, http.StatusOK, s.ask("vmware-api-session-id", id))
	require.Eventually(s.t, func() bool {
		var list []admin.Entry
		require.NoError(s.t, json.Unmarshal([]byte(s.run("sessions", "list", "--source", "vcenter", "--active", "-o", "json").stdout), &list))
		if len(list) == 1 {
			handle = list[0].Handle
		}
		return handle != ""
	}, 10*time.Second, 20*time.Millisecond)
	return handle, id
}

// ask is what the application answers to a request with one header.
func (s *site) ask(name, value string) int {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.gateway.url+"/", nil)
	require.NoError(s.t, err)
	req.Header.Set(name, value)
	res, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	_ = res.Body.Close()
	return res.StatusCode
}

// masked is a result without what differs from run to run.
func masked(r result, replace ...string) result {
	mask := func(text string) string {
		text = strings.NewReplacer(replace...).Replace(text)
		text = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`).ReplaceAllString(text, "TIME")
		text = regexp.MustCompile(`\b\d+[smh]\b`).ReplaceAllString(text, "SPAN")
		text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "ADDRESS")
		text = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`).ReplaceAllString(text, "JWT")
		return regexp.MustCompile(`(?m)(\S)  +`).ReplaceAllString(text, "$1  ")
	}
	return result{mask(r.stdout), mask(r.stderr), r.code}
}

// TestEveryCommandOfSessions runs each command once against a gateway, on a session kept here and one kept elsewhere.
func TestEveryCommandOfSessions(t *testing.T) {
	s := newSite(t, "")
	alice, cookie := s.login("alice")
	carol, id := s.carol()
	replace := []string{alice, "ALICE", carol, "CAROL", cookie, "COOKIE", s.dir, "DIR"}
	for _, tt := range []struct {
		name, args, stdin string
		code              int
	}{
		{"list_alice", "sessions list --user alice", "", 0},
		{"list_filter", `sessions list --filter source|eq|"vcenter"|and|foreign|eq|true --active`, "", 0},
		{"list_none", "sessions list --user nobody", "", 0},
		{"list_bad_filter", "sessions list --filter colour|eq|1", "", 1},
		{"get_alice", "sessions get ALICE", "", 0},
		{"get_alice_json", "sessions get ALICE -o json", "", 0},
		{"get_alice_yaml", "sessions get ALICE -o yaml", "", 0},
		{"get_carol", "sessions get CAROL", "", 0},
		{"get_nobody", "sessions get nobody", "", 1},
		{"validate_alice", "sessions validate ALICE", "", 0},
		{"validate_carol", "sessions validate CAROL", "", 1},
		{"ttl_alice", "sessions ttl ALICE --within 1m", "", 0},
		{"ttl_carol", "sessions ttl CAROL", "", 0},
		{"touch_alice", "sessions touch ALICE", "", 0},
		{"refresh_alice", "sessions refresh ALICE", "", 1},
		{"refresh_carol", "sessions refresh CAROL", "", 1},
		{"extend_alice", "sessions extend ALICE", "", 1},
		{"devices_alice", "sessions devices ALICE", "", 0},
		{"properties_get_alice", "sessions properties get ALICE", "", 0},
		{"properties_set_alice", "sessions properties set ALICE theme=dark", "", 0},
		{"properties_set_twice", "sessions properties set ALICE theme=dark theme=light", "", 2},
		{"properties_set_other", "sessions properties set ALICE colour=red", "", 1},
		{"properties_remove_alice", "sessions properties set ALICE theme= -o json", "", 0},
		{"properties_set_wrong", "sessions properties set ALICE theme", "", 2},
		{"tokenize_alice", "sessions tokenize ALICE --template reports", "", 0},
		{"tokenize_other", "sessions tokenize ALICE --template other", "", 1},
		{"introspect_alice", "sessions introspect", cookie, 0},
		{"introspect_wrong", "sessions introspect", "sessionward=wrong", 1},
		{"create_oidc", "sessions create --source corp --username alice", "guess", 1},
		{"create_nowhere", "sessions create --source nowhere --username alice", "guess", 1},
		{"create_wrong_password", "sessions create --source local --username alice", "guess", 1},
		{"create_nothing", "sessions create --source local", "", 2},
		{"sources", "sources", "", 0},
		{"sources_json", "sources -o json", "", 0},
		{"logout_alice", "sessions logout ALICE", "", 0},
		{"validate_ended", "sessions validate ALICE", "", 1},
		{"revoke_carol", "sessions revoke CAROL nobody --yes", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := strings.Fields(strings.NewReplacer("ALICE", alice, "CAROL", carol).Replace(tt.args))
			for i, arg := range args {
				args[i] = strings.ReplaceAll(arg, "|", " ")
			}
			r := s.ends(tt.code, tt.stdin, args...)
			require.NotContains(t, r.stdout+r.stderr, id)
			require.NotContains(t, r.stdout+r.stderr, strings.TrimPrefix(cookie, "sessionward="))
			golden(t, "sessions_"+tt.name, masked(r, replace...))
		})
	}
	require.NotContains(t, s.gateway.output(), "planted")
}

// TestRevokeIsThereAtTheNextRequest: what a terminal ended is refused at once, and nothing else is.
func TestRevokeIsThereAtTheNextRequest(t *testing.T) {
	s := newSite(t, "")
	first, cookie := s.login("alice")
	_, other := s.login("alice")
	_, bobs := s.login("bob")
	_, id := s.carol()
	for _, c := range []string{cookie, other, bobs} {
		require.Equal(t, http.StatusOK, s.ask("Cookie", c))
	}

	r := s.run("sessions", "revoke", first, "--yes")
	require.Contains(t, r.stdout, first)
	require.Equal(t, "ended 1 session\n", r.stderr)
	require.Equal(t, http.StatusUnauthorized, s.ask("Cookie", cookie))
	require.Equal(t, http.StatusOK, s.ask("Cookie", other))

	s.run("sessions", "revoke", "--user", "alice", "--source", "local", "--yes")
	require.Equal(t, http.StatusUnauthorized, s.ask("Cookie", other))
	require.Equal(t, http.StatusOK, s.ask("Cookie", bobs))
	require.Equal(t, http.StatusOK, s.ask("vmware-api-session-id", id))

	r = s.run("sessions", "revoke", "--source", "vcenter", "--yes")
	require.Contains(t, r.stdout, "ended here and at its authority")
	require.Equal(t, http.StatusUnauthorized, s.ask("vmware-api-session-id", id))
	require.NotContains(t, s.vcenter.Sessions(), id, "its authority was told")

	kept, mine := s.login("alice")
	r = s.run("sessions", "revoke", "--all-sessions", "--keep", kept, "--yes", "-o", "json")
	var ended []admin.Ended
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &ended))
	require.Len(t, ended, 1)
	require.True(t, ended[0].Here)
	require.Equal(t, http.StatusOK, s.ask("Cookie", mine))
	require.Equal(t, http.StatusUnauthorized, s.ask("Cookie", bobs))

	r = s.run("sessions", "revoke", "--user", "bob", "--yes")
	require.Equal(t, "no active session fits; nothing was ended\n", r.stderr)
}

// TestRevokeEndsNothingByMistake: each of these would end more than was meant.
func TestRevokeEndsNothingByMistake(t *testing.T) {
	s := newSite(t, "")
	handle, cookie := s.login("alice")
	for _, tt := range []struct {
		args, want string
		code       int
	}{
		{"--yes", "say which", 2},
		{"--user= --yes", "--user: is empty", 2},
		{"--user= --source local --yes", "--user: is empty", 2},
		{"--filter= --yes", "--filter: is empty", 2},
		{"--keep= --all-sessions --yes", "--keep: is empty", 2},
		{"--keep nobody --all-sessions --yes", "--keep: nothing was ended", 1},
		{"--keep nobody " + handle + " --yes", "--keep goes with", 2},
		{"--all-sessions --user bob --yes", "do not go together", 2},
		{handle + " --user bob --yes", "do not go together", 2},
		{"--user alice --at-authority --yes", "--at-authority needs --source", 2},
		{"--all-sessions", "add --yes", 2},
		{"--user alice", "add --yes", 2},
		{handle, "add --yes", 2},
		{"--filter username --yes", "filter:", 1},
		{`--user bob"|or|username|eq|"alice --yes`, "no active session fits", 0},
	} {
		args := strings.Fields("sessions revoke " + tt.args)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "|", " ")
		}
		require.Contains(t, s.ends(tt.code, "y\n", args...).stderr, tt.want, tt.args)
		require.Equal(t, http.StatusOK, s.ask("Cookie", cookie), tt.args)
	}
	s.run("sessions", "revoke", handle, "--yes")
	require.Equal(t, http.StatusUnauthorized, s.ask("Cookie", cookie))
}

// TestOutputIsParsedBack: json and yaml say the same, and both are whole lists.
func TestOutputIsParsedBack(t *testing.T) {
	s := newSite(t, "")
	empty := s.run("sessions", "list", "-o", "json")
	require.Equal(t, "[]\n", empty.stdout)
	for range 3 {
		s.login("alice")
	}
	s.login("bob")
	var fromJSON, fromYAML []map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.run("sessions", "list", "--all", "-o", "json").stdout), &fromJSON))
	require.NoError(t, yaml.Load([]byte(s.run("sessions", "list", "--all", "-o", "yaml").stdout), &fromYAML))
	require.Len(t, fromJSON, 4)
	asText, err := json.Marshal(fromYAML)
	require.NoError(t, err)
	again, err := json.Marshal(fromJSON)
	require.NoError(t, err)
	require.JSONEq(t, string(again), string(asText))

	r := s.run("sessions", "list", "--limit", "2", "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &fromJSON))
	require.Len(t, fromJSON, 2)
	require.Equal(t, "there are more than these 2; --all lists them\n", r.stderr)
	require.Len(t, strings.Split(strings.TrimSpace(s.run("sessions", "list", "--user", "alice").stdout), "\n"), 4, "a header and three")
}

// TestForeignTextsReachNoTerminal: what a client or an authority calls itself is not obeyed by a terminal, in no format.
func TestForeignTextsReachNoTerminal(t *testing.T) {
	s := newSite(t, "")
	for _, evil := range []string{"\x1b[2J\x07evil\u009b31m\u202eagent\U000e0041\x7f: true", "evil\u202eagent", "evil\nhandle: mine"} {
		r := s.ends(0, plantedPassword, "sessions", "create", "--source", "local", "--username", "alice", "--user-agent", evil, "-o", "json")
		var made admin.Created
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &made))
		require.Equal(t, evil, made.Session.Devices[0].UserAgent, "json says what it was")
		for _, command := range []string{"get", "devices"} {
			for _, format := range []string{"table", "json", "yaml"} {
				r := s.run("sessions", command, made.Session.Handle, "-o", format)
				require.Contains(t, r.stdout, "evil")
				require.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f\x{80}-\x{9f}\x{202e}\x{e0041}]`, r.stdout, format)
				require.NotContains(t, r.stdout, "\nhandle: mine", "no line is forged")
			}
		}
		var entry struct {
			Devices []struct {
				UserAgent string `yaml:"user_agent"`
			} `yaml:"devices"`
		}
		require.NoError(t, yaml.Load([]byte(s.run("sessions", "get", made.Session.Handle, "-o", "yaml").stdout), &entry))
		require.Equal(t, evil, entry.Devices[0].UserAgent)
	}
	r := s.ends(1, "", "sessions", "get", "a\x1b[2Jb\u009bc")
	require.NotContains(t, r.stderr, "\x1b")
	require.NotContains(t, r.stderr, "\u009b")
	r = s.ends(0, "", "sessions", "list", "--user", "a\x1b[2Jb")
	require.NotContains(t, r.stderr, "\x1b")
}

// TestLoginCookieOpensTheApplication: standard output of login is the cookie alone.
func TestLoginCookieOpensTheApplication(t *testing.T) {
	s := newSite(t, "")
	r := s.ends(0, plantedPassword+"\n", "login", "--source", "local", "--username", "alice")
	require.Regexp(t, `^sessionward=\S+\n$`, r.stdout)
	require.Regexp(t, `^session \S+ of alice at local, until .* at the latest\n$`, r.stderr)
	require.Equal(t, http.StatusOK, s.ask("Cookie", strings.TrimSpace(r.stdout)))
	s.write("password", plantedPassword+"\n")
	r = s.run("login", "--source", "local", "--username", "alice", "--password-file", "password")
	require.Equal(t, http.StatusOK, s.ask("Cookie", strings.TrimSpace(r.stdout)))

	id := s.vcenter.Login(vcenterUser)
	r = s.ends(0, id, "login", "--source", "vcenter", "--token-file", "-", "--header", "vmware-api-session-id")
	require.Contains(t, r.stderr, "at vcenter")
	require.NotContains(t, r.stdout+r.stderr, id)
	require.Equal(t, http.StatusOK, s.ask("Cookie", strings.TrimSpace(r.stdout)))
	require.Contains(t, s.ends(1, plantedPassword, "login", "--source", "local", "--assertion-file", "nowhere").stderr, "nowhere")
}

// TestAdminTokensOfTheCommandLine: a token of keys admin-token fits the configuration and may do what its scope says.
func TestAdminTokensOfTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	tokens, stanza := map[string]string{}, ""
	for _, scope := range []string{"read", "write"} {
		r := run(t, dir, "", nil, "keys", "admin-token", "ops-"+scope, "--scope", scope)
		require.Zero(t, r.code, r.stderr)
		tokens[scope] = regexp.MustCompile(`swa_\S{43}`).FindString(r.stdout)
		_, lines, found := strings.Cut(r.stdout, "start on:\n")
		require.True(t, found)
		require.NotContains(t, lines, tokens[scope])
		stanza += indent(lines)
	}
	require.NotEqual(t, tokens["read"], tokens["write"])
	s := newSite(t, "  tokens:\n"+stanza)
	handle, _ := s.login("alice")
	url := "http://" + s.admin
	ask := func(code int, env []string, args ...string) result {
		r := run(t, t.TempDir(), "", env, append([]string{"sessions"}, args...)...)
		require.Equal(t, code, r.code, r.stderr)
		for _, token := range tokens {
			require.NotContains(t, r.stdout+r.stderr, token)
		}
		return r
	}
	reader := []string{config.EnvAdminURL + "=" + url, config.EnvAdminToken + "=" + tokens["read"]}
	require.Contains(t, ask(0, reader, "list").stdout, handle)
	require.Equal(t, "sessionward: the token of SESSIONWARD_ADMIN_TOKEN may only read; this needs the scope write\n", ask(1, reader, "logout", handle).stderr)
	require.Equal(t, "sessionward: the token of SESSIONWARD_ADMIN_TOKEN may only read; this needs the scope write\n", ask(1, reader, "revoke", "--user", "alice", "--keep", "nobody", "--yes").stderr, "before anything else is asked")
	s.write("token", tokens["write"]+"\n")
	file := filepath.Join(s.dir, "token")
	require.Contains(t, ask(0, reader[:1], "touch", handle, "--admin-token-file", file).stdout, handle, "a flag wins over the environment")
	require.Contains(t, ask(0, nil, "logout", handle, "--admin-url", url, "--admin-token", tokens["write"]).stdout, handle)
	require.Contains(t, ask(1, reader[:1], "list", "--admin-token", "wrong").stderr, "does not know the token of --admin-token")
	require.Contains(t, ask(1, reader[:1], "list", "--admin-token-file", "nowhere").stderr, "nowhere")
	require.Contains(t, ask(1, reader[:1], "list").stderr, "--admin-url needs a token")

	for _, name := range []string{"", "a b", "-a", "ö", "a\nb"} {
		require.NotZero(t, run(t, dir, "", nil, "keys", "admin-token", "--", name).code, "%q", name)
	}
	require.Equal(t, 1, run(t, dir, "", nil, "keys", "admin-token", "x", "--scope", "all").code)
}

// TestKeyFileTokenIsShownToItsOwnGatewayAlone: another address, however it was given, never sees a token made of the keys
// of this machine, and none travels to another machine in the clear.
func TestKeyFileTokenIsShownToItsOwnGatewayAlone(t *testing.T) {
	shown := make(chan string, 8)
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { shown <- r.Header.Get("Authorization") }))
	defer stranger.Close()
	dir := publicSite(t, "http://127.0.0.1:1")
	require.Zero(t, run(t, dir, "", nil, "keys", "new").code)
	for _, r := range []result{
		run(t, dir, "", nil, "sessions", "list", "--admin-url", stranger.URL, "-c", "sessionward.yaml"),
		run(t, dir, "", []string{config.EnvAdminURL + "=" + stranger.URL}, "sessions", "list"),
		run(t, dir, "", nil, "sessions", "list", "--admin-url", "http://admin.example.com:4181", "--admin-token", "t"),
		run(t, dir, "", nil, "sessions", "list", "--admin-url", "http://user:planted@127.0.0.1:1", "--admin-token", "t"),
	} {
		require.Equal(t, 1, r.code)
		require.Contains(t, r.stderr, "--admin-url")
		require.NotContains(t, r.stderr, "planted")
	}
	require.Empty(t, shown)
}

// TestRotatedKeysStillReachTheGateway: until it is started again it knows the keys it was started with alone.
func TestRotatedKeysStillReachTheGateway(t *testing.T) {
	s := newSite(t, "")
	require.Zero(t, run(t, s.dir, "", nil, "keys", "rotate").code)
	require.Equal(t, "there are no sessions\n", s.run("sessions", "list").stderr)
}

// TestErrorsSayWhatToDo: each names what is wrong at this end.
func TestErrorsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "sessionward.yaml"), []byte(text), 0o600))
	}
	list := func(want string) {
		t.Helper()
		r := run(t, dir, "", nil, "sessions", "list")
		require.Equal(t, 1, r.code)
		require.Contains(t, r.stderr, want)
	}
	list("there is no sessionward.yaml: name the configuration of a gateway on this machine with --config, or another gateway with --admin-url")
	const free = "127.0.0.1:1"
	write(fmt.Sprintf("admin: {listen: %q}\n", free))
	list("sessionward.keys: no such file or directory: run this as a user who may read the key file, or show a token of admin.tokens")
	require.Zero(t, run(t, dir, "", nil, "keys", "new").code)
	list("nothing answers at " + free + ": is the gateway running")
	write("admin: {listen: none}\n")
	list("admin.listen is none")
	write("admin: {listen: \"127.0.0.1:0\"}\n")
	list("names no fixed address")
	write("admin: {lisen: none}\n")
	list(`did you mean "listen"?`)

	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "planted <html>", http.StatusBadGateway) }))
	defer other.Close()
	write(fmt.Sprintf("admin: {listen: %q}\n", strings.TrimPrefix(other.URL, "http://")))
	list("answered 502 and no reason: is this the admin listener?")
	require.NotContains(t, run(t, dir, "", nil, "sessions", "list").stderr, "planted")

	s := newSite(t, "")
	require.NoError(t, os.Remove(filepath.Join(s.dir, "sessionward.keys")))
	require.Zero(t, run(t, s.dir, "", nil, "keys", "new").code)
	require.Contains(t, s.ends(1, "", "sessions", "list").stderr, "does not know a token made of the key file")
}

// TestSessionsComplete: names of sources, handles with their users, and values of -o.
func TestSessionsComplete(t *testing.T) {
	s := newSite(t, "")
	handle, _ := s.login("alice")
	complete := func(args ...string) string { return s.run(append([]string{"__complete"}, args...)...).stdout }
	for _, command := range [][]string{{"sessions", "list"}, {"sessions", "revoke"}, {"sessions", "create"}, {"login"}} {
		require.Equal(t, "local\tlocal\n:4\n", complete(append(command, "--source", "l")...), "%v", command)
	}
	require.Contains(t, complete("sessions", "get", handle[:3]), handle+"\talice at local")
	require.Contains(t, complete("sessions", "revoke", "x", ""), handle)
	require.NotContains(t, complete("sessions", "get", handle, ""), handle)
	require.Equal(t, "table\njson\nyaml\n:4\n", complete("sessions", "list", "-o", ""))
	require.Equal(t, "table\njson\nyaml\n:4\n", complete("sources", "-o", ""))
	require.Equal(t, "read\nwrite\n:4\n", complete("keys", "admin-token", "x", "--scope", ""))
	require.NoError(t, s.gateway.cmd.Process.Kill())
	require.Error(t, s.gateway.wait(t, 10*time.Second))
	require.Equal(t, ":4\n", complete("login", "--source", ""), "without a gateway nothing is offered, and nothing fails")
}
