package powership

import (
	"encoding/base64"
	"errors"
	"strings"
)

// The characters cursors are built with, and what stands for two of them inside a key.
const (
	partMark      = "⋮" // between the parts of a cursor
	keyMark       = "∙" // between the parts of a key
	parentMark    = "⊰" // after the parent of a cursor
	escapedPart   = "⦙"
	escapedKey    = "⦁"
	graphIDPrefix = "~!"

	accountEntity = "account"
	sessionEntity = "session"
	idIndex       = "_id"
)

// maxCursor bounds, in bytes, what is looked at as a cursor at all.
const maxCursor = 1 << 10

// cursor is the parsed name of an account or a session.
type cursor struct {
	account string // id of the account, as it stands in the cursor
	ulid    string // of the session, "" for an account
}

var errCursor = errors.New("not the cursor of an account or a session")

// String writes c as the library does, with the parent mark before a session.
func (c cursor) String() string {
	if c.ulid == "" {
		return strings.Join([]string{accountEntity, idIndex, c.account, "", ""}, partMark)
	}
	return c.parent() + sessionEntity + partMark + c.ulid + partMark
}

// parent is how the cursors of all sessions of an account begin.
func (c cursor) parent() string {
	return strings.Join([]string{accountEntity, idIndex, c.account}, partMark) + parentMark
}

// graphID is the encoded form of c, as it stands in the member id of documents.
func (c cursor) graphID() string {
	return graphIDPrefix + base64.StdEncoding.EncodeToString([]byte(c.String()))
}

// accountCursor names an account, sessionCursor one of its sessions.
func accountCursor(accountID string) cursor { return cursor{account: escapeKey(accountID)} }

func sessionCursor(accountID, ulid string) cursor {
	return cursor{account: escapeKey(accountID), ulid: ulid}
}

// escapeKey takes the marks out of a key. Like the library it does so for the first of each alone.
func escapeKey(key string) string {
	return strings.Replace(strings.Replace(key, partMark, escapedPart, 1), keyMark, escapedKey, 1)
}

// parseCursor reads a cursor, encoded or not. A session may be written with the mark of its parent or without.
func parseCursor(id string) (cursor, error) {
	if len(id) > maxCursor {
		return cursor{}, errCursor
	}
	if encoded, ok := strings.CutPrefix(id, graphIDPrefix); ok {
		text, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil {
			return cursor{}, errCursor
		}
		id = string(text)
	}
	parts := strings.Split(strings.Replace(strings.TrimSuffix(id, partMark), parentMark, partMark, 1), partMark)
	if len(parts) < 3 || parts[0] != accountEntity || parts[1] != idIndex || !plainKey(parts[2]) {
		return cursor{}, errCursor
	}
	switch rest := parts[3:]; {
	case len(rest) == 0, len(rest) == 1 && rest[0] == "":
		return cursor{account: parts[2]}, nil
	case len(rest) == 2 && rest[0] == sessionEntity && plainKey(rest[1]):
		return cursor{account: parts[2], ulid: rest[1]}, nil
	default:
		return cursor{}, errCursor
	}
}

// plainKey reports whether key has no mark in it and is none.
func plainKey(key string) bool {
	return key != "" && !strings.ContainsAny(key, partMark+keyMark+parentMark)
}
