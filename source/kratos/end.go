package kratos

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// maxBulk is how many ids one bulk call may name.
const maxBulk = 500

// bulk is the body of POST /admin/sessions, which newer versions have: exactly one of the lists is set.
type bulk struct {
	Action     string   `json:"action"`
	Identities []string `json:"identities,omitempty"`
	Sessions   []string `json:"sessions,omitempty"`
}

// disableMany does what b says. can is false when this Kratos has no such call.
func (s *Source) disableMany(ctx context.Context, b bulk) (ended int, can bool, err error) {
	b.Action = "disable"
	for range maxPages {
		r, err := s.adminCall(ctx, http.MethodPost, "/admin/sessions", b)
		if err != nil {
			return ended, true, err
		}
		if r.Status == http.StatusNotFound || r.Status == http.StatusMethodNotAllowed {
			return ended, false, nil
		}
		o, err := s.admin.Object(r)
		if err != nil {
			return ended, true, err
		}
		n, ok := o["processed"].(float64)
		if r.Status != http.StatusOK || !ok {
			return ended, true, r.Unavailable("Kratos", s.admin.Now())
		}
		ended += int(n)
		if o["more"] != true {
			return ended, true, nil
		}
	}
	return ended, true, authority.Unavailable("the bulk call has no end")
}

// RevokeIDs implements session.IDRevoker: the bulk call where there is one, else DELETE /admin/sessions/{id} for each.
func (s *Source) RevokeIDs(ctx context.Context, ids ...string) (_ map[string]bool, err error) {
	defer authority.Wrap(&err, "kratos "+s.name, "revoke")
	gone := map[string]bool{}
	var known []string
	for _, id := range ids {
		gone[id] = !validID(id) // nobody's session is not there
		if validID(id) && !slices.Contains(known, id) {
			known = append(known, id)
		}
	}
	for some := range slices.Chunk(known, maxBulk) {
		if err := s.disable(ctx, some, gone); err != nil {
			return gone, err
		}
	}
	return gone, nil
}

func (s *Source) disable(ctx context.Context, ids []string, gone map[string]bool) error {
	if len(ids) > 1 {
		if _, can, err := s.disableMany(ctx, bulk{Sessions: ids}); can {
			for _, id := range ids {
				gone[id] = err == nil
			}
			return err
		}
	}
	for _, id := range ids {
		if err := s.disableOne(ctx, id); err != nil {
			return err
		}
		gone[id] = true
	}
	return nil
}

// disableOne ends one session; its record stays. A session that is not there is no error.
func (s *Source) disableOne(ctx context.Context, id string) error {
	_, err := s.removed(ctx, "/admin/sessions/"+id)
	return err
}

// removed asks for DELETE and reports whether there was something.
func (s *Source) removed(ctx context.Context, path string) (bool, error) {
	r, err := s.adminCall(ctx, http.MethodDelete, path, nil)
	if err != nil {
		return false, err
	}
	switch r.Status {
	case http.StatusNoContent:
		return true, nil
	case http.StatusNotFound:
		_, err := s.fault(s.admin, r)
		return false, err
	}
	return false, r.Unavailable("Kratos", s.admin.Now())
}

// RevokeUser implements session.UserRevoker: the bulk call where there is one, else DELETE /admin/identities/{id}/sessions,
// which removes the records as well. A username is looked up among what people log in with.
func (s *Source) RevokeUser(ctx context.Context, user session.Query) (_ int, err error) {
	defer authority.Wrap(&err, "kratos "+s.name, "revoke user")
	id := user.Subject
	if id == "" {
		if id, err = s.subject(ctx, user); err != nil {
			return 0, err
		}
	}
	if !validID(id) {
		return 0, nil
	}
	if ended, can, err := s.disableMany(ctx, bulk{Identities: []string{id}}); can {
		return ended, err
	}
	there, err := s.removed(ctx, "/admin/identities/"+id+"/sessions")
	if err != nil || !there {
		return 0, err
	}
	return -1, nil
}

// subject finds the identity that logs in as user.Username, "" when there is none.
func (s *Source) subject(ctx context.Context, user session.Query) (string, error) {
	if user.Username == "" {
		return "", nil
	}
	r, err := s.adminCall(ctx, http.MethodGet, "/admin/identities?"+url.Values{"credentials_identifier": {user.Username}}.Encode(), nil)
	if err != nil {
		return "", err
	}
	if r.Status != http.StatusOK {
		return "", r.Unavailable("Kratos", s.admin.Now())
	}
	list, err := readList(r.Body)
	if err != nil {
		return "", authority.Unavailable(err.Error())
	}
	if len(list) != 1 { // old versions do not know the filter and list everybody
		return "", s.ambiguous(len(list))
	}
	var found session.Session
	s.fields.fill(&found, list[0])
	if user.Realm != "" && user.Realm != found.Realm {
		return "", nil
	}
	return found.Identity.Subject, nil
}

func (s *Source) ambiguous(n int) error {
	if n == 0 {
		return nil
	}
	return authority.Unsupported("this Kratos finds nobody by what they log in with: name the subject")
}

// RevokeAll implements session.AllRevoker: the bulk call where there is one, else every active session in turn.
func (s *Source) RevokeAll(ctx context.Context) (_ int, err error) {
	defer authority.Wrap(&err, "kratos "+s.name, "revoke all")
	if ended, can, err := s.disableMany(ctx, bulk{Identities: []string{"*"}}); can {
		return ended, err
	}
	var ids []string
	for one, err := range s.List(ctx, session.Query{ActiveOnly: true}) {
		if err != nil {
			return 0, err
		}
		ids = append(ids, one.SourceSessionID)
	}
	for i, id := range ids {
		if err := s.disableOne(ctx, id); err != nil {
			return i, err
		}
	}
	return len(ids), nil
}

var (
	_ session.IDRevoker   = (*Source)(nil)
	_ session.UserRevoker = (*Source)(nil)
	_ session.AllRevoker  = (*Source)(nil)
)
