package kratos

import (
	"cmp"
	"io"
	"slices"
	"time"
)

// Options configure a Kratos. The zero value is a Kratos as Ory ships it, with one user alice (wonderland).
type Options struct {
	// Binary is a Kratos v1.3.1 with SQLite. Default: the one built from tools/kratos, once for each machine.
	Binary string
	Users  []User // default alice

	// URL is where somebody else serves the public door (see Peer.ServeHTTP); default: the peer serves it itself, at Listen.
	URL         string
	Listen      string // of the public door; default 127.0.0.1:0
	AdminListen string // of the administrators' door; default 127.0.0.1:0
	// ReturnURLs are prefixes of where a browser may come back to after login.
	ReturnURLs []string
	// DefaultReturnURL is where a browser goes that names no place to come back to; default a page of the peer.
	DefaultReturnURL string

	CookieName  string        // default ory_kratos_session
	Lifespan    time.Duration // of sessions; default 24h
	ExtendUntil time.Duration // earliest_possible_extend: how long before its end a session can be extended; 0: always
	// FasterExtend answers an extension with 204 instead of the session (feature flag faster_session_extend).
	FasterExtend bool
	// RequiredAAL of whoami; default highest_available: whoever has a second factor must have shown it.
	RequiredAAL string
	// CacheFor makes whoami say for how long its answer may be kept, at most this long (feature flag
	// cacheable_sessions); 0: it says nothing.
	CacheFor time.Duration
	// Tokenizers are the templates of tokenize_as, each with the lifetime of its tokens; default gateway (1m).
	Tokenizers map[string]time.Duration

	Log io.Writer // what Kratos prints; nil: nothing, except at the end of a start that failed
}

// User is a person who can log in by username or e-mail address.
type User struct {
	Username string
	Password string // Kratos wants eight characters or more
	Email    string // default USERNAME@corp.example
	Name     string
	Groups   []string // metadata_public.groups, which administrators alone can change
	Claimed  []string // traits.groups, which people can change themselves
	// Public and Admin are more of metadata_public, and metadata_admin. Admin must never leave Kratos' administrators.
	Public map[string]any
	Admin  map[string]any
}

// Alice is the user of a Kratos without Users.
func Alice() User {
	return User{
		Username: "alice", Password: "wonderland", Email: "alice@corp.example", Name: "Alice Liddell",
		Groups: []string{"staff", "admins"}, Claimed: []string{"root"},
		Public: map[string]any{"tier": "gold"}, Admin: map[string]any{"note": "planted-admin-note-1865"},
	}
}

func (o Options) withDefaults() Options {
	o.Users = slices.Clone(o.Users)
	if len(o.Users) == 0 {
		o.Users = []User{Alice()}
	}
	for i, u := range o.Users {
		o.Users[i].Email = cmp.Or(u.Email, u.Username+"@corp.example")
	}
	o.Listen = cmp.Or(o.Listen, "127.0.0.1:0")
	o.AdminListen = cmp.Or(o.AdminListen, "127.0.0.1:0")
	o.CookieName = cmp.Or(o.CookieName, "ory_kratos_session")
	o.Lifespan = cmp.Or(o.Lifespan, 24*time.Hour)
	o.RequiredAAL = cmp.Or(o.RequiredAAL, "highest_available")
	if o.Tokenizers == nil {
		o.Tokenizers = map[string]time.Duration{"gateway": time.Minute}
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}
