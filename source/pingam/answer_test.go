package pingam

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnswersThatMakeNoSense(t *testing.T) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `{"valid":"false"}`, `{"username":1}`, `{"universalId":"id=a","realm":"o=alpha,ou=services"}`,
		`{"universalId":"id=a"}`, `{"realm":"/"}`, `{"universalId":"id=a","realm":"/","maxIdleExpirationTime":"soon"}`,
		`{"universalId":"id=a","realm":"/","properties":{"a":1}}`, `{"universalId":"id=a","realm":"/","properties":[]}`, `{"valid":true}`,
	} {
		i, err := parseInfo([]byte(body))
		require.Error(t, err, body)
		require.False(t, i.ended, body)
	}
	for _, body := range []string{``, `{}`, `{"valid":true}`, `{"valid":true,"uid":"a"}`, `{"valid":1}`, `{"uid":"a","realm":"/"}`} {
		_, err := parseValidity([]byte(body))
		require.Error(t, err, body)
	}
	for _, body := range []string{`{}`, `{"idletime":0,"maxidletime":30}`, `{"idletime":-1,"maxidletime":30,"maxtime":1}`, `{"idletime":0.5,"maxidletime":30,"maxtime":1}`, `{"idletime":"0","maxidletime":30,"maxtime":1}`} {
		_, err := parseRefreshed([]byte(body))
		require.Error(t, err, body)
	}
	for _, body := range []string{`{}`, `{"result":[]}`, `{"result":{"a":"true"}}`} {
		_, err := parseHandles([]byte(body))
		require.Error(t, err, body)
	}
	for _, body := range []string{`{}`, `{"result":{}}`, `{"result":[1]}`, `{"result":[{}]}`} {
		_, err := parseList([]byte(body))
		require.Error(t, err, body)
	}
	for _, body := range []string{`{}`, `{"result":"true"}`} {
		_, err := parseDone([]byte(body))
		require.Error(t, err, body)
	}
	require.Error(t, parseLogout([]byte(`{}`)))
	_, err := parseTicket([]byte(`{"tokenId":1}`))
	require.Error(t, err)
	_, err = parseFault([]byte(`{"code":"401"}`))
	require.Error(t, err)
}

func TestMembersThatAreNullAreLeftOut(t *testing.T) {
	i, err := parseInfo([]byte(`{"username":null,"universalId":"id=a","realm":"/","latestAccessTime":null,"sessionHandle":null,"properties":null,"_rev":"1"}`))
	require.NoError(t, err)
	require.Equal(t, info{universalID: "id=a", realm: "/"}, i)
}

func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"username":"bjensen","universalId":"id=bjensen,ou=user","realm":"/","latestAccessTime":"2024-02-21T14:31:18Z","maxIdleExpirationTime":"2024-02-21T15:01:18.265Z","properties":{"AMCtxId":"x"}}`,
		`{"valid":false}`, `{"valid":true,"sessionUid":"x","uid":"bjensen","realm":"/alpha"}`,
		`{"uid":"b","realm":"/alpha","idletime":0,"maxidletime":30,"maxsessiontime":120,"maxtime":6171}`,
		`{"result":{"shandle:a":true}}`, `{"result":[{"username":"b","universalId":"id=b","realm":"/","sessionHandle":"shandle:x"}]}`, `{"result":true}`,
		`{"tokenId":"AQIC5","successUrl":"/am/console","realm":"/"}`, `{"authId":"a","callbacks":[]}`, `{"code":401,"reason":"Unauthorized","message":"x"}`,
		`{"idletime":1e300,"maxidletime":1e18,"maxtime":9e15}`, `{"LoginLocation":""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if i, err := parseInfo(body); err == nil && !i.ended && (i.universalID == "" || !strings.HasPrefix(i.realm, "/")) {
			t.Fatal("a session without a user or a realm")
		}
		if v, err := parseValidity(body); err == nil && v.valid && v.info.username == "" {
			t.Fatal("valid, and nobody's")
		}
		if r, err := parseRefreshed(body); err == nil && (r.idle < 0 || r.maxIdle < 0 || r.timeLeft < 0 || r.maxIdle > maxSpan) {
			t.Fatal("a span that is none")
		}
		if list, err := parseList(body); err == nil {
			for _, i := range list {
				if i.universalID == "" {
					t.Fatal("a listed session of nobody")
				}
			}
		}
		_, _ = parseHandles(body)
		_, _ = parseDone(body)
		_ = parseLogout(body)
		_, _ = parseProperties(body)
		_, _ = parseTicket(body)
		_, _ = parseFault(body)
	})
}

// unquote reads a quoted value as the authority does, and returns what follows it.
func unquote(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), text[i+1:], true
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		b.WriteByte(text[i])
	}
	return "", "", false
}

func FuzzFilter(f *testing.F) {
	f.Add("bjensen", "/alpha")
	f.Add(`a" or username eq "b`, `/`)
	f.Add(`\`, `"`)
	f.Fuzz(func(t *testing.T, username, realm string) {
		if username == "" || realm == "" {
			return
		}
		rest, ok := strings.CutPrefix(filter(username, realm), "username eq ")
		value, rest, closed := unquote(rest)
		if !ok || !closed || value != username {
			t.Fatalf("the name does not come back: %q", value)
		}
		rest, ok = strings.CutPrefix(rest, " and realm eq ")
		value, rest, closed = unquote(rest)
		if !ok || !closed || value != realm || rest != "" {
			t.Fatalf("the realm does not come back: %q, %q", value, rest)
		}
	})
}

func FuzzHeaderText(f *testing.F) {
	for _, s := range []string{"alice", "zoë", "a\r\nX: y", " x ", "=?UTF-8?B?YQ==?=", strings.Repeat("ä", 100), "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range []byte(headerText(text)) {
			if c < ' ' || c >= 0x7f {
				t.Fatalf("byte %d in a header", c)
			}
		}
	})
}
