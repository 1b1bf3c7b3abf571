package vsphere

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sessionward/sessionward/source/authority"
)

// maxID is how long a session id may be; real ones have 32 to 36 characters.
const maxID = 256 // bytes

// info is what the service tells of a session.
type info struct {
	user     string
	created  time.Time // zero when it does not say
	accessed time.Time
}

// generation is one of the two forms of the API: /api answers bare values, /rest wraps them in a member "value".
type generation struct{ wrapped bool }

// parseSession reads the answer to a question about a session.
func (g generation) parseSession(body []byte) (info, error) {
	object, err := authority.DecodeObject(body)
	if err != nil {
		return info{}, err
	}
	if g.wrapped {
		inner, ok := object["value"].(map[string]any)
		if !ok {
			return info{}, errors.New("without a value")
		}
		object = inner
	}
	i := info{user: authority.Text(object["user"])}
	if i.user == "" {
		return info{}, errors.New("without a user")
	}
	if i.created, err = parseTime(object["created_time"]); err != nil {
		return info{}, fmt.Errorf("with a created_time that is none: %w", err)
	}
	if i.accessed, err = parseTime(object["last_accessed_time"]); err != nil {
		return info{}, fmt.Errorf("with a last_accessed_time that is none: %w", err)
	}
	return i, nil
}

// parseTime reads a time of RFC 3339 with whatever fraction and zone, zero when there is none.
func parseTime(v any) (time.Time, error) {
	if v == nil {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, authority.Text(v))
	if err != nil {
		return time.Time{}, errors.New("not RFC 3339")
	}
	return t.UTC(), nil
}

// parseID reads the answer to the making of a session: its id.
func (g generation) parseID(body []byte) (string, error) {
	var id string
	if g.wrapped {
		object, err := authority.DecodeObject(body)
		if err != nil {
			return "", err
		}
		id = authority.Text(object["value"])
	} else if !utf8.Valid(body) || json.Unmarshal(body, &id) != nil {
		return "", errors.New("not a JSON string")
	}
	if !possibleID(id) {
		return "", errors.New("not a session id")
	}
	return id, nil
}

// possibleID reports whether id has only characters a header can carry.
func possibleID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// parseError returns the kind of an error in either envelope, in the writing of /api ("UNAUTHENTICATED"); "" for an empty
// body, which says no more than its status.
func parseError(body []byte) (string, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return "", nil
	}
	object, err := authority.DecodeObject(body)
	if err != nil {
		return "", err
	}
	if kind := authority.Text(object["error_type"]); kind != "" {
		return kind, nil
	}
	kind, ok := strings.CutPrefix(authority.Text(object["type"]), "com.vmware.vapi.std.errors.")
	if !ok || kind == "" {
		return "", errors.New("not an error of the API")
	}
	return strings.ToUpper(kind), nil
}
