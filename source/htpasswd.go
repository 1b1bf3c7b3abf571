package source

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/sessionward/sessionward/session"
)

const (
	minBcryptCost  = 10
	maxBcryptCost  = 16 // one comparison beyond takes seconds
	maxHtpasswd    = 16 << 20
	maxUsername    = 128
	bcryptHashSize = 60
)

// passwords is an htpasswd file read whole: user to bcrypt hash.
type passwords struct {
	hash map[string][]byte
	cost map[string]int
	max  int            // the highest cost in the file
	mock map[int][]byte // for each cost from the lowest to max, a hash no password has
}

// readPasswords reads an htpasswd file. Only bcrypt hashes ($2a$, $2b$, $2y$) of cost 10 to 16 are accepted; errors
// name the line and never show what stands there.
func readPasswords(r io.Reader) (*passwords, error) {
	p := &passwords{hash: map[string][]byte{}, cost: map[string]int{}, mock: map[int][]byte{}}
	folded := map[string]bool{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimRight(lines.Bytes(), "\r")
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		user, hash, _ := strings.Cut(string(line), ":")
		if err := p.add(user, hash, folded); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", session.ErrMalformed, err)
	}
	p.makeMocks()
	return p, nil
}

func (p *passwords) add(user, hash string, folded map[string]bool) error {
	if !validUsername(user) {
		return fmt.Errorf("%w: user names are 1 to %d printable ASCII characters without spaces and colons", session.ErrMalformed, maxUsername)
	}
	if folded[strings.ToLower(user)] {
		return fmt.Errorf("%w: the user stands twice, or twice but for upper and lower case: keep one", session.ErrMalformed)
	}
	cost, err := bcryptCost(hash)
	if err != nil {
		return err
	}
	folded[strings.ToLower(user)] = true
	p.hash[user], p.cost[user], p.max = []byte(hash), cost, max(p.max, cost)
	return nil
}

// bcryptCost returns the cost of a hash that is accepted.
func bcryptCost(hash string) (int, error) {
	known := slices.ContainsFunc([]string{"$2a$", "$2b$", "$2y$"}, func(p string) bool { return strings.HasPrefix(hash, p) })
	if !known || len(hash) != bcryptHashSize {
		return 0, fmt.Errorf("%w: only bcrypt hashes are accepted: make it with htpasswd -B", session.ErrMalformed)
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || strings.Trim(hash[7:], "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
		return 0, fmt.Errorf("%w: the bcrypt hash is damaged: make it again with htpasswd -B", session.ErrMalformed)
	}
	if cost < minBcryptCost || cost > maxBcryptCost {
		return 0, fmt.Errorf("%w: bcrypt cost %d is not between %d and %d: make it again with htpasswd -B -C 12", session.ErrMalformed, cost, minBcryptCost, maxBcryptCost)
	}
	return cost, nil
}

// makeMocks writes hashes that no known password has, for work that must look like a comparison.
func (p *passwords) makeMocks() {
	p.max = max(p.max, minBcryptCost)
	for cost := minBcryptCost; cost <= p.max; cost++ {
		p.mock[cost] = fmt.Appendf(nil, "$2a$%02d$%s%s", cost, strings.Repeat("x", 22), strings.Repeat("y", 31))
	}
}

// validUsername: printable ASCII only, so that no two names look or fold alike, and no name needs trimming.
func validUsername(user string) bool {
	for _, c := range []byte(user) {
		if c <= ' ' || c > '~' || c == ':' {
			return false
		}
	}
	return user != "" && len(user) <= maxUsername
}
