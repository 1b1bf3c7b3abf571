package powership

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
	"github.com/sessionward/sessionward/source/password"
)

// maxName bounds a name in an accounts file, in bytes.
const maxName = 128

// accountEntry is one account as it stands in the file.
type accountEntry struct {
	ID           string   `yaml:"id"`
	Username     string   `yaml:"username"`
	PasswordHash string   `yaml:"password_hash"` // bcrypt; "": nobody logs in with a password
	Email        string   `yaml:"email"`         // taken as verified
	Name         string   `yaml:"name"`
	Groups       []string `yaml:"groups"`
	Deactivated  bool     `yaml:"deactivated"`
}

// accounts is an accounts file read whole. It never changes.
type accounts struct {
	byCursor   map[cursor]*accountEntry
	byUsername map[string]*accountEntry
	cost       int // the highest of the password hashes
}

// openAccounts reads the accounts file for the first time, and again when it changes.
func openAccounts(path string, d authority.Deps) (*password.File[*accounts], error) {
	return password.OpenFile(password.FileOptions[*accounts]{
		Setting: "accounts_file", Path: path, Read: readAccounts, Now: d.Now, Log: d.Log,
		Count: func(a *accounts) int { return len(a.byCursor) },
	})
}

// readAccounts reads an accounts file, YAML or JSON. Errors name the account by its number and never show what stands
// there.
func readAccounts(text []byte) (*accounts, error) {
	var file struct {
		Accounts []accountEntry `yaml:"accounts"`
	}
	if err := yaml.Load(text, &file, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("%w: is not a list of accounts in YAML or JSON, or has a key that is not known", session.ErrMalformed)
	}
	a := &accounts{byCursor: map[cursor]*accountEntry{}, byUsername: map[string]*accountEntry{}, cost: password.MinBcryptCost}
	folded := map[string]bool{}
	for i := range file.Accounts {
		if err := a.add(&file.Accounts[i], folded); err != nil {
			return nil, fmt.Errorf("%w: accounts[%d]: %w", session.ErrMalformed, i, err)
		}
	}
	return a, nil
}

func (a *accounts) add(e *accountEntry, folded map[string]bool) error {
	switch {
	case !plainKey(e.ID) || !printable(e.ID):
		return fmt.Errorf("id: is missing or holds more than printable ASCII: use a ULID, as the library does")
	case a.byCursor[accountCursor(e.ID)] != nil:
		return fmt.Errorf("id: stands twice")
	case !printable(e.Username):
		return fmt.Errorf("username: must be 1 to %d printable ASCII characters without spaces", maxName)
	case folded[strings.ToLower(e.Username)]:
		return fmt.Errorf("username: stands twice, or twice but for upper and lower case")
	}
	if e.PasswordHash != "" {
		cost, err := password.BcryptCost(e.PasswordHash)
		if err != nil {
			return fmt.Errorf("password_hash: %w", err)
		}
		a.cost = max(a.cost, cost)
	}
	folded[strings.ToLower(e.Username)] = true
	a.byCursor[accountCursor(e.ID)], a.byUsername[e.Username] = e, e
	return nil
}

// printable: so that no two names look or fold alike, and no name needs trimming.
func printable(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// account returns what others may know of e.
func (e *accountEntry) account() Account {
	return Account{
		ID: e.ID, Username: e.Username, Email: e.Email, EmailVerified: e.Email != "", Name: e.Name,
		Groups: slices.Clone(e.Groups), Deactivated: e.Deactivated,
	}
}

// clone shares no memory with a, as deep as hooks may write.
func (a Account) clone() Account {
	a.Groups, a.Claims = slices.Clone(a.Groups), maps.Clone(a.Claims)
	return a
}
