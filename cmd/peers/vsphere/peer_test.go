package vsphere

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/lookup"
	"github.com/vmware/govmomi/lookup/types"
	"github.com/vmware/govmomi/sts"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
)

const (
	user     = "alice@vsphere.local"
	password = "wonderland"
)

func start(t *testing.T, o Options) (*Peer, *httptest.Server) {
	t.Helper()
	p, err := New(o)
	require.NoError(t, err)
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return p, s
}

func do(t *testing.T, method, address string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, strings.TrimSpace(string(body))
}

func TestAPIGeneration(t *testing.T) {
	p, s := start(t, Options{})
	res, body := do(t, http.MethodPost, s.URL+"/api/session", "Authorization", basic(user, password))
	require.Equal(t, http.StatusCreated, res.StatusCode)
	require.Empty(t, res.Cookies())
	require.Regexp(t, `^"[0-9a-f-]{36}"$`, body)
	id := strings.Trim(body, `"`)
	res, body = do(t, http.MethodGet, s.URL+"/api/session", sessionHeader, id)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Regexp(t, `^\{"created_time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","last_accessed_time":"[^"]+\.\d{3}Z","user":"alice@vsphere.local"\}$`, body)
	require.Equal(t, []string{id}, p.Sessions())
	require.Equal(t, 1, p.Logins())
	res, body = do(t, http.MethodDelete, s.URL+"/api/session", sessionHeader, id)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	require.Empty(t, body)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		res, body = do(t, method, s.URL+"/api/session", sessionHeader, id)
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
		require.Empty(t, body, "as the simulator does")
	}
}

func TestRestGeneration(t *testing.T) {
	p, s := start(t, Options{Old: true})
	res, _ := do(t, http.MethodGet, s.URL+"/api/session")
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	res, body := do(t, http.MethodPost, s.URL+restSession, "Authorization", basic(user, password))
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Regexp(t, `^\{"value":"[0-9a-f-]{36}"\}$`, body)
	id := p.Sessions()[0]
	require.Equal(t, "vmware-api-session-id="+id+"; Path=/rest", res.Header.Get("Set-Cookie"))
	res, _ = do(t, http.MethodPost, s.URL+restSession, "Authorization", basic(user, password), "vmware-use-header-authn", "true")
	require.Empty(t, res.Cookies())
	for name, headers := range map[string][]string{"header": {sessionHeader, id}, "cookie": {"Cookie", sessionHeader + "=" + id}} {
		res, body = do(t, http.MethodPost, s.URL+restSession+"?~action=get", headers...)
		require.Equal(t, http.StatusOK, res.StatusCode, name)
		require.Regexp(t, `^\{"value":\{"created_time":"[^"]+\+02:00","last_accessed_time":"[^"]+","user":"alice@vsphere.local"\}\}$`, body, name)
	}
	res, _ = do(t, http.MethodDelete, s.URL+restSession, sessionHeader, id)
	require.Equal(t, http.StatusOK, res.StatusCode)
	res, _ = do(t, http.MethodPost, s.URL+restSession+"?~action=get", sessionHeader, id)
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
}

func TestWrongPassword(t *testing.T) {
	p, s := start(t, Options{})
	for _, headers := range [][]string{
		{"Authorization", basic(user, "wrong")}, {"Authorization", basic("nobody", password)}, {"Authorization", basic(user, "")}, nil,
	} {
		res, _ := do(t, http.MethodPost, s.URL+"/api/session", headers...)
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	}
	require.Empty(t, p.Sessions())
}

// The bodies a vCenter gives its errors, byte for byte in their members.
func TestEnvelopes(t *testing.T) {
	p, s := start(t, Options{Envelopes: true})
	res, body := do(t, http.MethodGet, s.URL+"/api/session", sessionHeader, "dead")
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.JSONEq(t, `{"error_type":"UNAUTHENTICATED","messages":[{"args":[],"default_message":"Authentication required.","id":"com.vmware.vapi.endpoint.method.authentication.required"}]}`, body)
	require.Contains(t, res.Header.Get("WWW-Authenticate"), `sts="`+s.URL+`/sts/STSService/vsphere.local"`)
	_, body = do(t, http.MethodPost, s.URL+restSession+"?~action=get", sessionHeader, "dead")
	require.JSONEq(t, `{"type":"com.vmware.vapi.std.errors.unauthenticated","value":{"messages":[{"args":[],"default_message":"Authentication required.","id":"com.vmware.vapi.endpoint.method.authentication.required"}]}}`, body)
	p.Unavailable(true)
	res, body = do(t, http.MethodGet, s.URL+"/api/session", sessionHeader, p.Login(user))
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Contains(t, body, `"error_type":"SERVICE_UNAVAILABLE"`)
	res, body = do(t, http.MethodPost, s.URL+restSession+"?~action=get", sessionHeader, p.Sessions()[0])
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Contains(t, body, `"type":"com.vmware.vapi.std.errors.service_unavailable"`)
	p.Unavailable(false)
	res, _ = do(t, http.MethodGet, s.URL+"/api/session", sessionHeader, p.Sessions()[0])
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func TestClocks(t *testing.T) {
	p, s := start(t, Options{MaxLifetime: time.Hour})
	id := p.Login(user)
	ask := func() int {
		res, _ := do(t, http.MethodGet, s.URL+"/api/session", sessionHeader, id)
		return res.StatusCode
	}
	for range 2 {
		p.Panel().Advance(29 * time.Minute)
		require.Equal(t, http.StatusOK, ask(), "looking is touching")
		require.WithinDuration(t, p.Panel().Now(), p.Accessed(id), time.Second)
	}
	p.Panel().Advance(3 * time.Minute)
	require.Equal(t, http.StatusUnauthorized, ask(), "the absolute end")
	id = p.Login(user)
	p.Panel().Advance(31 * time.Minute)
	require.Equal(t, http.StatusUnauthorized, ask(), "the idle end")
	id = p.Login(user)
	p.End(id)
	require.Equal(t, http.StatusUnauthorized, ask())
}

// connect returns govmomi's clients of the peer: an independent reading of the same wire.
func connect(t *testing.T, s *httptest.Server) *vim25.Client {
	t.Helper()
	u, err := url.Parse(s.URL + "/sdk")
	require.NoError(t, err)
	return &vim25.Client{Client: soap.NewClient(u, true)}
}

func certificate(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	require.NoError(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestLookupNamesReachableAddresses(t *testing.T) {
	p, s := start(t, Options{})
	vc := connect(t, s)
	list := func(product, kind string) string {
		c, err := lookup.NewClient(t.Context(), vc)
		require.NoError(t, err)
		infos, err := c.List(t.Context(), &types.LookupServiceRegistrationFilter{ServiceType: &types.LookupServiceRegistrationServiceType{Product: product, Type: kind}})
		require.NoError(t, err)
		if len(infos) == 0 {
			return ""
		}
		return infos[0].ServiceEndpoints[0].Url
	}
	require.Equal(t, s.URL+stsPath, list("com.vmware.cis", "cs.identity"))
	require.Empty(t, list("com.vmware.cis", "cs.vapi"), "the simulator registers none")
	p.Register(Service{URL: "https://sso.example/sts", Certificates: []string{"AAAA"}}, Service{URL: "https://api.example/api"})
	require.Equal(t, "https://sso.example/sts", list("com.vmware.cis", "cs.identity"))
	require.Equal(t, "https://api.example/api", list("com.vmware.cis", "cs.vapi"))
}

// govmomi's client logs in with a bearer and with a holder-of-key token.
func TestTokensByGovmomi(t *testing.T) {
	p, s := start(t, Options{})
	c, err := sts.NewClient(t.Context(), connect(t, s))
	require.NoError(t, err)
	login := func(signer *sts.Signer) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/session", nil)
		require.NoError(t, err)
		require.NoError(t, signer.SignRequest(req))
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_ = res.Body.Close()
		return res.StatusCode
	}
	bearer, err := c.Issue(t.Context(), sts.TokenRequest{Userinfo: url.UserPassword(user, password), Delegatable: true})
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, login(bearer))
	require.Equal(t, user, p.sessions[p.Sessions()[0]].user)

	_, err = c.Issue(t.Context(), sts.TokenRequest{Userinfo: url.UserPassword(user, "wrong")})
	require.ErrorContains(t, err, "Invalid credentials")
	undelegated, err := c.Issue(t.Context(), sts.TokenRequest{Userinfo: url.UserPassword(user, password)})
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, login(undelegated))

	cert := certificate(t)
	holder, err := c.Issue(t.Context(), sts.TokenRequest{Userinfo: url.UserPassword(user, password), Certificate: cert, Delegatable: true, Renewable: true, Lifetime: time.Hour})
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, login(holder))
	require.Equal(t, "ns0:FailedAuthentication", renewUnsigned(t, p, s, holder.Token))
	require.Equal(t, "ns0:UnableToRenew", renewUnsigned(t, p, s, bearer.Token))
	require.Equal(t, "ns0:UnableToRenew", renewUnsigned(t, p, s, strings.Replace(holder.Token, "2.0", "2.1", 1)))

	p.Panel().Advance(6 * time.Minute)
	require.Equal(t, http.StatusUnauthorized, login(bearer), "bearer tokens live five minutes")
	require.Equal(t, http.StatusCreated, login(holder))
	stolen := *holder
	stolen.Certificate = certificate(t)
	require.Equal(t, http.StatusUnauthorized, login(&stolen), "a holder-of-key token in other hands")
	stolen.Certificate = nil
	require.Equal(t, http.StatusUnauthorized, login(&stolen), "a holder-of-key token without a proof")
	p.Panel().Advance(2 * time.Hour)
	require.Equal(t, http.StatusUnauthorized, login(holder))
}

// renewUnsigned asks for a renewal without a signature and returns the code of the fault. Signed renewals are tested with
// the source that makes them.
func renewUnsigned(t *testing.T, p *Peer, s *httptest.Server, token string) string {
	t.Helper()
	from, to := p.Panel().Now().Format(samlTime), p.Panel().Now().Add(time.Hour).Format(samlTime)
	period := `<Created>` + from + `</Created><Expires>` + to + `</Expires>`
	body := `<Envelope><Header><Security><Timestamp>` + period + `</Timestamp></Security></Header><Body><RequestSecurityToken><Lifetime>` + period +
		`</Lifetime><RenewTarget>` + token + `</RenewTarget></RequestSecurityToken></Body></Envelope>`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+stsPath, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("SOAPAction", trust13+"/RST/Renew")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	var answer struct {
		Code string `xml:"Body>Fault>faultcode"`
	}
	require.NoError(t, xml.NewDecoder(res.Body).Decode(&answer))
	return answer.Code
}

// Whatever is changed of a signed request, it is refused.
func TestSignedRequestsAreHeldToTheByte(t *testing.T) {
	p, s := start(t, Options{})
	c, err := sts.NewClient(t.Context(), connect(t, s))
	require.NoError(t, err)
	holder, err := c.Issue(t.Context(), sts.TokenRequest{Userinfo: url.UserPassword(user, password), Certificate: certificate(t), Delegatable: true, Lifetime: time.Hour})
	require.NoError(t, err)
	send := func(change func(*http.Request)) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/session", nil)
		require.NoError(t, err)
		require.NoError(t, holder.SignRequest(req))
		change(req)
		w := httptest.NewRecorder()
		req.Host = req.URL.Host
		if req.Body == nil {
			req.Body = http.NoBody
		}
		p.ServeHTTP(w, req)
		return w.Code
	}
	edit := func(pattern, with string) func(*http.Request) {
		return func(r *http.Request) {
			h := r.Header.Get("Authorization")
			changed := regexp.MustCompile(pattern).ReplaceAllString(h, with)
			require.NotEqual(t, h, changed)
			r.Header.Set("Authorization", changed)
		}
	}
	require.Equal(t, http.StatusCreated, send(func(*http.Request) {}))
	for name, change := range map[string]func(*http.Request){
		"signature": edit(`signature="....`, `signature="AAAA`),
		"nonce":     edit(`nonce="(\d+):\d+"`, `nonce="$1:7"`),
		"body hash": edit(`bodyhash="....`, `bodyhash="AAAA`),
		"algorithm": edit(`RSA-SHA256`, `RSA-SHA1`),
		"body":      func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("x")) },
		"path":      func(r *http.Request) { r.URL.Path = restSession },
		"host":      func(r *http.Request) { r.URL.Host = "localhost:1" },
		"port":      func(r *http.Request) { r.URL.Host = "127.0.0.1" },
		"token": func(r *http.Request) {
			r.Header.Set("Authorization", sign(strings.Replace(holder.Token, "2.0", "2.1", 1)))
		},
	} {
		require.Equal(t, http.StatusUnauthorized, send(change), name)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/session", http.NoBody)
	require.NoError(t, err)
	require.NoError(t, holder.SignRequest(req))
	for _, want := range []int{http.StatusCreated, http.StatusUnauthorized} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, req.Clone(context.Background()))
		require.Equal(t, want, w.Code, "a nonce is good once")
	}
}

// sign is a SIGN header of a bearer token.
func sign(assertion string) string {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, assertion)
	_ = z.Close()
	return `SIGN token="` + base64.StdEncoding.EncodeToString(packed.Bytes()) + `"`
}

// An assertion that says the same in other bytes is another assertion.
func TestAssertionBytesMustArriveUnchanged(t *testing.T) {
	p, s := start(t, Options{})
	post := func(assertion string) int {
		res, _ := do(t, http.MethodPost, s.URL+"/api/session", "Authorization", sign(assertion))
		return res.StatusCode
	}
	assertion := p.Assertion(user)
	require.Contains(t, assertion, "&apos;")
	require.Contains(t, assertion, "\n")
	require.Equal(t, http.StatusCreated, post(assertion))
	for name, changed := range map[string]string{
		"entity":     strings.Replace(assertion, "&apos;", "'", 1),
		"line break": strings.ReplaceAll(assertion, "\n", ""),
		"element":    strings.Replace(assertion, `Count="10"/>`, `Count="10"></saml2:ProxyRestriction>`, 1),
		"space":      assertion + "\n",
		"subject":    strings.Replace(assertion, "alice", "admin", 1),
	} {
		require.NotEqual(t, assertion, changed, name)
		require.Equal(t, http.StatusUnauthorized, post(changed), name)
	}
	require.Equal(t, http.StatusUnauthorized, post("<a/>"))
	other, _ := start(t, Options{})
	require.Equal(t, http.StatusUnauthorized, post(other.Assertion(user)), "another issuer's")
}

// What the simulators do by themselves: every SIGN header is accepted, and the token is of 2018.
func TestSimulatedAcceptsEverything(t *testing.T) {
	p, s := start(t, Options{Simulated: true})
	res, _ := do(t, http.MethodPost, s.URL+"/api/session", "Authorization", "SIGN nonsense")
	require.Equal(t, http.StatusCreated, res.StatusCode)
	require.Equal(t, "TODO", p.sessions[p.Sessions()[0]].user)
	c, err := sts.NewClient(t.Context(), connect(t, s))
	require.NoError(t, err)
	token, err := c.Issue(t.Context(), sts.TokenRequest{Userinfo: url.UserPassword("anybody", "anything")})
	require.NoError(t, err)
	require.Contains(t, token.Token, `NotOnOrAfter="2018-`)
	require.Equal(t, time.Now().Year(), token.Lifetime.Expires.Year())
}
