package kratos

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/sessionward/sessionward/source/authority"
)

// answer is a session as Kratos writes it (Ory API, schema "session"). Times that are absent are zero, all are UTC.
type answer struct {
	id              string
	active          bool
	expiresAt       time.Time
	authenticatedAt time.Time
	issuedAt        time.Time
	aal             string
	methods         []method
	devices         []device
	identity        object // nil when Kratos does not show it
	tokenized       string
}

// method is one proof the user gave.
type method struct {
	name, aal   string
	completedAt time.Time
}

// device is one place the session was made from.
type device struct{ ip, userAgent string }

// object is a JSON object.
type object map[string]any

// object returns a member that is one, nil otherwise.
func (o object) object(name string) object {
	m, _ := o[name].(map[string]any)
	return m
}

// text returns a member that is a string, "" otherwise.
func (o object) text(name string) string { return authority.Text(o[name]) }

// list returns the members of an array that are objects.
func (o object) list(name string) []object {
	array, _ := o[name].([]any)
	var out []object
	for _, e := range array {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// at reads a time (RFC 3339) into *to, and notes in *ok what is none. Absent and null leave it as it is.
func (o object) at(name string, to *time.Time, ok *bool) {
	v, there := o[name]
	if !there || v == nil {
		return
	}
	t, err := time.Parse(time.RFC3339Nano, authority.Text(v))
	if err != nil {
		*ok = false
		return
	}
	*to = t.UTC()
}

// errNoSession is all that is said of an answer that is none: its text could be anybody's.
var errNoSession = errors.New("the answer is no session of Kratos")

// readAnswer understands a session. Members it does not know are left alone: newer versions have more.
func readAnswer(o object) (answer, error) {
	a := answer{id: o.text("id"), aal: o.text("authenticator_assurance_level"), identity: o.object("identity"), tokenized: o.text("tokenized")}
	active, known := o["active"].(bool)
	a.active = active
	ok := known && validID(a.id) && (a.identity == nil || validID(a.identity.text("id")))
	o.at("expires_at", &a.expiresAt, &ok)
	o.at("authenticated_at", &a.authenticatedAt, &ok)
	o.at("issued_at", &a.issuedAt, &ok)
	for _, m := range o.list("authentication_methods") {
		one := method{name: m.text("method"), aal: m.text("aal")}
		m.at("completed_at", &one.completedAt, &ok)
		a.methods = append(a.methods, one)
	}
	for _, d := range o.list("devices") {
		a.devices = append(a.devices, device{ip: d.text("ip_address"), userAgent: d.text("user_agent")})
	}
	if !ok {
		return answer{}, errNoSession
	}
	return a, nil
}

// readAnswers understands a list of sessions.
func readAnswers(body []byte) ([]answer, error) {
	list, err := readList(body)
	if err != nil {
		return nil, err
	}
	out := make([]answer, 0, len(list))
	for _, o := range list {
		a, err := readAnswer(o)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// readList understands an array of objects, each as strictly as an object that stands alone.
func readList(body []byte) ([]object, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil || raw == nil {
		return nil, errors.New("the answer is no list")
	}
	out := make([]object, 0, len(raw))
	for _, r := range raw {
		o, err := authority.DecodeObject(r)
		if err != nil {
			return nil, errors.New("the list holds what is " + err.Error())
		}
		out = append(out, o)
	}
	return out, nil
}

// validID reports whether id can be Kratos' name of a session or an identity: it becomes part of addresses.
func validID(id string) bool { return madeOf(id, "-", 64) }
