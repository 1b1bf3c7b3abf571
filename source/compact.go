package source

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/sessionward/sessionward/source/authority"
)

const (
	maxToken  = 16 << 10 // bytes of a token
	maxHeader = 2 << 10  // bytes of its encoded header
	maxKeyID  = 256
)

// compact is a compact JWS (RFC 7515 §7.1) taken apart but not verified: nothing in it is true yet.
type compact struct {
	raw       string
	header    string // encoded
	signature string // encoded
	claims    map[string]any
	broken    error  // why the payload is refused; claims hold at most iss then
	typ       string // lower case, without "application/"; set by check
}

// splitCompact cuts raw at its two dots; false when it is too long or has not exactly two. It allocates nothing,
// however many dots there are.
func splitCompact(raw string) (header, payload, signature string, ok bool) {
	if len(raw) > maxToken {
		return "", "", "", false
	}
	header, rest, ok1 := strings.Cut(raw, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || header == "" || payload == "" || strings.IndexByte(signature, '.') >= 0 {
		return "", "", "", false
	}
	return header, payload, signature, true
}

// decodePart decodes canonical base64url without padding. The line breaks Go's decoder skips are refused, too.
func decodePart(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return b, err == nil
}

// readCompact takes raw apart; false when it has not the shape of a signed JWT: three parts, the second of them JSON.
func readCompact(raw string) (*compact, bool) {
	header, part, signature, ok := splitCompact(raw)
	if !ok {
		return nil, false
	}
	payload, ok := decodePart(part)
	if !ok {
		return nil, false
	}
	c := &compact{raw: raw, header: header, signature: signature}
	if c.claims, c.broken = authority.DecodeObject(payload); c.broken == nil {
		return c, true
	}
	var loose map[string]json.RawMessage
	if json.Unmarshal(payload, &loose) != nil {
		return nil, false
	}
	var iss string
	if json.Unmarshal(loose["iss"], &iss) == nil {
		c.claims = map[string]any{"iss": iss} // enough to choose whose rules refuse it
	}
	return c, true
}

// issuer returns iss without believing it: it only chooses whose rules apply.
func (c *compact) issuer() string { return authority.Text(c.claims["iss"]) }

// check holds c against the rules every token has to keep before a key is looked for. algs are the accepted
// algorithms. All its errors are session.ErrRejected.
func (c *compact) check(algs []string) error {
	typ, err := checkHeader(c.header, algs)
	if err != nil {
		return err
	}
	if b, ok := decodePart(c.signature); !ok || len(b) == 0 {
		return authority.Rejected("the signature is missing or not base64url")
	}
	if c.broken != nil {
		return authority.Rejected("the payload is refused: " + c.broken.Error())
	}
	c.typ = typ
	return nil
}

// parseCompact is readCompact and check in one.
func parseCompact(raw string, algs []string) (*compact, error) {
	c, ok := readCompact(raw)
	if !ok {
		return nil, authority.Rejected("not a compact signed token")
	}
	if err := c.check(algs); err != nil {
		return nil, err
	}
	return c, nil
}

// checkHeader holds the protected header against an allow-list (RFC 8725 §3.1) and returns its normalised typ.
// Parameters that bring a key along, point to one, or change how the token is to be read are refused.
func checkHeader(part string, algs []string) (typ string, err error) {
	if len(part) > maxHeader {
		return "", authority.Rejected("the header is too long")
	}
	b, ok := decodePart(part)
	if !ok {
		return "", authority.Rejected("the header is not base64url")
	}
	head, err := authority.DecodeObject(b)
	if err != nil {
		return "", authority.Rejected("the header is refused: " + err.Error())
	}
	for _, name := range []string{"jku", "x5u", "x5c", "jwk", "crit", "zip", "b64", "enc", "epk", "p2c", "p2s"} {
		if _, there := head[name]; there {
			return "", authority.Rejected("header parameter " + name + " is not accepted")
		}
	}
	alg, ok := head["alg"].(string)
	if !ok || !slices.Contains(algs, alg) {
		return "", authority.Rejected("the algorithm is not accepted")
	}
	if kid, there := head["kid"]; there {
		if s, ok := kid.(string); !ok || len(s) > maxKeyID {
			return "", authority.Rejected("the key id is not a short string")
		}
	}
	if cty, there := head["cty"]; there && cty != "" {
		return "", authority.Rejected("nested tokens are not accepted")
	}
	if _, there := head["typ"]; !there {
		return "", nil
	}
	typ, ok = head["typ"].(string)
	if !ok || typ == "" {
		return "", authority.Rejected("the token type is not a string")
	}
	return strings.TrimPrefix(strings.ToLower(typ), "application/"), nil
}
