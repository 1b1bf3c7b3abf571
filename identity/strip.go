package identity

import (
	"bytes"
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// maxFolded is the number of letters and digits of a name that are compared. A longer name given to NewStripper is
// taken as a prefix: removing more than asked is the safe side.
const maxFolded = 128

// Stripper removes headers by what their names mean rather than by how they are spelled: two names are the same when
// they are equal after lower-casing and dropping every byte that is no ASCII letter or digit. CGI, PHP, WSGI and many
// servers fold names in that way, so X_Forwarded_User, X.Forwarded.User and xforwardeduser are all X-Forwarded-User
// to some application. A Stripper is immutable and safe for concurrent use.
type Stripper struct {
	names    map[string]struct{}
	prefixes []string
	begins   [36]uint64 // by the first folded byte of a name: the second ones there are
}

// NewStripper returns a Stripper of names and of the built-in list of well-known identity names. A name that ends in
// '*' stands for all names that begin with it. Names without a letter or digit are ignored. Give it what
// [Headers.Names] returns, and [ForwardingNames] where the request is forwarded.
func NewStripper(names ...string) *Stripper {
	return newStripper(slices.Concat(identityNames(), names))
}

// newStripper returns a Stripper of names alone.
func newStripper(names []string) *Stripper {
	s := &Stripper{names: make(map[string]struct{})}
	for _, name := range names {
		s.add(name)
	}
	slices.SortFunc(s.prefixes, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	return s
}

func (s *Stripper) add(name string) {
	var buf [maxFolded]byte
	folded, whole := fold(&buf, name)
	if len(folded) == 0 {
		return
	}
	if first := symbol(folded[0]); len(folded) == 1 {
		s.begins[first] = ^uint64(0)
	} else {
		s.begins[first] |= 1 << symbol(folded[1])
	}
	if strings.HasSuffix(name, "*") || !whole {
		s.prefixes = append(s.prefixes, string(folded))
		return
	}
	s.names[string(folded)] = struct{}{}
}

// Strip removes every header of h whose name matches, in one pass. It is as right for trailers as for headers. It
// costs no allocation.
func (s *Stripper) Strip(h http.Header) {
	for name := range h {
		if s.Matches(name) {
			delete(h, name)
		}
	}
}

// Matches reports whether Strip removes a header of that name.
func (s *Stripper) Matches(name string) bool {
	if !s.mayMatch(name) {
		return false // most headers of most requests end here
	}
	var buf [maxFolded]byte
	folded, whole := fold(&buf, name)
	if _, ok := s.names[string(folded)]; ok && whole {
		return true
	}
	for _, p := range s.prefixes {
		if len(p) > len(folded) {
			return false
		}
		if bytes.HasPrefix(folded, []byte(p)) {
			return true
		}
	}
	return false
}

// fold writes the letters and digits of name into buf, in lower case, and reports whether all of them had room.
func fold(buf *[maxFolded]byte, name string) (folded []byte, whole bool) {
	n := 0
	for i := range len(name) {
		c := lower(name[i])
		if !alphanumeric(c) {
			continue
		}
		if n == len(buf) {
			return buf[:n], false
		}
		buf[n] = c
		n++
	}
	return buf[:n], true
}

// folded is fold as a string, for names that are looked at once.
func folded(name string) string {
	var buf [maxFolded]byte
	b, _ := fold(&buf, name)
	return string(b)
}

// mayMatch looks at the first two letters or digits of name only.
func (s *Stripper) mayMatch(name string) bool {
	first := -1
	for i := range len(name) {
		c := lower(name[i])
		switch {
		case !alphanumeric(c):
		case first < 0:
			first = symbol(c)
		default:
			return s.begins[first]>>symbol(c)&1 == 1
		}
	}
	return first >= 0 && s.begins[first] != 0
}

// symbol numbers the letters and digits that are left of a folded name from 0 to 35.
func symbol(c byte) int {
	if c >= 'a' {
		return int(c - 'a')
	}
	return int(c-'0') + 26
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

func alphanumeric(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
