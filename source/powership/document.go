package powership

import (
	"encoding/json"
	"maps"
	"time"
)

// Document is one session as its store holds it. It is good as long as Valid is true: it has no end of its own, only the
// tokens made for it have.
type Document struct {
	AccountID  string
	ULID       string
	Token      string // data of the newest token
	Valid      bool
	Connection ConnectionInfo
	CreatedAt  time.Time
	UpdatedAt  time.Time

	previous  string    // data of the token before the newest
	rotatedAt time.Time // when Token was made
	endsAt    time.Time // end of the newest token; after it nobody can use the session
}

// ID is the library's own name of the session, as it stands in the member id of its document.
func (d *Document) ID() string { return d.cursor().graphID() }

func (d *Document) cursor() cursor { return sessionCursor(d.AccountID, d.ULID) }

// clone shares no memory with d.
func (d *Document) clone() Document {
	c := *d
	c.Connection.Extra = maps.Clone(d.Connection.Extra)
	return c
}

// rotate gives d a new token for a client at from, and returns its data.
func (d *Document) rotate(from ConnectionInfo, now time.Time) string {
	d.previous, d.rotatedAt = d.Token, now
	d.Token = newData(d.cursor(), from)
	d.move(from, now)
	return d.Token
}

// move writes down where d is used from now.
func (d *Document) move(from ConnectionInfo, now time.Time) {
	d.Connection.IP, d.Connection.UserAgent, d.UpdatedAt = from.IP, from.UserAgent, now
}

// storedDocument is a document as it stands in a file: the members of the library's single-collection layout, and three
// of the gateway's own.
type storedDocument struct {
	Cursor     string            `json:"_id"`
	PK         string            `json:"_idPK"`
	SK         string            `json:"_idSK"`
	Parents    []string          `json:"_rpk"`
	Entity     string            `json:"_e"`
	ID         string            `json:"id"`
	ULID       string            `json:"ulid"`
	AccountID  string            `json:"accountId"`
	Token      string            `json:"token"`
	Valid      bool              `json:"valid"`
	Connection map[string]string `json:"connectionInfo"`
	CreatedAt  time.Time         `json:"createdAt"`
	UpdatedAt  time.Time         `json:"updatedAt"`

	Previous  string    `json:"previousToken,omitempty"`
	RotatedAt time.Time `json:"rotatedAt,omitzero"`
	EndsAt    time.Time `json:"endsAt,omitzero"`
}

// The members of connectionInfo that have a meaning; all others are properties.
const (
	ipField        = "ip"
	userAgentField = "userAgent"
)

// encode writes d as JSON.
func (d *Document) encode() ([]byte, error) {
	c := d.cursor()
	connection := maps.Clone(d.Connection.Extra)
	if connection == nil {
		connection = map[string]string{}
	}
	connection[ipField], connection[userAgentField] = d.Connection.IP, d.Connection.UserAgent
	return json.Marshal(storedDocument{
		Cursor: c.String(), PK: c.parent() + sessionEntity + partMark, SK: d.ULID, Parents: []string{c.parent()}, Entity: sessionEntity,
		ID: c.graphID(), ULID: d.ULID, AccountID: d.AccountID, Token: d.Token, Valid: d.Valid, Connection: connection,
		CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt, Previous: d.previous, RotatedAt: d.rotatedAt, EndsAt: d.endsAt,
	})
}

// decodeDocument reads what encode wrote.
func decodeDocument(text []byte) (Document, error) {
	var s storedDocument
	if err := json.Unmarshal(text, &s); err != nil {
		return Document{}, err
	}
	d := Document{
		AccountID: s.AccountID, ULID: s.ULID, Token: s.Token, Valid: s.Valid, Connection: splitConnection(s.Connection),
		CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(), previous: s.Previous, rotatedAt: s.RotatedAt.UTC(), endsAt: s.EndsAt.UTC(),
	}
	return d, nil
}

// splitConnection tells the address and the user agent from further texts.
func splitConnection(texts map[string]string) ConnectionInfo {
	c := ConnectionInfo{IP: texts[ipField], UserAgent: texts[userAgentField]}
	for name, text := range texts {
		if name == ipField || name == userAgentField {
			continue
		}
		if c.Extra == nil {
			c.Extra = map[string]string{}
		}
		c.Extra[name] = text
	}
	return c
}
