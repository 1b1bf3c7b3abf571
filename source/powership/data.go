package powership

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/sessionward/sessionward/source/authority"
)

// dataKind is the only kind of token there is.
const dataKind = "A"

const (
	randomBytes = 64
	randomText  = 43 // characters of it that are kept
)

// tokenData is what the member data of a token says. The order of the fields is the order on the wire.
type tokenData struct {
	Session   string `json:"s"` // cursor of the session, encoded or not
	Account   string `json:"a"` // cursor of the account, encoded
	Random    string `json:"r"`
	IP        uint32 `json:"i"` // fingerprint of the client's address; never compared
	UserAgent uint32 `json:"u"` // fingerprint of the client's user agent
	Kind      string `json:"k"`
}

var errData = errors.New("the data of the token is not that of an account token")

// newData makes the data of a new token of session c, for a client at from.
func newData(c cursor, from ConnectionInfo) string {
	var random [randomBytes]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	return tokenData{
		Session: c.String(), Account: cursor{account: c.account}.graphID(),
		Random: base64.RawURLEncoding.EncodeToString(random[:])[:randomText],
		IP:     fingerprint(from.IP), UserAgent: fingerprint(from.UserAgent), Kind: dataKind,
	}.encode()
}

// encode writes d as standard base64, with padding, of its JSON.
func (d tokenData) encode() string {
	text, _ := json.Marshal(d) // strings and numbers always encode; cursors hold nothing that JSON escapes
	return base64.StdEncoding.EncodeToString(text)
}

// decodeData reads the data of a token.
func decodeData(data string) (tokenData, error) {
	text, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil {
		return tokenData{}, errData
	}
	object, err := authority.DecodeObject(text)
	if err != nil {
		return tokenData{}, errData
	}
	ip, ok1 := hashOf(object["i"])
	userAgent, ok2 := hashOf(object["u"])
	d := tokenData{
		Session: authority.Text(object["s"]), Account: authority.Text(object["a"]), Random: authority.Text(object["r"]),
		IP: ip, UserAgent: userAgent, Kind: authority.Text(object["k"]),
	}
	if !ok1 || !ok2 || d.Kind != dataKind || d.Random == "" {
		return tokenData{}, errData
	}
	return d, nil
}

func hashOf(v any) (uint32, bool) {
	f, ok := v.(float64)
	if !ok || f < 0 || f > 1<<32-1 || f != float64(uint32(f)) {
		return 0, false
	}
	return uint32(f), true
}

// cursors returns the session and the account d names. They belong together.
func (d tokenData) cursors() (session, account cursor, err error) {
	session, err1 := parseCursor(d.Session)
	account, err2 := parseCursor(d.Account)
	if err1 != nil || err2 != nil || session.ulid == "" || account.ulid != "" || session.account != account.account {
		return cursor{}, cursor{}, errData
	}
	return session, account, nil
}
