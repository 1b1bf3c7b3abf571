package powership

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// minSecret is the least size in bytes of a secret for HS256 (RFC 7518 §3.2).
const minSecret = 32

// token is what stands in a JWT of an account session (RFC 7519). It is verified only where a function says so.
type token struct {
	data      string // as signed, for comparing with a session document
	claims    tokenData
	session   cursor
	account   cursor
	issuedAt  time.Time
	notBefore time.Time
	expiresAt time.Time
	hasIssuer bool
}

var errToken = errors.New("not a token of an account session")

// id is the id of the token's session at the gateway: the same for every token of the session.
func (t *token) id(source string) string {
	return authority.SessionID(source, session.NewSecret(t.session.String()))
}

// readToken reads a token without verifying it: nothing in it is true yet.
func readToken(raw string) (*token, error) {
	if len(raw) > session.MaxCredentialBytes || strings.Count(raw, ".") != 2 {
		return nil, errToken
	}
	parts := strings.Split(raw, ".")
	head, err := readPart(parts[0])
	if err != nil || head["alg"] != string(jose.HS256) {
		return nil, errToken
	}
	body, err := readPart(parts[1])
	if err != nil {
		return nil, errToken
	}
	return readClaims(body)
}

func readPart(part string) (map[string]any, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, errToken
	}
	return authority.DecodeObject(b)
}

// readClaims reads the payload of a token: data, iat and exp. Registered claims besides those are tolerated, as the
// library does; nbf holds.
func readClaims(body map[string]any) (*token, error) {
	t := &token{data: authority.Text(body["data"])}
	_, t.hasIssuer = body["iss"]
	var err error
	if t.claims, err = decodeData(t.data); err != nil {
		return nil, err
	}
	if t.session, t.account, err = t.claims.cursors(); err != nil {
		return nil, err
	}
	var ok1, ok2, ok3 bool
	t.issuedAt, ok1 = numericDate(body["iat"])
	t.notBefore, ok2 = numericDate(body["nbf"])
	t.expiresAt, ok3 = numericDate(body["exp"])
	if !ok1 || !ok2 || !ok3 || t.expiresAt.IsZero() {
		return nil, errToken
	}
	return t, nil
}

// latestDate bounds times in tokens: the year 9999, beyond which neither JavaScript's texts nor Go's JSON go.
const latestDate = 253402300799

// numericDate reads seconds since 1970 (RFC 7519 §2), in UTC; the zero time when absent.
func numericDate(v any) (at time.Time, ok bool) {
	if v == nil {
		return time.Time{}, true
	}
	f, ok := v.(float64)
	if !ok || f < 0 || f > latestDate {
		return time.Time{}, false
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), true
}

// isToken reports whether raw has the shape of a token that no issuer claims: HS256, no iss, and a member data.
func isToken(raw string) bool {
	if len(raw) > session.MaxCredentialBytes || !authority.LooksLikeJWT(raw) {
		return false
	}
	parts := strings.Split(raw, ".")
	head, err := readPart(parts[0])
	if err != nil || head["alg"] != string(jose.HS256) {
		return false
	}
	body, err := readPart(parts[1])
	if err != nil {
		return false
	}
	_, issued := body["iss"]
	return !issued && authority.Text(body["data"]) != ""
}

// verifySignature returns what is in raw when it was signed with secret, by HS256 and nothing else. Whether it has ended
// is the caller's to ask.
func verifySignature(raw string, secret session.Secret) (*token, error) {
	if len(raw) > session.MaxCredentialBytes {
		return nil, errToken
	}
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return nil, errToken
	}
	payload, err := signed.Verify(macKey(secret))
	if err != nil {
		return nil, errToken
	}
	body, err := authority.DecodeObject(payload)
	if err != nil {
		return nil, errToken
	}
	return readClaims(body)
}

// holds reports whether t has begun and not ended.
func (t *token) holds(now time.Time) bool {
	return now.Before(t.expiresAt) && !now.Before(t.notBefore)
}

// payload is the body of a token. The order of the fields is the order on the wire.
type payload struct {
	Data string `json:"data"`
	IAT  int64  `json:"iat"`
	EXP  int64  `json:"exp"`
}

// signToken makes the token for data, from now for ttl, in whole seconds. Its header is exactly
// {"alg":"HS256","typ":"JWT"}.
func signToken(secret session.Secret, data string, now time.Time, ttl time.Duration) (raw string, expiresAt time.Time, err error) {
	key := jose.SigningKey{Algorithm: jose.HS256, Key: macKey(secret)}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("%w: the secret cannot sign", session.ErrUnavailable)
	}
	p := payload{Data: data, IAT: now.Unix(), EXP: now.Unix() + int64(ttl/time.Second)}
	body, err := json.Marshal(p)
	if err == nil {
		var signed *jose.JSONWebSignature
		if signed, err = signer.Sign(body); err == nil {
			raw, err = signed.CompactSerialize()
		}
	}
	if err != nil {
		return "", time.Time{}, fmt.Errorf("%w: a token could not be signed", session.ErrUnavailable)
	}
	return raw, time.Unix(p.EXP, 0).UTC(), nil
}

// macKey is the key of HMAC for secret: its bytes, and zeros up to the size the JOSE library wants at least. HMAC fills a
// short key with zeros itself (RFC 2104 §2), so that this changes no signature.
func macKey(secret session.Secret) []byte {
	key := []byte(secret.Reveal())
	for len(key) < minSecret {
		key = append(key, 0)
	}
	return key
}
