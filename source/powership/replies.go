package powership

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// maxExtra bounds the further texts of a connection that are kept.
const maxExtra = 32

// parseFailure reads {"code":…,"message":…}. Only the codes of the library are one; the message is for nobody here.
func parseFailure(body []byte) (Code, error) {
	object, err := authority.DecodeObject(body)
	if err != nil {
		return "", err
	}
	code := Code(authority.Text(object["code"]))
	if !code.known() {
		return "", errors.New("a failure without a code of the library")
	}
	return code, nil
}

// parseLogin reads the answer of a login or an exchange: {sessionDocument, authToken, account}.
func parseLogin(body []byte, groupsField string) (*LoginResult, error) {
	object, err := authority.DecodeObject(body)
	if err != nil {
		return nil, err
	}
	document, ok1 := object["sessionDocument"].(map[string]any)
	account, ok2 := object["account"].(map[string]any)
	if !ok1 || !ok2 {
		return nil, errors.New("without a session document or an account")
	}
	return readResult(authority.Text(object["authToken"]), document, account, groupsField)
}

// parseHandled reads the request as onRequest left it: {authToken, user: {…, sessions: […]}}. The document of the session
// is the one of the user's whose id the token names.
func parseHandled(body []byte, groupsField string) (*LoginResult, error) {
	object, err := authority.DecodeObject(body)
	if err != nil {
		return nil, err
	}
	if ended, _ := object["sessionDestroyed"].(bool); ended {
		return nil, InvalidSession // a hook of the application logged out
	}
	account, ok := object["user"].(map[string]any)
	if !ok {
		return nil, errors.New("without a user, though a token was shown")
	}
	raw := authority.Text(object["authToken"])
	t, err := readToken(raw)
	if err != nil {
		return nil, errors.New("without a token that can be read")
	}
	list, _ := account["sessions"].([]any)
	for _, entry := range list {
		document, _ := entry.(map[string]any)
		if c, err := documentCursor(document); err == nil && c == t.session {
			return readResult(raw, document, account, groupsField)
		}
	}
	return nil, errors.New("without the document of its session")
}

// documentCursor returns the name of a document: its _id, or its id.
func documentCursor(document map[string]any) (cursor, error) {
	if c, err := parseCursor(authority.Text(document[idIndex])); err == nil {
		return c, nil
	}
	return parseCursor(authority.Text(document["id"]))
}

func readResult(raw string, document, account map[string]any, groupsField string) (*LoginResult, error) {
	t, err := readToken(raw)
	if err != nil {
		return nil, errors.New("without a token that can be read")
	}
	c, err := documentCursor(document)
	if err != nil || c != t.session {
		return nil, errors.New("with the document of another session")
	}
	a := readAccount(account, groupsField)
	if a.ID == "" || accountCursor(a.ID) != t.account {
		return nil, errors.New("with another account")
	}
	if valid, ok := document["valid"].(bool); !ok || !valid {
		return nil, errors.New("with a session that is not valid")
	}
	return &LoginResult{
		AuthToken: session.NewSecret(raw), ExpiresAt: t.expiresAt, Session: readDocument(document, a.ID, c.ulid), Account: a, Exchanged: true,
	}, nil
}

// belongsTo makes sure that an answer is about the session that was asked about.
func (r *LoginResult) belongsTo(shown *token) error {
	if r.Session.cursor() != shown.session {
		return errors.New("about another session")
	}
	return nil
}

func readDocument(document map[string]any, accountID, ulid string) Document {
	d := Document{
		AccountID: accountID, ULID: ulid, Valid: true,
		CreatedAt: readDate(document["createdAt"]), UpdatedAt: readDate(document["updatedAt"]),
	}
	texts := map[string]string{}
	connection, _ := document["connectionInfo"].(map[string]any)
	for name, v := range connection {
		if text, ok := v.(string); ok && (len(texts) < maxExtra || name == ipField || name == userAgentField) {
			texts[name] = text
		}
	}
	d.Connection = splitConnection(texts)
	return d
}

// readDate reads a date as JavaScript writes it (RFC 3339 with milliseconds); the zero time when it is none.
func readDate(v any) time.Time {
	at, err := time.Parse(time.RFC3339, authority.Text(v))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// readAccount maps an account. Its password hashes, its sessions and whatever else of it opens something stay behind.
func readAccount(account map[string]any, groupsField string) Account {
	a := Account{
		ID: authority.Text(account["accountId"]), Username: authority.Text(account["username"]), Name: authority.Text(account["name"]),
		Groups: authority.Texts(authority.LookUp(account, groupsField)),
	}
	a.Deactivated, _ = account["deactivated"].(bool)
	a.Email, a.EmailVerified = readEmail(account["accessTypes"])
	a.Claims = map[string]any{}
	for name, v := range account {
		if plainClaim(name) {
			a.Claims[name] = v
		}
	}
	return a
}

// plainClaim reports whether a member of an account is for the application behind the gateway: not what the library keeps
// of its own, and nothing that holds secrets (accessTypes has tokens of other providers in it).
func plainClaim(name string) bool {
	switch name {
	case "tokens", "sessions", "accessTypes", "id", "ulid":
		return false
	}
	folded := strings.ToLower(name)
	return !strings.HasPrefix(name, "_") && !strings.Contains(folded, "token") && !strings.Contains(folded, "password") && !strings.Contains(folded, "secret")
}

// readEmail finds the address among the ways to reach an account: the first verified one, else the first.
func readEmail(v any) (email string, verified bool) {
	list, _ := v.([]any)
	for _, entry := range list {
		access, _ := entry.(map[string]any)
		data, _ := access["data"].(map[string]any)
		value := authority.Text(data["value"])
		if authority.Text(data["kind"]) != "email" || value == "" {
			continue
		}
		if ok, _ := access["verified"].(bool); ok {
			return value, true
		}
		if email == "" {
			email = value
		}
	}
	return email, false
}

// maxInvalidated bounds what is believed of how many sessions were ended.
const maxInvalidated = 1 << 31

// parseInvalidated reads what a logout ended: {"invalidated":n,"scope":…}, or the library's own answer, which is true or
// n and says nothing of the scope.
func parseInvalidated(body []byte) (Invalidated, error) {
	text := strings.TrimSpace(string(body[:min(len(body), 32)]))
	if text == "true" && len(body) < 32 {
		return Invalidated{Invalidated: 1}, nil
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil && n > 0 && len(body) < 32 {
		return Invalidated{Invalidated: int(n)}, nil
	}
	if !json.Valid(body) {
		return Invalidated{}, errors.New("not JSON")
	}
	object, err := authority.DecodeObject(body)
	if err != nil {
		return Invalidated{}, err
	}
	n, ok := object["invalidated"].(float64)
	scope := authority.Text(object["scope"])
	if !ok || n < 1 || n > maxInvalidated || n != float64(int(n)) || (scope != ScopeOne && scope != ScopeAll && scope != "") {
		return Invalidated{}, errors.New("without how many sessions were ended")
	}
	return Invalidated{Invalidated: int(n), Scope: scope}, nil
}
