package source

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/source/authority"
)

// LocalOptions configure users and keys of the gateway's own.
type LocalOptions struct {
	// HtpasswdFile holds users with bcrypt hashes of cost 10 to 16. It is read again when it changes; a file that
	// makes no sense leaves the users as they were. Without it nobody logs in with a password.
	HtpasswdFile string `yaml:"htpasswd_file"`
	// Users say more about users. A user that is not in the password file cannot log in with a password.
	Users []LocalUser `yaml:"users"`

	APIKeys []APIKey `yaml:"api_keys"`
	// APIKeyHeader carries a key; default X-Api-Key. "Authorization: Bearer swk_…" always does.
	APIKeyHeader string `yaml:"api_key_header"`

	MaxFailuresPerUser int           `yaml:"max_failures_per_user"` // before a user has to wait; default 5
	MaxFailuresPerIP   int           `yaml:"max_failures_per_ip"`   // before an address has to wait; default 20
	FailureWindow      time.Duration `yaml:"failure_window"`        // failures are counted this long; default 5m
}

// LocalUser describes a user.
type LocalUser struct {
	Username string   `yaml:"username"` // exactly as in the password file; upper and lower case differ
	Email    string   `yaml:"email"`    // taken as verified: the operator wrote it
	Name     string   `yaml:"name"`
	Groups   []string `yaml:"groups"`
}

// takes are the API keys.
func (o *LocalOptions) takes() authority.Credentials {
	if len(o.APIKeys) == 0 {
		return authority.Credentials{}
	}
	return authority.Credentials{Header: cmp.Or(o.APIKeyHeader, defaultKeyHeader), Bearer: true, Prefix: keyPrefix}
}

func (o *LocalOptions) check(p *authority.Problems) {
	if o.HtpasswdFile == "" && len(o.APIKeys) == 0 {
		p.Add("local", "has neither users nor keys", "set htpasswd_file or api_keys")
	}
	seen := map[string]bool{}
	for i, u := range o.Users {
		at := fmt.Sprintf("local.users[%d].username", i)
		if !validUsername(u.Username) {
			p.Add(at, "must be printable ASCII without spaces and colons", "write it as in the password file")
		}
		if folded := strings.ToLower(u.Username); seen[folded] {
			p.Add(at, "stands twice, or twice but for upper and lower case", "keep one")
		} else {
			seen[folded] = true
		}
	}
	checkAPIKeys(o.APIKeys, p)
	if o.APIKeyHeader != "" && !validHeaderName(o.APIKeyHeader) {
		p.Add("local.api_key_header", "must be a header of its own", "leave it out for X-Api-Key")
	}
	if o.MaxFailuresPerUser < 0 || o.MaxFailuresPerIP < 0 || o.FailureWindow < 0 {
		p.Add("local.max_failures_per_user", "and its neighbours must not be negative", "leave them out for the defaults")
	}
}

// validHeaderName reports whether name is a header a credential may have to itself.
func validHeaderName(name string) bool {
	shared := []string{"Authorization", "Cookie", "Host", "Proxy-Authorization", "Content-Type", "Content-Length"}
	return madeOf(name, "-", len(name)) && !slices.Contains(shared, http.CanonicalHeaderKey(name))
}
