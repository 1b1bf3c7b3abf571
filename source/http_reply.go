package source

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// HTTPFields say where in an answer what stands. A path is a member's whole name, or names joined by dots
// ("user.mail.address"). In an array a number chooses an element, and a name is looked for in all elements
// ("user.roles.name"). "" means the endpoint does not tell. Numbers become text digit by digit.
type HTTPFields struct {
	Subject       string `yaml:"subject"` // mandatory
	Username      string `yaml:"username"`
	Email         string `yaml:"email"`
	EmailVerified string `yaml:"email_verified"` // true, or "true"; without it no address is verified
	Name          string `yaml:"name"`
	Groups        string `yaml:"groups"` // texts, or one text for one group
	AAL           string `yaml:"aal"`    // kept when it is aal1, aal2 or aal3
	Realm         string `yaml:"realm"`
	// SessionID is the application's own name for the session.
	SessionID string `yaml:"session_id"`
	// Times are RFC 3339 or whole seconds since 1970. ExpiresAt is the end of the session, IdleExpiresAt the end
	// unless it is used.
	IssuedAt      string `yaml:"issued_at"`
	ExpiresAt     string `yaml:"expires_at"`
	IdleExpiresAt string `yaml:"idle_expires_at"`
	// Claims are further members to keep: the name of the claim and its path.
	Claims map[string]string `yaml:"claims"`
}

// document is an endpoint's answer as JSON, with numbers as they were written.
type document struct{ root any }

// parseDocument reads one JSON value and nothing after it. Its errors are session.ErrUnavailable: what is not JSON says
// nothing.
func parseDocument(body []byte) (document, error) {
	root, err := authority.DecodeDocument(body)
	if err != nil {
		return document{}, authority.Unavailable("the answer is refused: " + err.Error())
	}
	return document{root}, nil
}

// at returns what stands at path; nil when nothing does. What is looked for in all elements of an array is an array.
func (d document) at(path string) any {
	if path == "" {
		return nil
	}
	return valueAt(d.root, path)
}

func valueAt(v any, path string) any {
	switch v := v.(type) {
	case map[string]any:
		if whole, ok := v[path]; ok {
			return whole
		}
		head, rest, nested := strings.Cut(path, ".")
		if !nested {
			return nil
		}
		return valueAt(v[head], rest)
	case []any:
		return elementsAt(v, path)
	default:
		return nil
	}
}

func elementsAt(array []any, path string) any {
	head, rest, nested := strings.Cut(path, ".")
	if i, err := strconv.Atoi(head); err == nil {
		switch {
		case i < 0 || i >= len(array):
			return nil
		case nested:
			return valueAt(array[i], rest)
		}
		return array[i]
	}
	var found []any
	for _, e := range array {
		switch v := valueAt(e, path).(type) {
		case nil:
		case []any:
			found = append(found, v...)
		default:
			found = append(found, v)
		}
	}
	if found == nil {
		return nil
	}
	return found
}

// text returns the text or whole number at path. there is false when nothing or null stands there, ok is false when
// it is neither.
func (d document) text(path string) (s string, there, ok bool) {
	v := d.at(path)
	if v == nil {
		return "", false, true
	}
	s, ok = scalar(v)
	return s, true, ok
}

// scalar is a text as it is, or a whole number as it was written.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), !strings.ContainsAny(v.String(), ".eE") && v.String() != "-0"
	default:
		return "", false
	}
}

// literal is a scalar, or true or false, as text to compare with.
func literal(v any) (string, bool) {
	if b, ok := v.(bool); ok {
		return strconv.FormatBool(b), true
	}
	return scalar(v)
}

// texts returns the texts at path. What is no text is left out.
func (d document) texts(path string) []string {
	v := d.at(path)
	array, ok := v.([]any)
	if !ok {
		array = []any{v}
	}
	var out []string
	for _, e := range array {
		if s, ok := scalar(e); ok && s != "" {
			out = append(out, s)
		}
	}
	return out
}

// time reads a date at path. A date that makes no sense is session.ErrUnavailable: to leave it out would lengthen the
// session.
func (d document) time(path string) (time.Time, error) {
	switch v := d.at(path).(type) {
	case nil:
		return time.Time{}, nil
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return at.UTC(), nil
		}
	case json.Number:
		if at, err := v.Int64(); err == nil && at > 0 && at <= lastSecond {
			return time.Unix(at, 0).UTC(), nil
		}
	}
	return time.Time{}, authority.Unavailable(path + " in the answer is neither an RFC 3339 time nor seconds since 1970")
}

// read maps the document to a session without name and id. There is none, and no error, when it has no subject.
func (f HTTPFields) read(d document) (*session.Session, error) {
	s := &session.Session{Active: true, Properties: map[string]string{}}
	for _, field := range []struct {
		path string
		into *string
	}{
		{f.Subject, &s.Identity.Subject}, {f.Username, &s.Identity.Username}, {f.Email, &s.Identity.Email},
		{f.Name, &s.Identity.Name}, {f.Realm, &s.Realm}, {f.SessionID, &s.SourceSessionID}, {f.AAL, &s.AAL},
	} {
		v, _, ok := d.text(field.path)
		if !ok {
			return nil, authority.Unavailable(field.path + " in the answer is neither text nor a whole number")
		}
		*field.into = v
	}
	if s.Identity.Subject == "" {
		return nil, nil
	}
	if s.AAL != "aal1" && s.AAL != "aal2" && s.AAL != "aal3" {
		s.AAL = ""
	}
	v, _ := literal(d.at(f.EmailVerified))
	s.Identity.EmailVerified = s.Identity.Email != "" && v == "true"
	s.Identity.Groups = d.texts(f.Groups)
	s.Identity.Claims = f.claims(d)
	return s, f.readTimes(d, s)
}

func (f HTTPFields) readTimes(d document, s *session.Session) (err error) {
	if s.IssuedAt, err = d.time(f.IssuedAt); err != nil {
		return err
	}
	if s.ExpiresAt, err = d.time(f.ExpiresAt); err != nil {
		return err
	}
	s.IdleExpiresAt, err = d.time(f.IdleExpiresAt)
	return err
}

func (f HTTPFields) claims(d document) map[string]any {
	var out map[string]any
	for name, path := range f.Claims {
		v := plain(d.at(path))
		if v == nil {
			continue
		}
		if out == nil {
			out = map[string]any{}
		}
		out[name] = v
	}
	return out
}

// plain is v with numbers as encoding/json gives them; one that float64 cannot hold exactly stays text. The result
// shares no memory with v.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil || math.Abs(f) >= 1<<53 {
			return v.String()
		}
		return f
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			out[name] = plain(v[name])
		}
		return out
	default:
		return v
	}
}
