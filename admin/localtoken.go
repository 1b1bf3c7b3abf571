package admin

import (
	"encoding/base64"

	"github.com/sessionward/sessionward/session"
)

// LocalTokens derives the tokens of this machine's own operator from the key ring, the one to show first: whoever can read
// the key file needs no other.
func LocalTokens(keys *session.KeyRing) []session.Secret {
	var tokens []session.Secret
	for _, k := range keys.Derive("admin/local", 32) {
		tokens = append(tokens, session.NewSecret("swa_local_"+base64.RawURLEncoding.EncodeToString(k.Bytes)))
	}
	return tokens
}
