package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sessionward/sessionward/session"
)

// getter reads one value of a session: a string, bool, time.Time, []string, or a claim as decoded from JSON. nil is
// no value.
type getter func(s *session.Session) any

// path is a checked path.
type path struct {
	get  getter
	list bool // always a list
}

// The values the families share with paths.

func subject(s *session.Session) any  { return s.Identity.Subject }
func username(s *session.Session) any { return s.Identity.Username }
func email(s *session.Session) any    { return s.Identity.Email }
func fullName(s *session.Session) any { return s.Identity.Name }
func groups(s *session.Session) any   { return s.Identity.Groups }

// emailVerified says nothing about an address that is not there.
func emailVerified(s *session.Session) any {
	if s.Identity.Email == "" {
		return nil
	}
	return s.Identity.EmailVerified
}

// shownName is the username for show: the subject where there is none.
func shownName(s *session.Session) any { return cmp.Or(s.Identity.Username, s.Identity.Subject) }

func accessToken(s *session.Session) any { return s.Tokens.Access.Reveal() }
func idToken(s *session.Session) any     { return s.Tokens.ID.Reveal() }

func amr(s *session.Session) any { return methods(s) }

func methods(s *session.Session) []string {
	var out []string
	for _, m := range s.AuthenticationMethods {
		out = append(out, m.Method)
	}
	return out
}

// Paths with a name of the user's choice at the end.
const (
	claimsRoot     = "identity.claims"
	propertiesRoot = "properties"
)

// fixedPaths are the paths without one. The session's ID and the tokens are as good as credentials and have none.
func fixedPaths() map[string]path {
	return map[string]path{
		"identity.subject":        {get: subject},
		"identity.username":       {get: username},
		"identity.email":          {get: email},
		"identity.email_verified": {get: emailVerified},
		"identity.name":           {get: fullName},
		"identity.groups":         {get: groups, list: true},
		"source":                  {get: func(s *session.Session) any { return s.Source }},
		"source_session_id":       {get: func(s *session.Session) any { return s.SourceSessionID }},
		"realm":                   {get: func(s *session.Session) any { return s.Realm }},
		"handle":                  {get: func(s *session.Session) any { return s.Handle }},
		"aal":                     {get: func(s *session.Session) any { return s.AAL }},
		"acr":                     {get: func(s *session.Session) any { return s.ACR }},
		"amr":                     {get: amr, list: true},
		"issued_at":               {get: func(s *session.Session) any { return s.IssuedAt }},
		"authenticated_at":        {get: func(s *session.Session) any { return s.AuthenticatedAt }},
		"expires_at":              {get: func(s *session.Session) any { return s.ExpiresAt }},
		"tokenized":               {get: func(s *session.Session) any { return s.Tokenized.Reveal() }},
	}
}

// parsePath checks a path and returns how to read it.
func parsePath(p string) (path, error) {
	if p == "" {
		return path{}, fmt.Errorf("is missing; write a path such as %q", "identity.email")
	}
	fixed := fixedPaths()
	if v, ok := fixed[p]; ok {
		return v, nil
	}
	if names, ok := namesUnder(p, claimsRoot); ok {
		return path{get: func(s *session.Session) any { return dig(s.Identity.Claims, names) }}, nil
	}
	if names, ok := namesUnder(p, propertiesRoot); ok && len(names) == 1 {
		return path{get: func(s *session.Session) any { return s.Properties[names[0]] }}, nil
	}
	known := []string{claimsRoot + ".<name>", propertiesRoot + ".<name>"}
	for name := range fixed {
		known = append(known, name)
	}
	slices.Sort(known)
	return path{}, fmt.Errorf("%q is not a path of the session; did you mean %q?", p, nearest(p, known))
}

// dig follows names into nested claims. A claim that is not there is nil.
func dig(claims map[string]any, names []string) any {
	var v any = claims
	for _, name := range names {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// namesUnder splits what follows root into names: .plain or ["quoted"], any number of each.
func namesUnder(p, root string) ([]string, bool) {
	rest, ok := strings.CutPrefix(p, root)
	if !ok {
		return nil, false
	}
	var names []string
	for rest != "" {
		var name string
		if name, rest, ok = nextName(rest); !ok {
			return nil, false
		}
		names = append(names, name)
	}
	return names, len(names) > 0
}

func nextName(p string) (name, rest string, ok bool) {
	if plain, ok := strings.CutPrefix(p, "."); ok {
		end := strings.IndexAny(plain, ".[")
		if end < 0 {
			end = len(plain)
		}
		return plain[:end], plain[end:], end > 0 && !strings.ContainsAny(plain[:end], "]\"<>")
	}
	quoted, ok := strings.CutPrefix(p, "[")
	if !ok {
		return "", "", false
	}
	q, err := strconv.QuotedPrefix(quoted)
	if err != nil {
		return "", "", false
	}
	name, err = strconv.Unquote(q)
	rest, closed := strings.CutPrefix(quoted[len(q):], "]")
	return name, rest, err == nil && closed && name != ""
}

// nearest returns the one of known that is fewest edits away from s. known must not be empty.
func nearest(s string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int { return edits(s, a) - edits(s, b) })
}

// edits is the Levenshtein distance between a and b in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, cost)
		}
	}
	return row[len(b)]
}
