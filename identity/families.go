package identity

import (
	"slices"
	"strings"

	"github.com/sessionward/sessionward/session"
)

// The families of identity headers. Groups are joined with commas.
const (
	// FamilyXForwarded is X-Forwarded-User (the subject), -Email, -Groups and -Preferred-Username (the username).
	FamilyXForwarded = "x-forwarded"
	// FamilyXAuthRequest is the same under X-Auth-Request-.
	FamilyXAuthRequest = "x-auth-request"
	// FamilyRemote is Remote-User (the username, the subject where there is none), -Email, -Groups and -Name. An
	// authority that lets users choose their usernames may let one choose another's subject: such an application is
	// better served by a family that carries the subject.
	FamilyRemote = "remote"
	// FamilyXSessionward is X-Sessionward-Subject, -User (the username, the subject where there is none), -Email,
	// -Email-Verified ("true" or "false", with -Email only), -Groups, -Name, -Source, -Handle, -Aal, -Expires-At
	// (absolute end of the session) and -Status, which alone is always there: "none", "valid" or "stale".
	FamilyXSessionward = "x-sessionward"
	// FamilyNone stands alone and sends nothing.
	FamilyNone = "none"
)

// family is one preset. Its fields' names are suffixes.
type family struct {
	name   string
	prefix string
	tokens bool // can carry the authority's tokens
	status bool
	fields []field
}

func families() []family {
	oauth2 := []field{
		{"User", subject, text}, {"Email", email, text}, {"Groups", groups, joinComma},
		{"Preferred-Username", username, text},
	}
	return []family{
		{name: FamilyXForwarded, prefix: "X-Forwarded-", tokens: true, fields: oauth2},
		{name: FamilyXAuthRequest, prefix: "X-Auth-Request-", tokens: true, fields: oauth2},
		{name: FamilyRemote, prefix: "Remote-", fields: []field{
			{"User", shownName, text}, {"Email", email, text}, {"Groups", groups, joinComma}, {"Name", fullName, text},
		}},
		{name: FamilyXSessionward, prefix: "X-Sessionward-", tokens: true, status: true, fields: []field{
			{"Subject", subject, text}, {"User", shownName, text}, {"Email", email, text},
			{"Email-Verified", emailVerified, text}, {"Groups", groups, joinComma}, {"Name", fullName, text},
			{"Source", func(s *session.Session) any { return s.Source }, text},
			{"Handle", func(s *session.Session) any { return s.Handle }, text},
			{"Aal", func(s *session.Session) any { return s.AAL }, text},
			{"Expires-At", func(s *session.Session) any { return s.ExpiresAt }, text},
		}},
		{name: FamilyNone},
	}
}

func (h *Headers) addFamilies(o Options) error {
	names := o.Families
	if len(names) == 0 {
		names = []string{FamilyXForwarded}
	}
	known := families()
	carried := false
	for i, name := range names {
		at := slices.IndexFunc(known, func(f family) bool { return f.name == name })
		switch {
		case at < 0:
			return malformed("families", "%q is not a family; did you mean %q?", name, nearest(name, familyNames(known)))
		case slices.Contains(names[:i], name):
			return malformed("families", "%q stands twice; remove one", name)
		case name == FamilyNone && len(names) > 1:
			return malformed("families", "%q stands with others; remove it or them", name)
		}
		h.addFamily(known[at], o)
		carried = carried || known[at].tokens
	}
	if (o.ForwardAccessToken || o.ForwardIDToken) && !carried {
		return malformed("forward_access_token, forward_id_token",
			"no family in [%s] carries tokens; add %q or remove the switch", strings.Join(names, ", "), FamilyXForwarded)
	}
	return nil
}

func (h *Headers) addFamily(f family, o Options) {
	fields := f.fields
	if f.tokens && o.ForwardAccessToken {
		fields = append(slices.Clip(fields), field{"Access-Token", accessToken, verbatim})
	}
	if f.tokens && o.ForwardIDToken {
		fields = append(slices.Clip(fields), field{"Id-Token", idToken, verbatim})
	}
	for _, fd := range fields {
		fd.name = f.prefix + fd.name
		h.fields = append(h.fields, fd)
	}
	if f.status {
		h.status = f.prefix + "Status"
		h.statuses = make(map[Status][]string)
		for _, st := range []Status{StatusNone, StatusValid, StatusStale} {
			h.statuses[st] = []string{string(st)}
		}
	}
}

func familyNames(fs []family) []string {
	var names []string
	for _, f := range fs {
		names = append(names, f.name)
	}
	return names
}
