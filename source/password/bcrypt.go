package password

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/sessionward/sessionward/session"
)

// The costs of bcrypt that are accepted.
const (
	MinBcryptCost = 10
	MaxBcryptCost = 16 // one comparison beyond takes seconds
)

const bcryptHashSize = 60

// BcryptCost returns the cost of a hash that is accepted; session.ErrMalformed for any other.
func BcryptCost(hash string) (int, error) {
	known := slices.ContainsFunc([]string{"$2a$", "$2b$", "$2y$"}, func(p string) bool { return strings.HasPrefix(hash, p) })
	if !known || len(hash) != bcryptHashSize {
		return 0, fmt.Errorf("%w: only bcrypt hashes are accepted: make it with htpasswd -B", session.ErrMalformed)
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || strings.Trim(hash[7:], "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
		return 0, fmt.Errorf("%w: the bcrypt hash is damaged: make it again with htpasswd -B", session.ErrMalformed)
	}
	if cost < MinBcryptCost || cost > MaxBcryptCost {
		return 0, fmt.Errorf("%w: bcrypt cost %d is not between %d and %d: make it again with htpasswd -B -C 12", session.ErrMalformed, cost, MinBcryptCost, MaxBcryptCost)
	}
	return cost, nil
}
