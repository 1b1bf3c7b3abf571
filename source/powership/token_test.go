package powership

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// vectors are what the library's own packages make: @powership/utils 5.8.8 and jsonwebtoken 8.5.1.
type vectors struct {
	Hashes []struct {
		Text string `json:"text"`
		Hash uint32 `json:"hash"`
	} `json:"hashes"`
	Escapes []struct {
		Text    string `json:"text"`
		Escaped string `json:"escaped"`
	} `json:"escapes"`
	Cursors []struct {
		ID      string `json:"id"`
		Cursor  string `json:"cursor"`
		GraphID string `json:"graph_id"`
		Entity  string `json:"entity"`
	} `json:"cursors"`
	Tokens []struct {
		Session   string `json:"session"`
		Account   string `json:"account"`
		Random    string `json:"random"`
		IP        string `json:"ip"`
		UserAgent string `json:"user_agent"`
		Secret    string `json:"secret"`
		IAT       int64  `json:"iat"`
		EXP       int64  `json:"exp"`
		Data      string `json:"data"`
		Token     string `json:"token"`
	} `json:"tokens"`
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v))
	return v
}

const (
	vectorAccount = "01GM7285ZR7MX76PNMF3G2MD3P"
	vectorULID    = "01GM72860ZP6SHJRAKJVRWJVQV"
)

func TestVectorHashes(t *testing.T) {
	for text, want := range map[string]uint32{"IE": 1474882803, "12345678": 178826189, "curl/8.5.0": 65214447, "203.0.113.9": 2647623402} {
		require.Equal(t, want, fingerprint(text), text)
	}
	for _, v := range readVectors(t).Hashes {
		require.Equal(t, v.Hash, fingerprint(v.Text), v.Text)
	}
}

func TestVectorEscapes(t *testing.T) {
	for _, v := range readVectors(t).Escapes {
		require.Equal(t, v.Escaped, escapeKey(v.Text), v.Text)
	}
}

func TestVectorCursors(t *testing.T) {
	a := accountCursor(vectorAccount)
	require.Equal(t, "account⋮_id⋮01GM7285ZR7MX76PNMF3G2MD3P⋮⋮", a.String())
	require.Equal(t, "~!YWNjb3VudOKLrl9pZOKLrjAxR003Mjg1WlI3TVg3NlBOTUYzRzJNRDNQ4ouu4ouu", a.graphID())
	require.Equal(t, "account⋮_id⋮01GM7285ZR7MX76PNMF3G2MD3P⊰session⋮01GM72860ZP6SHJRAKJVRWJVQV⋮", sessionCursor(vectorAccount, vectorULID).String())
	for _, v := range readVectors(t).Cursors {
		c, err := parseCursor(v.ID)
		require.NoError(t, err, v.ID)
		require.Equal(t, v.Cursor, c.String(), v.ID)
		require.Equal(t, v.GraphID, c.graphID(), v.ID)
		require.Equal(t, v.Entity == "session", c.ulid != "")
	}
}

func TestWhatIsNoCursor(t *testing.T) {
	encode := func(s string) string { return graphIDPrefix + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, id := range []string{
		"", "~!", "~!%%%", "nonsense", "account", "account⋮_id", "account⋮_id⋮", "account⋮_id⋮⋮⋮", "account⋮_id2⋮x⋮⋮", "token⋮_id⋮x⋮⋮",
		"account⋮_id⋮x⊰session⋮", "account⋮_id⋮x⊰session⋮⋮", "account⋮_id⋮x⊰token⋮y⋮", "account⋮_id⋮x⊰session⋮y⋮z⋮",
		"account⋮_id⋮x⊰y⊰session⋮z⋮", "account⋮_id⋮x⊰⊰session⋮z⋮", "account⋮_id⋮x∙y⋮⋮", "account⋮_id⋮x⊰session⋮y∙z⋮", "account⋮_id⋮x⋮⋮⋮",
		encode("a⋮b"), encode("account⋮_id⋮") + "\n", "account⋮_id⋮" + strings.Repeat("a", maxCursor) + "⋮⋮", encode("~!YWNj"),
	} {
		_, err := parseCursor(id)
		require.Error(t, err, id)
	}
}

func TestVectorTokens(t *testing.T) {
	for _, v := range readVectors(t).Tokens {
		d := tokenData{Session: v.Session, Account: v.Account, Random: v.Random, IP: fingerprint(v.IP), UserAgent: fingerprint(v.UserAgent), Kind: "A"}
		require.Equal(t, v.Data, d.encode(), "the order of the keys is the library's")
		secret := session.NewSecret(v.Secret)
		raw, expiresAt, err := signToken(secret, v.Data, time.Unix(v.IAT, 0), 7*24*time.Hour)
		require.NoError(t, err)
		require.Equal(t, v.Token, raw)
		require.Equal(t, time.Unix(v.EXP, 0).UTC(), expiresAt)

		got, err := verifySignature(v.Token, secret)
		require.NoError(t, err)
		require.Equal(t, d, got.claims)
		require.Equal(t, v.Data, got.data)
		require.Equal(t, sessionCursor(vectorAccount, vectorULID), got.session)
		require.Equal(t, accountCursor(vectorAccount), got.account)
		require.Equal(t, time.Unix(v.IAT, 0).UTC(), got.issuedAt)
		require.True(t, got.holds(time.Unix(v.EXP-1, 0)))
		require.False(t, got.holds(time.Unix(v.EXP, 0)), "over at exp")
		require.True(t, isToken(v.Token))
		unverified, err := readToken(v.Token)
		require.NoError(t, err)
		require.Equal(t, got, unverified)
	}
}

func TestVectorSampleSizes(t *testing.T) {
	v := readVectors(t).Tokens[0]
	require.Len(t, v.Data, 336)
	require.Len(t, v.Token, 589)
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(v.Token, ".")[0])
	require.NoError(t, err)
	require.Equal(t, `{"alg":"HS256","typ":"JWT"}`, string(header))
}

func TestNewDataIsOfOneSession(t *testing.T) {
	c := sessionCursor(vectorAccount, vectorULID)
	from := ConnectionInfo{IP: "203.0.113.9", UserAgent: "curl/8.5.0"}
	one, other := newData(c, from), newData(c, from)
	require.NotEqual(t, one, other)
	require.Len(t, one, 336)
	d, err := decodeData(one)
	require.NoError(t, err)
	require.Len(t, d.Random, 43)
	require.Equal(t, []uint32{2647623402, 65214447}, []uint32{d.IP, d.UserAgent})
	s, a, err := d.cursors()
	require.NoError(t, err)
	require.Equal(t, c, s)
	require.Equal(t, accountCursor(vectorAccount), a)
}

// forge signs any payload with any algorithm.
func forge(t *testing.T, alg jose.SignatureAlgorithm, secret, body string) string {
	t.Helper()
	key := []byte(secret)
	for len(key) < 64 {
		key = append(key, 0)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	require.NoError(t, err)
	signed, err := signer.Sign([]byte(body))
	require.NoError(t, err)
	raw, err := signed.CompactSerialize()
	require.NoError(t, err)
	return raw
}

func part(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestSignatureIsHS256AndNothingElse(t *testing.T) {
	v := readVectors(t).Tokens[2] // its secret is long enough for the others
	secret := session.NewSecret(v.Secret)
	body := `{"data":"` + v.Data + `","iat":1,"exp":4102444800}`
	_, err := verifySignature(forge(t, jose.HS256, v.Secret, body), secret)
	require.NoError(t, err)
	parts := strings.Split(v.Token, ".")
	for name, raw := range map[string]string{
		"HS384":             forge(t, jose.HS384, v.Secret, body),
		"HS512":             forge(t, jose.HS512, v.Secret, body),
		"none":              part(`{"alg":"none","typ":"JWT"}`) + "." + parts[1] + ".",
		"another secret":    forge(t, jose.HS256, v.Secret+"x", body),
		"no signature":      parts[0] + "." + parts[1] + ".",
		"changed":           parts[0] + "." + part(body) + "." + parts[2],
		"no end":            forge(t, jose.HS256, v.Secret, `{"data":"`+v.Data+`","iat":1}`),
		"an end that is no": forge(t, jose.HS256, v.Secret, `{"data":"`+v.Data+`","iat":1,"exp":"x"}`),
		"an end far off":    forge(t, jose.HS256, v.Secret, `{"data":"`+v.Data+`","iat":1,"exp":1e300}`),
		"data twice":        forge(t, jose.HS256, v.Secret, `{"data":"`+v.Data+`","data":"`+v.Data+`","exp":4102444800}`),
		"no data":           forge(t, jose.HS256, v.Secret, `{"iat":1,"exp":4102444800}`),
		"too long":          forge(t, jose.HS256, v.Secret, `{"data":"`+v.Data+`","exp":4102444800,"x":"`+strings.Repeat("x", 20<<10)+`"}`),
	} {
		_, err := verifySignature(raw, secret)
		require.Error(t, err, name)
	}
	other, err := verifySignature(forge(t, jose.HS256, v.Secret, `{"data":"`+v.Data+`","iss":"i","sub":"s","aud":["a"],"jti":"j","nbf":5,"exp":4102444800}`), secret)
	require.NoError(t, err, "registered claims are tolerated")
	require.True(t, other.holds(time.Unix(5, 0)))
	require.False(t, other.holds(time.Unix(4, 0)), "nbf holds")
}

func TestDataThatIsRefused(t *testing.T) {
	good := tokenData{Session: sessionCursor("a", "b").String(), Account: accountCursor("a").graphID(), Random: "r", Kind: "A"}
	_, _, err := good.cursors()
	require.NoError(t, err)
	for name, change := range map[string]func(*tokenData){
		"kind":                      func(d *tokenData) { d.Kind = "R" },
		"random":                    func(d *tokenData) { d.Random = "" },
		"a session of another":      func(d *tokenData) { d.Session = sessionCursor("other", "b").String() },
		"an account for a session":  func(d *tokenData) { d.Session = accountCursor("a").String() },
		"a session for an account":  func(d *tokenData) { d.Account = d.Session },
		"no cursor for a session":   func(d *tokenData) { d.Session = "x" },
		"no cursor for the account": func(d *tokenData) { d.Account = "" },
	} {
		bad := good
		change(&bad)
		d, err := decodeData(bad.encode())
		if err == nil {
			_, _, err = d.cursors()
		}
		require.Error(t, err, name)
	}
	for _, body := range []string{`{}`, `[]`, `"x"`, `{"s":"a","a":"b","r":"c","i":-1,"u":1,"k":"A"}`, `{"s":"a","a":"b","r":"c","i":4294967296,"u":1,"k":"A"}`, `{"s":"a","a":"b","r":"c","i":1.5,"u":1,"k":"A"}`, `{"s":"a","a":"b","r":"c","u":1,"k":"A"}`} {
		_, err := decodeData(base64.StdEncoding.EncodeToString([]byte(body)))
		require.Error(t, err, body)
	}
	_, err = decodeData("%%%")
	require.Error(t, err)
}

func TestWhoseABearerTokenIs(t *testing.T) {
	v := readVectors(t).Tokens[0]
	require.True(t, isToken(v.Token))
	require.True(t, isToken(forge(t, jose.HS256, "any", `{"data":"x"}`)), "whose it is says nothing about whether it holds")
	for name, raw := range map[string]string{
		"an issuer":         forge(t, jose.HS256, "x", `{"data":"x","iss":"https://id.example"}`),
		"an empty issuer":   forge(t, jose.HS256, "x", `{"data":"x","iss":""}`),
		"another algorithm": forge(t, jose.HS512, "x", `{"data":"x"}`),
		"no data":           forge(t, jose.HS256, "x", `{"sub":"x"}`),
		"data of no text":   forge(t, jose.HS256, "x", `{"data":{"a":1}}`),
		"opaque":            "ory_st_abc",
		"two parts":         "eyJhbGciOiJIUzI1NiJ9.e30",
		"no base64":         "eyJhbGciOiJIUzI1NiJ9.%%.x",
		"no JSON":           "eyJhbGciOiJIUzI1NiJ9." + part("x") + ".x",
		"empty":             "",
	} {
		require.False(t, isToken(raw), name)
	}
}

func TestULIDTime(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	id := newULID(at)
	require.Len(t, id, 26)
	require.Equal(t, at, ulidTime(id))
	require.NotEqual(t, id, newULID(at))
	require.Less(t, newULID(at), newULID(at.Add(time.Millisecond)))
	require.Equal(t, time.UnixMilli(1469918176385).UTC(), ulidTime("01ARYZ6S41TSV4RRFFQ69G5FAV"), "the example of the ULID specification")
	for _, id := range []string{"", "x", "81ARYZ6S41TSV4RRFFQ69G5FAV", "01ARYZ6S41TSV4RRFFQ69G5FAI", "01aryz6s41tsv4rrffq69g5fav"} {
		require.Zero(t, ulidTime(id), id)
	}
}

func FuzzToken(f *testing.F) {
	f.Add("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJkYXRhIjoiIn0.x")
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(f, err)
	var v vectors
	require.NoError(f, json.Unmarshal(text, &v))
	for _, tok := range v.Tokens {
		f.Add(tok.Token)
	}
	secret := session.NewSecret("some secret of the fuzzer, long enough for HS256")
	f.Fuzz(func(t *testing.T, raw string) {
		read, err := readToken(raw)
		if err == nil && (read.session.ulid == "" || read.expiresAt.IsZero() || read.session.account != read.account.account) {
			t.Fatal("read a token without session or end")
		}
		if _, verr := verifySignature(raw, secret); verr == nil {
			t.Fatal("verified a token nobody signed")
		}
		if isToken(raw) && !strings.HasPrefix(raw, "eyJ") {
			t.Fatal("took what is no JWT")
		}
	})
}

func FuzzCursor(f *testing.F) {
	for _, id := range []string{"account⋮_id⋮x⊰session⋮y⋮", "account⋮_id⋮x⋮⋮", "~!YWNjb3VudOKLrl9pZOKLrjAxR003Mjg1WlI3TVg3NlBOTUYzRzJNRDNQ4ouu4ouu", "account⋮_id⋮x⋮session⋮y⋮"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		c, err := parseCursor(id)
		if err != nil {
			return
		}
		for _, form := range []string{c.String(), c.graphID()} {
			again, err := parseCursor(form)
			if err != nil || again != c {
				t.Fatalf("%q is not %v again: %v, %v", form, c, again, err)
			}
		}
	})
}
