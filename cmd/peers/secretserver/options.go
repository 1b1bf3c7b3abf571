package secretserver

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The defaults of the real server.
const (
	DefaultTimeout      = 20 * time.Minute
	DefaultMaxRefreshes = 3
	// refreshGrace is how much longer a refresh token lives than its session.
	refreshGrace = 15 * time.Minute
	// unlimited is what this stand-in takes for a session without an end; the real figure is not published.
	unlimited = 365 * 24 * time.Hour
)

// Options configure a Peer. The zero value is a server in its default settings that knows alice / wonderland.
type Options struct {
	// Users who can log in. None: alice / wonderland, without a domain.
	Users []User
	// Path is where the application lives on its host, "/SecretServer" on most installations; "" is the root, as in
	// the cloud.
	Path string
	// Timeout is the API session timeout: how long an access token lives. 0: DefaultTimeout. Unlimited switches it
	// off, and with it the refresh tokens.
	Timeout   time.Duration
	Unlimited bool
	// RefreshTokensOff issues none.
	RefreshTokensOff bool
	// MaxRefreshes is how often a session can be refreshed after its login. 0: DefaultMaxRefreshes.
	MaxRefreshes int
	// Version is what the server says it is. "": 11.7.000049. WrappedVersion answers as older servers do.
	Version        string
	WrappedVersion bool
	// NoSessionList leaves out the calls under /users/sessions, as older servers do.
	NoSessionList bool
}

// User is somebody who can log in.
type User struct {
	ID          int    // 0: 12 and up
	Username    string // mandatory
	Password    string // mandatory
	Domain      string // must be given at login, in any case of letters; "": a local user, who gives none
	OTP         string // the one-time password that must come with the login; "": none
	DisplayName string
	Email       string
}

func (o Options) withDefaults() Options {
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	if o.Unlimited {
		o.Timeout = unlimited
	}
	o.MaxRefreshes = cmp.Or(o.MaxRefreshes, DefaultMaxRefreshes)
	o.Version = cmp.Or(o.Version, "11.7.000049")
	o.Users = slices.Clone(o.Users)
	if len(o.Users) == 0 {
		o.Users = []User{{Username: "alice", Password: "wonderland", DisplayName: "Alice Liddell", Email: "alice@example.com"}}
	}
	for i := range o.Users {
		o.Users[i].ID = cmp.Or(o.Users[i].ID, firstUserID+i)
	}
	return o
}

func (o Options) check() error {
	if o.Path != "" && (!strings.HasPrefix(o.Path, "/") || strings.HasSuffix(o.Path, "/")) {
		return fmt.Errorf("secretserver: path: %q must begin with '/' and not end with one", o.Path)
	}
	if o.Timeout < 0 || o.MaxRefreshes < 0 {
		return errors.New("secretserver: timeout and refreshes must not be negative")
	}
	seen := map[string]bool{}
	for i, u := range o.Users {
		name := u.name()
		if u.Username == "" || u.Password == "" || seen[name] {
			return fmt.Errorf("secretserver: users[%d]: user name and password must be there and the user not twice", i)
		}
		seen[name] = true
	}
	return nil
}

// name is what tells users apart.
func (u User) name() string { return strings.ToLower(u.Domain + `\` + u.Username) }
