package authority

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/sessionward/sessionward/session"
)

// SessionID is the id of a session that is known by its credential alone: a hash, so that it opens nothing.
func SessionID(source string, credential session.Secret) string {
	sum := sha256.Sum256([]byte("credential\x00" + source + "\x00" + credential.Reveal()))
	return hex.EncodeToString(sum[:])
}

// Handle makes a name that is safe to show from an id that is not.
func Handle(prefix, id string) string {
	sum := sha256.Sum256([]byte("handle\x00" + id))
	return prefix + "-" + hex.EncodeToString(sum[:8])
}
