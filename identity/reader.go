package identity

import (
	"net/http"

	"github.com/sessionward/sessionward/session"
)

// FromRequest returns the user that the gateway's headers of family name; ok is false when they name none. family is
// one of the Family constants, the one the gateway is set up to write.
//
// Danger: headers prove nothing by themselves. This is only safe in an application that nobody can reach except
// through the gateway. Where that is not certain, use a [Verifier].
//
// ok is false as well when any header of the family stands twice or holds what the gateway cannot have written, when
// family is not known, and for x-sessionward when its status is neither valid nor stale. Subject is empty in the
// remote family, which does not carry it; Claims is always nil.
func FromRequest(r *http.Request, family string) (id session.Identity, ok bool) {
	h := headerReader{header: r.Header}
	switch family {
	case FamilyXForwarded:
		id = h.oauth2("X-Forwarded-")
	case FamilyXAuthRequest:
		id = h.oauth2("X-Auth-Request-")
	case FamilyRemote:
		id = session.Identity{
			Username: h.text("Remote-User"), Email: h.text("Remote-Email"), Groups: h.list("Remote-Groups"),
			Name: h.text("Remote-Name"),
		}
	case FamilyXSessionward:
		id = h.sessionward()
	}
	if h.bad || id.Subject == "" && id.Username == "" {
		return session.Identity{}, false
	}
	return id, true
}

// headerReader reads headers and remembers whether one of them was not as the gateway writes them.
type headerReader struct {
	header http.Header
	bad    bool
}

func (h *headerReader) oauth2(prefix string) session.Identity {
	id := session.Identity{
		Subject: h.text(prefix + "User"), Email: h.text(prefix + "Email"), Groups: h.list(prefix + "Groups"),
		Username: h.text(prefix + "Preferred-Username"),
	}
	h.bad = h.bad || id.Subject == ""
	return id
}

func (h *headerReader) sessionward() session.Identity {
	id := session.Identity{
		Subject: h.text("X-Sessionward-Subject"), Username: h.text("X-Sessionward-User"),
		Email: h.text("X-Sessionward-Email"), EmailVerified: h.text("X-Sessionward-Email-Verified") == "true",
		Name: h.text("X-Sessionward-Name"), Groups: h.list("X-Sessionward-Groups"),
	}
	status := Status(h.text("X-Sessionward-Status"))
	h.bad = h.bad || id.Subject == "" || status != StatusValid && status != StatusStale
	return id
}

// raw returns the one value of a header in canonical form, "" when it is absent.
func (h *headerReader) raw(name string) string {
	h.bad = h.bad || len(h.header[name]) > 1
	return h.header.Get(name)
}

func (h *headerReader) text(name string) string {
	text, ok := unescape(h.raw(name))
	h.bad = h.bad || !ok
	return text
}

func (h *headerReader) list(name string) []string {
	elements, ok := splitList(h.raw(name), comma)
	h.bad = h.bad || !ok
	return elements
}
