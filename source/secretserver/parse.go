package secretserver

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	maxExpiresIn   = 365 * 24 * time.Hour // what the vendor's own clients take for possible
	maxVersion     = 40                   // bytes
	maxSafeInteger = 1 << 53
)

// issued is what the token endpoint gives.
type issued struct {
	access, refresh session.Secret // refresh is empty where the server gives none
	lifetime        time.Duration  // of the access token, from its issue
}

// parseTokens reads an answer of the token endpoint (RFC 6749 §5.1). Tokens are opaque, but must be something a header can
// carry.
func parseTokens(body []byte) (issued, error) {
	object, err := authority.DecodeObject(body)
	if err != nil {
		return issued{}, err
	}
	access, refresh := authority.Text(object["access_token"]), authority.Text(object["refresh_token"])
	if !possible(access) || (refresh != "" && !possible(refresh)) {
		return issued{}, errors.New("without a token that could be one")
	}
	if kind := object["token_type"]; kind != nil && kind != "" && !strings.EqualFold(authority.Text(kind), TypeBearer) {
		return issued{}, errors.New("with another type of token than bearer")
	}
	seconds, ok := integer(object["expires_in"])
	if !ok || seconds <= 0 || seconds > int64(maxExpiresIn/time.Second) {
		return issued{}, errors.New("without a lifetime that could be one")
	}
	return issued{session.NewSecret(access), session.NewSecret(refresh), time.Duration(seconds) * time.Second}, nil
}

// possible reports whether a text can be a token: visible ASCII without spaces (RFC 6750 §2.1), and not endless.
func possible(token string) bool {
	return token != "" && len(token) <= session.MaxCredentialBytes &&
		!strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// integer returns a JSON number that is one.
func integer(v any) (int64, bool) {
	f, ok := v.(float64)
	if !ok || f != math.Trunc(f) || math.Abs(f) >= maxSafeInteger {
		return 0, false
	}
	return int64(f), true
}

// user is who Secret Server says a token is of (CurrentUserModel of the REST API).
type user struct {
	subject  string // the id, in decimal
	identity session.Identity
}

// parseUser reads an answer of users/current. All its members are optional, and an answer without the id names nobody.
func parseUser(body []byte) (user, error) {
	object, err := authority.DecodeObject(body)
	if err != nil {
		return user{}, err
	}
	id, ok := integer(object["id"])
	if !ok || id <= 0 {
		return user{}, errors.New("without a user's id")
	}
	u := user{subject: strconv.FormatInt(id, 10)}
	u.identity = session.Identity{
		Subject: u.subject, Username: authority.Text(object["userName"]), Email: authority.Text(object["emailAddress"]),
		Name: authority.Text(object["displayName"]),
	}
	for _, told := range []string{"id", "userName", "emailAddress", "displayName"} {
		delete(object, told)
	}
	u.identity.Claims = object
	return u, nil
}

// parseRefusal returns the sentence of a refusal: "message" at the REST API, "error" at the token endpoint.
func parseRefusal(body []byte) (string, error) {
	object, err := authority.DecodeObject(body)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"error", "message"} {
		if text := authority.Text(object[name]); text != "" {
			return text, nil
		}
	}
	return "", errors.New("without a word why")
}

// parseVersion reads an answer of the version call. Older servers wrap it in a model.
func parseVersion(body []byte) (string, error) {
	object, err := authority.DecodeObject(body)
	if err != nil {
		return "", err
	}
	if model, ok := object["model"].(map[string]any); ok {
		object = model
	}
	v := authority.Text(object["version"])
	if v == "" || len(v) > maxVersion || strings.Trim(v, "0123456789.") != "" {
		return "", errors.New("without a version")
	}
	return v, nil
}

// parseTrue reports whether body is the JSON literal true.
func parseTrue(body []byte) bool { return string(bytes.TrimSpace(body)) == "true" }

// listed is one record of the list of a user's sessions.
type listed struct {
	id       int64
	current  bool
	browser  string
	ip       string
	loggedAt time.Time // zero when it is written in no known way
}

// listPage is one page of that list.
type listPage struct {
	records  []listed
	hasNext  bool
	nextSkip int64
}

// parseSessions reads an answer of users/sessions. Dates carry no zone: they are of the given one.
func parseSessions(body []byte, zone *time.Location) (listPage, error) {
	object, err := authority.DecodeObject(body)
	if err != nil {
		return listPage{}, err
	}
	records, ok := object["records"].([]any)
	if !ok {
		return listPage{}, errors.New("without records")
	}
	var p listPage
	for _, r := range records {
		record, _ := r.(map[string]any)
		id, ok := integer(record["userSessionId"])
		if !ok || id <= 0 {
			return listPage{}, errors.New("with a session without an id")
		}
		current, _ := record["current"].(bool)
		p.records = append(p.records, listed{
			id: id, current: current, browser: authority.Text(record["browser"]), ip: authority.Text(record["ipAddress"]),
			loggedAt: parseDate(authority.Text(record["loginDate"]), zone),
		})
	}
	p.hasNext, _ = object["hasNext"].(bool)
	p.nextSkip, _ = integer(object["nextSkip"])
	return p, nil
}

// parseDate reads a date with or without a zone (ISO 8601), zero when it is neither.
func parseDate(text string, zone *time.Location) time.Time {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at.UTC()
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05.999999999", text, zone)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
