package powership

import (
	"crypto/rand"
	"strings"
	"time"
)

// crockford are the digits of a ULID (ULID specification): base 32 without I, L, O and U.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	ulidSize     = 26
	ulidTimeSize = 10 // digits of it that are the time in milliseconds
)

// newULID makes an id that sorts by the time it was made at: 48 bits of milliseconds and 80 random bits.
func newULID(now time.Time) string {
	var id [ulidSize]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the process instead
	for i := range id {
		id[i] = crockford[id[i]&31]
	}
	ms := uint64(max(now.UnixMilli(), 0))
	for i := ulidTimeSize - 1; i >= 0; i-- {
		id[i] = crockford[ms&31]
		ms >>= 5
	}
	return string(id[:])
}

// ulidTime reads when an id was made, in UTC; the zero time when it is no ULID.
func ulidTime(id string) time.Time {
	if len(id) != ulidSize || id[0] > '7' {
		return time.Time{}
	}
	var ms int64
	for i := range id {
		digit := strings.IndexByte(crockford, id[i])
		if digit < 0 {
			return time.Time{}
		}
		if i < ulidTimeSize {
			ms = ms<<5 | int64(digit)
		}
	}
	return time.UnixMilli(ms).UTC()
}
