package vsphere

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	peer "github.com/sessionward/sessionward/cmd/peers/vsphere"
)

const (
	apiAnswer  = `{"user":"Administrator@VSPHERE.LOCAL","created_time":"2026-11-22T09:41:41.000Z","last_accessed_time":"2026-11-22T09:50:02.000Z"}`
	restAnswer = `{"value":{"user":"Administrator@VSPHERE.LOCAL","created_time":"2026-11-22T11:41:41.123456789+02:00","last_accessed_time":"2026-11-22T11:50:02+02:00"}}`
)

func TestParseSession(t *testing.T) {
	i, err := generation{}.parseSession([]byte(apiAnswer))
	require.NoError(t, err)
	require.Equal(t, info{"Administrator@VSPHERE.LOCAL", time.Date(2026, 11, 22, 9, 41, 41, 0, time.UTC), time.Date(2026, 11, 22, 9, 50, 2, 0, time.UTC)}, i)
	i, err = generation{wrapped: true}.parseSession([]byte(restAnswer))
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 11, 22, 9, 41, 41, 123456789, time.UTC), i.created)
	i, err = generation{}.parseSession([]byte(`{"user":"root"}`))
	require.NoError(t, err)
	require.Zero(t, i.created, "what it does not say stays unknown")
	for name, body := range map[string]string{
		"null": `null`, "empty": ``, "no user": `{"created_time":"2026-11-22T09:41:41Z"}`, "user twice": `{"user":"a","user":"b"}`,
		"user is a number": `{"user":1}`, "odd time": `{"user":"a","created_time":"yesterday"}`, "time is a number": `{"user":"a","last_accessed_time":1}`,
		"wrapped": restAnswer, "list": `[` + apiAnswer + `]`, "more": apiAnswer + apiAnswer,
	} {
		_, err := generation{}.parseSession([]byte(body))
		require.Error(t, err, name)
	}
	for name, body := range map[string]string{"bare": apiAnswer, "null": `{"value":null}`, "text": `{"value":"a"}`} {
		_, err := generation{wrapped: true}.parseSession([]byte(body))
		require.Error(t, err, name)
	}
}

func TestParseID(t *testing.T) {
	const id = "52d4a8f17c2e4a9bb3f29e1c6d5a2b8f"
	for body, g := range map[string]generation{`"` + id + `"`: {}, ` "` + id + `"` + "\n": {}, `{"value":"` + id + `"}`: {wrapped: true}} {
		got, err := g.parseID([]byte(body))
		require.NoError(t, err, body)
		require.Equal(t, id, got)
	}
	for _, body := range []string{``, `""`, `null`, `1`, `{"value":"x"}`, `"a b"`, `"a\n"`, `"a" "b"`, `"ü"`, "\"\xff\"", `"` + strings.Repeat("x", maxID+1) + `"`} {
		_, err := generation{}.parseID([]byte(body))
		require.Error(t, err, body)
	}
	for _, body := range []string{`"x"`, `{"value":""}`, `{"value":null}`, `{"value":"a","value":"b"}`, `{}`} {
		_, err := generation{wrapped: true}.parseID([]byte(body))
		require.Error(t, err, body)
	}
}

func TestParseError(t *testing.T) {
	for body, want := range map[string]string{
		"": "", " \n": "",
		`{"error_type":"UNAUTHENTICATED","messages":[]}`:                                         "UNAUTHENTICATED",
		`{"type":"com.vmware.vapi.std.errors.unauthenticated","value":{"messages":[]}}`:          "UNAUTHENTICATED",
		`{"type":"com.vmware.vapi.std.errors.service_unavailable","value":{"messages":[{}]}}`:    "SERVICE_UNAVAILABLE",
		`{"error_type":"UNAUTHORIZED","challenge":"Basic realm=\"VAPI endpoint\",SIGN realm=x"}`: "UNAUTHORIZED",
	} {
		kind, err := parseError([]byte(body))
		require.NoError(t, err, body)
		require.Equal(t, want, kind, body)
	}
	for _, body := range []string{`{}`, `[]`, `<html>`, `{"type":"unauthenticated"}`, `{"type":"com.vmware.vapi.std.errors."}`, `{"error_type":1}`, `{"error":"x"}`} {
		_, err := parseError([]byte(body))
		require.Error(t, err, body)
	}
}

const (
	soapOpen  = `<?xml version='1.0' encoding='UTF-8'?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>`
	soapClose = `</S:Body></S:Envelope>`
	response  = `<wst:RequestSecurityTokenResponse xmlns:wst="http://docs.oasis-open.org/ws-sx/ws-trust/200512" xmlns:wsu="u"><wst:RequestedSecurityToken>` +
		`<saml2:Assertion xmlns:saml2='urn:oasis:names:tc:SAML:2.0:assertion'  ID="_1"><x/>&#13;O&apos;H</saml2:Assertion></wst:RequestedSecurityToken>` +
		`<wst:Lifetime><wsu:Created>2026-11-22T09:41:41.000Z</wsu:Created><wsu:Expires>2026-11-22T09:46:41.000Z</wsu:Expires></wst:Lifetime></wst:RequestSecurityTokenResponse>`
	collection = `<wst:RequestSecurityTokenResponseCollection xmlns:wst="t">` + response + `</wst:RequestSecurityTokenResponseCollection>`
	soapFault  = `<S:Fault xmlns:ns4="http://www.w3.org/2003/05/soap-envelope"><faultcode xmlns:ns0="t">ns0:FailedAuthentication</faultcode><faultstring>Invalid credentials</faultstring></S:Fault>`
)

func TestParseAnswer(t *testing.T) {
	for name, body := range map[string]string{"issue": collection, "renew": response} {
		a, err := parseAnswer([]byte(soapOpen + body + soapClose))
		require.NoError(t, err, name)
		require.Equal(t, `<saml2:Assertion xmlns:saml2='urn:oasis:names:tc:SAML:2.0:assertion'  ID="_1"><x/>&#13;O&apos;H</saml2:Assertion>`, a.assertion, "byte for byte")
		require.Equal(t, time.Date(2026, 11, 22, 9, 46, 41, 0, time.UTC), a.expires)
	}
	a, err := parseAnswer([]byte(soapOpen + soapFault + soapClose))
	require.NoError(t, err)
	require.Equal(t, stsAnswer{fault: "FailedAuthentication"}, a)
	for name, body := range map[string]string{
		"nothing": soapOpen + soapClose, "two tokens": soapOpen + response + response + soapClose, "token and more": soapOpen + collection + soapClose + "<a/>",
		"no token":       soapOpen + strings.Replace(response, "RequestedSecurityToken>", "Other>", 2) + soapClose,
		"odd lifetime":   soapOpen + strings.Replace(response, "2026-11-22T09:46:41.000Z", "soon", 1) + soapClose,
		"fault, no code": soapOpen + `<S:Fault></S:Fault>` + soapClose,
		"html":           "<html><body></body></html>", "empty": "", "json": "{}", "cut off": soapOpen + response,
	} {
		_, err := parseAnswer([]byte(body))
		require.Error(t, err, name)
	}
}

// Only what says that the user or the token is not believed is a refusal.
func TestFaults(t *testing.T) {
	for fault, want := range map[string][2]bool{
		"FailedAuthentication": {true, true}, "UnableToRenew": {false, true}, "InvalidSecurityToken": {false, true},
		"RequestFailed": {false, false}, "InvalidTimeRange": {false, false}, "BadRequest": {false, false}, "ExpiredData": {false, false}, "": {false, false},
	} {
		require.Equal(t, want, [2]bool{refuses("Issue", fault), refuses("Renew", fault)}, fault)
	}
}

const list = soapOpen + `<ListResponse xmlns="urn:lookup"><returnval><serviceVersion>2.0</serviceVersion><serviceEndpoints><url>https://h/sts</url><sslTrust>AA</sslTrust><sslTrust>BB</sslTrust></serviceEndpoints></returnval></ListResponse>` + soapClose

func TestParseRegister(t *testing.T) {
	found, err := parseEndpoints([]byte(list))
	require.NoError(t, err)
	require.Equal(t, []endpoint{{"https://h/sts", []string{"AA", "BB"}}}, found)
	reference, err := parseContent([]byte(soapOpen + `<RetrieveServiceContentResponse><returnval><serviceRegistration type="LookupServiceRegistration">ServiceRegistration</serviceRegistration></returnval></RetrieveServiceContentResponse>` + soapClose))
	require.NoError(t, err)
	require.Equal(t, "ServiceRegistration", reference)
	for _, body := range []string{"", "<a/>", soapOpen + soapClose, soapOpen + soapFault + soapClose, "<html>"} {
		_, err = parseEndpoints([]byte(body))
		require.Error(t, err, body)
		_, err = parseContent([]byte(body))
		require.Error(t, err, body)
	}
}

// What is sent is what govmomi's types read: see the peer, which is made of them.
func TestMessagesEscapeWhatTheyHold(t *testing.T) {
	w := newWorld(t, peer.Options{Users: []peer.User{{Name: `<al&"ice'>@vsphere.local`, Password: `</wsse:Password>&<`}}}, withKey(t))
	s, err := w.VerifyPassword(t.Context(), `<al&"ice'>@vsphere.local`, secret(`</wsse:Password>&<`), "")
	require.NoError(t, err)
	require.Equal(t, `<al&"ice'>@vsphere.local`, s.Identity.Subject)
	require.Equal(t, `&lt;a&gt;`, escaped("<a>"))
}

func FuzzParseReplies(f *testing.F) {
	for _, seed := range []string{apiAnswer, restAnswer, `"52d4a8f1"`, `{"value":"52d4a8f1"}`, `{"error_type":"UNAUTHENTICATED"}`, `{"type":"com.vmware.vapi.std.errors.error"}`, "null", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, g := range []generation{{}, {wrapped: true}} {
			if i, err := g.parseSession(data); err == nil {
				require.NotEmpty(t, i.user)
				require.Equal(t, time.UTC, i.created.Location())
			}
			if id, err := g.parseID(data); err == nil {
				require.True(t, possibleID(id))
			}
		}
		_, _ = parseError(data)
	})
}

func FuzzParseSOAP(f *testing.F) {
	for _, seed := range []string{soapOpen + collection + soapClose, soapOpen + response + soapClose, soapOpen + soapFault + soapClose, list, "<a/>", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := parseAnswer(data); err == nil {
			require.True(t, (a.assertion == "") != (a.fault == ""), "a token or a fault")
			require.Contains(t, string(data), a.assertion, "byte for byte")
			_, _ = readToken(secret(a.assertion))
		}
		if found, err := parseEndpoints(data); err == nil {
			require.NotEmpty(t, found)
			_, _ = readTrust(found[0].Trust)
		}
		_, _ = parseContent(data)
	})
}
