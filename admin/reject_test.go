package admin

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// code is the word of a refusal.
func code(t *testing.T, rec *httptest.ResponseRecorder) string {
	t.Helper()
	require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"), "%d %s", rec.Code, rec.Body)
	var p Problem
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
	require.Equal(t, rec.Code, p.Status)
	return p.Code
}

// target is an address that a route takes, for the session with that handle.
func (rt route) target(handle string) string {
	return strings.NewReplacer("{handle}", handle, "{source}", "people").Replace(rt.path)
}

// sample is a body a route would take.
func (rt route) sample() string {
	switch {
	case rt.body == typeForm:
		return "token=x"
	case strings.HasSuffix(rt.path, "/sessions"):
		return `{"source":"corp","username":"eve","password":"` + plantedPassword + `"}`
	case strings.HasSuffix(rt.path, "/device"):
		return `{"source":"portal"}`
	case strings.HasSuffix(rt.path, "/loopback"):
		return `{"source":"portal","redirect_uri":"http://127.0.0.1:40961/callback"}`
	case strings.HasSuffix(rt.path, "/finish"):
		return `{"attempt":"x","query":"y"}`
	case strings.HasSuffix(rt.path, "/sessions/revoke"):
		return `{"filter":"true"}`
	case strings.HasSuffix(rt.path, "/revoke-user"):
		return `{"username":"bob"}`
	case strings.HasSuffix(rt.path, "/properties") && rt.body != "":
		return `{"properties":{"theme":"dark"}}`
	case strings.HasSuffix(rt.path, "/tokenize"):
		return `{"template":"app"}`
	}
	return ""
}

// untouched wants both sessions to hold, and no more than them.
func untouched(t *testing.T, h *house, cookie session.Secret) {
	t.Helper()
	require.NoError(t, h.shown(cookie))
	h.visitPeople("bob")
	n, err := h.ops.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, n.Own+n.Foreign)
}

func TestRejectWithoutToken(t *testing.T) {
	h, handle, cookie := ready(t)
	other, err := session.NewKeyRing(session.Key{ID: "k1", Secret: session.NewSecret(strings.Repeat("o", 40))})
	require.NoError(t, err)
	for name, shown := range map[string]string{
		"none": "", "empty": "Bearer ", "scheme only": "Bearer", "wrong": "Bearer swa_wrong", "cut": "Bearer " + writeToken[:len(writeToken)-1],
		"longer": "Bearer " + writeToken + "0", "hash": "Bearer " + HashToken(writeToken), "basic": "Basic " + writeToken, "bare": writeToken,
		"of another key ring": "Bearer " + LocalTokens(other)[0].Reveal(), "session cookie": "Bearer " + cookie.Reveal(),
	} {
		for _, rt := range h.api.routes() {
			rec := h.ask(rt.method, rt.target(handle), rt.sample(), "Authorization", shown)
			require.Equal(t, "unauthorized", code(t, rec), "%s: %s %s", name, rt.method, rt.path)
			require.Equal(t, http.StatusUnauthorized, rec.Code)
			require.NotEmpty(t, rec.Header().Get("WWW-Authenticate"))
		}
	}
	untouched(t, h, cookie)
}

func TestRejectTwoTokens(t *testing.T) {
	h := newHouse(t)
	r := httptest.NewRequest("GET", "http://localhost/api/v1/sessions", nil)
	r.Header["Authorization"] = []string{"Bearer " + writeToken, "Bearer " + writeToken}
	rec := httptest.NewRecorder()
	h.handler.ServeHTTP(rec, r)
	require.Equal(t, http.StatusUnauthorized, rec.Code)
}

func TestRejectTokenInTheQuery(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"access_token", "token", "authorization"} {
		require.Equal(t, http.StatusUnauthorized, h.ask("GET", "/api/v1/sessions?"+name+"="+writeToken, "", "Authorization", "").Code)
	}
}

// TestRejectScope: who may only read changes nothing, on any route.
func TestRejectScope(t *testing.T) {
	h, handle, cookie := ready(t)
	writes := 0
	for _, rt := range h.api.routes() {
		rec := h.ask(rt.method, rt.target(handle), rt.sample(), "Authorization", "Bearer "+readToken, "Content-Type", rt.body)
		if rt.scope == Read {
			require.NotEqual(t, http.StatusForbidden, rec.Code, "%s %s", rt.method, rt.path)
			require.NotEqual(t, http.StatusUnauthorized, rec.Code)
			continue
		}
		writes++
		require.Equal(t, "insufficient_scope", code(t, rec), "%s %s", rt.method, rt.path)
		require.Contains(t, rec.Header().Get("WWW-Authenticate"), `scope="write"`)
	}
	require.Greater(t, writes, 8)
	untouched(t, h, cookie)
	require.Contains(t, h.log.String(), `"msg":"an operator was refused","code":"insufficient_scope","operator":"dashboard"`)
}

func TestLocalTokenOpensEverything(t *testing.T) {
	h := newHouse(t)
	rec := h.ask("POST", "/api/v1/sessions/revoke", `{"filter":"true"}`, "Authorization", "bearer "+h.api.o.LocalTokens[0].Reveal())
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
}

// certified sends a request of the holder of a client certificate.
func (h *house) certified(method, name string, verified bool, authorization string) int {
	r := httptest.NewRequest(method, "https://127.0.0.1/api/v1/sessions/nobody", nil)
	cert := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	if verified {
		r.TLS.VerifiedChains = [][]*x509.Certificate{{cert}}
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	rec := httptest.NewRecorder()
	h.handler.ServeHTTP(rec, r)
	return rec.Code
}

// TestRejectClientCertificate: only a verified one of a known name, and only without a token beside it.
func TestRejectClientCertificate(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Clients[""] = Write })
	require.Equal(t, http.StatusNotFound, h.certified("DELETE", "ops", true, ""), "let through: there is no such session")
	require.Equal(t, http.StatusNotFound, h.certified("GET", "viewer", true, ""), "the default is to read")
	require.Equal(t, http.StatusForbidden, h.certified("DELETE", "viewer", true, ""))
	for name, got := range map[string]int{
		"unknown":              h.certified("GET", "somebody", true, ""),
		"without a name":       h.certified("GET", "", true, ""),
		"other case":           h.certified("GET", "OPS", true, ""),
		"not verified":         h.certified("GET", "ops", false, ""),
		"beside a wrong token": h.certified("GET", "ops", true, "Bearer wrong"),
		"beside an odd header": h.certified("GET", "ops", true, "Basic"),
	} {
		require.Equal(t, http.StatusUnauthorized, got, name)
	}
	require.Equal(t, http.StatusForbidden, h.certified("DELETE", "ops", true, "Bearer "+readToken), "the token decides")
}

// TestRejectUnknownHost: a name that another site has made to lead here (DNS rebinding).
func TestRejectUnknownHost(t *testing.T) {
	h := newHouse(t)
	for _, host := range []string{"evil.example", "evil.example:4181", "localhost.evil.example", "127.0.0.1.evil.example", "localhost.", "admin.example.com.", "x.admin.example.com", "", "127.1", "[evil]:80"} {
		for _, path := range []string{"/livez", "/readyz", "/api/v1/openapi.json", "/api/v1/sessions", "/nothing"} {
			require.Equal(t, "unknown_host", code(t, h.ask("GET", path, "", "Host", host)), "%q %s", host, path)
		}
	}
	for _, host := range []string{"localhost", "LOCALHOST:4181", "127.0.0.1", "10.1.2.3:4181", "[::1]:4181", "[::1]", "admin.example.com", "ADMIN.example.com:443"} {
		require.Equal(t, http.StatusOK, h.ask("GET", "/api/v1/sessions", "", "Host", host).Code, host)
	}
}

// TestRejectCrossSite: a browser shows its client certificate for any page.
func TestRejectCrossSite(t *testing.T) {
	h, handle, cookie := ready(t)
	for _, headers := range [][]string{
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
		{"Origin", "http://127.0.0.1:4180"},
		{"Origin", "http://127.0.0.1"},
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Sec-Fetch-Site", "odd"},
		{"Origin", "http://127.0.0.1:4181", "Sec-Fetch-Site", "cross-site"},
	} {
		for _, rt := range h.api.routes() {
			rec := h.ask(rt.method, rt.target(handle), rt.sample(), headers...)
			require.Equal(t, "cross_site", code(t, rec), "%v: %s %s", headers, rt.method, rt.path)
			require.Empty(t, rec.Header().Get("Access-Control-Allow-Origin"))
		}
	}
	untouched(t, h, cookie)
	for _, headers := range [][]string{{"Origin", "http://127.0.0.1:4181", "Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}} {
		require.Equal(t, http.StatusOK, h.ask("GET", "/api/v1/sessions", "", headers...).Code, "%v", headers)
	}
}

// TestRejectContentType: what a form of another site's page can send is no body of ours.
func TestRejectContentType(t *testing.T) {
	h, handle, cookie := ready(t)
	for _, rt := range h.api.routes() {
		if rt.method == http.MethodGet {
			continue
		}
		for _, kind := range []string{"text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/json-patch+json", "application/json; =", "application/json, text/plain", ""} {
			if kind == rt.body || (kind == "" && rt.body == "") {
				continue
			}
			rec := h.ask(rt.method, rt.target(handle), rt.sample(), "Content-Type", kind)
			require.Equal(t, "unsupported_media_type", code(t, rec), "%s %s %q", rt.method, rt.path, kind)
		}
		r := httptest.NewRequest(rt.method, "http://localhost"+rt.target(handle), strings.NewReader(rt.sample()))
		r.Header["Content-Type"] = []string{rt.body, "text/plain"}
		r.Header.Set("Authorization", "Bearer "+writeToken)
		rec := httptest.NewRecorder()
		h.handler.ServeHTTP(rec, r)
		require.Equal(t, http.StatusUnsupportedMediaType, rec.Code, "two types: %s %s", rt.method, rt.path)
	}
	untouched(t, h, cookie)
}

// TestRejectBodies: a body that is misspelt, goes on, breaks off or is too large does nothing.
func TestRejectBodies(t *testing.T) {
	h, handle, cookie := ready(t)
	for _, rt := range h.api.routes() {
		switch {
		case rt.method != http.MethodGet && rt.body == "":
			require.Equal(t, "malformed", code(t, h.ask(rt.method, rt.target(handle), `{"really":true}`)), "%s %s takes no body", rt.method, rt.path)
		case rt.body == typeJSON:
			good := rt.sample()
			for name, body := range map[string]string{
				"unknown member": good[:len(good)-1] + `,"evil":1}`, "goes on": good + good, "closed twice": good + "}", "closed as a list": good + "]", "breaks off": good[:len(good)-1],
				"list": "[" + good + "]", "text": `"x"`, "blank": " ", "wrong types": strings.ReplaceAll(good, `":"`, `":42,"x":"`),
			} {
				require.Equal(t, "malformed", code(t, h.ask(rt.method, rt.target(handle), body)), "%s: %s %s %s", name, rt.method, rt.path, body)
			}
			rec := h.ask(rt.method, rt.target(handle), good[:len(good)-1]+`,"x":"`+strings.Repeat("x", maxBody)+`"}`)
			require.Contains(t, []string{"too_large", "malformed"}, code(t, rec))
			rec = h.ask(rt.method, rt.target(handle), `{"source":"`+strings.Repeat("x", maxBody)+`"}`)
			require.Equal(t, "too_large", code(t, rec), "%s %s", rt.method, rt.path)
		case rt.body == typeForm:
			rec := h.ask(rt.method, rt.target(handle), "token="+strings.Repeat("x", maxBody), "Content-Type", typeForm)
			require.Equal(t, "too_large", code(t, rec))
		}
	}
	untouched(t, h, cookie)
}

// TestRejectValuesInErrors: what is said of a body that is refused repeats none of its values.
func TestRejectValuesInErrors(t *testing.T) {
	h := newHouse(t)
	for _, body := range []string{
		`{"source":"corp","username":"ann","password":47114711}`, `{"source":"corp","username":"ann","password":["` + plantedPassword + `"]}`,
		`{"source":"corp","username":"ann","password":"` + plantedPassword + `"`, `{"source":"corp","password":"` + plantedPassword + `","token":"` + plantedAccess + `"}`,
		`{"source":"corp","username":"ann","password":"x","ip":"` + plantedPassword + `"}`,
	} {
		rec := h.ask("POST", "/api/v1/sessions", body)
		require.Equal(t, "malformed", code(t, rec))
		require.NotContains(t, rec.Body.String(), "4711")
	}
	require.NotContains(t, h.log.String(), "4711")
}

// TestRejectUnknownParameters: a misspelt filter would choose all.
func TestRejectUnknownParameters(t *testing.T) {
	h, handle, cookie := ready(t)
	for _, rt := range h.api.routes() {
		for _, query := range []string{"?fliter=x", "?Limit=1", "?filter=a;b", "?%zz", "?evil"} {
			require.Equal(t, "malformed", code(t, h.ask(rt.method, rt.target(handle)+query, rt.sample(), "Content-Type", rt.body)), "%s %s%s", rt.method, rt.path, query)
		}
	}
	require.Equal(t, "malformed", code(t, h.ask("GET", "/api/v1/sessions?limit=1&limit=2", "")))
	untouched(t, h, cookie)
}

// TestRejectBlankRevocation: nothing that was meant otherwise ends all sessions.
func TestRejectBlankRevocation(t *testing.T) {
	h, handle, cookie := ready(t)
	for _, body := range []string{`{}`, `{"filter":""}`, `{"filter":" "}`, `{"filter":"\t\n"}`, `{"handles":[]}`, `{"handles":[],"filter":" "}`, `{"handles":["` + handle + `"],"filter":"true"}`, `{"handles":["` + handle + `"],"keep":"x"}`, `{"filter":"username"}`, `{"filter":"all"}`} {
		require.Equal(t, "malformed", code(t, h.ask("POST", "/api/v1/sessions/revoke", body)), body)
	}
	many, err := json.Marshal(Revocation{Handles: make([]string, maxHandles+1)})
	require.NoError(t, err)
	require.Equal(t, "malformed", code(t, h.ask("POST", "/api/v1/sessions/revoke", string(many))))
	require.Equal(t, "malformed", code(t, h.ask("POST", "/api/v1/sources/people/revoke-user", `{"realm":"/alpha"}`)))
	untouched(t, h, cookie)
}

// TestRejectMisspeltKeep: the session that was to stay would end too.
func TestRejectMisspeltKeep(t *testing.T) {
	h, handle, cookie := ready(t)
	require.Equal(t, "not_found", code(t, h.ask("POST", "/api/v1/sessions/revoke", `{"filter":"true","keep":"`+handle+`x"}`)))
	untouched(t, h, cookie)
	require.Equal(t, http.StatusOK, h.ask("POST", "/api/v1/sessions/revoke", `{"filter":"true","keep":"`+handle+`"}`).Code)
	require.NoError(t, h.shown(cookie))
	require.ErrorIs(t, h.visit(session.Place{Kind: session.KindBearer}, "bob"), session.ErrRejected)
}

// TestRejectTokenOfAnUnprovenSession: what was noted of a foreign session is signed only when its authority says that it
// holds, now.
func TestRejectTokenOfAnUnprovenSession(t *testing.T) {
	h, _, _ := ready(t)
	require.Equal(t, http.StatusNotImplemented, h.ask("POST", "/api/v1/sessions/plain-pat/tokenize", `{"template":"app"}`).Code, "nobody can say")
	require.NoError(t, h.people.end("bob"))
	h.people.fail = nil
	rec := h.ask("POST", "/api/v1/sessions/people-bob/validate", "")
	require.Equal(t, "rejected", code(t, rec))
	rec = h.ask("POST", "/api/v1/sessions/people-bob/tokenize", `{"template":"app"}`)
	require.NotEqual(t, http.StatusOK, rec.Code)
	require.NotContains(t, rec.Body.String(), "signed-for")
}

// TestRejectEndedSessionAtAnotherDoor: a foreign session that was ended here does not come back as one of ours.
func TestRejectEndedSessionAtAnotherDoor(t *testing.T) {
	h, _, _ := ready(t)
	require.Equal(t, http.StatusOK, h.ask("DELETE", "/api/v1/sessions/plain-pat", "").Code)
	rec := h.ask("POST", "/api/v1/sessions", `{"source":"plain","token":"`+plantedAccess+`.pat"}`)
	require.Equal(t, "rejected", code(t, rec))
	require.Equal(t, http.StatusCreated, h.ask("POST", "/api/v1/sessions", `{"source":"plain","token":"`+plantedAccess+`.ida"}`).Code)
}

// TestRejectCredentialOfAnotherPlace: a source is shown only what is carried where its credentials are.
func TestRejectCredentialOfAnotherPlace(t *testing.T) {
	h := newHouse(t)
	for _, place := range []string{`"cookie":"x"`, `"header":"Authorization"`, `"header":"X-Other"`} {
		rec := h.ask("POST", "/api/v1/sessions", `{"source":"plain","token":"t",`+place+`}`)
		require.Equal(t, "unsupported", code(t, rec), place)
	}
	require.Equal(t, "malformed", code(t, h.ask("POST", "/api/v1/sessions", `{"source":"plain","token":"t","cookie":"x","header":"X-Plain"}`)))
	require.Equal(t, "malformed", code(t, h.ask("POST", "/api/v1/sessions", `{"source":"corp","username":"u","password":"p","header":"X-Plain"}`)))
}

// TestRejectLargeProperties: properties travel with every request to an application.
func TestRejectLargeProperties(t *testing.T) {
	h, handle, _ := ready(t)
	for _, props := range []map[string]string{
		{"theme": strings.Repeat("x", maxPropertyValue+1)}, {strings.Repeat("x", maxPropertyName+1): "x"}, {"": "x"}, {"theme": "dark\r\nX-Evil: 1"}, {},
	} {
		body, err := json.Marshal(PropertyList{Properties: props})
		require.NoError(t, err)
		require.Equal(t, "malformed", code(t, h.ask("PATCH", "/api/v1/sessions/"+handle+"/properties", string(body))))
	}
}

func TestRejectTokensThatCannotBe(t *testing.T) {
	h := newHouse(t)
	for name, tokens := range map[string][]Token{
		"no name": {{Hash: HashToken("x")}}, "no hash": {{Name: "a"}}, "plain": {{Name: "a", Hash: "secret"}}, "short": {{Name: "a", Hash: "sha256:00"}},
		"scope": {{Name: "a", Hash: HashToken("x"), Scope: "admin"}},
		"twice": {{Name: "a", Hash: HashToken("x")}, {Name: "b", Hash: "sha256:" + strings.ToUpper(HashToken("x")[7:]), Scope: Write}},
	} {
		o := h.api.o
		o.Tokens = tokens
		_, err := New(o)
		require.ErrorIs(t, err, session.ErrMalformed, name)
	}
}

// TestRejectUnknownRoutes: as a problem, and with the methods there are.
func TestRejectUnknownRoutes(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/api", "/api/v1", "/api/v2/sessions", "/api/v1/sessions/a/b/c", "/debug/pprof/"} {
		require.Equal(t, "no_route", code(t, h.ask("GET", path, "")), path)
	}
	for path, allowed := range map[string]string{"/livez": "GET", "/api/v1/sessions": "GET, POST", "/api/v1/sessions/x": "GET, DELETE", "/api/v1/sessions/x/properties": "GET, PATCH", "/api/v1/introspect": "POST"} {
		rec := h.ask("PUT", path, "")
		require.Equal(t, "method_not_allowed", code(t, rec), path)
		require.Equal(t, allowed, rec.Header().Get("Allow"), path)
	}
}

// TestRejectSecretsInTheLog: neither a wrong token nor a cookie that was taken for a handle is written down.
func TestRejectSecretsInTheLog(t *testing.T) {
	h, handle, cookie := ready(t)
	h.ask("GET", "/api/v1/sessions", "", "Authorization", "Bearer planted-wrong-token")
	for _, rt := range h.api.routes() {
		if strings.Contains(rt.path, "{handle}") {
			h.ask(rt.method, rt.target(cookie.Reveal()), rt.sample())
			storeDown(h)
			require.Equal(t, "unavailable", code(t, h.ask(rt.method, rt.target(cookie.Reveal()), rt.sample())))
			h.store.set(nil)
		}
	}
	log := h.log.String()
	require.NotContains(t, log, "planted-wrong-token")
	require.NotContains(t, log, cookie.Reveal())
	require.NotContains(t, log, writeToken)
	require.Contains(t, log, `"msg":"an operator was refused","code":"unauthorized"`)
	h.ask("DELETE", "/api/v1/sessions/"+handle, "")
	require.Contains(t, h.log.String(), `"msg":"an operator acted","operator":"robot","method":"DELETE","route":"/api/v1/sessions/{handle}","status":200,"from":"192.0.2.1:1234","session":"`+handle+`"`)
}

// TestRejectSecretsInAnswers plays everything that is known of the API: no planted secret is in any answer, nor in any line of
// the log; what was asked for by name is.
func TestRejectSecretsInAnswers(t *testing.T) {
	played, routes := 0, map[string]bool{}
	for _, g := range goldens() {
		routes[g.method+" "+g.route] = true
		h, handle, cookie := ready(t)
		if g.setup != nil {
			g.setup(h)
		}
		named := strings.NewReplacer("HANDLE-ann", handle, "COOKIE-ann", cookie.Reveal(), " ", "%20", `"`, "%22")
		rec := h.ask(g.method, named.Replace(g.path), strings.NewReplacer("HANDLE-ann", handle, "COOKIE-ann", cookie.Reveal()).Replace(g.body), g.headers...)
		for _, secret := range []string{plantedAccess, plantedRefresh, plantedID, plantedPassword, cookie.Reveal(), writeToken, readToken, "id-bob", h.api.o.LocalTokens[0].Reveal()} {
			require.NotContains(t, rec.Body.String(), secret, g.name)
			require.NotContains(t, h.log.String(), secret, g.name)
			for name, values := range rec.Header() {
				require.NotContains(t, strings.Join(values, " "), secret, "%s %s", g.name, name)
			}
		}
		played++
	}
	require.Greater(t, played, 80)
	h, _, _ := ready(t)
	for _, rt := range h.api.routes() {
		require.True(t, routes[rt.method+" "+rt.path], "%s %s is not played", rt.method, rt.path)
	}
}

// TestRejectPanicText: a handler that panics is a 500, and what it panicked with stays where it is.
func TestRejectPanicText(t *testing.T) {
	h := newHouse(t)
	for _, value := range []any{plantedAccess, errors.New(plantedAccess)} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "http://localhost/x", nil)
		r.Header.Set("Authorization", "Bearer "+writeToken)
		h.api.guarded(route{method: "POST", path: "/x", scope: Write, handle: func(http.ResponseWriter, *http.Request) { panic(value) }})(rec, r)
		require.Equal(t, "internal_error", code(t, rec))
		require.NotContains(t, rec.Body.String(), plantedAccess)
	}
	require.Contains(t, h.log.String(), `"msg":"a handler panicked"`)
	require.NotContains(t, h.log.String(), plantedAccess)
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		r := httptest.NewRequest("GET", "http://localhost/x", nil)
		r.Header.Set("Authorization", "Bearer "+writeToken)
		h.api.guarded(route{method: "GET", path: "/x", scope: Read, handle: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("half"))
			panic("x")
		}})(httptest.NewRecorder(), r)
	}, "half an answer is broken off")
}

// TestAnswersAreSealed: nothing is stored, framed, sniffed or run, whatever is answered.
func TestAnswersAreSealed(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/livez", "/readyz", "/api/v1/openapi.json", "/api/v1/sessions", "/nothing"} {
		header := h.ask("GET", path, "").Header()
		require.Equal(t, "no-store", header.Get("Cache-Control"), path)
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		require.Equal(t, "default-src 'none'; frame-ancestors 'none'", header.Get("Content-Security-Policy"))
		require.Equal(t, "same-origin", header.Get("Cross-Origin-Resource-Policy"))
	}
}

// FuzzRequest: whatever a query and a body hold, they are taken or are the caller's mistake.
func FuzzRequest(f *testing.F) {
	for _, g := range goldens() {
		if g.setup == nil && len(g.body) < 1000 {
			_, query, _ := strings.Cut(g.path, "?")
			f.Add(g.body, query)
		}
	}
	f.Fuzz(func(t *testing.T, body, query string) {
		for _, rt := range (&API{}).routes() {
			r := httptest.NewRequest(rt.method, "http://localhost"+rt.target("x"), strings.NewReader(body))
			r.URL.RawQuery = query
			r.Header.Set("Content-Type", rt.body)
			if err := rt.check(r); err != nil {
				require.Contains(t, []int{http.StatusBadRequest, http.StatusUnsupportedMediaType}, problemOf(err).Status)
			}
		}
		for _, into := range []any{&Creation{}, &Revocation{}, &PropertyList{}, &Tokenization{}, &UserRevocation{}} {
			if err := read(httptest.NewRequest("POST", "http://localhost/", strings.NewReader(body)), into); err != nil {
				require.Equal(t, http.StatusBadRequest, problemOf(err).Status, "%q", body)
			}
		}
	})
}
