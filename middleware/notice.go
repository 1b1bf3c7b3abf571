package middleware

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sessionward/sessionward/session"
)

const (
	noticeLifetime = 2 * time.Minute
	maxNotice      = 1024 // bytes of the parameter
)

// atAuthority is what became of sessions at their authority.
type atAuthority string

const (
	notAsked    atAuthority = ""
	endedThere  atAuthority = "ended"
	unsupported atAuthority = "unsupported"
	unconfirmed atAuthority = "unconfirmed"
)

// worse keeps what the user should rather know.
func (a atAuthority) worse(b atAuthority) atAuthority {
	rank := map[atAuthority]int{notAsked: 0, endedThere: 1, unsupported: 2, unconfirmed: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// notice says what a click did: it travels in the address of the page that follows, sealed for the session that clicked, so
// that no link can make the page say what did not happen.
type notice struct {
	At int64 `json:"at"`
	// Ended and Failed count sessions here.
	Ended  int `json:"ended,omitempty"`
	Failed int `json:"failed,omitempty"`
	// All is true when all others were to end.
	All       bool        `json:"all,omitempty"`
	Authority atAuthority `json:"authority,omitempty"`
}

// noticeURL is the page of current with n.
func (s *Site) noticeURL(current *session.Session, n notice) (string, error) {
	n.At = s.o.Now().Unix()
	plain, err := json.Marshal(n)
	if err != nil {
		return "", fmt.Errorf("notice: %w", err)
	}
	sealed := base64.RawURLEncoding.EncodeToString(s.notices.Seal(plain, []byte(current.Handle)))
	return s.path("") + "?" + url.Values{"notice": {sealed}}.Encode(), nil
}

// noticeOf reads the notice in r. One that is old, for another session, or none of ours counts for nothing.
func (s *Site) noticeOf(r *http.Request, current *session.Session) (notice, bool) {
	raw := r.URL.Query().Get("notice")
	if raw == "" || len(raw) > maxNotice {
		return notice{}, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(raw)
	if err != nil {
		return notice{}, false
	}
	plain, err := s.notices.Open(sealed, []byte(current.Handle))
	var n notice
	if err != nil || json.Unmarshal(plain, &n) != nil {
		return notice{}, false
	}
	age := s.o.Now().Sub(time.Unix(n.At, 0))
	return n, age < noticeLifetime && age > -noticeLifetime
}

// sentences says n to people: what was done, and what was not. authority is what they call it.
func (n notice) sentences(authority string) (done, undone []string) {
	switch {
	case n.Ended == 1:
		done = append(done, "One session was signed out.")
	case n.Ended > 1:
		done = append(done, fmt.Sprintf("%d sessions were signed out.", n.Ended))
	case n.All && n.Failed == 0 && n.Authority == notAsked:
		done = append(done, "There was no other session to sign out.")
	}
	if n.All && n.Authority == endedThere {
		done = append(done, authority+" has ended all your other sessions, those outside this site as well.")
	}
	if n.Failed > 0 {
		undone = append(undone, fmt.Sprintf("%d could not be signed out just now. Please try again.", n.Failed))
	}
	if said := n.atAuthority(authority); said != "" {
		undone = append(undone, said)
	}
	return done, undone
}

// atAuthority says what the authority did not do.
func (n notice) atAuthority(authority string) string {
	switch {
	case n.Authority == unconfirmed && n.All:
		return authority + " did not confirm that it ended your other sessions there. What was signed out here stays so, but there they may go on. Please try again."
	case n.Authority == unconfirmed:
		return authority + " did not confirm that it ended that session. It cannot be used at this site any more, but perhaps elsewhere."
	case n.Authority == unsupported && n.All:
		return authority + " cannot end your other sessions for you. They cannot be used at this site any more, but perhaps elsewhere."
	case n.Authority == unsupported:
		return authority + " cannot end that session for you. It cannot be used at this site any more, but perhaps elsewhere."
	default:
		return ""
	}
}
