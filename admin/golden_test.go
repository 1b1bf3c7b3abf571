package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

var update = flag.Bool("update", false, "write the golden files")

// golden is one question and its answer. Path has HANDLE-ann where the handle of ann's own session stands.
type golden struct {
	name    string
	route   string // in openapi.json
	method  string
	path    string
	body    string
	headers []string
	setup   func(h *house)
}

// exchange is what a golden file holds.
type exchange struct {
	Route   string            `json:"route"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Body    json.RawMessage   `json:"body,omitempty"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Answer  json.RawMessage   `json:"answer,omitempty"`
	Lines   []json.RawMessage `json:"lines,omitempty"` // of application/x-ndjson
}

const (
	sessions   = "/api/v1/sessions"
	ann        = sessions + "/HANDLE-ann"
	bob        = sessions + "/people-bob"
	pat        = sessions + "/plain-pat"
	oneSession = sessions + "/{handle}"
)

func authorityDown(h *house) {
	h.corp.set(session.WithRetryAfter(fmt.Errorf("source corp: asking: %w", session.ErrUnavailable), 90*time.Second))
	h.people.set(fmt.Errorf("source people: asking: %w", session.ErrUnavailable))
	h.portal.down = fmt.Errorf("source portal: asking: %w", session.ErrUnavailable)
}

func storeDown(h *house) { h.store.set(fmt.Errorf("disk: %w", session.ErrUnavailable)) }

// goldens is every route: what it answers, and each class of refusal it can end in.
func goldens() []golden {
	form := []string{"Content-Type", typeForm}
	return []golden{
		{name: "list", route: sessions, method: "GET", path: sessions + `?filter=username+eq+"ann"`},
		{name: "list_realm", route: sessions, method: "GET", path: sessions + `?filter=username+eq+"bob"+and+realm+eq+"/alpha"&limit=10`},
		{name: "list_page", route: sessions, method: "GET", path: sessions + `?filter=foreign+eq+true&limit=1`},
		{name: "list_none", route: sessions, method: "GET", path: sessions + `?filter=aal+eq+"aal3"`},
		{name: "list_bad_filter", route: sessions, method: "GET", path: sessions + `?filter=shoe_size+eq+"45"`},
		{name: "list_bad_limit", route: sessions, method: "GET", path: sessions + `?limit=0`},
		{name: "list_bad_cursor", route: sessions, method: "GET", path: sessions + `?cursor=!`},
		{name: "list_store_down", route: sessions, method: "GET", path: sessions, setup: storeDown},

		{name: "create_password", route: sessions, method: "POST", path: sessions, body: `{"source":"corp","username":"eve","password":"` + plantedPassword + `","ip":"192.0.2.1","user_agent":"kiosk"}`},
		{name: "create_token", route: sessions, method: "POST", path: sessions, body: `{"source":"people","token":"` + plantedAccess + `.eve"}`},
		{name: "create_header", route: sessions, method: "POST", path: sessions, body: `{"source":"plain","token":"` + plantedAccess + `.eve","header":"x-plain"}`},
		{name: "create_assertion", route: sessions, method: "POST", path: sessions, body: `{"source":"people","assertion":"<Assertion/>"}`},
		{name: "create_rejected", route: sessions, method: "POST", path: sessions, body: `{"source":"corp","username":"eve","password":"wrong"}`},
		{name: "create_unsupported", route: sessions, method: "POST", path: sessions, body: `{"source":"plain","assertion":"<Assertion/>"}`},
		{name: "create_wrong_place", route: sessions, method: "POST", path: sessions, body: `{"source":"plain","token":"x","cookie":"other"}`},
		{name: "create_two_proofs", route: sessions, method: "POST", path: sessions, body: `{"source":"corp","username":"eve","password":"x","token":"y"}`},
		{name: "create_no_source", route: sessions, method: "POST", path: sessions, body: `{"token":"x"}`},
		{name: "create_unknown_source", route: sessions, method: "POST", path: sessions, body: `{"source":"nowhere","token":"x"}`},
		{name: "create_bad_ip", route: sessions, method: "POST", path: sessions, body: `{"source":"corp","username":"eve","password":"x","ip":"kitchen"}`},
		{name: "create_too_many", route: sessions, method: "POST", path: sessions, body: `{"source":"corp","username":"eve","password":"x"}`, setup: func(h *house) {
			h.corp.set(session.WithRetryAfter(fmt.Errorf("source corp: %w", session.ErrTooMany), 30*time.Second))
		}},
		{name: "create_down", route: sessions, method: "POST", path: sessions, body: `{"source":"corp","username":"eve","password":"x"}`, setup: authorityDown},
		{name: "create_no_class", route: sessions, method: "POST", path: sessions, body: `{"source":"corp","username":"eve","password":"x"}`, setup: func(h *house) { h.corp.set(errors.New("dial " + plantedAccess)) }},

		{name: "device", route: sessions + "/device", method: "POST", path: sessions + "/device", body: `{"source":"portal","ip":"192.0.2.1","user_agent":"kiosk"}`},
		{name: "device_refused", route: sessions + "/device", method: "POST", path: sessions + "/device", body: `{"source":"portal"}`, setup: func(h *house) {
			h.portal.agree = func(context.Context) error {
				return fmt.Errorf("source portal: the user refused the login: %w", session.ErrRejected)
			}
		}},
		{name: "device_unsupported", route: sessions + "/device", method: "POST", path: sessions + "/device", body: `{"source":"corp"}`},
		{name: "device_unknown_source", route: sessions + "/device", method: "POST", path: sessions + "/device", body: `{"source":"nowhere"}`},
		{name: "device_bad_ip", route: sessions + "/device", method: "POST", path: sessions + "/device", body: `{"source":"portal","ip":"kitchen"}`},
		{name: "device_full", route: sessions + "/device", method: "POST", path: sessions + "/device", body: `{"source":"portal"}`, setup: func(h *house) {
			for range maxWaiting {
				_, err := h.api.wait()
				require.NoError(h.t, err)
			}
		}},
		{name: "device_down", route: sessions + "/device", method: "POST", path: sessions + "/device", body: `{"source":"portal"}`, setup: authorityDown},

		{name: "loopback", route: sessions + "/loopback", method: "POST", path: sessions + "/loopback", body: `{"source":"portal","redirect_uri":"http://127.0.0.1:40961/callback"}`},
		{name: "loopback_elsewhere", route: sessions + "/loopback", method: "POST", path: sessions + "/loopback", body: `{"source":"portal","redirect_uri":"http://localhost:40961/callback"}`},
		{name: "loopback_unsupported", route: sessions + "/loopback", method: "POST", path: sessions + "/loopback", body: `{"source":"corp","redirect_uri":"http://[::1]:40961/"}`},
		{name: "loopback_down", route: sessions + "/loopback", method: "POST", path: sessions + "/loopback", body: `{"source":"portal","redirect_uri":"http://[::1]:40961/"}`, setup: authorityDown},
		{name: "loopback_finish", route: sessions + "/loopback/finish", method: "POST", path: sessions + "/loopback/finish", body: `{"attempt":"ATTEMPT","query":"code=` + plantedCode + `&state=STATE"}`},
		{name: "loopback_finish_refused", route: sessions + "/loopback/finish", method: "POST", path: sessions + "/loopback/finish", body: `{"attempt":"ATTEMPT","query":"error=access_denied&state=STATE"}`},
		{name: "loopback_finish_other", route: sessions + "/loopback/finish", method: "POST", path: sessions + "/loopback/finish", body: `{"attempt":"ATTEMPT","query":"code=` + plantedCode + `&state=x"}`},
		{name: "loopback_finish_no_attempt", route: sessions + "/loopback/finish", method: "POST", path: sessions + "/loopback/finish", body: `{"attempt":"x","query":"code=` + plantedCode + `&state=STATE"}`},

		{name: "revoke_handles", route: sessions + "/revoke", method: "POST", path: sessions + "/revoke", body: `{"handles":["HANDLE-ann","people-bob","plain-pat","nobody"]}`},
		{name: "revoke_filter", route: sessions + "/revoke", method: "POST", path: sessions + "/revoke", body: `{"filter":"username eq \"bob\" and realm eq \"/alpha\""}`},
		{name: "revoke_all_but", route: sessions + "/revoke", method: "POST", path: sessions + "/revoke", body: `{"filter":"foreign eq false","keep":"HANDLE-ann"}`, setup: func(h *house) { h.login("eve") }},
		{name: "revoke_none", route: sessions + "/revoke", method: "POST", path: sessions + "/revoke", body: `{"filter":"aal eq \"aal3\""}`},
		{name: "revoke_blank", route: sessions + "/revoke", method: "POST", path: sessions + "/revoke", body: `{"filter":"  "}`},
		{name: "revoke_nothing", route: sessions + "/revoke", method: "POST", path: sessions + "/revoke", body: `{}`},
		{name: "revoke_keep_missing", route: sessions + "/revoke", method: "POST", path: sessions + "/revoke", body: `{"filter":"true","keep":"nobody"}`},
		{name: "revoke_store_down", route: sessions + "/revoke", method: "POST", path: sessions + "/revoke", body: `{"filter":"true"}`, setup: storeDown},

		{name: "get_own", route: oneSession, method: "GET", path: ann},
		{name: "get_foreign", route: oneSession, method: "GET", path: bob},
		{name: "get_missing", route: oneSession, method: "GET", path: sessions + "/nobody"},
		{name: "delete_own", route: oneSession, method: "DELETE", path: ann},
		{name: "delete_foreign", route: oneSession, method: "DELETE", path: bob},
		{name: "delete_powerless", route: oneSession, method: "DELETE", path: pat},
		{name: "delete_authority_down", route: oneSession, method: "DELETE", path: bob, setup: authorityDown},
		{name: "delete_missing", route: oneSession, method: "DELETE", path: sessions + "/nobody"},
		{name: "logout_own", route: oneSession + "/logout", method: "POST", path: ann + "/logout"},
		{name: "logout_missing", route: oneSession + "/logout", method: "POST", path: sessions + "/nobody/logout"},

		{name: "validate_own", route: oneSession + "/validate", method: "POST", path: ann + "/validate"},
		{name: "validate_foreign", route: oneSession + "/validate", method: "POST", path: bob + "/validate"},
		{name: "validate_ended", route: oneSession + "/validate", method: "POST", path: bob + "/validate", setup: func(h *house) { _ = h.people.end("bob") }},
		{name: "validate_unsupported", route: oneSession + "/validate", method: "POST", path: pat + "/validate"},
		{name: "validate_down", route: oneSession + "/validate", method: "POST", path: bob + "/validate", setup: authorityDown},
		{name: "validate_missing", route: oneSession + "/validate", method: "POST", path: sessions + "/nobody/validate"},

		{name: "touch_own", route: oneSession + "/touch", method: "POST", path: ann + "/touch", setup: func(h *house) { h.turn(10 * time.Minute) }},
		{name: "touch_foreign", route: oneSession + "/touch", method: "POST", path: bob + "/touch"},
		{name: "touch_unsupported", route: oneSession + "/touch", method: "POST", path: pat + "/touch"},
		{name: "touch_missing", route: oneSession + "/touch", method: "POST", path: sessions + "/nobody/touch"},

		{name: "ttl_own", route: oneSession + "/ttl", method: "GET", path: ann + "/ttl?within=90m"},
		{name: "ttl_unknown_end", route: oneSession + "/ttl", method: "GET", path: pat + "/ttl"},
		{name: "ttl_bad", route: oneSession + "/ttl", method: "GET", path: ann + "/ttl?within=soon"},
		{name: "ttl_missing", route: oneSession + "/ttl", method: "GET", path: sessions + "/nobody/ttl"},

		{name: "refresh_own", route: oneSession + "/refresh", method: "POST", path: ann + "/refresh"},
		{name: "refresh_foreign", route: oneSession + "/refresh", method: "POST", path: bob + "/refresh"},
		{name: "refresh_unsupported", route: oneSession + "/refresh", method: "POST", path: pat + "/refresh"},
		{name: "refresh_rejected", route: oneSession + "/refresh", method: "POST", path: ann + "/refresh", setup: func(h *house) {
			h.corp.set(fmt.Errorf("source corp: invalid_grant: %w", session.ErrRejected))
		}},
		{name: "refresh_down", route: oneSession + "/refresh", method: "POST", path: ann + "/refresh", setup: authorityDown},
		{name: "refresh_missing", route: oneSession + "/refresh", method: "POST", path: sessions + "/nobody/refresh"},

		{name: "extend_foreign", route: oneSession + "/extend", method: "POST", path: bob + "/extend"},
		{name: "extend_own", route: oneSession + "/extend", method: "POST", path: ann + "/extend"},
		{name: "extend_missing", route: oneSession + "/extend", method: "POST", path: sessions + "/nobody/extend"},

		{name: "devices_own", route: oneSession + "/devices", method: "GET", path: ann + "/devices"},
		{name: "devices_foreign", route: oneSession + "/devices", method: "GET", path: bob + "/devices"},
		{name: "devices_missing", route: oneSession + "/devices", method: "GET", path: sessions + "/nobody/devices"},

		{name: "properties_own", route: oneSession + "/properties", method: "GET", path: ann + "/properties"},
		{name: "properties_foreign", route: oneSession + "/properties", method: "GET", path: bob + "/properties"},
		{name: "properties_down", route: oneSession + "/properties", method: "GET", path: bob + "/properties", setup: authorityDown},
		{name: "properties_missing", route: oneSession + "/properties", method: "GET", path: sessions + "/nobody/properties"},
		{name: "properties_update_own", route: oneSession + "/properties", method: "PATCH", path: ann + "/properties", body: `{"properties":{"theme":"dark"}}`},
		{name: "properties_update_foreign", route: oneSession + "/properties", method: "PATCH", path: bob + "/properties", body: `{"properties":{"locale":"en"}}`},
		{name: "properties_update_not_listed", route: oneSession + "/properties", method: "PATCH", path: ann + "/properties", body: `{"properties":{"admin":"yes"}}`},
		{name: "properties_update_not_allowed", route: oneSession + "/properties", method: "PATCH", path: bob + "/properties", body: `{"properties":{"owner":"eve"}}`},
		{name: "properties_update_unsupported", route: oneSession + "/properties", method: "PATCH", path: pat + "/properties", body: `{"properties":{"theme":"dark"}}`},
		{name: "properties_update_empty", route: oneSession + "/properties", method: "PATCH", path: ann + "/properties", body: `{"properties":{}}`},
		{name: "properties_update_missing", route: oneSession + "/properties", method: "PATCH", path: sessions + "/nobody/properties", body: `{"properties":{"theme":"dark"}}`},

		{name: "properties_update_last", route: oneSession + "/properties", method: "PATCH", path: ann + "/properties", body: `{"properties":{"theme":""}}`},

		{name: "tokenize_authority", route: oneSession + "/tokenize", method: "POST", path: bob + "/tokenize", body: `{"template":"gateway"}`},
		{name: "tokenize_here", route: oneSession + "/tokenize", method: "POST", path: ann + "/tokenize", body: `{"template":"app"}`},
		{name: "tokenize_not_listed", route: oneSession + "/tokenize", method: "POST", path: ann + "/tokenize", body: `{"template":"payroll"}`},
		{name: "tokenize_unproven", route: oneSession + "/tokenize", method: "POST", path: pat + "/tokenize", body: `{"template":"app"}`},
		{name: "tokenize_no_template", route: oneSession + "/tokenize", method: "POST", path: ann + "/tokenize", body: `{}`},
		{name: "tokenize_missing", route: oneSession + "/tokenize", method: "POST", path: sessions + "/nobody/tokenize", body: `{"template":"app"}`},

		{name: "introspect_active", route: "/api/v1/introspect", method: "POST", path: "/api/v1/introspect", body: "token=COOKIE-ann", headers: form},
		{name: "introspect_inactive", route: "/api/v1/introspect", method: "POST", path: "/api/v1/introspect", body: "token=forged&token_type_hint=x", headers: form},
		{name: "introspect_two", route: "/api/v1/introspect", method: "POST", path: "/api/v1/introspect", body: "token=a&token=b", headers: form},
		{name: "introspect_store_down", route: "/api/v1/introspect", method: "POST", path: "/api/v1/introspect", body: "token=COOKIE-ann", headers: form, setup: storeDown},

		{name: "sources", route: "/api/v1/sources", method: "GET", path: "/api/v1/sources"},
		{name: "sources_unwell", route: "/api/v1/sources", method: "GET", path: "/api/v1/sources", setup: authorityDown},
		{name: "revoke_user", route: "/api/v1/sources/{source}/revoke-user", method: "POST", path: "/api/v1/sources/people/revoke-user", body: `{"username":"bob","realm":"/alpha"}`},
		{name: "revoke_user_nobody", route: "/api/v1/sources/{source}/revoke-user", method: "POST", path: "/api/v1/sources/people/revoke-user", body: `{"realm":"/alpha"}`},
		{name: "revoke_user_unsupported", route: "/api/v1/sources/{source}/revoke-user", method: "POST", path: "/api/v1/sources/corp/revoke-user", body: `{"subject":"ann-sub"}`},
		{name: "revoke_user_down", route: "/api/v1/sources/{source}/revoke-user", method: "POST", path: "/api/v1/sources/people/revoke-user", body: `{"subject":"bob-sub"}`, setup: authorityDown},
		{name: "revoke_user_unknown_source", route: "/api/v1/sources/{source}/revoke-user", method: "POST", path: "/api/v1/sources/nowhere/revoke-user", body: `{"subject":"bob-sub"}`},
		{name: "stats", route: "/api/v1/stats", method: "GET", path: "/api/v1/stats"},
		{name: "stats_store_down", route: "/api/v1/stats", method: "GET", path: "/api/v1/stats", setup: storeDown},
		{name: "whoami_write", route: "/api/v1/whoami", method: "GET", path: "/api/v1/whoami"},
		{name: "whoami_read", route: "/api/v1/whoami", method: "GET", path: "/api/v1/whoami", headers: []string{"Authorization", "Bearer " + readToken}},
		{name: "whoami_nobody", route: "/api/v1/whoami", method: "GET", path: "/api/v1/whoami", headers: []string{"Authorization", "Bearer wrong"}},
		{name: "livez", route: "/livez", method: "GET", path: "/livez"},
		{name: "readyz", route: "/readyz", method: "GET", path: "/readyz"},

		{name: "refused_no_token", route: sessions, method: "GET", path: sessions, headers: []string{"Authorization", ""}},
		{name: "refused_scope", route: oneSession, method: "DELETE", path: ann, headers: []string{"Authorization", "Bearer " + readToken}},
		{name: "refused_host", route: sessions, method: "GET", path: sessions, headers: []string{"Host", "evil.example"}},
		{name: "refused_type", route: sessions, method: "POST", path: sessions, body: `{"source":"corp"}`, headers: []string{"Content-Type", "text/plain"}},
		{name: "refused_size", route: sessions, method: "POST", path: sessions, body: `{"source":"corp","assertion":"` + strings.Repeat("x", maxBody) + `"}`},
	}
}

// ready is a house with sessions of three kinds.
func ready(t *testing.T) (h *house, handle string, cookie session.Secret) {
	h = newHouse(t)
	handle, cookie = h.login("ann")
	h.visitPeople("bob")
	h.visitPlain("pat")
	return h, handle, cookie
}

func TestGolden(t *testing.T) {
	described := readDocument(t)
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			h, handle, cookie := ready(t)
			if g.setup != nil {
				g.setup(h)
			}
			real := strings.NewReplacer("HANDLE-ann", handle, "COOKIE-ann", cookie.Reveal(), " ", "%20", `"`, "%22")
			attempt, state := h.begin()
			body := strings.NewReplacer("HANDLE-ann", handle, "COOKIE-ann", cookie.Reveal(), "ATTEMPT", attempt, "STATE", state).Replace(g.body)
			rec := h.ask(g.method, real.Replace(g.path), body, g.headers...)
			checkGolden(t, g, h.masked(rec.Body.String()), rec.Code, rec.Header())
			described.holds(t, g, rec.Code, rec.Header().Get("Content-Type"), rec.Body.Bytes())
		})
	}
}

// masked replaces what is random.
func (h *house) masked(answer string) string {
	for handle, name := range h.handles {
		answer = strings.ReplaceAll(answer, handle, name)
	}
	answer = regexp.MustCompile(`"handle":"[a-z2-7]{20}"`).ReplaceAllString(answer, `"handle":"HANDLE"`)
	answer = regexp.MustCompile(`"next":"[^"]+"`).ReplaceAllString(answer, `"next":"CURSOR"`)
	answer = regexp.MustCompile(`"attempt":"[^"]+"`).ReplaceAllString(answer, `"attempt":"ATTEMPT"`)
	answer = regexp.MustCompile(`(state|nonce)=[A-Z2-7]{26,}`).ReplaceAllString(answer, `$1=RANDOM`)
	return regexp.MustCompile(`"value":"[^"]+"`).ReplaceAllString(answer, `"value":"COOKIE"`)
}

func checkGolden(t *testing.T, g golden, answer string, status int, header http.Header) {
	x := exchange{Route: g.route, Method: g.method, Path: g.path, Status: status, Headers: map[string]string{}}
	if g.body != "" {
		body := g.body
		if len(body) > 1000 {
			body = body[:60] + "…"
		}
		if x.Body = json.RawMessage(body); !json.Valid(x.Body) {
			x.Body, _ = json.Marshal(body)
		}
	}
	for _, name := range []string{"Content-Type", "Retry-After", "Www-Authenticate"} {
		if v := header.Get(name); v != "" {
			x.Headers[name] = v
		}
	}
	switch header.Get("Content-Type") {
	case "application/x-ndjson":
		for line := range strings.Lines(answer) {
			x.Lines = append(x.Lines, json.RawMessage(line))
		}
	case typeJSON, "application/problem+json":
		x.Answer = json.RawMessage(answer)
	default:
		x.Answer, _ = json.Marshal(answer)
	}
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	require.NoError(t, e.Encode(x), answer)
	path := filepath.Join("testdata", g.name+".golden.json")
	if *update {
		require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

// TestGoldenFilesAreUsed: a file whose case is gone says nothing.
func TestGoldenFilesAreUsed(t *testing.T) {
	used := map[string]bool{}
	for _, g := range goldens() {
		require.False(t, used[g.name], g.name)
		used[g.name] = true
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*.golden.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		require.True(t, used[strings.TrimSuffix(filepath.Base(file), ".golden.json")], file)
	}
}
