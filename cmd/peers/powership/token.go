package powership

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
)

// tokenHeader is the header of every token, byte for byte as jsonwebtoken writes it.
const tokenHeader = `{"alg":"HS256","typ":"JWT"}`

// payload is the body of a token.
type payload struct {
	Data string  `json:"data"`
	IAT  float64 `json:"iat"`
	EXP  float64 `json:"exp"`
}

// inner is what is in payload.Data. The order of its fields is the order on the wire.
type inner struct {
	S string `json:"s"` // session
	A string `json:"a"` // account
	R string `json:"r"` // random
	I uint32 `json:"i"` // address of the client
	U uint32 `json:"u"` // user agent of the client
	K string `json:"k"` // kind, always "A"
}

// hash32 is FNV-1a over the 16-bit units of text, as JavaScript counts them.
func hash32(text string) uint32 {
	var h uint32 = 2166136261
	for _, unit := range utf16.Encode([]rune(text)) {
		h ^= uint32(unit)
		h += h<<1 + h<<4 + h<<7 + h<<8 + h<<24
	}
	return h
}

// newData makes the data string of a new token.
func newData(session, account, ip, userAgent string) string {
	var random [64]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	r := base64.RawURLEncoding.EncodeToString(random[:])[:43]
	return inner{S: session, A: account, R: r, I: hash32(ip), U: hash32(userAgent), K: "A"}.encode()
}

// encode writes d with the order of its keys kept.
func (d inner) encode() string {
	text := fmt.Sprintf(`{"s":%s,"a":%s,"r":%s,"i":%d,"u":%d,"k":%s}`, quote(d.S), quote(d.A), quote(d.R), d.I, d.U, quote(d.K))
	return base64.StdEncoding.EncodeToString([]byte(text))
}

// quote writes a JSON string as JavaScript does: nothing but quotes, backslashes and controls is escaped.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// sign makes the token for data.
func sign(secret, data string, now time.Time, ttl time.Duration) string {
	body := fmt.Sprintf(`{"data":%s,"iat":%d,"exp":%d}`, quote(data), now.Unix(), now.Add(ttl).Unix())
	input := base64.RawURLEncoding.EncodeToString([]byte(tokenHeader)) + "." + base64.RawURLEncoding.EncodeToString([]byte(body))
	return input + "." + mac(secret, input)
}

func mac(secret, input string) string {
	h := hmac.New(sha256.New, []byte(secret))
	_, _ = h.Write([]byte(input))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

var errToken = errors.New("token cannot be verified")

// verify returns what is in token. A zero now lets a token that has expired pass.
func verify(secret, token string, now time.Time) (data string, d inner, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || !hmac.Equal([]byte(mac(secret, parts[0]+"."+parts[1])), []byte(parts[2])) {
		return "", inner{}, errToken
	}
	var head struct {
		Alg string `json:"alg"`
	}
	if decodeJSON(parts[0], &head) != nil || head.Alg != "HS256" {
		return "", inner{}, errToken
	}
	var p payload
	if decodeJSON(parts[1], &p) != nil || p.Data == "" {
		return "", inner{}, errToken
	}
	if !now.IsZero() && p.EXP != 0 && float64(now.Unix()) >= p.EXP {
		return "", inner{}, errToken
	}
	text, err := base64.StdEncoding.DecodeString(p.Data)
	if err != nil || json.Unmarshal(text, &d) != nil || d.K != "A" {
		return "", inner{}, errToken
	}
	return p.Data, d, nil
}

func decodeJSON(part string, into any) error {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// cursorOf takes an id to its cursor: encoded ids begin with "~!", and a session may be written without the mark of its
// parent.
func cursorOf(id string) string {
	if encoded, ok := strings.CutPrefix(id, "~!"); ok {
		b, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return ""
		}
		id = string(b)
	}
	return strings.Replace(id, "⋮session⋮", "⊰session⋮", 1)
}

func graphID(cursor string) string { return "~!" + base64.StdEncoding.EncodeToString([]byte(cursor)) }

func accountCursor(accountID string) string { return "account⋮_id⋮" + accountID + "⋮⋮" }

func sessionCursor(accountID, ulid string) string {
	return "account⋮_id⋮" + accountID + "⊰session⋮" + ulid + "⋮"
}

// newULID makes an id that begins with its time (ULID specification): 48 bits of milliseconds, 80 random bits.
func newULID(now time.Time) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	id := make([]byte, 26)
	ms := now.UnixMilli()
	for i := 9; i >= 0; i-- {
		id[i] = alphabet[ms&31]
		ms >>= 5
	}
	var random [16]byte
	_, _ = rand.Read(random[:])
	for i, b := range random {
		id[10+i] = alphabet[b&31]
	}
	return string(id)
}
