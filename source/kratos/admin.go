package kratos

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// adminCall asks the administrators' listener. Its refusal is about the gateway, never about a user.
func (s *Source) adminCall(ctx context.Context, method, path string, body any) (authority.Reply, error) {
	if s.admin == nil {
		return authority.Reply{}, authority.Unsupported("admin_url is not set")
	}
	q := authority.Question{Method: method, URL: base(s.o.AdminURL) + path, Header: http.Header{"Accept": {"application/json"}}}
	if !s.o.AdminToken.Empty() {
		q.Header.Set("Authorization", "Bearer "+s.o.AdminToken.Reveal())
	}
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return authority.Reply{}, authority.Unavailable("the question cannot be written as JSON")
		}
		q.Body = data
		q.Header.Set("Content-Type", "application/json")
	}
	r, err := s.admin.Call(ctx, q)
	if err != nil {
		return r, err
	}
	if r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden {
		return r, authority.Unavailable("the administrators' listener refuses the gateway: look at admin_token")
	}
	return r, nil
}

// List implements session.Lister: GET /admin/identities/{id}/sessions for one subject, GET /admin/sessions otherwise.
func (s *Source) List(ctx context.Context, q session.Query) iter.Seq2[*session.Session, error] {
	l := listing{client: s.admin, path: "/admin/sessions?expand=identity&expand=devices", ask: func(ctx context.Context, path string) (authority.Reply, error) {
		return s.adminCall(ctx, http.MethodGet, path, nil)
	}}
	switch {
	case q.Subject == "":
	case validID(q.Subject):
		l.path, l.numbered = "/admin/identities/"+q.Subject+"/sessions", true
	default: // nobody has such an id
		return func(func(*session.Session, error) bool) {}
	}
	if q.ActiveOnly {
		plain, fixed, _ := strings.Cut(l.path, "?")
		l.path = plain + "?" + joined(fixed, url.Values{"active": {"true"}})
	}
	return s.sessions(ctx, l, func(one *session.Session) bool { return matches(q, one) })
}

// matches holds what Kratos lists against all of q: it cannot filter by itself what it does not know.
func matches(q session.Query, one *session.Session) bool {
	return (q.Subject == "" || one.Identity.Subject == q.Subject) && (q.Username == "" || one.Identity.Username == q.Username) &&
		(q.Realm == "" || one.Realm == q.Realm) && (!q.ActiveOnly || one.Active)
}

var _ session.Lister = (*Source)(nil)
