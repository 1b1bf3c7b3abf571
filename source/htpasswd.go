package source

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/password"
)

const maxUsername = 128 // bytes

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
	cost, err := password.BcryptCost(hash)
	if err != nil {
		return err
	}
	folded[strings.ToLower(user)] = true
	p.hash[user], p.cost[user], p.max = []byte(hash), cost, max(p.max, cost)
	return nil
}

// makeMocks writes hashes that no known password has, for work that must look like a comparison.
func (p *passwords) makeMocks() {
	p.max = max(p.max, password.MinBcryptCost)
	for cost := password.MinBcryptCost; cost <= p.max; cost++ {
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
