package source

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

const (
	maxToken  = 16 << 10 // bytes of a token
	maxHeader = 2 << 10  // bytes of its encoded header
	maxKeyID  = 256
)

// compact is a compact JWS (RFC 7515 §7.1) taken apart but not verified: nothing in it is true yet.
type compact struct {
	raw    string
	typ    string // lower case, without "application/"
	claims map[string]any
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

// unverifiedIssuer reads iss without believing it: it only chooses whose rules apply. false when raw has not the
// shape of a signed JWT.
func unverifiedIssuer(raw string) (string, bool) {
	_, part, _, ok := splitCompact(raw)
	if !ok {
		return "", false
	}
	payload, ok := decodePart(part)
	if !ok {
		return "", false
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal(payload, &claims) != nil {
		return "", false
	}
	var iss string
	if json.Unmarshal(claims["iss"], &iss) != nil {
		return "", false
	}
	return iss, true
}

// parseCompact takes raw apart by the rules every token has to keep before a key is looked for. algs are the accepted
// algorithms. All its errors are session.ErrRejected.
func parseCompact(raw string, algs []string) (*compact, error) {
	header, payload, signature, ok := splitCompact(raw)
	if !ok {
		return nil, rejected("not a compact signed token")
	}
	typ, err := checkHeader(header, algs)
	if err != nil {
		return nil, err
	}
	if b, ok := decodePart(signature); !ok || len(b) == 0 {
		return nil, rejected("the signature is missing or not base64url")
	}
	b, ok := decodePart(payload)
	if !ok {
		return nil, rejected("the payload is not base64url")
	}
	claims, err := decodeObject(b)
	if err != nil {
		return nil, rejected("the payload is " + err.Error())
	}
	return &compact{raw: raw, typ: typ, claims: claims}, nil
}

// checkHeader holds the protected header against an allow-list (RFC 8725 §3.1) and returns its normalised typ.
// Parameters that bring a key along, point to one, or change how the token is to be read are refused.
func checkHeader(part string, algs []string) (typ string, err error) {
	if len(part) > maxHeader {
		return "", rejected("the header is too long")
	}
	b, ok := decodePart(part)
	if !ok {
		return "", rejected("the header is not base64url")
	}
	head, err := decodeObject(b)
	if err != nil {
		return "", rejected("the header is " + err.Error())
	}
	for _, name := range []string{"jku", "x5u", "x5c", "jwk", "crit", "zip", "b64", "enc", "epk", "p2c", "p2s"} {
		if _, there := head[name]; there {
			return "", rejected("header parameter " + name + " is not accepted")
		}
	}
	alg, ok := head["alg"].(string)
	if !ok || !slices.Contains(algs, alg) {
		return "", rejected("the algorithm is not accepted")
	}
	if kid, there := head["kid"]; there {
		if s, ok := kid.(string); !ok || len(s) > maxKeyID {
			return "", rejected("the key id is not a short string")
		}
	}
	if cty, there := head["cty"]; there && cty != "" {
		return "", rejected("nested tokens are not accepted")
	}
	if _, there := head["typ"]; !there {
		return "", nil
	}
	typ, ok = head["typ"].(string)
	if !ok || typ == "" {
		return "", rejected("the token type is not a string")
	}
	return strings.TrimPrefix(strings.ToLower(typ), "application/"), nil
}
