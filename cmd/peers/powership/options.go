package powership

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The defaults of Options.
const (
	DefaultSecret        = "987654321"
	DefaultTokenDuration = 7 * 24 * time.Hour
	DefaultGrace         = 10 * time.Second
)

// Options configure a Peer. The zero value has one user, alice with the password wonderland.
type Options struct {
	Users  []User `yaml:"users"`
	Secret string `yaml:"secret"` // signs tokens; "": DefaultSecret

	TokenDuration time.Duration `yaml:"token_duration"` // 0: DefaultTokenDuration
	// Bearer is what a gateway must show to be answered; "": nobody is asked for anything.
	Bearer string `yaml:"bearer"`
	// Strict refuses a token that is neither the newest of its session nor the one before within Grace. The library
	// itself is never strict.
	Strict bool          `yaml:"strict"`
	Grace  time.Duration `yaml:"grace"` // 0: DefaultGrace
	// Bare hands the library's own answers through: true for a logout, a number for an invalidation, and a logout with
	// a token that cannot be verified ends all sessions of the account without saying so.
	Bare bool `yaml:"bare"`
	// RefuseDeactivated answers UserDeactivated for deactivated accounts, which the library itself does not.
	RefuseDeactivated bool `yaml:"refuse_deactivated"`
	// GraphIDs names sessions in tokens by their encoded id (~!…) instead of their cursor. Both are in use.
	GraphIDs bool `yaml:"graph_ids"`

	// Now is the clock of the application; nil: the panel's.
	Now func() time.Time `yaml:"-"`
}

// User is one account.
type User struct {
	AccountID     string   `yaml:"account_id"`
	Username      string   `yaml:"username"`
	Password      string   `yaml:"password"`
	Email         string   `yaml:"email"`
	EmailVerified bool     `yaml:"email_verified"`
	Permissions   []string `yaml:"permissions"`
	Deactivated   bool     `yaml:"deactivated"`
}

// Alice is the user there is by default.
func Alice() User {
	return User{
		AccountID: "01GM7285ZR7MX76PNMF3G2MD3P", Username: "alice", Password: "wonderland", Email: "alice@example.com",
		EmailVerified: true, Permissions: []string{"admin_profile:01GM7285ZR7MX76PNMF3G2MD3P", "staff"},
	}
}

func (o Options) withDefaults() Options {
	if len(o.Users) == 0 {
		o.Users = []User{Alice()}
	}
	o.Users = slices.Clone(o.Users)
	o.Secret = cmp.Or(o.Secret, DefaultSecret)
	o.TokenDuration = cmp.Or(o.TokenDuration, DefaultTokenDuration)
	o.Grace = cmp.Or(o.Grace, DefaultGrace)
	return o
}

func (o Options) check() error {
	if o.TokenDuration < time.Second {
		return fmt.Errorf("powership: token_duration: %s is too short: use at least 1s", o.TokenDuration)
	}
	seen := map[string]bool{}
	for i, u := range o.Users {
		if u.AccountID == "" || u.Username == "" || u.Password == "" {
			return fmt.Errorf("powership: users[%d]: account_id, username and password must not be empty", i)
		}
		if seen[u.AccountID] || seen[u.Username] {
			return fmt.Errorf("powership: users[%d]: account_id or username is taken by an earlier user", i)
		}
		seen[u.AccountID], seen[u.Username] = true, true
	}
	if o.Grace < 0 {
		return errors.New("powership: grace must not be negative")
	}
	return nil
}
