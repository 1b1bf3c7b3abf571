package pingam

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Profile says which of the two products answers.
type Profile string

// The profiles.
const (
	PingAM Profile = "pingam" // the subject's tokenId in the body, resource versions 3.0 to 5.1
	OpenAM Profile = "openam" // tokenId as a query parameter, resource versions 1.1, 1.2 and 2.0
)

// Options configure a Peer. The zero value is PingAM with alice and an administrator in the root realm and bob in /alpha.
type Options struct {
	Profile    Profile // "": PingAM
	Base       string  // context path; "": /am, for OpenAM /openam
	CookieName string  // of the session cookie and of the header; "": iPlanetDirectoryPro
	Users      []User  // nil: see DefaultUsers

	IdleTimeout time.Duration // 0: 30m
	MaxLifetime time.Duration // 0: 120m
	// UpdateEvery is how often the latest access time is written at most; 0: 60s.
	UpdateEvery time.Duration

	// Editable are the session properties that users may read and change; nil: LoginLocation and color.
	Editable []string
	// Shown are the properties in the answers of getSessionInfo; nil: AMCtxId.
	Shown []string

	ClientSide bool // sessions are JWTs of 2000 bytes and more, without an idle clock
	HTTPOnly   bool // authenticate leaves tokenId out of its body: it is in the cookie alone
	// DeadSubjectUnauthorized has getSessionInfo answer 401 about a dead subject, and not 200 {"valid":false}.
	DeadSubjectUnauthorized bool
	NoDefaultVersion        bool   // requests without Accept-API-Version are 400
	NoLogoutByUser          bool   // as servers before resource version 5.1
	MaxResults              int    // of a query; 0: 120
	AccessToken             string // taken as "Authorization: Bearer" of an administrator; "": none
}

// User can log in.
type User struct {
	Username string
	Password string
	Realm    string // "": /
	Admin    bool   // may act on the sessions of others in this realm and below
	Code     string // asked for in a second step; "": one step
}

// DefaultUsers can log in where Options name none.
func DefaultUsers() []User {
	return []User{
		{Username: "alice", Password: "wonderland", Realm: "/"},
		{Username: "bob", Password: "builder-of-alpha", Realm: "/alpha"},
		{Username: "carol", Password: "two-steps", Realm: "/", Code: "123456"},
		{Username: "amAdmin", Password: "administrator-4711", Realm: "/", Admin: true},
	}
}

func (o Options) withDefaults() (Options, error) {
	o.Profile = cmp.Or(o.Profile, PingAM)
	base := "/am"
	if o.Profile == OpenAM {
		base = "/openam"
	}
	o.Base = strings.TrimSuffix(cmp.Or(o.Base, base), "/")
	o.CookieName = cmp.Or(o.CookieName, "iPlanetDirectoryPro")
	if o.Users == nil {
		o.Users = DefaultUsers()
	}
	for i, u := range o.Users {
		o.Users[i].Realm = cmp.Or(u.Realm, "/")
	}
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 30*time.Minute)
	o.MaxLifetime = cmp.Or(o.MaxLifetime, 120*time.Minute)
	o.UpdateEvery = cmp.Or(o.UpdateEvery, 60*time.Second)
	o.MaxResults = cmp.Or(o.MaxResults, 120)
	if o.Editable == nil {
		o.Editable = []string{"LoginLocation", "color"}
	}
	if o.Shown == nil {
		o.Shown = []string{"AMCtxId"}
	}
	if o.Profile != PingAM && o.Profile != OpenAM {
		return o, fmt.Errorf("pingam: profile %q: must be %s or %s", o.Profile, PingAM, OpenAM)
	}
	return o, nil
}
