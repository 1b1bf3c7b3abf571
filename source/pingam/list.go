package pingam

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// List implements session.Lister with a query in the administrator's name. Client-side sessions stand in no list, and the
// authority cuts a list off at its "Maximum Number of Search Results" without saying so.
func (s *Source) List(ctx context.Context, q session.Query) iter.Seq2[*session.Session, error] {
	return func(yield func(*session.Session, error) bool) {
		list, err := s.query(ctx, q)
		if err != nil {
			authority.Wrap(&err, s.subject(), "list")
			yield(nil, err)
			return
		}
		for _, i := range list {
			id := authority.SessionID(s.name, session.NewSecret(i.handle))
			if !yield(s.described(i, id), nil) {
				return
			}
		}
	}
}

// ListOwn implements session.OwnLister. The administrator lists for the user: users may not.
func (s *Source) ListOwn(ctx context.Context, held *session.Session) iter.Seq2[*session.Session, error] {
	if held.Source != s.name || held.Identity.Username == "" {
		return func(yield func(*session.Session, error) bool) {
			yield(nil, authority.Unsupported("the session is not of this source"))
		}
	}
	return s.List(ctx, userOf(held))
}

// userOf names the user of a session.
func userOf(held *session.Session) session.Query {
	return session.Query{Username: held.Identity.Username, Realm: held.Realm}
}

// query asks for the sessions that fit q.
func (s *Source) query(ctx context.Context, q session.Query) ([]info, error) {
	realm, err := s.realmOf(q)
	if err != nil {
		return nil, err
	}
	username := cmp.Or(q.Username, commonName(q.Subject))
	named := q.Realm
	if s.o.openAM() || (named == "" && username == "" && realm != rootRealm) {
		named = realm // OpenAM answers 400 when no realm is named
	}
	r, err := s.ask(ctx, question{action: query, realm: realm, params: url.Values{"_queryFilter": {filter(username, named)}}})
	if err != nil {
		return nil, err
	}
	if r.Status != http.StatusOK {
		return nil, s.refusal(r)
	}
	list, err := parseList(r.Body)
	if err := s.understood(err); err != nil {
		return nil, err
	}
	var fit []info
	for _, i := range list {
		if fits(i, q) && within(i.realm, realm) {
			fit = append(fit, i)
		}
	}
	return fit, nil
}

// fits holds an item against q again: what it cannot express, and what a server may have made of it.
func fits(i info, q session.Query) bool {
	return (q.Subject == "" || q.Subject == i.universalID) && (q.Username == "" || strings.EqualFold(q.Username, i.username)) &&
		(q.Realm == "" || strings.EqualFold(q.Realm, i.realm)) && i.handle != ""
}

// realmOf is the realm a question about q is asked in: it cannot leave the configured one.
func (s *Source) realmOf(q session.Query) (string, error) {
	realm := cmp.Or(q.Realm, s.o.realm())
	p := authority.NewProblems("query")
	checkRealm(p, "realm", realm)
	if p.Err() != nil || !within(realm, s.o.realm()) {
		return "", fmt.Errorf("%w: the realm is not %s or below it", session.ErrMalformed, s.o.realm())
	}
	return realm, nil
}

// commonName is the user name in a universal id, such as bjensen in id=bjensen,ou=user,dc=am: its first part, without the
// quoting of RFC 4514 §2.4. "" when there is none.
func commonName(universalID string) string {
	rest, found := strings.CutPrefix(universalID, "id=")
	if !found {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(rest) && rest[i] != ','; i++ {
		if rest[i] == '\\' && i+1 < len(rest) {
			i++
		}
		b.WriteByte(rest[i])
	}
	return b.String()
}
