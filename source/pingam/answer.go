package pingam

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// info is what getSessionInfo and the query say of one session.
type info struct {
	ended       bool // {"valid":false}
	username    string
	universalID string
	realm       string
	handle      string // OpenAM, and every item of a query
	uid         string // of validate alone
	accessedAt  time.Time
	idleEndAt   time.Time
	endAt       time.Time
	properties  map[string]string
}

// parseInfo reads an answer of getSessionInfo. Members that are null or not there are left out.
func parseInfo(body []byte) (info, error) {
	o, err := authority.DecodeObject(body)
	if err != nil {
		return info{}, err
	}
	if ended, err := invalid(o); ended || err != nil {
		return info{ended: ended}, err
	}
	return infoOf(o)
}

func infoOf(o map[string]any) (info, error) {
	i := info{}
	for name, to := range map[string]*string{"username": &i.username, "universalId": &i.universalID, "realm": &i.realm, "sessionHandle": &i.handle} {
		if err := textOf(o, name, to); err != nil {
			return info{}, err
		}
	}
	for name, to := range map[string]*time.Time{"latestAccessTime": &i.accessedAt, "maxIdleExpirationTime": &i.idleEndAt, "maxSessionExpirationTime": &i.endAt} {
		if err := timeOf(o, name, to); err != nil {
			return info{}, err
		}
	}
	if i.universalID == "" || !strings.HasPrefix(i.realm, "/") {
		return info{}, errors.New("of a session without universalId or realm")
	}
	var err error
	if o["properties"] != nil {
		i.properties, err = texts(o["properties"])
	}
	return i, err
}

// textOf reads a member that is a text, or is not there.
func textOf(o map[string]any, name string, to *string) error {
	if o[name] == nil {
		return nil
	}
	text, isText := o[name].(string)
	if !isText {
		return errors.New("of another type at " + name)
	}
	*to = text
	return nil
}

// timeOf reads a member that is a time in ISO 8601 with or without a fraction of a second, or is not there. A year of more
// than four digits is how the product writes "never".
func timeOf(o map[string]any, name string, to *time.Time) error {
	var text string
	if err := textOf(o, name, &text); err != nil || text == "" {
		return err
	}
	if year, _, found := strings.Cut(strings.TrimPrefix(text, "+"), "-"); found && len(year) > 4 && strings.Trim(year, "0123456789") == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return errors.New("of no time at " + name)
	}
	*to = at.UTC()
	return nil
}

// texts reads an object of texts.
func texts(v any) (map[string]string, error) {
	o, isObject := v.(map[string]any)
	if !isObject {
		return nil, errors.New("not an object of texts")
	}
	out := make(map[string]string, len(o))
	for name, value := range o {
		text, isText := value.(string)
		if !isText {
			return nil, errors.New("not an object of texts")
		}
		out[name] = text
	}
	return out, nil
}

// invalid reports whether an answer is {"valid":false}: the subject is not known, or no longer.
func invalid(o map[string]any) (bool, error) {
	if o["valid"] == nil {
		return false, nil
	}
	valid, isBool := o["valid"].(bool)
	if !isBool {
		return false, errors.New("of another type at valid")
	}
	return !valid, nil
}

// validity is an answer of validate.
type validity struct {
	valid bool
	info  info // uid and realm, and the session's own name where it is told
}

func parseValidity(body []byte) (validity, error) {
	o, err := authority.DecodeObject(body)
	if err != nil {
		return validity{}, err
	}
	ended, err := invalid(o)
	if err != nil || ended {
		return validity{}, err
	}
	v := validity{valid: o["valid"] == true}
	for name, to := range map[string]*string{"uid": &v.info.username, "realm": &v.info.realm, "sessionUid": &v.info.uid} {
		if err := textOf(o, name, to); err != nil {
			return validity{}, err
		}
	}
	if !v.valid || v.info.username == "" || !strings.HasPrefix(v.info.realm, "/") {
		return validity{}, errors.New("neither valid nor not")
	}
	return v, nil
}

// refreshed is an answer of refresh. The authority counts idletime and maxtime in seconds, maxidletime and maxsessiontime
// in minutes.
type refreshed struct {
	ended    bool
	idle     time.Duration // since the last access that was written down
	maxIdle  time.Duration
	timeLeft time.Duration // of the absolute lifetime
}

func parseRefreshed(body []byte) (refreshed, error) {
	o, err := authority.DecodeObject(body)
	if err != nil {
		return refreshed{}, err
	}
	var r refreshed
	if r.ended, err = invalid(o); err != nil || r.ended {
		return r, err
	}
	for name, field := range map[string]struct {
		to   *time.Duration
		unit time.Duration
	}{"idletime": {&r.idle, time.Second}, "maxtime": {&r.timeLeft, time.Second}, "maxidletime": {&r.maxIdle, time.Minute}} {
		if *field.to, err = count(o[name], field.unit); err != nil {
			return refreshed{}, errors.New("of no number at " + name)
		}
	}
	return r, nil
}

// maxSpan is the longest span that is taken for one: more is "never", or nonsense.
const maxSpan = 100 * 365 * 24 * time.Hour

// count reads a whole number of units.
func count(v any, unit time.Duration) (time.Duration, error) {
	n, isNumber := v.(float64)
	if !isNumber || n < 0 || n != float64(int64(n)) {
		return 0, errors.New("no whole number")
	}
	if n > float64(maxSpan/unit) {
		return maxSpan, nil
	}
	return time.Duration(n) * unit, nil
}

// parseHandles reads which sessions logoutByHandle says are gone.
func parseHandles(body []byte) (map[string]bool, error) {
	o, err := authority.DecodeObject(body)
	if err != nil {
		return nil, err
	}
	result, isObject := o["result"].(map[string]any)
	if !isObject {
		return nil, errors.New("without a result")
	}
	gone := make(map[string]bool, len(result))
	for handle, v := range result {
		is, isBool := v.(bool)
		if !isBool {
			return nil, errors.New("of another type at result")
		}
		gone[handle] = is
	}
	return gone, nil
}

// parseDone reads whether logoutByUser has done it.
func parseDone(body []byte) (bool, error) {
	o, err := authority.DecodeObject(body)
	if err != nil {
		return false, err
	}
	done, isBool := o["result"].(bool)
	if !isBool {
		return false, errors.New("without a result")
	}
	return done, nil
}

// parseLogout reads an answer of logout: any result will do, also that the token has expired.
func parseLogout(body []byte) error {
	o, err := authority.DecodeObject(body)
	if err == nil && authority.Text(o["result"]) == "" {
		err = errors.New("without a result")
	}
	return err
}

// parseProperties reads the properties users may read.
func parseProperties(body []byte) (map[string]string, error) {
	o, err := authority.DecodeObject(body)
	if err != nil {
		return nil, err
	}
	return texts(o)
}

// parseList reads an answer to a query.
func parseList(body []byte) ([]info, error) {
	o, err := authority.DecodeObject(body)
	if err != nil {
		return nil, err
	}
	items, isArray := o["result"].([]any)
	if !isArray {
		return nil, errors.New("without a result")
	}
	list := make([]info, 0, len(items))
	for n, item := range items {
		one, isObject := item.(map[string]any)
		if !isObject {
			return nil, errors.New("of another type at item " + strconv.Itoa(n))
		}
		i, err := infoOf(one)
		if err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	return list, nil
}

// ticket is an answer to a login.
type ticket struct {
	token session.Secret
	steps bool // more steps are wanted
}

func parseTicket(body []byte) (ticket, error) {
	o, err := authority.DecodeObject(body)
	if err != nil {
		return ticket{}, err
	}
	var token string
	if err := textOf(o, "tokenId", &token); err != nil {
		return ticket{}, err
	}
	return ticket{token: session.NewSecret(token), steps: token == "" && o["authId"] != nil}, nil
}

// parseFault reads the envelope of an error and returns its code. What is no envelope comes from something that stands in
// between.
func parseFault(body []byte) (int, error) {
	o, err := authority.DecodeObject(body)
	if err != nil {
		return 0, err
	}
	code, isNumber := o["code"].(float64)
	if !isNumber || code < 100 || code > 599 {
		return 0, errors.New("not an error of this authority")
	}
	return int(code), nil
}
