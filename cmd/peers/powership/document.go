package powership

import (
	"encoding/json"
	"time"
)

// stamp is a time as JavaScript writes it.
type stamp time.Time

// MarshalJSON implements json.Marshaler.
func (s stamp) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Time(s).UTC().Format("2006-01-02T15:04:05.000Z"))
}

// ConnectionInfo is where a session was last used from.
type ConnectionInfo struct {
	IP        string `json:"ip"`
	UserAgent string `json:"userAgent"`
}

// Document is one session as the store of the application holds it.
type Document struct {
	Cursor    string         `json:"_id"`
	PK        string         `json:"_idPK"`
	SK        string         `json:"_idSK"`
	Parents   []string       `json:"_rpk"`
	Entity    string         `json:"_e"`
	Created   string         `json:"_c"`
	Version   string         `json:"_v"`
	ID        string         `json:"id"`
	ULID      string         `json:"ulid"`
	AccountID string         `json:"accountId"`
	Token     string         `json:"token"`
	Valid     bool           `json:"valid"`
	From      ConnectionInfo `json:"connectionInfo"`
	CreatedAt stamp          `json:"createdAt"`
	UpdatedAt stamp          `json:"updatedAt"`

	previous  string // the token before this one, for Strict
	rotatedAt time.Time
}

// newDocument makes the document of a session that begins now.
func newDocument(accountID string, from ConnectionInfo, now time.Time) *Document {
	ulid := newULID(now)
	cursor := sessionCursor(accountID, ulid)
	parent := "account⋮_id⋮" + accountID + "⊰"
	return &Document{
		Cursor: cursor, PK: parent + "session⋮", SK: ulid, Parents: []string{parent}, Entity: "session",
		Created: newULID(now), Version: newULID(now), ID: graphID(cursor), ULID: ulid,
		AccountID: accountID, Valid: true, From: from, CreatedAt: stamp(now), UpdatedAt: stamp(now),
	}
}

// account is an account as the library hands it out: with the hash of its password and the session.
type account struct {
	Cursor      string       `json:"_id"`
	Entity      string       `json:"_e"`
	ID          string       `json:"id"`
	AccountID   string       `json:"accountId"`
	Username    string       `json:"username"`
	Permissions []string     `json:"permissions"`
	Deactivated bool         `json:"deactivated"`
	AccessTypes []accessType `json:"accessTypes"`
	Tokens      []secret     `json:"tokens"`
	Sessions    []Document   `json:"sessions"`
}

type accessType struct {
	AccountID string     `json:"accountId"`
	Verified  bool       `json:"verified"`
	Data      accessData `json:"data"`
}

type accessData struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

type secret struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// PasswordHash is what stands for every password in what the library hands out. No client has any use for it.
const PasswordHash = "scrypt$16384$8$1$c2FsdHNhbHQ=$bm90LWZvci1hbnlib2R5"

func (u User) account(sessions ...Document) *account {
	a := &account{
		Cursor: accountCursor(u.AccountID), Entity: "account", ID: graphID(accountCursor(u.AccountID)), AccountID: u.AccountID,
		Username: u.Username, Permissions: u.Permissions, Deactivated: u.Deactivated, Sessions: sessions,
		Tokens: []secret{{Kind: "password", Value: PasswordHash}}, AccessTypes: []accessType{},
	}
	if a.Permissions == nil {
		a.Permissions = []string{"admin_profile:" + u.AccountID}
	}
	if u.Email != "" {
		a.AccessTypes = append(a.AccessTypes, accessType{u.AccountID, u.EmailVerified, accessData{"email", u.Email}})
	}
	return a
}
