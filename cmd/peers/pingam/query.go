package pingam

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// query is GET …/sessions?_queryFilter=: the server-side sessions of the realm in the path and of those below.
func (p *Peer) query(c *call) {
	if !c.admin {
		fail(c.w, http.StatusForbidden, "Forbidden")
		return
	}
	f, err := parseFilter(c.r.URL.Query().Get("_queryFilter"))
	if err == nil && p.o.Profile == OpenAM && !f.hasRealm {
		err = errors.New("the realm must be named")
	}
	if err != nil {
		fail(c.w, http.StatusBadRequest, "Bad Request: "+err.Error())
		return
	}
	items := []object{}
	for _, s := range p.sorted() {
		if s.handle != "" && within(s.user.Realm, c.place.realm) && f.matches(s) && len(items) < p.o.MaxResults {
			items = append(items, p.listed(s))
		}
	}
	reply(c.w, http.StatusOK, object{
		"result": items, "resultCount": len(items), "pagedResultsCookie": nil, "totalPagedResultsPolicy": "NONE",
		"totalPagedResults": -1, "remainingPagedResults": -1,
	})
}

// listed is one item of the answer. The latest access time has milliseconds here.
func (p *Peer) listed(s *record) object {
	return object{
		"username": s.user.Username, "universalId": s.universalID(), "realm": s.user.Realm, "sessionHandle": s.handle,
		"latestAccessTime":         millis(s.accessed),
		"maxIdleExpirationTime":    seconds(s.accessed.Add(p.o.IdleTimeout)),
		"maxSessionExpirationTime": seconds(s.began.Add(p.o.MaxLifetime)),
	}
}

// sorted lists the living sessions, the oldest first.
func (p *Peer) sorted() []*record {
	var all []*record
	for _, s := range p.sessions {
		if p.alive(s) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *record) int {
		if d := a.began.Compare(b.began); d != 0 {
			return d
		}
		return strings.Compare(a.token, b.token)
	})
	return all
}

// filter is what a query asks for.
type filter struct {
	username, realm       string
	hasUsername, hasRealm bool
}

func (f filter) matches(s *record) bool {
	return (!f.hasUsername || strings.EqualFold(f.username, s.user.Username)) && (!f.hasRealm || f.realm == s.user.Realm)
}

// parseFilter reads `true`, or comparisons `field eq "value"` joined by and. In a value a backslash quotes the next
// character.
func parseFilter(text string) (filter, error) {
	var f filter
	if strings.TrimSpace(text) == "true" {
		return f, nil
	}
	for {
		field, rest := nextWord(text)
		operator, rest := nextWord(rest)
		value, rest, err := quoted(rest)
		switch {
		case err != nil:
			return f, err
		case operator != "eq":
			return f, errors.New("only eq is supported")
		case field == "username":
			f.username, f.hasUsername = value, true
		case field == "realm":
			f.realm, f.hasRealm = value, true
		default:
			return f, errors.New("only username and realm are supported")
		}
		if strings.TrimSpace(rest) == "" {
			return f, nil
		}
		and, rest := nextWord(rest)
		if and != "and" {
			return f, errors.New("only and is supported")
		}
		text = rest
	}
}

// nextWord cuts the first word off.
func nextWord(text string) (word, rest string) {
	text = strings.TrimLeft(text, " ")
	if i := strings.IndexByte(text, ' '); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

// quoted cuts a value in double quotes off.
func quoted(text string) (value, rest string, err error) {
	text = strings.TrimLeft(text, " ")
	if !strings.HasPrefix(text, `"`) {
		return "", "", errors.New("a value must be quoted")
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), text[i+1:], nil
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		b.WriteByte(text[i])
	}
	return "", "", errors.New("a value does not end")
}
