package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// How records and index keys are laid out in bytes. All numbers are big-endian.
//
//	record   format(1) version(8) expiry(12) number of terms(2) { length(2) term }… data
//	term     length of the term(2) term key
//	expiry   expiry(12) key
//
// The length before a term makes "user:a"+"b…" and "user:ab"+"…" different keys whatever bytes they hold. An expiry
// is seconds since 1970 with the sign bit turned (8), so that bytes order as times do, and nanoseconds (4).
const (
	recordFormat = 1
	expirySize   = 12
	termsAt      = 1 + 8 + expirySize
	recordHead   = termsAt + 2
	signBit      = 1 << 63
)

// errRecord is what every record that cannot be read wraps.
var errRecord = errors.New("damaged record")

// encoded is a record as it lies in a file, its bounds checked. Its slices are those of the bytes it was parsed from.
// The zero encoded stands for no record.
type encoded struct {
	version   uint64
	expiresAt time.Time
	terms     []byte // length and term, again and again
	data      []byte
}

// encodeRecord returns a record with room for its version; see setVersion.
func encodeRecord(expiresAt time.Time, terms []string, data []byte) []byte {
	size := recordHead + len(data)
	for _, t := range terms {
		size += 2 + len(t)
	}
	b := make([]byte, 0, size)
	b = append(b, recordFormat)
	b = binary.BigEndian.AppendUint64(b, 0)
	b = appendTime(b, expiresAt)
	b = binary.BigEndian.AppendUint16(b, uint16(len(terms)))
	for _, t := range terms {
		b = appendTerm(b, t)
	}
	return append(b, data...)
}

// setVersion writes version into what encodeRecord returned.
func setVersion(record []byte, version uint64) { binary.BigEndian.PutUint64(record[1:], version) }

// parseRecord checks b and returns its parts, which share its memory.
func parseRecord(b []byte) (encoded, error) {
	if len(b) < recordHead {
		return encoded{}, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	}
	if b[0] != recordFormat {
		return encoded{}, fmt.Errorf("%w: unknown format %d", errRecord, b[0])
	}
	e := encoded{version: binary.BigEndian.Uint64(b[1:])}
	var ok bool
	if e.expiresAt, ok = parseTime(b[9:]); !ok || e.version == 0 {
		return encoded{}, fmt.Errorf("%w: bad version or expiry", errRecord)
	}
	n := int(binary.BigEndian.Uint16(b[termsAt:]))
	rest := b[recordHead:]
	for range n {
		if rest, ok = skipTerm(rest); !ok {
			return encoded{}, fmt.Errorf("%w: terms end early", errRecord)
		}
	}
	body := len(b) - len(rest)
	e.terms, e.data = b[recordHead:body], b[body:]
	return e, nil
}

func skipTerm(b []byte) (rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, false
	}
	end := 2 + int(binary.BigEndian.Uint16(b))
	if len(b) < end {
		return nil, false
	}
	return b[end:], true
}

// termList returns copies of the terms.
func (e encoded) termList() []string {
	var terms []string
	for rest := e.terms; len(rest) > 0; {
		n := 2 + int(binary.BigEndian.Uint16(rest))
		terms, rest = append(terms, string(rest[2:n])), rest[n:]
	}
	return terms
}

// has reports whether term is among the terms, without allocating.
func (e encoded) has(term string) bool {
	for rest := e.terms; len(rest) > 0; {
		n := 2 + int(binary.BigEndian.Uint16(rest))
		if string(rest[2:n]) == term {
			return true
		}
		rest = rest[n:]
	}
	return false
}

func appendTerm(b []byte, term string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(term)))
	return append(b, term...)
}

// termKey is the key of the index entry that says that the record under key carries term. All entries of a term
// begin with termKey(term, "") and no entry of another does.
func termKey(term, key string) []byte {
	b := make([]byte, 0, 2+len(term)+len(key))
	return append(appendTerm(b, term), key...)
}

// expiryKey is the key of the index entry that says that the record under key ends at the given time.
func expiryKey(at time.Time, key string) []byte {
	b := make([]byte, 0, expirySize+len(key))
	return append(appendTime(b, at), key...)
}

// parseExpiryKey undoes expiryKey.
func parseExpiryKey(b []byte) (at time.Time, key string, ok bool) {
	if len(b) <= expirySize {
		return time.Time{}, "", false
	}
	at, ok = parseTime(b)
	return at, string(b[expirySize:]), ok
}

func appendTime(b []byte, t time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix())^signBit)
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// parseTime reads the time b begins with. Times no Swap accepts are refused.
func parseTime(b []byte) (time.Time, bool) {
	if len(b) < expirySize {
		return time.Time{}, false
	}
	sec, nsec := int64(binary.BigEndian.Uint64(b)^signBit), binary.BigEndian.Uint32(b[8:])
	if sec < firstSecond || sec > lastSecond || nsec >= uint32(time.Second) {
		return time.Time{}, false
	}
	return time.Unix(sec, int64(nsec)).UTC(), true
}
