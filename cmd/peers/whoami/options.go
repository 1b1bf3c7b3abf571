package whoami

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// The paths the endpoint answers on.
const (
	MePath     = "/api/me"     // GET or POST: whose session this is
	LoginPath  = "/login"      // GET: a page; POST username and password: a session
	LogoutPath = "/api/logout" // POST or DELETE: ends the session
)

// Options configure a Peer. The zero value has one user, alice with the password wonderland.
type Options struct {
	Users []User `yaml:"users"`

	Cookie string `yaml:"cookie"` // its name; "": app_session
	Header string `yaml:"header"` // its name; "": X-App-Session
	// TenantCookie is the name of a second cookie: a session is found only where that holds its user's tenant. "": none.
	TenantCookie string `yaml:"tenant_cookie"`
	// ServiceKey must stand in X-Service-Key of every question, or it is answered with 403. "": none.
	ServiceKey string `yaml:"service_key"`

	SessionTTL time.Duration `yaml:"session_ttl"` // 0: 8 h
	// IdleTimeout ends a session nobody asked about for so long: every question is a use. 0: 30 min.
	IdleTimeout time.Duration `yaml:"idle_timeout"`

	// SoftNo answers 200 and "authenticated": false where others answer 401.
	SoftNo bool `yaml:"soft_no"`
	// UnixTimes writes times as seconds since 1970 in place of RFC 3339.
	UnixTimes bool `yaml:"unix_times"`
}

// User is one person with a session here, now and then.
type User struct {
	ID            int64    `yaml:"id"` // positive; may be beyond what a float holds
	Username      string   `yaml:"username"`
	Password      string   `yaml:"password"`
	Name          string   `yaml:"name"`
	Email         string   `yaml:"email"`
	EmailVerified bool     `yaml:"email_verified"`
	Roles         []string `yaml:"roles"`
	Tenant        string   `yaml:"tenant"`
	// Locked users keep their sessions, which are answered with 403.
	Locked bool `yaml:"locked"`
}

func (o Options) withDefaults() Options {
	if len(o.Users) == 0 {
		o.Users = []User{{
			ID: 1001, Username: "alice", Password: "wonderland", Name: "Alice Liddell", Email: "alice@example.com",
			EmailVerified: true, Roles: []string{"staff", "readers"}, Tenant: "acme",
		}}
	}
	o.Cookie, o.Header = cmp.Or(o.Cookie, "app_session"), cmp.Or(o.Header, "X-App-Session")
	o.SessionTTL, o.IdleTimeout = cmp.Or(o.SessionTTL, 8*time.Hour), cmp.Or(o.IdleTimeout, 30*time.Minute)
	return o
}

// check returns all that is wrong with o, one error a line.
func (o Options) check() error {
	var errs []error
	if o.SessionTTL < 0 || o.IdleTimeout < 0 {
		errs = append(errs, errors.New("whoami: session_ttl and idle_timeout must not be negative"))
	}
	seen := map[string]bool{}
	for i, u := range o.Users {
		if u.ID <= 0 || u.Username == "" || u.Password == "" || seen[u.Username] {
			errs = append(errs, fmt.Errorf("whoami: users[%d]: needs a positive id, a username of its own and a password", i))
		}
		seen[u.Username] = true
	}
	return errors.Join(errs...)
}
